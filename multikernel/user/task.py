"""A program that runs on a core, as its starter sees it: something that can be waited for, and
cancelled.

Guarantees: a wait that is interrupted (Ctrl-C) leaves core and task as they are, whatever
instruction it interrupts; cancelling ends a program and nothing else.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from multikernel.errors import (
    BadInput,
    CannotCancel,
    CoreBusy,
    CoreDied,
    MultikernelError,
    TaskCancelled,
    TimedOut,
)
from multikernel.markup import element, table
from multikernel.native._native import KINDS
from multikernel.runtime import programs
from multikernel.runtime.launch import PROGRAMS, SLICE_US, Launched
from multikernel.user.outcome import OK, error_of

GRACE = 2.0
"""Seconds that a cancelled program has to end."""
GIVEN_UP = 0.1
"""The same where whoever waited is on his way out (Ctrl-C)."""
_TOLD, _SILENT = 3, 4
"""What KIND_RUN_CANCEL says of a program that Cancelled was raised in; the core does not answer."""


class _Run:
    """The outcome of one program, wherever it is. A core keeps only its last result, and a line
    stays in use until its reply is taken: so before the next program starts this one's result is
    fetched, whether its starter has asked for it or not.
    """

    def __init__(self, core: int, number: int, function: str) -> None:
        self.core = core
        self.number = number  # the core's: of all programs that it has run
        self.function = function
        self.since = time.time()
        self.line = -1
        self.size: int | None = None  # of the outcome, once it has ended
        self.outcome: bytes | None = None

    def settle(self, launched: Launched, timeout_us: int) -> bool:
        if self.outcome is not None:
            return True
        # Each step may be interrupted, and is done again then.
        if self.size is None:
            reply = launched.poll(self.core, PROGRAMS, self.line, timeout_us)
            if reply is None:
                return False
            verdict, named, words = reply
            if verdict != OK:
                launched.runs.pop(self.core, None)
                raise error_of(verdict, named, "run", core=self.core)
            self.size = words[0]
        launched.client.abandon(self.core, PROGRAMS)
        outcome = launched.client.get(self.core, self.size)
        if outcome is None:
            launched.check()
            raise CoreDied("a core did not give its result", core=self.core)
        self.outcome = outcome
        launched.printed.drain()
        launched.runs.pop(self.core, None)
        return True

    def cancel(self, launched: Launched, seconds: float, *, again: bool = True) -> int:
        """Asks the core to cancel it, or only what it is at: what KIND_RUN_CANCEL says, or
        _SILENT.
        """
        words = self.number, int(again)
        reply = launched.request_within(seconds, self.core, KINDS["RUN_CANCEL"], *words)
        return reply[2][0] if reply is not None else _SILENT

    def __str__(self) -> str:
        return f"{self.function}, for {time.time() - self.since:.1f} s"


def _seconds(timeout: object, where: str) -> None:
    """Raises BadInput unless it is a time to wait."""
    if timeout is not None and not (isinstance(timeout, int | float) and timeout >= 0):
        raise BadInput("this is a number of seconds, or None", value=repr(timeout), where=where)


class Task:
    """One program on one core. Its result is fetched once and kept. Tasks are equal that are about
    the same program. core: the core's number; function: the program's name; since: when it was
    started, in seconds since the epoch.
    """

    def __init__(self, launched: Launched, run: _Run):
        self._launched = launched
        self._run = run
        self.core = run.core
        self.function = run.function
        self.since = run.since

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other._run is self._run

    def __hash__(self) -> int:
        return id(self._run)

    def __repr__(self) -> str:
        return f"<Task {self.function} on core {self.core}>"

    def _repr_html_(self) -> str:
        try:
            state = "runs" if not self.done() else "cancelled" if self.cancelled() else "ended"
        except MultikernelError as error:
            state = str(error)
        facts = (
            ("core", str(self.core)),
            ("started", f"{time.time() - self.since:.1f} s ago"),
            ("state", state),
        )
        return element("div", element("b", f"Task {self.function}"), table(("", ""), facts))

    def done(self) -> bool:
        """Whether result() would return at once."""
        return self._step(0)

    def cancelled(self) -> bool:
        """Whether it has ended, and by being cancelled."""
        return self._step(0) and programs.was_cancelled(self._outcome())

    def result(self, timeout: float | None = None) -> Any:
        """The function's value, or raises what it raised. timeout in seconds; raises TimedOut,
        TaskCancelled, CoreDied; BadInput for a value that cannot be sent back.
        """
        _seconds(timeout, "result")
        if not self._wait(timeout):
            raise TimedOut(
                "the program still runs", value=f"after {timeout:g} s",
                where=f"{self.function} on core {self.core}",
                hint="wait longer, or end it by cancel()",
            )  # fmt: skip
        try:
            return programs.outcome_of(self._outcome())
        except TaskCancelled as error:
            error.core, error.function, error.since = self.core, self.function, self.since
            raise

    def cancel(self, grace: float = GRACE) -> bool:
        """Ends the program: raises `errors.Cancelled` in its first thread, out of a sleep or a wait
        too, and waits for its end. True if it has been cancelled, and then result() raises
        TaskCancelled; False if it ended in another way: it was over before, or it caught Cancelled
        and returned.

        A program can only be interrupted where it comes back to Python: not in C code that never
        does. Of one that has not ended after `grace` seconds CannotCancel says so; nothing is
        killed, and the program is still cancelled as soon as it comes back. Its other threads, and
        children that it made, are its own to end.
        """
        if grace is None:  # as a timeout may be
            raise BadInput("this is a number of seconds", value="None", where="cancel")
        _seconds(grace, "cancel")
        deadline = time.monotonic() + grace
        if not self._step(0):
            self._run.cancel(self._launched, GIVEN_UP)
            if not self._wait(max(0.0, deadline - time.monotonic())):
                raise self._cannot(grace)
        return self.cancelled()

    def _cannot(self, grace: float) -> CannotCancel:
        match self._run.cancel(self._launched, GIVEN_UP, again=False):
            case state if state == _TOLD:
                hint = "it caught Cancelled, or is cleaning up: cancel it again, or wait"
            case state if state == _SILENT:
                hint = "the core does not answer: is its process stopped?"
            case _:
                hint = (
                    "it has not come back to Python and is cancelled when it does; before, only"
                    " system.close() ends it"
                )
        return CannotCancel(
            f"the program has not ended within {grace:g} s", value=self._run,
            where=f"cancel on core {self.core}", hint=hint,
            core=self.core, function=self.function, since=self.since,
        )  # fmt: skip

    def _outcome(self) -> bytes:
        assert self._run.outcome is not None
        return self._run.outcome

    def _wait(self, timeout: float | None) -> bool:
        """Whether it ended in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = (
                SLICE_US
                if deadline is None
                else min(SLICE_US, int((deadline - time.monotonic()) * 1e6))
            )
            if self._step(max(left, 0)):
                return True
            if left <= 0:
                return False
            time.sleep(0.0001)  # so that a waiting thread gets the lock before this one does again

    def _step(self, timeout_us: int) -> bool:
        if self._run.outcome is not None:
            return True
        with self._launched.lock(self.core, PROGRAMS):
            return self._run.settle(self._launched, timeout_us)


