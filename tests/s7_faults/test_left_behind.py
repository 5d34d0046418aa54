"""What a program leaves behind on its core: signal handlers, timers, streams, exceptions with
methods of their own, children. The core, and the next program, are as before; children end with the
system.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from s7_faults.systems import all_gone, running

import multikernel
from multikernel import System
from multikernel.errors import RemoteError


@pytest.fixture
def system(kernel: str) -> Iterator[System]:
    """One of its own: what is left behind is not for other tests."""
    with multikernel.boot(cores=2, kernel=kernel) as booted:  # type: ignore[call-overload]
        yield booted


def leaves_an_alarm() -> None:
    def raises(*_: object) -> None:
        raise ZeroDivisionError("nobody's")

    signal.signal(signal.SIGALRM, raises)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.01)


def leaves_a_deadly_alarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.1)


def leaves_its_own_interrupt() -> None:
    signal.signal(signal.SIGURG, lambda *_: None)


def leaves_signals_blocked() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def leaves_no_stdout() -> None:
    del sys.stdout


def leaves_a_stdout_that_raises() -> None:
    class Raises:
        def write(self, _: str) -> None:
            raise KeyboardInterrupt

        def flush(self) -> None:
            raise KeyboardInterrupt

    sys.stdout = Raises()  # type: ignore[assignment]


def computes(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    "leaves",
    [
        leaves_an_alarm,
        leaves_a_deadly_alarm,
        leaves_its_own_interrupt,
        leaves_signals_blocked,
        leaves_no_stdout,
        leaves_a_stdout_that_raises,
    ],
    ids=lambda leaves: leaves.__name__,
)
def test_the_core_is_as_before(system: System, leaves: Callable[[], None]) -> None:
    core = system.cores[1]
    assert core.run(leaves) is None
    time.sleep(0.3)
    assert [core.run(abs, -turn) for turn in range(3)] == [0, 1, 2]
    # While the next one computes it is interrupted, and so it is to be cancelled.
    task = core.start(computes, 1000.0)
    time.sleep(0.05)
    for _ in range(5):
        system.unmap(system.map(system.allocate(4096)))
    assert not task.done()
    assert task.cancel(grace=20)


class TextRaises(Exception):
    """As where an attribute was forgotten; nor is it pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __str__(self) -> str:
        return str(self.missing)  # type: ignore[attr-defined]


class PicklingExits(Exception):
    def __reduce__(self) -> str:
        raise SystemExit(3)


class NotesRaise(Exception):
    def add_note(self, _: str) -> None:
        raise ValueError("no notes")


def raises(kind: type[Exception]) -> None:
    raise kind


@pytest.mark.parametrize("kind", [TextRaises, PicklingExits, NotesRaise])
def test_exceptions_whose_methods_raise(system: System, kind: type[Exception]) -> None:
    with pytest.raises(RemoteError) as caught:
        system.cores[1].run(raises, kind)
    assert caught.value.type_name.endswith(kind.__name__)
    assert "in raises" in caught.value.traceback
    assert system.cores[1].run(abs, -1) == 1


# --- Children ---


def leaves_children() -> dict[str, int]:
    """By what they did: of their own group; deaf to SIGTERM, and with a child; of their own
    session.
    """
    deaf = ["sh", "-c", "trap '' TERM; sleep 1000; true"]
    made = {
        "nothing": subprocess.Popen(["sleep", "1000"]),
        "group": subprocess.Popen(["sleep", "1000"], process_group=0),
        "deaf": subprocess.Popen(deaf),
        "session": subprocess.Popen(["sleep", "1000"], start_new_session=True),
    }
    fork = os.fork()
    if fork == 0:
        time.sleep(1000)
    time.sleep(0.1)  # so that what is deaf is so
    return {**{what: one.pid for what, one in made.items()}, "fork": fork}


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("how", ["closed", "supervisor killed", "core killed"])
def test_children_end_with_the_system(how: str) -> None:
    with multikernel.boot(cores=2) as system:
        children = system.cores[1].run(leaves_children)
        session = children.pop("session")
        try:
            below = {one.pid for one in psutil.Process(children["deaf"]).children()}
            assert below
            assert all(map(running, children.values()))
            if how != "closed":
                supervisor, core = system.launched.process.pid, system.cores[0].pid
                os.kill(supervisor if how == "supervisor killed" else core, signal.SIGKILL)
                while not system.launched.client.gone:
                    time.sleep(0.01)
                with pytest.raises(multikernel.errors.CoreDied):
                    system.launched.check()
            system.close()
            assert not any(map(running, {*children.values(), *below}))
            assert running(session)  # it has asked for that
        finally:
            os.kill(session, signal.SIGKILL)
    all_gone({session})


def test_children_end_with_the_launcher() -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    children = {int(pid) for pid in launcher.stdout.readline().split()}
    assert len(children) == 2
    assert all(map(running, children))
    launcher.kill()
    launcher.communicate()
    all_gone(children)


LAUNCHER = """
import subprocess, multikernel
def leaves():
    return [subprocess.Popen(["sleep", "1000"]).pid for _ in range(2)]
system = multikernel.boot(cores=2)
print(*system.cores[1].run(leaves), flush=True)
input()
"""
