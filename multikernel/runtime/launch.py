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
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from multikernel.errors import BootFailed, CoreDied, MultikernelError, SystemClosed
from multikernel.machine import limits
from multikernel.native import _native
from multikernel.runtime import child, leftovers, segments, wire
from multikernel.runtime.plan import Plan
from multikernel.runtime.printed import Printed

REQUESTS, PROGRAMS = 0, 1
"""The two channels to each core."""
SLICE_US = 50_000
"""How long one wait in native code may last, so that Ctrl-C and a dead system are noticed."""
CLOSE_SECONDS = 10.0
AT_ONCE = 64
"""Cores that are asked before the first answer is waited for."""

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
        self._ended = False
        self._died: dict[str, Any] | None = None
        self._close_lock = threading.RLock()  # a signal's handler may close what is being closed
        self.runs: dict[int, Run] = {}
        self._locks = [[threading.Lock() for _ in (REQUESTS, PROGRAMS)] for _ in plan.cpus]
        self._killed_before = limits.killed_for_memory()
        try:
            asked = "a new process"
            with limits.naming(asked), child.standard_streams(), child.LastWords() as words:
                self.printed = Printed()
                try:
                    self._start(plan, words)
                finally:
                    self.printed.started()
                self._boot(plan, words)
        except BaseException as error:  # Ctrl-C too, at any moment
            if hasattr(self, "_finalizer"):
                self.close()
            elif hasattr(self, "process"):
                _hang_up(self._connection, self.process, self.owner)
            if hasattr(self, "_connection"):
                self._connection.close()
            if type(error) is MultikernelError:  # of a call that the host has refused
                raise _boot_error({"error": str(error)}) from error
            raise

    def _start(self, plan: Plan, words: child.LastWords) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            printed = self.printed.descriptors
            passed = theirs.fileno(), printed.get("stderr", words.ours)
            self.process = subprocess.Popen(
                child.command(child.SUPERVISOR, *map(str, passed), *child.about(plan)),
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                stdout=printed.get("stdout"),
                stderr=words.stderr,
                start_new_session=True,
            )
        self._finalizer = weakref.finalize(
            self, _hang_up, self._connection, self.process, self.owner
        )

    def _boot(self, plan: Plan, words: child.LastWords) -> None:
        received = self._come_up(plan)
        record = json.loads(received[0]) if received else self._last_words(words)
        if "size" not in record or received is None:
            raise _boot_error(record)
        self.pids: tuple[int, ...] = tuple(record["pids"])
        self.segment = self._attach(received[1], record["size"])
        self.client = _native.Client(self.segment, self._connection.fileno())

    def _come_up(self, plan: Plan) -> tuple[bytes, list[int]] | None:
        """Sends the plan; what came back, None where the supervisor has ended."""
        try:
            wire.send(self._connection, plan.encode())
            return wire.receive(self._connection)
        except ConnectionError:
            return None  # it was dead before it had read its plan

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

    def request_many(self, kind: int, by_core: Mapping[int, tuple[int, ...]]) -> dict[int, Reply]:
        """The same of many cores, all waited for together; by core its words."""
        cores = sorted(by_core)
        replies: dict[int, Reply] = {}
        for at in range(0, len(cores), AT_ONCE):
            replies |= self._request_many(kind, by_core, cores[at : at + AT_ONCE], ())
        return replies

    def _request_many(
        self, kind: int, by_core: Mapping[int, tuple[int, ...]], cores: Sequence[int],
        sent: Sequence[tuple[int, int]],
    ) -> dict[int, Reply]:  # fmt: skip
        """A call a core: nothing else gives back a lock wherever it is interrupted."""
        if not cores:
            return {core: self.finish(core, REQUESTS, line) for core, line in sent}
        core = cores[0]
        with self._locks[core][REQUESTS]:
            line = self.begin(core, REQUESTS, kind, *by_core[core])
            return self._request_many(kind, by_core, cores[1:], (*sent, (core, line)))

    def request_within(self, seconds: float, core: int, kind: int, *words: int) -> Reply | None:
        """The same; None where the core has not answered in time."""
        deadline = time.monotonic() + seconds
        with self._locks[core][REQUESTS]:
            line = self.begin(core, REQUESTS, kind, *words)
            while (reply := self.poll(core, REQUESTS, line, SLICE_US)) is None:
                if time.monotonic() > deadline:
                    break
            return reply

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
        if "stopped" in died:
            return SystemClosed(
                "this system was stopped from outside", value=self.plan.system,
                where="multikernel stop, or SIGTERM to its supervisor", hint="boot another one",
            )  # fmt: skip
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
            if self._ended or os.getpid() != self.owner:
                return
            self._closed = True
            # Interrupted, it is done again by the next call.
            _hang_up(self._connection, self.process, self.owner)
            self._finalizer.detach()
            self.printed.close()
            segments.sweep()
            self._ended = True


def _hang_up(connection: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    """Closing the socket makes the supervisor end everything. A forked copy of the launcher must
    not.
    """
    if os.getpid() != owner:
        return
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + CLOSE_SECONDS
    pause = 0.0005
    # It is not reaped before it is known how it ended, so that its session is still its own.
    while process.returncode is None and not _has_ended(process):
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(pause)
        pause = min(2 * pause, 0.01)
    connection.close()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the supervisor has; then it is reaped. Where it was killed, what programs have left
    behind has nobody else to end it.
    """
    with contextlib.suppress(ChildProcessError):  # reaped already, by whoever ignores SIGCHLD
        how = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if how is None:
            return False
        if how.si_code != os.CLD_EXITED:
            leftovers.end(process.pid)
    process.wait()
    return True


def _boot_error(record: dict[str, Any]) -> MultikernelError:
    if "full" in record:
        return wire.full_error(record)
    return BootFailed("the system did not come up", value=record.get("error"))
