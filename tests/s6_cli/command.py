"""The command line as a process of its own, and what it must leave behind: nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

COMMAND = (sys.executable, "-m", "multikernel")


def run(
    *arguments: str, cwd: Path | None = None, cpus: set[int] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end. cpus: which it may use."""
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=cwd,
        env=environment,
        preexec_fn=None if cpus is None else lambda: os.sched_setaffinity(0, cpus),
    )  # fmt: skip


def assert_one_line_and_code_2(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """What every bad input gets."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("multikernel: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@contextlib.contextmanager
def started(*arguments: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Starts it; at the end of the block it has ended, whatever happened."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        bufsize=1,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Everything it has started: supervisors, cores, the Linux process."""
    return psutil.Process(process.pid).children(recursive=True)


def names_of(processes: Sequence[psutil.Process]) -> set[str]:
    """As they call themselves."""
    found = set()
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.add(one.name())
    return found


def await_cores(process: subprocess.Popen[str], count: int) -> list[psutil.Process]:
    """Waits until it has that many cores; its family then. The watchdog ends a test that waits for
    ever.
    """
    while process.poll() is None:
        family = family_of(process)
        if sum(name.startswith("mk-core-") for name in names_of(family)) >= count:
            return family
        time.sleep(0.02)
    raise AssertionError(
        f"ended with {process.returncode} before it had {count} cores: {process.communicate()}"
    )


def end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """Sends a signal and waits for the end; stdout and stderr."""
    process.send_signal(number)
    return process.communicate()


def assert_all_gone(family: Sequence[psutil.Process]) -> None:
    """Once the command has ended, none of its processes is left, and no segment of theirs has a
    name.
    """
    left = [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert left == []
    makers = {f"multikernel-{one.pid}-" for one in family}
    names = [path.name for path in Path("/dev/shm").iterdir()]
    assert not [name for name in names if any(name.startswith(maker) for maker in makers)]
