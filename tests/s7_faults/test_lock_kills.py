"""Locks between real processes, which are killed while they hold them or wait: the robust lock goes
on and tells, all others say why nobody gets them.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import time
from collections.abc import Callable

import pytest
from sampling import more

from multikernel.errors import BadInput, LockTimeout
from multikernel.user.lock import LOCKS, Lock, lock_bytes

CORES = 4
COUNTER, TORN, TOLD = 3072, 3080, 3088
"""Where plain words lie behind the lock: what it guards, written in two steps."""


@pytest.fixture
def memory() -> mmap.mmap:
    return mmap.mmap(-1, 4096)


def get(memory: mmap.mmap, at: int) -> int:
    return int(struct.unpack_from("Q", memory, at)[0])


def put(memory: mmap.mmap, at: int, value: int) -> None:
    struct.pack_into("Q", memory, at, value)


def child(work: Callable[[], None]) -> int:
    process = os.fork()
    if process:
        return process
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.001)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


@pytest.mark.parametrize("kind", LOCKS)
def test_processes_count_together(memory: mmap.mmap, kind: str) -> None:
    lock = Lock(kind, memory, 0, CORES, fresh=True)

    def work(core: int) -> None:
        mine = Lock(kind, memory, core, CORES)
        for _ in range(2_000):
            with mine.held(60):
                put(memory, COUNTER, get(memory, COUNTER) + 1)

    children = [child(lambda core=core: work(core)) for core in range(1, CORES)]  # type: ignore[misc]
    assert [os.waitpid(one, 0)[1] for one in children] == [0] * len(children)
    with lock.held():
        assert get(memory, COUNTER) == 2_000 * len(children)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("kind", [kind for kind in LOCKS if kind != "robust"])
@pytest.mark.parametrize("waits", [False, True])
def test_a_dead_holder_is_named(memory: mmap.mmap, kind: str, waits: bool) -> None:
    """And one that died waiting, in a queue: the next behind it would wait for ever."""
    if waits and not LOCKS[kind]:
        pytest.skip("nobody is behind another")
    lock = Lock(kind, memory, 0, CORES, name="the counters", fresh=True)

    def holds() -> None:
        mine = Lock(kind, memory, 1, CORES)
        mine.acquire()
        put(memory, COUNTER, 1)
        time.sleep(1000)

    def queues() -> None:
        mine = Lock(kind, memory, 2, CORES)
        put(memory, TORN, 1)
        mine.acquire(1000)

    if waits:
        lock.acquire()
        dying = child(queues)
        until(lambda: get(memory, TORN) == 1)
        time.sleep(0.2)
        kill(dying)
        lock.release()
    else:
        dying = child(holds)
        until(lambda: get(memory, COUNTER) == 1)
        kill(dying)
    with pytest.raises(LockTimeout) as raised:
        lock.acquire(0.3)
    said = str(raised.value)
    assert kind in said
    assert "the counters" in said
    assert f"core {2 if waits else 1}" in said
    assert "dead" in said
    assert "robust" in raised.value.hint


def test_who_waits_for_itself_is_told(memory: mmap.mmap) -> None:
    lock = Lock("ttas", memory, 0, CORES, fresh=True)
    lock.acquire()
    with pytest.raises(LockTimeout) as raised:
        lock.acquire(0.1)
    assert raised.value.core == 0
    assert "itself" in str(raised.value)


def test_a_stopped_holder_goes_on(memory: mmap.mmap) -> None:
    """It is no dead one: the lock that could be left is got later."""
    lock = Lock("ttas", memory, 0, CORES, fresh=True)

    def holds() -> None:
        mine = Lock("ttas", memory, 1, CORES)
        with mine.held():
            put(memory, COUNTER, 1)
            os.kill(os.getpid(), signal.SIGSTOP)

    holder = child(holds)
    until(lambda: get(memory, COUNTER) == 1)
    os.waitpid(holder, os.WUNTRACED)
    with pytest.raises(LockTimeout) as raised:
        lock.acquire(0.1)
    assert "SIGCONT" in raised.value.hint
    os.kill(holder, signal.SIGCONT)
    lock.acquire()
    lock.release()
    os.waitpid(holder, 0)


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("seed", range(3))
def test_the_robust_lock_outlives_its_holders(memory: mmap.mmap, seed: int) -> None:
    """Processes are killed at any moment, holding it, waiting, or neither. What it guards is two
    words, written one after the other: whenever they differ, the next holder has been told."""
    chance = random.Random(seed)
    Lock("robust", memory, 0, CORES, fresh=True)

    def work(core: int) -> None:
        mine = Lock("robust", memory, core, CORES)
        while True:
            with mine.held(30) as died:
                if died:
                    put(memory, TOLD, get(memory, TOLD) + 1)
                    put(memory, TORN, get(memory, COUNTER))
                if get(memory, COUNTER) != get(memory, TORN):
                    os._exit(3)
                put(memory, COUNTER, get(memory, COUNTER) + 1)
                for _ in range(20):  # as long as may be, between the two
                    get(memory, COUNTER)
                put(memory, TORN, get(memory, TORN) + 1)

    running = {core: child(lambda core=core: work(core)) for core in range(1, CORES)}  # type: ignore[misc]
    for _ in range(more(25, 60)):
        before = get(memory, COUNTER)
        time.sleep(chance.uniform(0, 0.005))
        core = chance.choice(list(running))
        os.kill(running[core], signal.SIGKILL)
        _, status = os.waitpid(running[core], 0)
        assert os.WIFSIGNALED(status), "what the lock guards was torn, and nobody told"
        running[core] = child(lambda core=core: work(core))  # type: ignore[misc]
        until(lambda before=before: get(memory, COUNTER) > before)  # type: ignore[misc]
    for process in running.values():
        kill(process)
    assert get(memory, TOLD) > more(1, 5)
    last = Lock("robust", memory, 0, CORES)
    last.acquire(5)
    last.release()


@pytest.mark.parametrize(
    ("kind", "core", "cores", "said"),
    [
        ("spin", 0, 2, "one of"),
        ("mcs", 2, 2, "counted from 0"),
        ("mcs", 0, 400, "bytes"),
    ],
)
def test_bad_input(memory: mmap.mmap, kind: str, core: int, cores: int, said: str) -> None:
    with pytest.raises(BadInput) as raised:
        Lock(kind, memory, core, cores)
    assert said in str(raised.value)
    assert lock_bytes(2) < lock_bytes(3)
