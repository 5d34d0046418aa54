"""Linux: threads of one address space on the host's own kernel, in a process that is nothing else;
and, where they are to have one each, children of it.

Guarantees: the process is exec'd, so it inherits neither the kernels' segments nor the caller's
threads; its memory is a segment without a name, as the kernels' pages are; its threads are pinned
to the cores' CPUs; between slices it sleeps; it is gone with the thread that started it.

Run as: python -m multikernel.experiments.instrument.linux_process PARENT CPU[,CPU…] BYTES SOCKET
"""

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from multikernel.errors import CoreDied, MultikernelError
from multikernel.experiments.instrument.helper import CLOSE_SECONDS, Helper
from multikernel.experiments.instrument.loops import Report
from multikernel.machine import limits
from multikernel.machine.host import pinning
from multikernel.machine.host.activity import Activity
from multikernel.native import _native
from multikernel.runtime import child, segments

NAME = "mk-linux"
PROVED = 8
"""Operations before the timed ones, whose interrupts are counted around the call itself."""
TIMES = ("unmap", "map", "touch", "remove")
"""What is timed of an unmap, in the native core's order."""


class LinuxProcess(Helper):
    def __init__(self, cpus: tuple[int, ...], memory: int) -> None:
        """cpus: thread i runs on cpus[i], the first one unmaps; memory: bytes."""
        super().__init__()
        with limits.naming("a new process"), child.standard_streams():
            ours, theirs = Pipe()
            self.ends.append(ours)
            about = os.getpid(), ",".join(map(str, cpus)), memory, theirs.fileno()
            with theirs:
                self.process = subprocess.Popen(
                    child.command(__name__, *map(str, about)), stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()], start_new_session=True,
                )  # fmt: skip
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, **arguments: int | bool) -> Report:
        """One slice, by the name of one of `Team`'s. Raises MultikernelError, CoreDied."""
        report: Report = self._answer((do, arguments))
        return report

    def _answer(self, order: object = None) -> Any:
        (answer,) = self.answers(order)
        if isinstance(answer, str):
            raise MultikernelError("the Linux process failed", value=answer)
        return answer

    def gone(self) -> CoreDied:
        status = self.process.wait(CLOSE_SECONDS)
        return CoreDied("the Linux process ended", value=f"status {status}", status=status)


# --- The process


def _on_all(cpus: list[int], first: Callable[[], None], other: Callable[[int], None]) -> Activity:
    """`first` in this thread, on the first CPU, while a thread on each other one runs `other`; what
    happened meanwhile, from when the threads were started: each is by moving to its CPU, which is
    no disturbance. Raises OSError.
    """
    failed: list[OSError] = []

    def run(number: int) -> None:
        try:
            other(number)
        except OSError as error:
            failed.append(error)

    threads = [Thread(target=run, args=(number,)) for number in range(1, len(cpus))]
    for cpu, thread in zip(cpus[1:], threads, strict=True):
        os.sched_setaffinity(0, {cpu})  # a thread begins with that of its maker
        thread.start()
    os.sched_setaffinity(0, {cpus[0]})
    watched = sorted(set(cpus))
    before = Activity.take(watched, [os.getpid()])
    first()
    activity = Activity.take(watched, [os.getpid()]) - before
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return activity


def _in_children(cpus: list[int], work: Callable[[int], int]) -> tuple[list[int], Activity]:
    """What work(number) returns in a process on each CPU, all at once, and what happened meanwhile.
    Raises OSError where one of them ended without an answer: then the others are killed. Bare pipes
    and select: whatever more this process does when the first is done delays the others.
    """
    hold, go = os.pipe()
    children: dict[int, int] = {}
    try:
        for number, cpu in enumerate(cpus):
            receive, send = os.pipe()
            os.sched_setaffinity(0, {cpu})  # before the fork: a child begins where it stays
            try:
                one = os.fork()
            except OSError:
                os.close(receive)
                os.close(send)
                raise
            if not one:
                with suppress(BaseException):
                    os.close(go)
                    _native.adopt(NAME)
                    os.write(send, b"!")
                    os.read(hold, 1)
                    os.write(send, work(number).to_bytes(8, "little"))
                os._exit(0)
            os.close(send)
            children[receive] = one
        watched = sorted(set(cpus))
        os.sched_setaffinity(0, watched)  # so as not to stand in the last one's way
        for receive in children:  # from here on each waits for `go`, or has ended
            os.read(receive, 1)
        before = Activity.take(watched, children.values())
        os.close(go)
        go = -1
        found: dict[int, int] = {}
        while len(found) < len(children):
            for receive in select.select(children.keys() - found.keys(), [], [])[0]:
                answer = os.read(receive, 8)
                if not answer:
                    raise OSError(errno.ECHILD, "a process that unmaps ended")
                found[receive] = int.from_bytes(answer, "little")
        activity = Activity.take(watched, children.values()) - before
        return [found[receive] for receive in children], activity
    finally:
        for end in (hold, go):
            if end >= 0:
                os.close(end)
        for receive, one in children.items():
            os.kill(one, signal.SIGKILL)  # of no effect on one that has ended
            os.waitpid(one, 0)
            os.close(receive)
        os.sched_setaffinity(0, {cpus[0]})


