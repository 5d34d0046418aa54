"""Cores that compute are interrupted, answer, and compute on as if nothing had been."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from s2_kernel import programs

import multikernel
from multikernel import Frame, Page, System
from multikernel.errors import PageFault


def decompose(size: int, board: Page) -> tuple[float, float]:
    """When one call into LAPACK began and when it ended."""
    import numpy

    matrix = numpy.random.default_rng(1).random((size, size))
    board.write(0, b"begins")
    begin = time.monotonic()
    numpy.linalg.svd(matrix)
    return begin, time.monotonic()


def unmaps(frame: Frame, count: int, protocol: str) -> list[tuple[float, float]]:
    here = multikernel.here()
    times = []
    for _ in range(count):
        page = here.map(frame)
        begin = time.monotonic()
        here.unmap(page, protocol)  # type: ignore[arg-type]
        times.append((begin, time.monotonic()))
    return times


@pytest.mark.sampled(one_in=2)
def test_unmaps_during_one_long_call_into_c(boot: Callable[..., System]) -> None:
    system = boot(2)
    frame = system.allocate(4096)
    board = system.map(system.allocate(4096))
    system.cores[0].run(unmaps, frame, 1, "two-phase")  # and what it imports
    size = 600
    begin, end = system.cores[1].run(decompose, size, board)
    size = int(size * (1.5 / (end - begin)) ** (1 / 3))  # work grows with the cube
    for _ in range(4):
        board.write(0, bytes(6))
        task = system.cores[1].start(decompose, size, board)
        while board.read(0, 6) != b"begins":
            time.sleep(0.01)
        time.sleep(0.1)
        times = system.cores[0].run(unmaps, frame, 40, "two-phase")
        begin, end = task.result()
        if times[-1][1] < end:
            break
        size = int(size * 1.25)
    assert len(times) == 40
    assert begin < times[0][0]
    assert times[-1][1] < end, (
        f"the call ended too early after {end - begin} s: make the matrix larger than {size}"
    )
    assert system.cores[1].counters()["interrupts"] >= 40


@pytest.mark.sampled(one_in=2)
def test_requests_to_a_core_that_computes(system: System) -> None:
    core = system.cores[1]
    page = system.map(system.allocate(4096))
    page.write(0, b"answer")
    before = core.counters()["interrupts"]
    answered = 0
    while answered <= 10:  # on a machine with other work a program may end after a few
        task = core.start(programs.compute, 0.5)
        while not task.done():
            assert core.mode in ("user", "polling", "parked")
            assert core.read(page, 0, 6) == b"answer"
            page.pin(1)
            page.unpin(1)
            other = system.map(system.allocate(1))
            system.unmap(other, protocol="one-phase" if answered % 2 else "two-phase")
            with pytest.raises(PageFault):
                core.read(other, 0, 1)
            answered += 1
        assert task.result() > 0
    assert core.counters()["interrupts"] > before


def test_all_compute_and_all_are_interrupted(system: System) -> None:
    """However slowly that goes where others use the CPUs."""
    gate = system.map(system.allocate(1))
    tasks = [core.start(compute_until, gate) for core in system.cores]
    for _ in range(20):
        system.unmap(system.map(system.allocate(1)))
        assert not any(task.done() for task in tasks)
    gate.write(0, b"x")
    assert all(task.result() > 0 for task in tasks)


def compute_until(gate: Page) -> int:
    turns = 0
    while gate.read(0, 1) != b"x":
        turns += sum(range(100_000)) > 0  # between two system calls
    return turns


def rain(frame: Frame, seconds: float) -> int:
    here = multikernel.here()
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        here.unmap(here.map(frame), "one-phase" if count % 2 else "two-phase")
        count += 1
    return count


def database(seconds: float) -> tuple[int, int, str]:
    import os
    import sqlite3
    import tempfile

    rows = 0
    with tempfile.TemporaryDirectory() as directory:
        connection = sqlite3.connect(os.path.join(directory, "rain.db"))
        connection.execute("create table t (i integer primary key, square integer)")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with connection:
                connection.executemany(
                    "insert into t values (?, ?)", [(i, i * i) for i in range(rows, rows + 100)]
                )
            rows += 100
        total = connection.execute("select sum(square) from t").fetchone()[0]
        checked = connection.execute("pragma integrity_check").fetchone()[0]
        connection.close()
    return rows, total, checked


def arithmetic(seconds: float) -> int:
    import numpy

    random = numpy.random.default_rng(3)
    a, b = random.integers(0, 100, (2, 120, 120)).astype(float)
    right, rounds = a @ b, 0
    left, _, _ = numpy.linalg.svd(a)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert (a @ b == right).all()
        assert (numpy.linalg.svd(a)[0] == left).all()
        assert (numpy.sort(a.ravel())[::-1] == -numpy.sort(-a.ravel())).all()
        rounds += 1
    return rounds


def blocked(seconds: float) -> int:
    """Sleeping, reading and writing through the host, with interrupts in the middle of it."""
    import os
    import select

    read, write = os.pipe()
    deadline, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        assert select.select([read], [], [], 0.002)[0] == []
        os.write(write, b"x" * 1000)
        assert os.read(read, 2000) == b"x" * 1000
        begin = time.monotonic()
        time.sleep(0.003)
        assert time.monotonic() - begin >= 0.003
        rounds += 1
    os.close(read)
    os.close(write)
    return rounds


def restarted(seconds: float) -> int:
    """A system call that C code makes, blocked for several ticks: it goes on, it is not interrupted
    by name.
    """
    import ctypes
    import os
    import threading

    libc, buffer = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(8)
    read, write = os.pipe()
    deadline, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        threading.Timer(0.05, os.write, (write, b"late")).start()
        assert libc.read(read, buffer, 8) == 4, os.strerror(ctypes.get_errno())
        assert buffer.value == b"late"
        rounds += 1
    return rounds


def allocation(seconds: float) -> int:
    """The allocator's locks, taken and left all the time."""
    deadline, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        lists: list[Any] = [bytes(size) for size in range(0, 200_000, 1999)]
        assert [len(item) for item in lists] == list(range(0, 200_000, 1999))
        rounds += 1
    return rounds


