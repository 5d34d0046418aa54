"""Helper processes: another Python that runs one of our modules. Nothing of the working directory
is imported there, and what it writes before it can speak for itself is not lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from types import TracebackType

from multikernel.runtime.plan import Plan

SUPERVISOR = "multikernel.runtime.supervisor"
WORDS_BYTES = 4096
"""What is read of what a child wrote, at a time."""


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs that module, isolated from the working directory (-P): a file
    `select.py` there is the user's and none of ours.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """In the block descriptors 0 to 2 are open: where whoever started us has closed them, nothing
    that is made meanwhile is taken for one of them, here or in a child.
    """
    held: list[int] = []
    try:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
            held.append(descriptor)
        os.close(descriptor)
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def about(plan: Plan) -> tuple[str, str, str]:
    """What a supervisor's command says of its system, for whoever lists processes."""
    return plan.kernel, str(plan.cores), plan.system


class LastWords:
    """Standard error of a child until it says speaks(): an interpreter that does not start, or a
    module that cannot be imported, says why there. Within standard_streams().
    """

    def __init__(self) -> None:
        self.ours = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)
        try:
            # A child that says much loses the end of it, and never waits.
            self._words, self.stderr = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            os.close(self.ours)
            raise

    def read(self) -> str:
        """The last line that says something, "" if none does."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._words, WORDS_BYTES):
                data += piece
        lines = [line.strip() for line in data.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def __enter__(self) -> LastWords:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        for descriptor in (self._words, self.stderr, self.ours):
            os.close(descriptor)


def speaks(ours: int) -> None:
    """In the child: from here on standard error is its caller's, which is that descriptor."""
    os.dup2(ours, 2)
    os.close(ours)


def hears_of_children() -> None:
    """In the child: it waits for children of its own, whatever whoever started us ignores; and
    whatever that has blocked, it gets its signals.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
