"""A program that runs on a core, as its starter sees it: something that can be waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from multikernel.errors import CoreBusy, CoreDied
from multikernel.native._native import KINDS
from multikernel.runtime import programs
from multikernel.runtime.launch import PROGRAMS, SLICE_US, Launched
from multikernel.user.outcome import OK, error_of


class _Run:
    """The outcome of one program, wherever it is. A core keeps only its last result, and a line
    stays in use until its reply is taken: so before the next program starts this one's result is
    fetched, whether its starter has asked for it or not.
    """

    def __init__(self, core: int, line: int) -> None:
        self.core = core
        self.line = line
        self.outcome: bytes | None = None

    def settle(self, launched: Launched, timeout_us: int) -> bool:
        if self.outcome is not None:
            return True
        reply = launched.poll(self.core, PROGRAMS, self.line, timeout_us)
        if reply is None:
            return False
        verdict, named, words = reply
        if verdict != OK:
            launched.runs.pop(self.core, None)
            raise error_of(verdict, named, "run", core=self.core)
        outcome = launched.client.get(self.core, words[0])
        if outcome is None:
            launched.check()
            raise CoreDied("a core did not give its result", core=self.core)
        # Last, and twice does no harm: a caller interrupted before may settle it again.
        self.outcome = outcome
        launched.runs.pop(self.core, None)
        return True


class Task:
    """One program on one core. Its result is fetched once and kept."""

    def __init__(
        self,
        launched: Launched,
        core: int,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ):
        code = programs.encode(function, args, kwargs)
        self._launched = launched
        self.core = core
        with launched.lock(core, PROGRAMS):
            launched.check()
            if core in launched.runs and not launched.runs[core].settle(launched, 0):
                raise CoreBusy(
                    "the core runs a program already",
                    where="run",
                    core=core,
                    hint="wait for its result",
                )
            self._ask(KINDS["RUN_BEGIN"], len(code))
            if not launched.client.put(core, code):
                launched.check()
                raise CoreDied("a core did not take its program", core=core)
            self._run = _Run(core, launched.begin(core, PROGRAMS, KINDS["RUN_GO"]))
            launched.runs[core] = self._run

    def _ask(self, kind: int, *words: int) -> None:
        line = self._launched.begin(self.core, PROGRAMS, kind, *words)
        verdict, named, _ = self._launched.finish(self.core, PROGRAMS, line)
        if verdict != OK:
            raise error_of(verdict, named, "run", core=self.core)

    def done(self) -> bool:
        """Whether result() would return at once."""
        return self._step(0)

    def result(self, timeout: float | None = None) -> Any:
        """The function's value, or raises what it raised. timeout in seconds; raises TimeoutError,
        CoreDied.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = (
                SLICE_US
                if deadline is None
                else min(SLICE_US, int((deadline - time.monotonic()) * 1e6))
            )
            if self._step(max(left, 0)):
                break
            if left <= 0:
                raise TimeoutError(f"the program on core {self.core} still runs after {timeout} s")
            time.sleep(0.0001)  # so that a waiting thread gets the lock before this one does again
        assert self._run.outcome is not None
        return programs.outcome_of(self._run.outcome)

    def _step(self, timeout_us: int) -> bool:
        if self._run.outcome is not None:
            return True
        with self._launched.lock(self.core, PROGRAMS):
            return self._run.settle(self._launched, timeout_us)
