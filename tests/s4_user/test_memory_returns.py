"""Memory of capabilities is handed out again once nobody has any of it, wherever the last
capability was, and not before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from s4_user.capability_checks import digests, held

import multikernel
from multikernel import CNODE, FRAME, RAM, Capability, System, errors

PAGE = 4096
PAGES = 16
CORES = 3

KERNELS: dict[str, dict[str, Any]] = {
    "two-phase": {"capabilities": "two-phase"},
    "owner": {"capabilities": "owner"},
    "shared": {"kernel": "shared"},
    "shared, by region": {"kernel": "shared", "lock_scope": "region"},
}


def test_on_one_core() -> None:
    with multikernel.boot(cores=1, memory=4 * PAGE) as system:
        for _ in range(3):
            ram = system.ram(4 * PAGE)
            frames = ram.retype(FRAME, 4)
            ram.delete()
            none_left(system)
            for frame in frames:
                frame.delete()


@pytest.fixture(params=KERNELS)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """With little memory."""
    with multikernel.boot(cores=CORES, memory=PAGES * PAGE, **KERNELS[request.param]) as system:
        yield system


def everything(system: System) -> Capability:
    """All of the memory there is."""
    return system.ram(PAGES * PAGE)


def none_left(system: System) -> None:
    before = digests(system)
    for ask in (lambda: system.ram(PAGE), lambda: system.allocate(PAGE)):
        with pytest.raises(errors.OutOfMemory):
            ask()
    assert digests(system) == before


def a_frame_elsewhere(ram: Capability) -> None:
    frames = ram.retype(FRAME, PAGES)
    frames[3].copy(1)
    for one in (ram, *frames):
        one.delete()


def two_copies_elsewhere(ram: Capability) -> None:
    ram.copy(1)
    ram.copy(2)
    ram.delete()


def moved_away(ram: Capability) -> None:
    ram.move(1).move(2)


def descendants_of_descendants(ram: Capability) -> None:
    (part,) = ram.copy(1).retype(RAM, 1, 8 * PAGE, offset=4 * PAGE)
    part.copy(2).retype(FRAME, 4, PAGE)[1].copy(0)
    part.copy(0)
    ram.delete()


def a_frame_on_core_0(ram: Capability) -> None:
    ram.retype(FRAME, 1, PAGE, offset=5 * PAGE)
    ram.delete()


def a_mapped_frame_elsewhere(ram: Capability) -> None:
    ram.retype(FRAME, 1, PAGE)[0].move(1).map()
    ram.delete()


def in_a_cnode_elsewhere(ram: Capability) -> None:
    """The CNode is of the same memory: nobody can reach what it holds, once it goes."""
    there = ram.copy(1)
    (cnode,) = there.retype(CNODE)
    there.retype(FRAME, 1, PAGE, offset=8 * PAGE, to=cnode)
    there.copy(to=cnode)
    there.delete()
    ram.delete()


LEFT: list[Callable[[Capability], None]] = [
    a_frame_elsewhere,
    two_copies_elsewhere,
    moved_away,
    descendants_of_descendants,
    a_frame_on_core_0,
    a_mapped_frame_elsewhere,
    in_a_cnode_elsewhere,
]


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__.replace("_", "-"))
def test_what_the_last_one_leaves(system: System, leave: Callable[[Capability], None]) -> None:
    """RAM goes before what was made of it: its memory belongs to the holders of that."""
    for _ in range(2):
        ram = everything(system)
        address = ram.address
        leave(ram)
        while left := [one for core in range(CORES) for one in held(system, core)]:
            none_left(system)
            random.Random(len(left)).choice(left).delete()
        again = everything(system)
        assert again.address == address
        again.delete()
        plain = system.allocate(PAGES * PAGE)
        system.free(plain)
        digests(system)


def test_pieces_come_back_one_by_one(system: System) -> None:
    rams = [system.ram(PAGE) for _ in range(PAGES)]
    there = [ram.move(1 + i % 2) for i, ram in enumerate(rams)]
    none_left(system)
    for i in (3, 4, 7):
        there[i].delete()
    got = {system.ram(PAGE).address for _ in range(3)}
    assert got == {rams[i].address for i in (3, 4, 7)}
    none_left(system)
    for i in (10, 11, 12):
        there[i].delete()
    with pytest.raises(errors.OutOfMemory):
        system.ram(4 * PAGE)
    assert system.ram(3 * PAGE).address == rams[10].address


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("seed", range(2))
def test_while_programs_pass_it_on(system: System, seed: int) -> None:
    """No two have the same memory from two times that it was handed out; in the end all of it is
    there.
    """
    tasks = [core.start(pass_on, seed * CORES + core.index, 40) for core in system.cores]
    for task in tasks:
        assert task.result()
    digests(system)
    for core in range(CORES):
        for one in held(system, core):
            if one.alive:
                one.delete()
    everything(system)


def pass_on(seed: int, rounds: int) -> bool:
    """Asks for RAM, makes Frames, sends them about, and deletes everything, in any order."""
    rng, here = random.Random(seed), multikernel.here()
    for _ in range(rounds):
        try:
            ram = here.ram(rng.randint(1, 4) * 4096)
        except errors.OutOfMemory:
            continue
        have = [ram, *ram.retype(FRAME, 1, 4096)]
        have += [one.copy(rng.randrange(here.cores)) for one in have if rng.random() < 0.5]
        rng.shuffle(have)
        for one in have:
            one.delete()
    return True
