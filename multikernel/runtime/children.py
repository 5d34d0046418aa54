"""Processes that this one forks: it hears of their end by SIGCHLD.

Guarantees: a child that has ended is seen and left as it is (a zombie), so that its number stays
its own until it is reaped; any number of children take two descriptors. Idea: the self-pipe, which
Python's wake-up descriptor is.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from select import poll
from typing import NamedTuple

_ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT


class End(NamedTuple):
    """How a child ended. status: its exit code, or minus the signal that killed it."""

    pid: int
    status: int


class Children:
    """One a process. heard: numbers of the signals that came, of those with a handler in Python."""

    def __init__(self) -> None:
        self._read = self._write = -1
        self.heard: set[int] = set()

    def listen(self) -> None:
        """Before the first fork. Raises OSError."""
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # none is called where it is the default
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def fileno(self) -> int:
        """To be polled: readable when a child may have ended."""
        return self._read

    def ended(self, pid: int | None = None) -> End | None:
        """A child that has ended, or that one if it has."""
        try:
            while numbers := os.read(self._read, 4096):
                self.heard.update(numbers)
        except BlockingIOError:
            pass
        kind, number = (os.P_ALL, 0) if pid is None else (os.P_PID, pid)
        try:
            state = os.waitid(kind, number, _ENDED)
        except ChildProcessError:
            return None
        if state is None:
            return None
        exited = state.si_code == os.CLD_EXITED
        return End(state.si_pid, state.si_status if exited else -state.si_status)

    def await_all(self, pids: Iterable[int], seconds: float) -> list[int]:
        """Those that have not ended after so long."""
        left = list(pids)
        if not left:
            return []
        deadline = time.monotonic() + seconds
        waiting = poll()
        waiting.register(self._read)
        while left:
            # Before the look, so that what ends after it is heard of.
            if self.ended(left[-1]) is not None:
                left.pop()
            elif not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
                break
        return [pid for pid in left if self.ended(pid) is None]

    def leave(self) -> None:
        """In a child: its own children are no business of ours."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._read)
        os.close(self._write)
