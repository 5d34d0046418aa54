"""This host's cores held against their model: what virtual time predicts, beside what is measured.

Guarantees: the model knows the floor, the host's mapping call, and what software takes in one
process (virtual.calibrating), and nothing of what it predicts. Both come through the same `Bench`.
Boots whose floor is another state than most boots' do not count; the state is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

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
from multikernel.experiments.this_host import PLAN, alike, floors, local_call
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.cpus import Placement
from multikernel.virtual import here
from multikernel.virtual.calibrating import calibrate, this_host
from multikernel.virtual.work import Work

PAIR = (0, 1)
BACK_TO_BACK, SINGLE = "back-to-back", "single"
CALL = "call, one at a time"
"""With a clock around each: the model has no clock in it, so the floor's own is added."""
UNMAPS, RETYPES = 300, 600
BOOTS = 5
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
    boots: how many counted.
    """

    rows: tuple[Row, ...]
    state: str
    floor: float
    local: float
    work: Work
    boots: int


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
        "call, back-to-back": lambda: _median(lambda: bench.ping(PAIR, 0, PLAN), BACK_TO_BACK),
        CALL: lambda: _median(lambda: bench.ping(PAIR, 0, PLAN), SINGLE),
        "unmap, one phase": lambda: unmap("one-phase"),
        "unmap, two phases": lambda: unmap("two-phase"),
        "unmap, shared kernel": lambda: unmap("two-phase", shared),
        "retype, two phases": lambda: retype(furnished),
        "retype, shared kernel": lambda: retype(shared),
        "barrier": barrier,
    }


def check(placement: Placement, progress: Callable[[str], None]) -> Checked:
    """On the first two CPUs. Raises MeasurementRefused where no two boots are alike."""
    request = Request(Placement(placement.cpus[:2]), SIZES["quick"])
    boots = []
    for number in range(BOOTS):
        progress(f"boot {number + 1} of {BOOTS}")
        boots.append(_measured(request))
    counting = alike(boots, BACK_TO_BACK)
    progress("what software takes, in one process")
    floor, local = (median(one[name] for one in counting) for name in (BACK_TO_BACK, "local"))
    state = name_of(floor)
    work = calibrate(request.placement.cpus[0], f"{this_host()}, {state}")
    model = here.model(
        work,
        floors={"system": floor},
        local=local,
        ghz=tsc_rate().hz / 1e9,
        topology="2x1",
        state=state,
    )
    plain = ModelledBench(model, 2, "multikernel", {"trees": "sequential"}, 1, work)
    furnished = ModelledBench(model, 2, "multikernel", {"trees": "sequential"}, 1, work)
    shared = ModelledBench(model, 2, "shared", {}, 1, work)
    for bench in (furnished, shared):
        bench.system.cores[0].run(capability_loops.furnish)
    single = median(one[SINGLE] for one in counting)
    rows = [Row("a line there and back, bare", plain.line(*PAIR) + work.bare, floor)]
    for name, ask in questions(plain, furnished, shared).items():
        clock = single - floor if name == CALL else 0.0
        rows.append(Row(name, ask() + clock, median(one[name] for one in counting)))
    return Checked(tuple(rows), state, floor, local, work, len(counting))


def _measured(request: Request) -> dict[str, float]:
    with ExitStack() as stack:
        bench, *others = (one.open(stack, request) for one in (PLAIN, FURNISHED, SHARED))
        found = floors(bench, PAIR) | {"local": local_call(bench)}
        return found | {name: ask() for name, ask in questions(bench, *others).items()}
