"""Linux: threads of one address space on the host's own kernel, in a process that is nothing else;
and, where they are to have one each, children of it.

Guarantees: the process is exec'd, so it inherits neither the kernels' segments nor the caller's
threads; its memory is a segment without a name, as the kernels' pages are; its threads are pinned
to the same CPUs as the cores; between slices it sleeps; it is gone with the thread that started it,
or when its input ends. Commands and answers are JSON, one a line.

Run as: python -m multikernel.experiments.instrument.linux_process PARENT CPU[,CPU…] BYTES
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import msgspec

from multikernel.errors import CoreDied, MultikernelError
from multikernel.machine import limits
from multikernel.machine.host import pinning
from multikernel.machine.host.activity import Activity
from multikernel.native import _native
from multikernel.runtime import child, segments

NAME = "mk-linux"
CLOSE_SECONDS = 10.0
PROVED = 8
"""Operations before the timed ones, whose interrupts are counted around the call itself."""
TIMES = {"unmap": ("unmap", "map", "touch", "remove"), "life": ("life",)}
"""What is timed, in the native core's order."""


class LinuxProcess:
    """The caller's side. Close it, or use it as a context manager."""

    def __init__(self, cpus: tuple[int, ...], memory: int) -> None:
        """cpus: thread i runs on cpus[i], the first one unmaps; memory: bytes."""
        with limits.naming("a new process"), child.standard_streams():
            self.process = subprocess.Popen(
                child.command(__name__, str(os.getpid()), ",".join(map(str, cpus)), str(memory)),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
        try:
            self._receive()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LinuxProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, do: str, **arguments: int | bool) -> dict[str, Any]:
        """One slice. cores: threads on so many of the CPUs, the first, else on all. The answer:
        "samples" (by name) or "cycles", "activity", and of an unmap "proof": the interrupts of
        PROVED calls. Raises MultikernelError, CoreDied.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise self._gone() from None
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self._gone()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise MultikernelError("the Linux process failed", value=answer["error"])
        return answer

    def _gone(self) -> CoreDied:
        status = self.process.wait(CLOSE_SECONDS)
        return CoreDied("the Linux process ended", value=f"status {status}", status=status)

    def close(self) -> None:
        """The process is gone when this returns. Idempotent."""
        try:
            self.process.communicate(timeout=CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def activity_of(answer: dict[str, Any]) -> Activity:
    """What happened to the CPUs and to this process during a slice."""
    return msgspec.convert(answer["activity"], Activity, str_keys=True)


# --- The process
# --------------------------------------------------------------------------------------------------


def _histogram(h: _native.Histogram) -> dict[str, Any]:
    filled = [pair for pair in enumerate(memoryview(h.counts()).cast("Q")) if pair[1]]
    return {"n": h.n, "sum": h.sum, "min": h.min, "max": h.max, "counts": filled}


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
    Raises OSError where one of them ended without an answer: then the others are killed.
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


def _do(command: dict[str, Any], memory: int, cpus: list[int]) -> dict[str, Any]:
    cpus = cpus[: command.get("cores", len(cpus))]
    do = command["do"]
    if do == "own-pages":
        return _own_pages(cpus, memory, command["pages"], command["rounds"], command["processes"])
    times = {name: _native.Histogram() for name in TIMES[do]}
    answer: dict[str, Any] = {}

    def unmap() -> None:
        try:
            answer["proof"] = _prove(cpus)
            _native.linux_unmap(PROVED + 1, command["count"], tuple(times.values()))
        finally:
            _native.linux_leave()

    def life() -> None:
        lives = command["count"], command["batch"], command["reused"]
        _native.linux_life(*lives, times["life"])

    _native.linux_team(memory, len(cpus), command["idle"])
    first = unmap if do == "unmap" else life
    activity = _on_all(cpus, first, lambda _: _native.linux_hold())
    samples = {name: _histogram(one) for name, one in times.items()}
    return {**answer, "samples": samples, "activity": activity}


def _own_pages(
    cpus: list[int], memory: int, pages: int, rounds: int, processes: bool
) -> dict[str, Any]:
    cycles = [0] * len(cpus)

    def work(number: int) -> int:
        return int(_native.linux_own_pages(number, pages, rounds))

    def keep(number: int) -> None:
        cycles[number] = work(number)

    _native.linux_team(memory, len(cpus), False)
    if processes:
        cycles, activity = _in_children(cpus, work)
    else:
        activity = _on_all(cpus, lambda: keep(0), keep)
    return {"cycles": max(cycles), "activity": activity}


def _prove(cpus: list[int]) -> int | None:
    """TLB interrupts that the other CPUs took around the timed call alone, of so many operations;
    None where the host counts none.
    """
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


def main(parent: int, cpus: list[int], size: int) -> int:
    """The process's life; its exit code."""
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
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        try:
            answer = _do(json.loads(line), memory, cpus)
        except OSError as error:
            answer = {"error": str(error)}
        print(msgspec.json.encode(answer).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), [int(cpu) for cpu in sys.argv[2].split(",")], int(sys.argv[3])))
