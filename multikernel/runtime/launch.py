"""The launcher's side: starts a supervisor, receives the kernel segment, talks to cores, and learns
of their end.

The launcher is a client and never a core. It may have threads, be a notebook or a test runner: it
forks nothing itself, and its requests to one core are serialised by a lock for each channel.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import threading
import weakref
from typing import Any, Protocol

from multikernel.errors import BootFailed, CoreDied, MultikernelError, SystemClosed
from multikernel.machine import limits
from multikernel.native import _native
from multikernel.runtime import child, segments, wire
from multikernel.runtime.plan import Plan

REQUESTS, PROGRAMS = 0, 1
"""The two channels to each core."""
SLICE_US = 50_000
"""How long one wait in native code may last, so that Ctrl-C and a dead system are noticed."""
CLOSE_SECONDS = 10.0

Reply = tuple[int, int, tuple[int, ...]]
"""verdict, the core it names, six words."""


class Run(Protocol):
    """A program on a core whose result has not been fetched."""

    def settle(self, launched: Launched, timeout_us: int) -> bool:
        """Fetches the result if the program ends within timeout_us microseconds. Hold the core's
        PROGRAMS lock.
        """
        ...


class Launched:
    """A running system as its launcher sees it."""

    def __init__(self, plan: Plan) -> None:
        """Boots it. Raises BootFailed, SegmentFull."""
        self.plan = plan
        self.owner = os.getpid()
        self._closed = False
        self._died: dict[str, Any] | None = None
        self._close_lock = threading.Lock()
        self.runs: dict[int, Run] = {}
        self._locks = [[threading.Lock() for _ in (REQUESTS, PROGRAMS)] for _ in plan.cpus]
        self._killed_before = limits.killed_for_memory()
        try:
            record, received = self._start(plan)
        except MultikernelError as error:
            raise _boot_error({"error": str(error)}) from error
        if "size" not in record:
            self.close()
            raise _boot_error(record)
        self.pids: tuple[int, ...] = tuple(record["pids"])
        try:
            self.segment = self._attach(received, record["size"])
        except MultikernelError as error:
            self.close()
            raise _boot_error({"error": str(error)}) from error
        self.client = _native.Client(self.segment, self._connection.fileno())

    def _start(self, plan: Plan) -> tuple[dict[str, Any], list[int]]:
        """A supervisor, and what came of its boot: a record, and descriptors. Raises
        MultikernelError.
        """
        with limits.naming("a new process"), child.standard_streams(), child.LastWords() as words:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            self._connection = ours
            with contextlib.ExitStack() as refused, theirs:
                refused.callback(ours.close)
                passed = theirs.fileno(), words.ours
                self.process = subprocess.Popen(
                    child.command("multikernel.runtime.supervisor", *map(str, passed)),
                    pass_fds=passed,
                    stdin=subprocess.DEVNULL,
                    stderr=words.stderr,
                    start_new_session=True,
                )
                refused.pop_all()
            self._finalizer = weakref.finalize(self, _hang_up, ours, self.process, self.owner)
            received = self._boot(plan)
            if received is None:
                return self._last_words(words), []
            return json.loads(received[0]), received[1]

    def _boot(self, plan: Plan) -> tuple[bytes, list[int]] | None:
        """Sends the plan; what came back, None where the supervisor has ended."""
        try:
            wire.send(self._connection, plan.encode())
            return wire.receive(self._connection)
        except ConnectionError:
            return None  # it was dead before it had read its plan
        except BaseException:
            self.close()
            raise

    def _attach(self, descriptors: list[int], size: int) -> _native.Segment:
        """Raises MultikernelError where the host does not let it be mapped, or passed no
        descriptor on.
        """
        with limits.naming("mmap of the kernel's segment"):
            if not descriptors:
                raise OSError(errno.EMFILE, "")  # the host drops what has no room
            try:
                return _native.Segment.attach(descriptors[0], size)
            finally:
                os.close(descriptors[0])

    def _last_words(self, words: child.LastWords) -> dict[str, Any]:
        """What a supervisor that has ended leaves to be said."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(CLOSE_SECONDS)
        status = self.process.returncode
        said = (
            words.read()
            or limits.cause_of_death(self.process.pid, status, self._killed_before)
            or f"status {status}, without a word"
        )
        return {"error": f"the supervisor ended: {said}"}

    # --- requests ---

    def request(self, core: int, kind: int, *words: int, kept: bytes = b"") -> Reply:
        """A request to a core's driver, waited for. Raises CoreDied, SystemClosed."""
        with self._locks[core][REQUESTS]:
            line = self.begin(core, REQUESTS, kind, *words, kept=kept)
            return self.finish(core, REQUESTS, line)

    def begin(self, core: int, channel: int, kind: int, *words: int, kept: bytes = b"") -> int:
        """Sends a request; the line for finish. Hold the channel's lock: there is one at a time.

        A line that is still in use belonged to a request that was interrupted (Ctrl-C, at any
        instruction): only here is it certain that nobody waits for it.
        """
        while True:
            self.check()
            self.client.abandon(core, channel)
            line: int = self.client.send(core, channel, kind, words, kept)
            if line >= 0:
                return line
            # the next line is an abandoned request's: its reply frees it
            threading.Event().wait(0.001)

    def finish(self, core: int, channel: int, line: int) -> Reply:
        """Waits for the reply. Interrupted, it leaves the line to begin."""
        while (reply := self.client.wait(core, channel, line, SLICE_US)) is None:
            self.check()
        return reply

    def poll(self, core: int, channel: int, line: int, timeout_us: int) -> Reply | None:
        """One bounded wait for a reply that stays expected."""
        self.check()
        return self.client.wait(core, channel, line, timeout_us)

    def lock(self, core: int, channel: int) -> threading.Lock:
        """The lock of a channel."""
        return self._locks[core][channel]

    # --- the end ---

    def check(self) -> None:
        """Raises what is wrong with the system, if anything is."""
        if os.getpid() != self.owner:
            raise SystemClosed(
                "a system is used by the process that booted it", value=self.plan.system,
                where=f"process {os.getpid()}, forked from {self.owner}", hint="boot one here",
            )  # fmt: skip
        if self._closed:
            raise SystemClosed(
                "this system is closed", value=self.plan.system, hint="boot another one"
            )
        if self.client.gone:
            self._learn()
            self.close()
            raise self._death()

    def _learn(self) -> None:
        """Reads the supervisor's last message: why the system ended."""
        if self._died is not None:
            return
        self._died = {}
        self._connection.settimeout(CLOSE_SECONDS)
        with contextlib.suppress(OSError, ValueError):
            received = wire.receive(self._connection)
            if received is not None:
                self._died = json.loads(received[0])

    def _death(self) -> MultikernelError:
        died = self._died or {}
        if "died" in died:
            return wire.died_error(died, "and the system was taken down")
        return CoreDied(
            "the system is gone: its supervisor was killed",
            value=limits.killed_since(self._killed_before) or None,
            hint="boot another one",
        )

    @property
    def closed(self) -> bool:
        """Whether close was called, or the system found dead."""
        return self._closed

    def close(self) -> None:
        """Takes the system down and waits until every process of it is gone. Idempotent."""
        with self._close_lock:
            if self._closed or os.getpid() != self.owner:
                return
            self._closed = True
            self._finalizer()
            segments.sweep()


def _hang_up(connection: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    """Closing the socket makes the supervisor end everything. A forked copy of the launcher must
    not.
    """
    if os.getpid() != owner:
        return
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
    try:
        process.wait(CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    connection.close()


def _boot_error(record: dict[str, Any]) -> MultikernelError:
    if "full" in record:
        return wire.full_error(record)
    return BootFailed("the system did not come up", value=record.get("error"))
