"""The supervisor: makes the segments, forks the cores, watches them, and takes everything down.

A process of its own, exec'd by the launcher and single-threaded: only such a process may fork
safely, and the cores' death signal is tied to the thread that forked them. It ends when the
launcher says so, when the launcher is gone (by its pidfd, so that copies of the socket in the
launcher's children don't matter; where the host gives no pidfd it looks every second whose child it
is), or when a core dies: a system with a dead core is taken down whole. Cores are reaped only at
the end, so no pid that a core may signal is ever reused.

Run as: python -P -m multikernel.runtime.supervisor DESCRIPTOR STDERR ABOUT…
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

import cloudpickle  # noqa: F401  imported before the fork, for all cores at once

from multikernel.errors import MultikernelError, SegmentFull
from multikernel.machine import limits
from multikernel.machine.host import pinning
from multikernel.native import _native
from multikernel.runtime import child, inspection, leftovers, segments, wire
from multikernel.runtime.children import Children, End
from multikernel.runtime.core import CNODES, be_core
from multikernel.runtime.inspection import Words
from multikernel.runtime.inspection_socket import Listener
from multikernel.runtime.links import Links
from multikernel.runtime.plan import LOCK_SCOPES, Plan
from multikernel.runtime.wire import full_error

READY_SECONDS = 60.0
GRACE_SECONDS = 0.5
LAUNCHER_SECONDS = 1.0
"""How often a supervisor without a pidfd of its launcher looks whether it is there."""
OOM_SCORE = "500"
"""When memory runs out the host kills a core rather than the launcher, who can say why."""
INSPECTION = 2
"""The client channel to every core that is the supervisor's."""
WAIT_US = 20_000