def start(
    launched: Launched,
    core: int,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Task:
    """Starts a program; interrupted, it leaves none running. Raises CoreBusy, BadInput."""
    begun: list[_Run] = []
    try:
        return _start(launched, core, programs.encode(function, args, kwargs), function, begun)
    except BaseException as error:
        _give_up(launched, begun, error)
        raise


def run(
    launched: Launched,
    core: int,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    timeout: float | None,
) -> Any:
    """Starts a program and waits for its value. It is cancelled when the wait is interrupted, or
    lasts too long.
    """
    _seconds(timeout, "run")
    begun: list[_Run] = []
    try:
        task = _start(launched, core, programs.encode(function, args, kwargs), function, begun)
        ended = task._wait(timeout)
    except BaseException as error:
        _give_up(launched, begun, error)
        raise
    if ended:
        return task.result()
    became = "it was cancelled"
    try:
        if not task.cancel():
            became = "it ended while it was being cancelled"
    except CannotCancel as error:
        became = str(error)
    raise TimedOut(f"{task.function} on core {core} had not ended within {timeout:g} s: {became}")


def run_on_each(
    launched: Launched,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    timeout: float | None,
) -> list[Any]:
    """The same on every core at once; the values, in order."""
    _seconds(timeout, "on_each")
    until = None if timeout is None else time.monotonic() + timeout
    code = programs.encode(function, args, kwargs)
    for core in range(launched.plan.cores):
        with launched.lock(core, PROGRAMS):
            _check_free(launched, core)
    begun: list[_Run] = []
    try:
        tasks = [
            _start(launched, core, code, function, begun) for core in range(launched.plan.cores)
        ]
        for one in tasks:
            if not one._wait(None if until is None else max(0.0, until - time.monotonic())):
                raise TimedOut(
                    f"{one.function} had not ended within {timeout:g} s",
                    value=f"core {one.core}",
                    where="on_each",
                    hint="it is cancelled on every core",
                )
    except BaseException as error:
        for run in begun:
            _give_up(launched, [run], error)
        raise
    return [one.result() for one in tasks]


def running(launched: Launched, core: int) -> Task | None:
    """The program that runs on that core now."""
    with launched.lock(core, PROGRAMS):
        launched.check()
        run = launched.runs.get(core)
        if not isinstance(run, _Run) or run.settle(launched, 0):
            return None
        return Task(launched, run)


def _start(
    launched: Launched,
    core: int,
    code: bytearray,
    function: Callable[..., Any],
    begun: list[_Run],
) -> Task:
    """begun: gets the run before it runs, so that it is known wherever this is interrupted."""
    with launched.lock(core, PROGRAMS):
        _check_free(launched, core)
        line = launched.begin(core, PROGRAMS, KINDS["RUN_BEGIN"], len(code))
        verdict, named, words = launched.finish(core, PROGRAMS, line)
        if verdict != OK:
            raise error_of(verdict, named, "run", core=core)
        if not launched.client.put(core, code):
            launched.check()
            raise CoreDied("a core did not take its program", core=core)
        run = _Run(core, words[0], programs.name_of(function))
        begun.append(run)
        run.line = launched.begin(core, PROGRAMS, KINDS["RUN_GO"])
        launched.runs[core] = run
        return Task(launched, run)


def _check_free(launched: Launched, core: int) -> None:
    """Raises CoreBusy while a program runs there. Hold the core's PROGRAMS lock."""
    launched.check()
    before = launched.runs.get(core)
    if isinstance(before, _Run) and not before.settle(launched, 0):
        raise CoreBusy(
            "the core runs a program already", value=before, where=f"run on core {core}",
            hint="wait for its result, or cancel it: core.task is its task",
            core=core, function=before.function, since=before.since,
        )  # fmt: skip


def _give_up(launched: Launched, begun: list[_Run], error: BaseException) -> None:
    """Nobody waits any more for what may have begun: cancels it, and says where it goes on."""
    with contextlib.suppress(MultikernelError):
        for one in begun:
            until = time.monotonic() + GIVEN_UP
            state = one.cancel(launched, GIVEN_UP)
            while state and time.monotonic() < until:
                time.sleep(0.001)
                state = one.cancel(launched, GIVEN_UP, again=False)
            if state:
                error.add_note(f"On core {one.core} it still runs: {one}. It is cancelled there.")
