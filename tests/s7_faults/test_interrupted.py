"""Ctrl-C between any two instructions of the launcher: the system goes on, whole, and can be used
as before.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from s4_user.capability_checks import clear, digests

import multikernel
from multikernel import FRAME, System
from multikernel.native._native import KINDS, VERDICTS
from multikernel.runtime.launch import PROGRAMS, REQUESTS

PAGE = 4096
SYSTEMS: dict[str, dict[str, Any]] = {
    "two-phase": {},
    "owner": {"capabilities": "owner"},
    "big": {"kernel": "shared"},
    "region": {"kernel": "shared", "lock_scope": "region"},
}


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(3, **SYSTEMS[request.param]) as booted:
        yield booted


@pytest.mark.parametrize("channel", [REQUESTS, PROGRAMS])
def test_a_request_whose_sender_was_interrupted_before_it_could_wait(channel: int) -> None:
    """More of them than the channel has lines, and programs among them that were never to be waited
    for.
    """
    with multikernel.boot(2) as system:
        for _ in range(70):
            system.launched.begin(
                1, channel, KINDS["RUN_BEGIN" if channel == PROGRAMS else "CAP_DIGEST"], 8
            )
            assert system.cores[1].run(abs, -3) == 3
            assert system.cores[1].digest() == (0, 0, 0)


def test_a_result_that_was_taken_and_not_kept() -> None:
    """A caller interrupted while a result was on its way asks once more."""
    with multikernel.boot(2) as system:
        task = system.cores[1].start(abs, -3)
        with system.launched.lock(1, PROGRAMS):
            while (reply := system.launched.poll(1, PROGRAMS, task._run.line, 1000)) is None:
                pass
        assert reply[0] == VERDICTS["OK"]
        assert task.result() == 3
        task._run.outcome = None
        assert task.result() == 3
        assert system.cores[1].run(abs, -4) == 4


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, and not that of whoever runs the tests."""


def until_interrupted(seconds: float, action: Callable[[], None]) -> None:
    """Does it again and again, and is interrupted after so long, wherever it is then."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(seconds, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
    try:
        timer.start()
        while True:
            action()
    except Interrupted:
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def work(system: System) -> None:
    ram = system.ram(64 * PAGE)
    frames = []
    for core in system.cores:
        frames += ram.copy(core).retype(FRAME, 4, PAGE, offset=core.index * 8 * PAGE)
    pages = [frame.map() for frame in frames[::3]]
    pages[0].write(0, b"x" * 100)
    assert pages[0].read(0, 100, core=1) == b"x" * 100
    assert not system.inspect()["replicas"]["differing"]
    assert system.cores[1].run(sum, [1, 2]) == 3
    ram.revoke()
    ram.delete()


def at_rest(system: System) -> list[tuple[int, ...]]:
    """What was begun by the interrupted goes on for a while."""
    while True:
        try:
            return digests(system)
        except AssertionError:
            time.sleep(0.001)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("times", [10, pytest.param(60, marks=pytest.mark.full)])
def test_wherever_it_comes(system: System, times: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    work(system)
    before = [mappings for _, _, *mappings in digests(system)]
    for _ in range(times):
        until_interrupted(rng.uniform(0.0001, 0.02), lambda: work(system))
        at_rest(system)
        clear(system)
        work(system)
    assert [mappings for _, _, *mappings in digests(system)] == before
    assert [count for _, count, *_ in digests(system)] == [1, 1, 1]