class _Supervisor:
    def __init__(self, connection: socket.socket, plan: Plan) -> None:
        self.connection = connection
        self.plan = plan
        self.pids: list[int] = []
        self.children = Children()
        self.killed_before = limits.killed_for_memory()
        self.segment: _native.Segment | None = None
        self.client: _native.Client | None = None

    def boot(self) -> tuple[int, ...]:
        """Makes the segments, forks the cores, waits until all are ready. The kernel segment's
        descriptor and size.
        """
        plan = self.plan
        self.children.listen()
        segments.sweep()
        shared = (
            _native.shared_state_bytes(
                plan.cores, plan.slots, CNODES, LOCK_SCOPES.index(plan.lock_scope), plan.memory
            )
            if plan.kernel == "shared"
            else 0
        )
        geometry = (plan.cores, plan.window, plan.channels, plan.ring_slots, shared, plan.trace)
        size = _native.kernel_segment_bytes(*geometry)
        segments.require(size + plan.memory)
        kernel = segments.create(size, beside=plan.memory)
        memory = segments.create(plan.memory, beside=size)
        segments.back(memory, 0, plan.memory)
        # Each core backs its own region; the header and the shared kernel's state belong to no
        # core.
        segments.back(kernel, 0, _native.SEGMENT_HEADER_BYTES)
        with limits.naming("mmap of the kernel's segment"):
            self.segment = _native.Segment.create(kernel, *geometry)
        end = sum(self.segment.region(plan.cores - 1))
        segments.back(kernel, end, size - end)
        self._fork_all(kernel, memory)
        os.close(memory)  # no other mapping of physical memory than the cores'
        return kernel, size

    def _fork_all(self, kernel: int, memory: int) -> None:
        assert self.segment is not None
        ready_read, ready_write = os.pipe()
        go_read, go_write = os.pipe()
        supervisor = os.getpid()
        links = Links(self.plan.transport, self.plan.cores)
        gc.collect()
        gc.freeze()
        allowed = os.sched_getaffinity(0)
        for core in range(self.plan.cores):
            with limits.naming("socketpair"):
                links.make(core)
            # Before the fork: a process that has run on another CPU is charged for that CPU's TLB
            # at every change of its page table (a bit of the host's mm_cpumask, measured: 500
            # cycles a mprotect).
            pinning.pin(self.plan.cpus[core])
            with limits.naming("fork"):
                pid = os.fork()
            if pid == 0:
                self.children.leave()
                for inherited in (self.connection.fileno(), ready_read, go_write):
                    os.close(inherited)
                be_core(
                    self.plan,
                    core,
                    self.segment,
                    kernel,
                    memory,
                    ready_write,
                    go_read,
                    supervisor,
                    links,
                )
            links.passed(core)
            self.pids.append(pid)
        os.sched_setaffinity(0, allowed)
        os.close(ready_write)
        os.close(go_read)
        self._await_ready(ready_read)
        os.close(ready_read)
        self.segment.go()
        os.close(go_write)
        # After the forks, so that no core has it, and before the launcher hears that all is ready.
        self.listener = Listener(self._inspect)

    def _await_ready(self, ready: int) -> None:
        waiting, buffer = self.plan.cores, b""
        deadline = time.monotonic() + READY_SECONDS
        poll = select.poll()
        for descriptor in (ready, self.connection.fileno(), self.children.fileno()):
            poll.register(descriptor, select.POLLIN)
        while waiting:
            events = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if not events:
                raise MultikernelError(
                    f"{waiting} cores were not ready after {READY_SECONDS:.0f} s"
                )
            if self.connection.fileno() in events:
                raise MultikernelError("the launcher is gone")
            if ready not in events:  # what a core said before it ended comes first
                end = self.children.ended()
                if end is not None:
                    raise wire.died_error(self._death(end), "before it was ready")
                continue
            data = os.read(ready, 65536)
            if not data:
                poll.unregister(ready)  # they have ended, which is about to be heard of
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                record = json.loads(line)
                if "full" in record:
                    raise full_error(record)
                if "error" in record:
                    raise MultikernelError(f"core {record['core']}: {record['error']}")
                waiting -= 1

    def _death(self, end: End) -> dict[str, Any]:
        """What the launcher is told."""
        record: dict[str, Any] = {"died": self.pids.index(end.pid), "pid": end.pid}
        record["status"] = end.status
        record["limit"] = limits.cause_of_death(end.pid, end.status, self.killed_before)
        return record

    def watch(self, launcher: int | None) -> dict[str, Any]:
        """Until it is time to end; why, for the launcher."""
        poll, listener = select.poll(), self.listener
        signal.signal(signal.SIGTERM, lambda *_: None)  # heard of beside the children
        ends = [self.connection.fileno(), *([] if launcher is None else [launcher])]
        for descriptor in (*ends, self.children.fileno(), listener.fileno()):
            poll.register(descriptor, select.POLLIN)
        patience = LAUNCHER_SECONDS * 1000 if launcher is None else None
        events: dict[int, int] = {}
        while True:
            end = self.children.ended()
            if end is not None:
                return self._death(end)
            if signal.SIGTERM in self.children.heard:
                return {"stopped": True}
            if not events.keys().isdisjoint(ends) or os.getppid() != self.plan.launcher:
                return {"closed": True}
            if listener.fileno() in events:
                listener.answer()
                events = {}  # an end that came meanwhile has been heard of there
                continue
            events = dict(poll.poll(patience))

    def _inspect(self, deadline: float) -> dict[str, Any]:
        """Asks the cores, over a channel of their own for it. Raises MultikernelError when one does
        not answer in time, and when something has ended.
        """
        assert self.segment is not None
        if self.client is None:
            self.client = _native.Client(self.segment, self.connection.fileno())
        client = self.client

        def answer(core: int, line: int, kind: str) -> tuple[int, ...]:
            while line >= 0:
                reply = client.wait(core, INSPECTION, line, WAIT_US)
                if reply is not None:
                    if reply[0]:
                        raise MultikernelError(
                            "the core refused to say", value=kind, where=f"core {core}"
                        )
                    return reply[2]
                if time.monotonic() > deadline or self._ended():
                    break
            raise MultikernelError(
                "a core does not answer", value=core, hint="is its process stopped?"
            )

        def ask(kind: str, by_core: Mapping[int, Words]) -> dict[int, Words]:
            number = _native.KINDS[kind]
            lines = [
                (core, client.send(core, INSPECTION, number, words))
                for core, words in by_core.items()
            ]
            try:
                return {core: answer(core, line, kind) for core, line in lines}
            except BaseException:
                for core, _ in lines:
                    client.abandon(core, INSPECTION)
                raise

        return inspection.inspect(ask, self.plan, self.segment)

    def _ended(self) -> bool:
        """Whether a core or the launcher has ended."""
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(poll.poll(0)) or self.children.ended() is not None

    def end(self) -> None:
        """Asks the cores to leave, kills those that do not, reaps all."""
        if self.segment is not None:
            self.segment.stop()
        for pid in self.children.await_all(self.pids, GRACE_SECONDS):
            os.kill(pid, signal.SIGKILL)  # not reaped, so it is that core's
        for pid in self.pids:
            os.waitpid(pid, 0)
        leftovers.end(os.getpid())


def _pidfd(pid: int) -> int | None:
    """None where the host gives none (a system-call filter, or an old kernel), or it has ended."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def main(descriptor: int, stderr: int) -> int:
    """The process's life; its exit code."""
    child.hears_of_children()
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    received = wire.receive(connection)
    if received is None:
        return 0
    plan = Plan.decode(received[0])
    child.speaks(stderr)  # from here on it can say what is wrong
    launcher = _pidfd(plan.launcher)
    if os.getppid() != plan.launcher:
        return 0  # it died, and its pid is somebody else's now
    _native.adopt_name("mk-supervisor")
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(OOM_SCORE)
    sys.path[:] = list(plan.sys_path)
    supervisor = _Supervisor(connection, plan)
    try:
        try:
            with limits.naming("what the supervisor needs"):
                kernel, size = supervisor.boot()
        except SegmentFull as error:
            record: dict[str, Any] = {
                "full": [str(error), error.path, error.available, error.needed]
            }
        except MultikernelError as error:
            record = {"error": str(error)}
        else:
            wire.send_record(connection, {"size": size, "pids": supervisor.pids}, (kernel,))
            os.close(kernel)
            record = supervisor.watch(launcher)
        try:
            wire.send_record(connection, record)
        except OSError:
            return 1
        return 0
    finally:
        supervisor.end()


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1]), int(sys.argv[2])))  # there is nobody to be asked anything
