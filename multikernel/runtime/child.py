"""Helper processes: another Python that runs one of our modules. Nothing of the working directory
is imported there, and what it writes before it can speak for itself is not lost.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from types import TracebackType

from multikernel.runtime.plan import Plan

SUPERVISOR = "multikernel.runtime.supervisor"
WORDS_BYTES = 4096
"""What is kept of what a child wrote, from the end."""


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs that module, isolated from the working directory (-P): a file
    `select.py` there is the user's and none of ours.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def about(plan: Plan) -> tuple[str, str, str]:
    """What a supervisor's command says of its system, for whoever lists processes."""
    return plan.kernel, str(plan.cores), plan.system


class LastWords:
    """Standard error of a child until it says speaks(): an interpreter that does not start, or a
    module that cannot be imported, says why there.
    """

    def __init__(self) -> None:
        self.stderr = os.memfd_create("mk-last-words")
        # Not 0 to 2, which may be free here and are taken there.
        try:
            self.ours = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)
        except OSError:  # closed by whoever started us
            null = os.open(os.devnull, os.O_WRONLY)
            self.ours = fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(null)

    def read(self) -> str:
        """The last line that says something, "" if none does."""
        size = os.fstat(self.stderr).st_size
        data = os.pread(self.stderr, WORDS_BYTES, max(0, size - WORDS_BYTES))
        lines = [line.strip() for line in data.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def __enter__(self) -> LastWords:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        os.close(self.stderr)
        os.close(self.ours)


def speaks(ours: int) -> None:
    """In the child: from here on standard error is its caller's, which is that descriptor."""
    os.dup2(ours, 2)
    os.close(ours)


def hears_of_children() -> None:
    """In the child: it waits for children of its own, whatever whoever started us ignores."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
