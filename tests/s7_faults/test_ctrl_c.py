"""Ctrl-C in the launcher: it is heard wherever a program is waited for, sent or its result fetched,
and what was waited for is cancelled. And in closing.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import pytest
from s7_faults.systems import all_gone, descendants_of, running

import multikernel
from multikernel import System
from multikernel.errors import BadInput, SystemClosed
from multikernel.runtime import pickles


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, and not that of whoever runs the tests."""


@contextlib.contextmanager
def interrupted(seconds: float) -> Iterator[None]:
    """The block is interrupted after so long. By another process: a thread would have to wait for
    the interpreter's lock. Python drops what is raised while it frees something, so whoever is not
    heard is, as people do, pressed again.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    press = f"kill -USR1 {os.getpid()}"
    presses = f"read begin; sleep {seconds:.5f}; {press}; sleep 5; {press}"
    sender = subprocess.Popen(
        ["sh", "-c", presses], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
    )
    assert sender.stdin is not None
    try:
        with pytest.raises(Interrupted):  # noqa: PT012
            sender.stdin.write(b"\n")  # not before: it would be heard out here
            yield
    finally:
        os.killpg(sender.pid, signal.SIGKILL)
        sender.stdin.close()
        sender.wait()
        signal.signal(signal.SIGUSR1, before)


def loops() -> None:
    while True:
        pass


def makes(count: int) -> list[int]:
    return list(range(count))


def keeps(seconds: float) -> int:
    return sum(range(int(seconds * 1e8)))


@pytest.mark.parametrize("program", [loops, time.sleep], ids=["loops", "sleeps"])
def test_run_cancels(system: System, program: Callable[..., None]) -> None:
    core = system.cores[1]
    with interrupted(0.2):
        core.run(program, *([1000.0] if program is time.sleep else []))
    assert core.task is None
    assert core.run(abs, -1) == 1


def test_a_program_that_does_not_come_back_is_named_and_cancelled_later(system: System) -> None:
    core = system.cores[1]
    notes: list[str] = []
    with interrupted(0.2):
        try:
            core.run(keeps, 1.0)
        except Interrupted as error:
            notes += error.__notes__
            raise
    assert "core 1" in notes[0]
    assert "keeps" in notes[0]
    task = core.task
    assert task is not None
    while not task.done():
        time.sleep(0.01)
    assert task.cancelled()
    assert core.run(abs, -1) == 1


class Reached:
    """Notices when it is pickled, and when it is made."""

    times = 0

    def __reduce__(self) -> tuple[Callable[[], Reached], tuple[()]]:
        Reached.times += 1
        return reached, ()


def reached() -> Reached:
    Reached.times += 1
    return Reached()


COUNT = 8_000_000
"""Numbers in a list: they take half a second to pickle."""


def test_it_is_heard_while_arguments_are_pickled(system: System) -> None:
    Reached.times = 0
    with interrupted(0.1):
        system.cores[1].run(len, [list(range(COUNT)), Reached()])
    assert Reached.times == 0
    assert system.cores[1].run(abs, -1) == 1


def test_it_is_heard_while_a_result_is_unpickled() -> None:
    data = pickles.dumps([list(range(COUNT)), Reached()])
    Reached.times = 0
    with interrupted(0.05):
        pickles.loads(data)
    assert Reached.times == 0
    assert pickles.loads(data)[0] == list(range(COUNT))


def marks(_: bytes) -> None:
    os.environ["RAN"] = "1"


def has_run() -> bool:
    return os.environ.pop("RAN", None) is not None


BYTES = 200_000_000


def test_it_is_heard_while_arguments_travel(system: System) -> None:
    core = system.cores[1]
    core.run(marks, b"")
    assert core.run(has_run)
    with interrupted(0.3):
        core.run(marks, bytes(BYTES))
    assert core.task is None
    assert not core.run(has_run)


@pytest.mark.full
def test_it_is_heard_while_a_result_travels_which_comes_all_the_same(system: System) -> None:
    core = system.cores[1]
    task = core.start(bytes, BYTES)
    while core.mode == "user":
        time.sleep(0.01)
    with interrupted(0.1):
        task.result()
    assert task._run.outcome is None
    assert task.result() == bytes(BYTES)


@pytest.mark.parametrize("times", [8, pytest.param(100, marks=pytest.mark.full)])
def test_wherever_it_comes_nothing_runs_on(system: System, times: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    core = system.cores[1]
    for _ in range(times):
        with interrupted(rng.uniform(0.0001, 0.02)):
            while True:
                core.run(makes, rng.randrange(20_000))
                core.run(time.sleep, rng.uniform(0, 0.002))
        if (task := core.task) is not None:
            task.cancel(grace=20)
        assert core.run(abs, -1) == 1


# --- Closing, and booting ---


def pids_of(system: System) -> set[int]:
    return {system.launched.process.pid, *(core.pid for core in system.cores)}


def test_closing_that_was_interrupted_is_done_by_the_next_call() -> None:
    system = multikernel.boot(cores=2)
    pids = pids_of(system)
    system.cores[1].start(keeps, 1000.0)  # the core does not leave by itself: it takes a while
    time.sleep(0.1)
    with interrupted(0.1):
        system.close()
    assert any(map(running, pids))
    with pytest.raises(SystemClosed):
        system.allocate(4096)
    system.close()
    assert not any(map(running, pids))


def test_a_handler_closes_what_is_being_closed() -> None:
    system = multikernel.boot(cores=2)
    pids = pids_of(system)
    system.cores[1].start(keeps, 1000.0)
    time.sleep(0.1)
    before = signal.signal(signal.SIGUSR1, lambda *_: system.close())
    timer = threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
    timer.start()
    system.close()
    timer.join()
    signal.signal(signal.SIGUSR1, before)
    assert not any(map(running, pids))


def test_closing_while_threads_wait_send_and_cancel() -> None:
    system = multikernel.boot(cores=4)
    tasks = [system.cores[core].start(time.sleep, 1000.0) for core in (0, 1)]
    ended: list[str] = []

    def wait(call: Callable[[], object]) -> None:
        try:
            call()
        except SystemClosed:
            ended.append("closed")
        except BaseException as error:
            ended.append(f"{type(error).__name__}: {error}")

    calls: list[Callable[[], object]] = [
        tasks[0].result,
        tasks[1].result,
        lambda: system.cores[2].run(len, bytes(BYTES)),
        lambda: system.cores[3].run(keeps, 1000.0, timeout=0.05),
    ]
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    system.close()
    for thread in threads:
        thread.join()
    assert ended == ["closed"] * len(calls)


# A socket that no frame but a kept one has is closed by Python, which warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.full)])
def test_a_boot_that_is_interrupted_leaves_nothing(times: int) -> None:
    """Though its exception is kept, and with it whatever its frames hold."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    kept: list[BaseException] = []
    before = children()
    for _ in range(times):
        booted: list[System] = []
        with interrupted(rng.uniform(0.001, 0.2)):
            try:
                while True:
                    booted.append(multikernel.boot(cores=3))
            except BaseException as error:
                kept.append(error)
                raise
        for system in booted:
            system.close()
        all_gone(children() - before)
    assert len(kept) == times
    # Of a boot that was interrupted while its process began nobody keeps that process.
    kept.clear()
    gc.collect()


def children() -> set[int]:
    return {child.pid for child in descendants_of(os.getpid())}


def test_a_bad_timeout_starts_nothing(system: System) -> None:
    with pytest.raises(BadInput):
        system.cores[1].run(marks, b"", timeout=-1.0)
    assert not system.cores[1].run(has_run)