@dataclass(frozen=True)
class Team:
    """What the process does, on memory of its own. cpus: a thread on each."""

    memory: int
    cpus: list[int]

    def unmap(self, count: int, idle: bool, cores: int | None = None) -> Report:
        """Of a page that threads on the first so many CPUs have, None for all. Counts: proof, the
        interrupts of PROVED calls, where the host counts them.
        """
        cpus, report = self.cpus[:cores], Report()
        times = {name: _native.Histogram() for name in TIMES}

        def first() -> None:
            try:
                if (proof := _prove(cpus)) is not None:
                    report.counts["proof"] = proof
                _native.linux_unmap(PROVED + 1, count, tuple(times.values()))
            finally:
                _native.linux_leave()

        report.activity = self._on_all(cpus, idle, first)
        report.keep(**times)
        return report

    def life(self, count: int, batch: int, reused: bool, idle: bool) -> Report:
        life, report = _native.Histogram(), Report()
        report.activity = self._on_all(
            self.cpus, idle, lambda: _native.linux_life(count, batch, reused, life)
        )
        report.keep(life=life)
        return report

    def own_pages(self, pages: int, rounds: int, processes: bool) -> Report:
        """Counts: operations of all, and cycles of the slowest thread, or process."""
        cycles = [0] * len(self.cpus)

        def work(number: int) -> int:
            return int(_native.linux_own_pages(number, pages, rounds))

        def keep(number: int) -> None:
            cycles[number] = work(number)

        _native.linux_team(self.memory, len(self.cpus), False)
        if processes:
            cycles, activity = _in_children(self.cpus, work)
        else:
            activity = _on_all(self.cpus, lambda: keep(0), keep)
        operations = len(self.cpus) * pages * rounds
        return Report(counts={"operations": operations, "cycles": max(cycles)}, activity=activity)

    def _on_all(self, cpus: list[int], idle: bool, first: Callable[[], None]) -> Activity:
        _native.linux_team(self.memory, len(cpus), idle)
        return _on_all(cpus, first, lambda _: _native.linux_hold())


def _prove(cpus: list[int]) -> int | None:
    """TLB interrupts of other CPUs around PROVED timed calls alone; None where none are counted."""
    others, found = sorted(set(cpus[1:])), 0
    for number in range(1, PROVED + 1):
        _native.linux_step(number, "prepare")
        before = Activity.take(others)
        _native.linux_step(number, "take")
        counted = (Activity.take(others) - before).tlb_shootdowns
        _native.linux_step(number, "remove")
        if counted is None:
            return None
        found += counted
    return found


def main(parent: int, cpus: list[int], size: int, end: int) -> int:
    orders = Connection(end)
    try:
        with limits.naming("prctl(PR_SET_PDEATHSIG)"):
            _native.adopt(NAME)
        if os.getppid() != parent:
            return 0  # it died before the death signal was in place
        for cpu in reversed(cpus):
            pinning.pin(cpu)  # all of them can be had; stays on the first
        segments.require(size)
        memory = segments.create(size)
        segments.back(memory, 0, size)
    except MultikernelError as error:
        orders.send(str(error))
        return 1
    orders.send(None)
    team = Team(memory, cpus)
    with suppress(EOFError, ConnectionError):
        while True:
            do, arguments = orders.recv()
            try:
                answer: Report | str = getattr(team, do)(**arguments)
            except OSError as error:
                answer = str(error)
            orders.send(answer)
    return 0


if __name__ == "__main__":
    pid, its_cpus, size_, end_ = sys.argv[1:]
    sys.exit(main(int(pid), [*map(int, its_cpus.split(","))], int(size_), int(end_)))
