"""Launchers as processes of their own, to be killed, and what may be left of them: nothing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
SHARED_MEMORY = Path("/dev/shm")

LAUNCHER = """
import json, os, signal, sys, threading, time
import multikernel
from s7_faults import work

kernel, cores, what, transport = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
print(json.dumps({"launcher": os.getpid()}), flush=True)
with multikernel.boot(cores, kernel=kernel, transport=transport) as system:
    pids = [core.pid for core in system.cores]
    print(json.dumps({"supervisor": system.launched.process.pid, "cores": pids}), flush=True)
    getattr(work, what)(system)
"""


class Launcher:
    """A process that boots a system and does something with it. pids: all of the system's, as they
    become known.
    """

    def __init__(self, kernel: str, cores: int, what: str, transport: str = "call-line") -> None:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, kernel, str(cores), what, transport],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.pids: set[int] = set()
        self.supervisor: int | None = None
        self.cores: list[int] = []

    def started(self) -> None:
        """The launcher runs; its boot has not begun."""
        assert self.process.stdout is not None
        record = json.loads(self.process.stdout.readline())
        assert record["launcher"] == self.process.pid

    def booted(self) -> None:
        """The system is up."""
        self.started()
        assert self.process.stdout is not None
        record = json.loads(self.process.stdout.readline())
        self.supervisor, self.cores = record["supervisor"], record["cores"]
        self.look()

    def look(self) -> set[int]:
        """Remembers every process below the launcher that there is now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.pids.add(child.pid)
        return self.pids

    def end(self) -> tuple[int, str, str]:
        """Waits for the launcher: its status, output and errors."""
        output, errors = self.process.communicate()
        return self.process.returncode, output, errors


def running(pid: int) -> bool:
    """A zombie has ended; who has to reap it is another question."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(pids: set[int]) -> None:
    """Returns when none of them runs any more; the watchdog is the limit."""
    while left := [pid for pid in pids if running(pid)]:
        time.sleep(0.01)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(left[0]).name()


def names_of(makers: set[int]) -> list[str]:
    """Segments in /dev/shm that these processes made."""
    return [
        path.name
        for path in SHARED_MEMORY.glob("multikernel-*")
        if path.name.removeprefix("multikernel-").split("-")[0] in {str(pid) for pid in makers}
    ]


def descendants_of(pid: int) -> Iterator[psutil.Process]:
    """Every process below that one, now."""
    with contextlib.suppress(psutil.NoSuchProcess):
        yield from psutil.Process(pid).children(recursive=True)
