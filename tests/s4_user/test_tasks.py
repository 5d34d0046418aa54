"""Tasks: a program on a core is waited for, seen, and ended; what it may do about that, and what
its starter is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pickle
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import multikernel
from multikernel import Group, System
from multikernel.errors import (
    BadInput,
    Cancelled,
    CannotCancel,
    CoreBusy,
    MultikernelError,
    TaskCancelled,
)
from multikernel.user.task import Task

LONG = 1000.0


@contextlib.contextmanager
def usable(system: System) -> Iterator[None]:
    """All cores run programs, answer, and have the same replicas afterwards."""
    yield
    assert [core.run(abs, -core.index) for core in system.cores] == [0, 1, 2]
    assert [core.task for core in system.cores] == [None, None, None]
    system.unmap(system.map(system.allocate(4096)))
    assert system.inspect()["replicas"]["differing"] == []


@pytest.fixture(
    params=["multikernel", pytest.param("shared", marks=pytest.mark.full)], scope="module"
)
def kernel(request: pytest.FixtureRequest) -> str:
    """Tasks know no kernel: all of them meet the shared one with --full alone."""
    name: str = request.param
    return name


def in_python() -> None:
    while True:
        pass


def in_sleep() -> None:
    time.sleep(LONG)


def in_read() -> None:
    os.read(os.pipe()[0], 1)


def in_select() -> None:
    select.select([os.pipe()[0]], [], [])


def in_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def in_join() -> None:
    thread = threading.Thread(target=time.sleep, args=(1.0,), daemon=True)
    thread.start()
    thread.join()
    time.sleep(LONG)


def in_subprocess() -> None:
    subprocess.run(["sleep", str(LONG)], check=False)


def in_asyncio() -> None:
    asyncio.run(asyncio.sleep(LONG))


def in_calls() -> None:
    here = multikernel.here()
    frame = here.allocate(4096)
    while True:
        here.unmap(here.map(frame))


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "program",
    [
        in_python, in_sleep, in_read, in_select, in_lock, in_join, in_subprocess, in_asyncio,
        in_calls,
    ],
    ids=lambda program: program.__name__,
)  # fmt: skip
def test_a_program_is_ended_wherever_it_is(system: System, program: Callable[[], None]) -> None:
    with usable(system):
        task = system.cores[1].start(program)
        time.sleep(0.1)
        assert task.cancel(grace=20)
        assert task.cancelled()
        with pytest.raises(TaskCancelled) as caught:
            task.result(timeout=20)
        assert (caught.value.core, caught.value.function) == (1, program.__name__)
        assert caught.value.since == task.since
        assert f"in {program.__name__}" in caught.value.__notes__[0]
        assert not isinstance(caught.value, KeyboardInterrupt)


def is_no_ctrl_c(pipe: int) -> str:
    try:
        time.sleep(LONG)
    except Exception:
        return "an Exception"
    except KeyboardInterrupt:
        return "Ctrl-C"
    finally:
        os.write(pipe, b"cleaned up")
    return "nothing"


def test_it_is_neither_an_error_nor_ctrl_c_and_is_cleaned_up_after(system: System) -> None:
    assert not issubclass(Cancelled, (Exception, KeyboardInterrupt))
    assert issubclass(TaskCancelled, MultikernelError)
    with usable(system):
        program = is_no_ctrl_c
        task = system.cores[1].start(to_file, program)
        time.sleep(0.1)
        assert task.cancel(grace=20)
        with pytest.raises(TaskCancelled):
            task.result()
        assert system.cores[1].run(from_file) == b"cleaned up"


def to_file(program: Callable[[int], str]) -> str:
    reads, writes = os.pipe()
    os.environ["READS"] = str(reads)  # the next program of this core finds it
    return program(writes)


def from_file() -> bytes:
    return os.read(int(os.environ.pop("READS")), 100)


def catches() -> str:
    try:
        time.sleep(LONG)
    except Cancelled:
        return "caught"
    return "slept"


def catches_and_goes_on() -> None:
    with contextlib.suppress(BaseException):
        time.sleep(LONG)
    time.sleep(LONG)


def test_a_program_may_catch_it_and_return(system: System) -> None:
    with usable(system):
        task = system.cores[1].start(catches)
        time.sleep(0.1)
        assert not task.cancel(grace=20)
        assert not task.cancelled()
        assert task.result() == "caught"


def test_one_that_catches_it_and_goes_on_is_told_again(system: System) -> None:
    with usable(system):
        task = system.cores[1].start(catches_and_goes_on)
        time.sleep(0.1)
        with pytest.raises(CannotCancel, match="caught Cancelled") as caught:
            task.cancel(grace=0.3)
        assert (caught.value.core, caught.value.function) == (1, "catches_and_goes_on")
        assert caught.value.since == task.since
        assert system.cores[1].task == task
        assert task.cancel(grace=20)


def in_c(count: int) -> int:
    return sum(range(count))


def test_one_that_does_not_come_back_to_python_goes_on_and_is_cancelled_later(
    system: System,
) -> None:
    with usable(system):
        task = system.cores[1].start(in_c, 100_000_000)
        time.sleep(0.1)
        with pytest.raises(CannotCancel, match=r"in_c, for .* core 1.* not come back to Python"):
            task.cancel(grace=0.1)
        system.unmap(system.map(system.allocate(4096)))  # nothing was killed
        with pytest.raises(TaskCancelled):
            task.result(timeout=60)


def test_one_that_has_ended_is_not_cancelled(system: System) -> None:
    task = system.cores[1].start(abs, -7)
    assert task.result() == 7
    assert not task.cancel()
    assert not task.cancelled()
    assert task.result() == 7


def test_no_program_but_the_one_that_is_meant(system: System) -> None:
    """Cancelled around its end, again and again; the next one never notices."""
    core = system.cores[1]
    with usable(system):
        ends: dict[bool, int] = {False: 0, True: 0}
        for turn in range(150):
            task = core.start(time.sleep, turn % 10 / 10_000)
            time.sleep(0.0004)
            ends[task.cancel(grace=20)] += 1
            assert core.run(divmod, turn, 7) == divmod(turn, 7)
        assert sum(ends.values()) == 150


def test_the_task_of_a_core(system: System) -> None:
    core = system.cores[1]
    assert core.task is None
    task = core.start(in_sleep)
    seen = core.task
    assert seen == task
    assert seen is not None
    assert (seen.core, seen.function, hash(seen)) == (1, "in_sleep", hash(task))
    assert "in_sleep on core 1" in repr(seen)
    assert abs(seen.since - time.time()) < 60
    seen.cancel(grace=20)
    assert core.task is None
    assert task.cancelled()
    assert task != core.start(abs, 1)


def test_busy_names_the_program_and_since_when(system: System) -> None:
    core = system.cores[1]
    task = core.start(functools.partial(time.sleep, LONG))
    with pytest.raises(CoreBusy, match=r"sleep, for \d.* core 1") as caught:
        core.run(abs, 1)
    assert (caught.value.core, caught.value.function) == (1, "sleep")
    assert caught.value.since == task.since
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.function, again.since, str(again)) == ("sleep", task.since, str(caught.value))
    task.cancel(grace=20)


def test_run_with_a_timeout(system: System) -> None:
    core = system.cores[1]
    with usable(system):
        assert core.run(abs, -1, timeout=60) == 1
        with pytest.raises(TimeoutError, match=r"in_sleep on core 1 .* was cancelled"):
            core.run(in_sleep, timeout=0.1)
        with pytest.raises(TimeoutError, match="ended while"):
            core.run(catches, timeout=0.1)
        assert core.run(functools.partial(dict, timeout=3), timeout=60) == {"timeout": 3}


@pytest.mark.parametrize("seconds", [-1, "1", float("nan")])
def test_bad_times(system: System, seconds: Any) -> None:
    task = system.cores[1].start(abs, 1)
    for wait in (task.result, task.cancel, functools.partial(system.cores[1].run, abs, 1)):
        with pytest.raises(BadInput, match="seconds"):
            wait(seconds) if not isinstance(wait, functools.partial) else wait(timeout=seconds)
    assert task.result() == 1


# --- Waits for other programs ---


def waits(group: Group, how: str) -> None:
    match how:
        case "barrier":
            group.barrier()
        case "all_reduce":
            group.all_reduce([1, 2.5])
        case "receive":
            group.receive()
        case "receive in a thread":
            with contextlib.suppress(Cancelled):
                in_thread(group.receive)
        case "order":
            while True:
                group.order(b"nobody takes it")


def in_thread(call: Callable[[], object]) -> None:
    def quietly() -> None:
        with contextlib.suppress(Cancelled):
            call()

    thread = threading.Thread(target=quietly)
    thread.start()
    thread.join()
    time.sleep(LONG)


def close_soon(system: System, group: Any) -> None:
    """What a cancelled member had put in order may be under way to the others for a while."""
    until = time.monotonic() + 20
    while True:
        try:
            return system.close_group(group)
        except BadInput:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "how", ["barrier", "all_reduce", "receive", "receive in a thread", "order"]
)
@pytest.mark.parametrize("core", [0, 2])
def test_a_member_that_waits_is_ended_and_the_group_closed(
    system: System, how: str, core: int
) -> None:
    for times in (1, 3):
        with usable(system):
            group = system.group()
            for _ in range(times):
                task = system.cores[core].start(waits, group, how)
                time.sleep(0.05)
                if how != "order":
                    with pytest.raises(BadInput, match="a member waits"):
                        system.close_group(group)
                task.cancel(grace=20)
            close_soon(system, group)
    group = system.group()
    together(system, group)
    system.close_group(group)


def together(system: System, group: Group, cores: tuple[int, ...] = (0, 1, 2)) -> None:
    tasks = [system.cores[core].start(waits, group, "barrier") for core in cores]
    for task in tasks:
        task.result(timeout=60)


def test_what_a_cancelled_member_gave_to_a_round_counts(system: System) -> None:
    for cancelled in range(3):
        group = system.group()
        task = system.cores[cancelled].start(waits, group, "barrier")
        time.sleep(0.05)
        assert task.cancel(grace=20)
        together(system, group, tuple({0, 1, 2} - {cancelled}))
        for _ in range(3):
            together(system, group)
        system.close_group(group)


def test_a_group_that_all_gave_up_is_closed_and_its_number_used_again(system: System) -> None:
    for _ in range(10):
        group = system.group()
        tasks: list[Task] = [system.cores[core].start(waits, group, "barrier") for core in (1, 2)]
        time.sleep(0.03)
        for task in tasks:
            assert task.cancel(grace=20)
        system.close_group(group)
        group = system.group()
        together(system, group)
        system.close_group(group)


# --- Results ---


class Unwilling:
    """Is not pickled."""

    def __reduce__(self) -> str:
        raise TypeError("not me")


class NotFromThere:
    """Is pickled on a core, and made nowhere else."""

    def __reduce__(self) -> Any:
        return only_on, (os.getpid(),)


def only_on(pid: int) -> int:
    if os.getpid() != pid:
        raise OSError("not here")
    return pid


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (threading.Lock, "result of (allocate_)?lock .*_thread.lock"),
        (lambda: [Unwilling()], "builtins.list: not me .*core 1.*plain data"),
        (lambda: (one for one in "abc"), "generator"),
        (NotFromThere, "cannot be unpickled here: OSError: not here"),
    ],
)
def test_a_result_that_cannot_be_sent_back(
    system: System, make: Callable[[], object], words: str
) -> None:
    with usable(system), pytest.raises(BadInput, match=words):
        system.cores[1].run(make)
