"""Processes beside the cores that answer what they are asked: those of Linux and of MPI.

Guarantees: they are in a session of their own; none is left when it is closed, or its caller has
ended. Answers come over a connection each.
"""

import os
import signal
import subprocess
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Self

from multikernel.errors import CoreDied

CLOSE_SECONDS = 3.0


class Helper:
    """The caller's side. Close it, or use it as a context manager."""

    process: subprocess.Popen[bytes]
    """In a session of its own. Ends when its connections do."""

    def __init__(self) -> None:
        self.ends: list[Connection] = []

    def answers(self, order: object = None, seconds: float | None = None) -> list[Any]:
        """What each of them says to an order, None: what it says by itself. Raises CoreDied."""
        with suppress(EOFError, OSError):
            for end in self.ends if order is not None else ():
                end.send(order)
            if all(end.poll(seconds) for end in self.ends):
                return [end.recv() for end in self.ends]
        raise self.gone()

    def gone(self) -> CoreDied:
        raise NotImplementedError

    def close(self) -> None:
        """The processes are gone when this returns. Idempotent."""
        for end in self.ends:
            end.close()
        # Asked to end, a launcher ends those that it has started.
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                self.process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, how)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
