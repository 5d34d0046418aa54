"""A wild pointer of a program stores garbage into what all cores share. The system may be lost; the
launcher, the user's own process, lives on, and where everything lies is known to everybody still.
"""

from __future__ import annotations

import ctypes
import random
import re
import threading

import pytest

import multikernel
from multikernel import System
from multikernel.errors import CoreDied, MultikernelError

PAGE = 4096


def shared_base() -> int:
    """Where what cores share begins: behind the page that says where all lies."""
    with open("/proc/self/maps") as maps:
        found = [re.match(r"([0-9a-f]+)-([0-9a-f]+) rw-s 00001000 ", line) for line in maps]
    (base,) = [int(one[1], 16) for one in found if one]
    return base


def scribbles(seed: int, words: int) -> None:
    base, draw = shared_base(), random.Random(seed)
    for _ in range(2000):
        value = draw.choice([0, 1, 3, (1 << 64) - 1, draw.getrandbits(64)])
        ctypes.c_uint64.from_address(base + draw.randrange(words) * 8).value = value


@pytest.mark.parametrize("seed", range(3))
def test_the_launcher_lives(kernel: str, seed: int) -> None:
    said: list[str] = []

    def uses(system: System) -> None:
        try:
            system.cores[2].run(scribbles, seed, PAGE // 8)
            for _ in range(30):
                system.unmap(system.map(system.allocate(PAGE)))
            system.inspect()
        except MultikernelError as error:
            said.append(type(error).__name__)

    system = multikernel.boot(cores=3, memory=1 << 20, kernel=kernel)
    user = threading.Thread(target=uses, args=(system,), daemon=True)
    user.start()
    user.join(2.0)
    system.close()
    user.join(20.0)
    assert not user.is_alive()


def stores_into_the_layout() -> None:
    ctypes.c_uint64.from_address(shared_base() - PAGE).value = 1


def test_nobody_can_write_where_things_lie(kernel: str) -> None:
    with multikernel.boot(cores=2, kernel=kernel) as system, pytest.raises(CoreDied):
        system.cores[1].run(stores_into_the_layout)
