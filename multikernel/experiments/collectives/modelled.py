"""What cores do together, in virtual time: groups through the modelled kernel, and barriers over
shared memory.
"""

from __future__ import annotations

from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.modelled import MOST, Arguments, ModelledBench, same
from multikernel.native._native import Histogram
from multikernel.virtual.kernel import Answer, Kernel

ALL, SUM = 1 << 24, 1 << 8
"""In word 1 of GATHER (native/driver/collective.h): all want the outcome; values are added."""
GATHERED = {"barrier": (ALL,), "all-reduce": (ALL | SUM | 1 << 16, 1)}
TOLD = {"broadcast": "SPREAD", "agreement": "ORDER"}
PAUSE = 400
"""Cycles that the one with the clock comes after the others (probes/collectives.c)."""


def collective(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    operation, members, group, root, timer, _, plan, *_ = next(iter(calls.values()))
    samples: dict[str, Histogram] = {}
    for name, count, batch in plan:
        times = samples[name] = Histogram()
        count, single = min(count, MOST), batch == 1
        for _ in range(count if single else 1):
            bench.think()
            rounds = 1 if single else count
            if operation in GATHERED:
                took = _together(bench.virtual, group, operation, members, timer, rounds)
            else:
                took = _told(bench.virtual, group, operation, members, root, timer, rounds)
            times.add(max(1, round(took / rounds)))
    report.keep(**samples)


def _together(
    kernel: Kernel, group: int, operation: str, members: tuple[int, ...], timer: int, rounds: int
) -> int:
    """From when the one with the clock comes until the last has left; of several rounds, until it
    has.
    """
    first, *values = GATHERED[operation]

    def gather(core: int, at: int) -> int:
        return kernel.ask(core, "GATHER", group | first, *values, at=at)

    began = kernel.now + PAUSE
    left = dict.fromkeys(members, rounds)
    waiting = {gather(core, began if core == timer else kernel.now): core for core in members}
    ended = 0
    while waiting:
        ticket, answer = kernel.wait_any(waiting)
        core = waiting.pop(ticket)
        left[core] -= 1
        if left[core]:
            waiting[gather(core, answer.time)] = core
        elif rounds == 1 or core == timer:
            ended = max(ended, answer.time)
    return ended - began


def _told(
    kernel: Kernel, group: int, operation: str, members: tuple[int, ...], root: int, timer: int,
    rounds: int,
) -> int:  # fmt: skip
    """Messages one after the other from one member, which the others take."""
    left = dict.fromkeys((core for core in members if core != timer), rounds)
    takes = {kernel.ask(core, "TAKE", group): core for core in left}

    def taken(ticket: int, answer: Answer) -> None:
        core = takes.pop(ticket)
        left[core] -= 1
        if left[core]:
            takes[kernel.ask(core, "TAKE", group, at=answer.time)] = core

    def until(sent: int) -> Answer:
        while True:
            ticket, answer = kernel.wait_any((sent, *takes))
            if ticket == sent:
                return answer
            taken(ticket, answer)

    began = at = ended = kernel.now + PAUSE
    for number in range(rounds):
        at = ended = until(kernel.ask(timer, TOLD[operation], group, number, at=at, of=root)).time
        if operation == "agreement":
            at = until(kernel.ask(timer, "TAKE", group, at=at)).time
    while takes:
        taken(*kernel.wait_any(takes))
    return ended - began


def shared_barrier(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    form, members, _, _, plan, *_ = next(iter(calls.values()))
    cycles = bench.modelled.native.barrier(len(members), form == "central")
    same(report, plan, lambda: cycles)
