"""What launchers do with their systems until they are killed, or end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

import multikernel
from multikernel import Core, Frame, System
from multikernel.errors import CoreDied, SystemClosed
from multikernel.user.task import Task


def rest(system: System) -> None:
    """Nothing: the cores park. Ends when a core dies, and says so."""
    while True:
        try:
            system.cores[0].counters()
        except CoreDied as error:
            print("CoreDied", error.core, error.status, flush=True)
            return
        time.sleep(0.005)


def compute_long(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


def programs(system: System) -> None:
    """Every core computes, in Python and asleep."""
    _results(system, lambda core: core.start(compute_long if core.index % 2 else time.sleep, 100.0))


def unmap_for_ever(frame: Frame) -> None:
    here = multikernel.here()
    while True:
        here.unmap(here.map(frame))


def unmaps(system: System) -> None:
    """Every core maps and unmaps on all cores."""
    frame = system.allocate(4096)
    _results(system, lambda core: core.start(unmap_for_ever, frame))


def _results(system: System, start: Callable[[Core], Task]) -> None:
    try:
        for task in [start(core) for core in system.cores]:
            task.result()
    except CoreDied as error:
        print("CoreDied", error.core, error.status, flush=True)


def fork_and_die(system: System) -> None:
    """Children hold copies of everything the launcher has, the socket to the supervisor among it,
    when it dies.
    """
    import multiprocessing

    context = multiprocessing.get_context("fork")
    child = context.Process(target=time.sleep, args=(100,))
    child.start()
    print(child.pid, flush=True)
    time.sleep(0.1)
    os.kill(os.getpid(), 9)


def fork_and_use(system: System) -> None:
    """A forked child cannot use the system, nor take it down by ending."""
    frame = system.allocate(4096)
    child = os.fork()
    if child == 0:
        try:
            system.allocate(4096)
        except SystemClosed:
            system.close()
            sys.exit(7)  # with finalizers and exit handlers
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7, status
    page = system.map(frame)
    system.cores[1].write(page, 0, b"alive")
    print(page.read(0, 5).decode(), flush=True)


def forget(system: System) -> None:
    """Ends without closing, by an exception out of everything."""
    system.__class__.__exit__ = lambda *_: None  # type: ignore[method-assign, assignment]
    raise KeyError("forgotten")


def leave_at_once(system: System) -> None:
    os._exit(3)


def wait_for_interrupt(system: System) -> None:
    """Ctrl-C while a result is waited for."""
    task = system.cores[1].start(time.sleep, 100.0)
    print("waiting", flush=True)
    try:
        task.result()
    except KeyboardInterrupt:
        page = system.map(system.allocate(4096))
        print(page.read(0, 1) == b"\0", threading.active_count(), flush=True)
