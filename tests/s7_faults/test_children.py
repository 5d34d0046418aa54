"""A child that a program on a core makes is no core: its calls are refused, what it drops tells
nobody anything, and leaving the program ends it. The core goes on as if there were none.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator

import pytest

import multikernel
from multikernel import Frame, Page, System
from multikernel.errors import MultikernelError

CHILD_SECONDS = 20


@contextlib.contextmanager
def unharmed(system: System) -> Iterator[None]:
    """The core maps and unmaps as before, and its replica is like the others."""
    yield
    frame = system.allocate(4096)
    for core in system.cores:
        core.run(maps, frame)
    system.free(frame)
    assert system.inspect()["replicas"]["differing"] == []


def maps(frame: Frame) -> None:
    here = multikernel.here()
    here.unmap(here.map(frame))


def in_child(does: Callable[[], str]) -> str:
    """What it says, in a child of this process."""
    reads, writes = os.pipe()
    if os.fork() == 0:
        signal.alarm(CHILD_SECONDS)  # whatever becomes of the child, it does not stay
        try:
            said = does()
        except BaseException as error:
            said = f"{type(error).__module__}: {error}"
        os.write(writes, said.encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        said = pipe.read().decode()
    os.wait()
    return said


def asks_by_old_handles(page: Page) -> list[str]:
    here = multikernel.here()
    frame = here.allocate(4096)
    calls: list[Callable[[], object]] = [
        lambda: here.map(frame),
        lambda: here.allocate(4096),
        lambda: page.read(0, 1),
        lambda: page.write(0, b"x"),
        lambda: page.view(),
        lambda: here.unmap(page),
        lambda: multikernel.here(),
    ]
    said = [in_child(lambda call=call: f"did {call()}") for call in calls]
    page.write(0, b"y")
    return said


def test_every_call_in_a_child_is_refused(system: System) -> None:
    page = system.map(system.allocate(4096))
    with unharmed(system):
        for said in system.cores[1].run(asks_by_old_handles, page):
            assert said.startswith("multikernel.errors: "), said
    assert page.read(0, 1) == b"y"
    system.unmap(page)


def drops_views(page: Page, times: int) -> None:
    for _ in range(times):
        view = page.view()

        def drops(view: memoryview = view) -> str:
            view.release()
            return "dropped"

        assert in_child(drops) == "dropped"
        del drops
        view[0] = 1
        view.release()


def test_a_view_that_a_child_drops_stays_the_cores(system: System) -> None:
    page = system.map(system.allocate(4096))
    with unharmed(system):
        tasks = [system.cores[1].start(drops_views, page, 20)]
        tasks += [system.cores[core].start(maps_often, 100) for core in (0, 2)]
        for task in tasks:
            task.result(timeout=60)
    system.unmap(page)


def maps_often(times: int) -> None:
    here = multikernel.here()
    frame = here.allocate(4096)
    for _ in range(times):
        here.unmap(here.map(frame))


def returns_twice(how: str) -> tuple[int, int]:
    core, child = os.getpid(), os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        if how == "raises":
            raise ValueError("the child's")
        if how == "exits":
            raise SystemExit(7)
        return core, -1
    _, status = os.waitpid(child, 0)
    return core, os.waitstatus_to_exitcode(status)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(("how", "status"), [("returns", 0), ("raises", 1), ("exits", 7)])
def test_a_child_that_leaves_the_program_ends(system: System, how: str, status: int) -> None:
    core = system.cores[1]
    with unharmed(system):
        assert core.run(returns_twice, how) == (core.pid, status)


def worker(frame: Frame, answers: multiprocessing.SimpleQueue[str]) -> None:
    signal.alarm(CHILD_SECONDS)
    try:
        answers.put(f"mapped {multikernel.here().map(frame)}")
    except MultikernelError as error:
        answers.put(type(error).__name__)


def workers(frame: Frame) -> list[str]:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    children = [context.Process(target=worker, args=(frame, answers)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    with context.Pool(2) as pool:
        squares = pool.map(abs, range(-3, 0))
    return [answers.get() for _ in children] + [str(squares)]


def test_multiprocessing_in_a_program(system: System) -> None:
    frame = system.allocate(4096)
    with unharmed(system):
        assert system.cores[1].run(workers, frame) == ["BadInput", "BadInput", "[3, 2, 1]"]
