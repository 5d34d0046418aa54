"""This host's cores held against their model: what virtual time predicts, beside what is measured.

Guarantees: the model knows the floor, the host's mapping call, and what software takes in one
process (virtual.calibrating), and nothing of what it predicts. Both come through the same `Bench`.
Boots whose floor is another state than most boots' do not count; the state is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from multikernel.experiments.collectives import collective
from multikernel.experiments.instrument import capability_loops
from multikernel.experiments.instrument.deciding import BIG, TWO_PHASE, machine
from multikernel.experiments.instrument.floors import name_of
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.modelled import ModelledBench
from multikernel.experiments.instrument.protocols import timed
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.experiments.this_host import (
    BACK_TO_BACK,
    CLOCK,
    PLAN,
    ROUNDS,
    SINGLE,
    Found,
    alike,
    apart,
    floors,
    surroundings,
)
from multikernel.experiments.this_host import CALL as LOCAL_CALL
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.cpus import Placement
from multikernel.virtual import here
from multikernel.virtual.calibrating import calibrate, this_host
from multikernel.virtual.work import Work

PAIR = (0, 1)
CALL, BARRIER = "call, back-to-back", "barrier"
STRAIGHT_BACK = (CALL, BARRIER)
"""The others stand alone, with a clock around each: the other end has looked at the line meanwhile,
and the model has no clock in it, so what one takes is added.
"""
UNMAPS, RETYPES = 300, 600
PLAIN = Booted(options=(("trees", "sequential"),))
FURNISHED = machine(TWO_PHASE)
SHARED = machine(BIG)
"""Of the shared kernel one is enough: what it agrees on needs no trees."""


@dataclass(frozen=True, slots=True)
class Row:
    """In cycles. error: of the prediction, relative."""

    what: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1


@dataclass(frozen=True, slots=True)
class Checked:
    """rows: what was held against each other, in which state of the host; work: the calibration;
    rounds: how many counted.
    """

    rows: tuple[Row, ...]
    state: str
    floor: float
    local: float
    work: Work
    rounds: int


def _median(report_of: Callable[[], Report], name: str) -> float:
    return float(samples_of(report_of())[name].percentile(50))


def questions(bench: Bench, furnished: Bench, shared: Bench) -> Mapping[str, Callable[[], float]]:
    """What both are asked, by name."""
    task = capability_loops.Task("retype", RETYPES)

    def unmap(protocol: str, on: Bench = bench) -> float:
        return _median(lambda: on.unmap(protocol, "polling", UNMAPS), "unmap")

    def retype(on: Bench) -> float:
        return _median(lambda: on.one("retype", capability_loops.operate, task), "times")

    def barrier() -> float:
        bench.along(0, (PAIR,))
        group = bench.system.group(PAIR, root=0)
        about = "barrier", PAIR, group.number, 0, 1
        try:
            report = timed(
                bench, "barrier", PAIR, 1, PLAN, collective, lambda _, use: (*about, use)
            )
            return _median(lambda: report, BACK_TO_BACK)
        finally:
            bench.system.close_group(group)

    return {
        CALL: lambda: _median(lambda: bench.ping(PAIR, 0, PLAN), BACK_TO_BACK),
        "call, one at a time": lambda: _median(lambda: bench.ping(PAIR, 0, PLAN), SINGLE),
        "unmap, one phase": lambda: unmap("one-phase"),
        "unmap, two phases": lambda: unmap("two-phase"),
        "unmap, shared kernel": lambda: unmap("two-phase", shared),
        "retype, two phases": lambda: retype(furnished),
        "retype, shared kernel": lambda: retype(shared),
        BARRIER: barrier,
    }


def check(placement: Placement, progress: Callable[[str], None]) -> Checked:
    """On the first two CPUs. Raises MeasurementRefused where no two boots are alike."""
    request = Request(Placement(placement.cpus[:2]), SIZES["quick"])
    found, rounds = alike(lambda: _measured(request), progress)
    state = name_of(found[BACK_TO_BACK])
    progress("what software takes, in one process")
    work = calibrate(request.placement.cpus[0], f"{this_host()}, {state}")
    rows = []
    for floor, clock in ((found[BACK_TO_BACK], 0.0), (apart(found), found[CLOCK])):
        model = here.model(
            work, floors={"system": floor}, local=found[LOCAL_CALL], ghz=tsc_rate().hz / 1e9,
            topology="2x1", state=state,
        )  # fmt: skip
        plain = ModelledBench(model, 2, "multikernel", {"trees": "sequential"}, 1, work)
        furnished = ModelledBench(model, 2, "multikernel", {"trees": "sequential"}, 1, work)
        shared = ModelledBench(model, 2, "shared", {}, 1, work)
        for bench in (furnished, shared):
            bench.system.cores[0].run(capability_loops.furnish)
        way = "one at a time" if clock else "back-to-back"
        predicted, measured = plain.line(*PAIR) + work.bare + clock, floor + clock
        rows.append(Row(f"a bare line, {way}", predicted, measured))
        for name, ask in questions(plain, furnished, shared).items():
            if (name in STRAIGHT_BACK) == (not clock):
                rows.append(Row(name, ask() + clock, found[name]))
    return Checked(tuple(rows), state, found[BACK_TO_BACK], found[LOCAL_CALL], work, rounds)


def _measured(request: Request) -> list[Found]:
    """Of a boot."""
    with ExitStack() as stack:
        bench, *others = (one.open(stack, request) for one in (PLAIN, FURNISHED, SHARED))
        asked = questions(bench, *others)
        return [
            floors(bench, PAIR) | surroundings(bench) | {name: ask() for name, ask in asked.items()}
            for _ in range(ROUNDS)
        ]