# By turns: how a core is interrupted is the same code in both kernels.
@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("kernel", "work"),
    [
        ("multikernel", database),
        ("shared", arithmetic),
        ("multikernel", blocked),
        ("shared", restarted),
        ("multikernel", allocation),
    ],
)
def test_work_goes_on_beside_a_rain_of_interrupts(
    boot: Callable[..., System], kernel: str, work: Callable[[float], Any]
) -> None:
    system = boot(2, kernel=kernel)
    frame = system.allocate(4096)
    task = system.cores[1].start(work, 0.5)
    time.sleep(0.05)
    count = system.cores[0].run(rain, frame, 0.4)
    result = task.result()
    assert count > 30
    assert system.cores[1].counters()["interrupts"] > 30
    if work is database:
        rows, total, checked = result
        assert checked == "ok"
        assert total == sum(i * i for i in range(rows))
    else:
        assert result > 0


def read_on(page: Page, seconds: float) -> int:
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        assert page.read(0, 6) == b"pinned"
        count += 1
    return count


@pytest.mark.sampled(one_in=2)
def test_a_read_between_vote_and_outcome_waits_for_it(boot: Callable[..., System]) -> None:
    """One core votes no; another one, which has voted yes, finds the page gone until the outcome
    brings it back.
    """
    system = boot(3)
    page = system.map(system.allocate(4096))
    page.write(0, b"pinned")
    page.pin(1)
    task = system.cores[2].start(read_on, page, 0.5)
    tries = 0
    while not task.done():
        outcomes = system.cores[0].run(programs.unmap_attempts, page, 50)
        assert outcomes == [("PagePinned", 1)] * 50
        tries += 50
    assert task.result() > 100
    assert tries > 10
