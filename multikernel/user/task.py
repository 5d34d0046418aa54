"""A program that runs on a core, as the client sees it: something to wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from multikernel.errors import CoreDied
from multikernel.native._native import KINDS
from multikernel.runtime import programs
from multikernel.runtime.launch import PROGRAMS, SLICE_US, Launched
from multikernel.user.outcome import OK, error_of


class Task:
    """One program on one core. Its result is fetched once and kept."""

    def __init__(self, launched: Launched, core: int, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]):
        code = programs.encode(function, args, kwargs)
        self._launched = launched
        self.core = core
        self._outcome: bytes | None = None
        with launched.lock(core, PROGRAMS):
            self._ask(KINDS["RUN_BEGIN"], len(code))
            if not launched.client.put(core, code):
                launched.check()
                raise CoreDied("a core did not take its program", core=core)
            self._line = launched.begin(core, PROGRAMS, KINDS["RUN_GO"])

    def _ask(self, kind: int, *words: int) -> None:
        line = self._launched.begin(self.core, PROGRAMS, kind, *words)
        verdict, named, _ = self._launched.finish(self.core, PROGRAMS, line)
        if verdict != OK:
            raise error_of(verdict, named, "run", core=self.core)

    def done(self) -> bool:
        """Whether result() would return at once."""
        return self._outcome is not None or self._step(0)

    def result(self, timeout: float | None = None) -> Any:
        """The function's value, or raises what it raised. timeout in seconds; raises TimeoutError, CoreDied."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._outcome is None:
            left = SLICE_US if deadline is None else min(SLICE_US, int((deadline - time.monotonic()) * 1e6))
            if not self._step(max(left, 0)) and left <= 0:
                raise TimeoutError(f"the program on core {self.core} still runs after {timeout} s")
        return programs.outcome_of(self._outcome)

    def _step(self, timeout_us: int) -> bool:
        launched = self._launched
        with launched.lock(self.core, PROGRAMS):
            if self._outcome is not None:
                return True
            reply = launched.poll(self.core, PROGRAMS, self._line, timeout_us)
            if reply is None:
                return False
            verdict, named, words = reply
            if verdict != OK:
                raise error_of(verdict, named, "run", core=self.core)
            outcome = launched.client.get(self.core, words[0])
            if outcome is None:
                launched.check()
                raise CoreDied("a core did not give its result", core=self.core)
            self._outcome = outcome
            return True
