"""The modelled object held against the real one on two of this host's cores: every form, at
workloads of which some are bound by lines that travel.

Guarantees: the model knows what a line takes between the cores (half of the floor, back-to-back: a
line that its reader writes moves once a way), what software takes in one process, and, from three
workloads in which no line travels, what the loop around an operation, a further line and a look at
the clock take.
Nothing is fitted to a row that is judged. Of each workload those runs count in which the cores had
their CPUs for FULL of the time; where there are none, the few in which they had most of it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from statistics import median

from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.experiments.sharing_or_messages import Done, _page, loops
from multikernel.experiments.sharing_or_messages.loops import FORMS, MEETINGS, Run, Runs
from multikernel.experiments.this_host import BACK_TO_BACK, CALL, floors, surroundings
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.cpus import Placement
from multikernel.virtual import here, sharing
from multikernel.virtual.calibrating import calibrate, this_host
from multikernel.virtual.kernel import machine
from multikernel.virtual.work import Work

PAIR, CORES = (0, 1), 2
SECONDS = 0.003
BOOTS, ENOUGH, MOST_BOOTS = 8, 3, 16
EACH = 22
"""Runs that are made together: cores meet before each of them."""
FULL = 0.985
HALF = 500
BAR = 0.20
LINES_UNDER_WAY = 8
"""Fetches that a core of this kind has under way at once (measured: a second line that is fetched
with a first takes an eighth as long)."""
SEEDS = 5

Key = tuple[str, sharing.Workload]
BARE: Key = "lock-free", sharing.Workload(100, 1, 0, HALF)
THINKS: Key = "lock-free", sharing.Workload(100, 1, 300, HALF)
WIDE: Key = "optimistic", sharing.Workload(100, 8, 0, HALF)
"""Where no line travels: what calibrates the loop around an operation, a look at the clock, and a
further line."""


def workloads() -> Iterator[Key]:
    """What is compared."""
    for think, lines, reads, form in product((0, 300), (1, 8), (0, 50, 90, 100), FORMS):
        if form != "lock-free" or lines == 1:
            yield form, sharing.Workload(reads, lines, think, HALF)


@dataclass(frozen=True, slots=True)
class FormRow:
    """Cycles of a core for an operation. calibrates: the model was given it."""

    form: str
    workload: sharing.Workload
    predicted: float
    measured: float
    calibrates: bool

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1

    @property
    def holds(self) -> bool:
        return abs(self.error) <= BAR


@dataclass(frozen=True, slots=True)
class FormsChecked:
    """line: cycles that one takes; floor: there and back, back-to-back; boots: how many counted."""

    rows: tuple[FormRow, ...]
    floor: float
    line: float
    costs: sharing.Costs
    boots: int

    @property
    def judged(self) -> tuple[FormRow, ...]:
        return tuple(row for row in self.rows if not row.calibrates)


def check(placement: Placement, progress: Callable[[str], None]) -> FormsChecked:
    """On the first two CPUs."""
    request = Request(Placement(placement.cpus[:CORES]), SIZES["quick"])
    found: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    floor: list[float] = []
    local: list[float] = []
    boots, draw = 0, random.Random(1)
    while boots < BOOTS or (boots < MOST_BOOTS and not all(map(_free, found.values()))):
        boots += 1
        progress(f"objects on this host: boot {boots}")
        with ExitStack() as stack:
            bench = Booted("multikernel", CORES, prepare=_page).open(stack, request)
            line = floors(bench, PAIR) | surroundings(bench)
            floor.append(line[BACK_TO_BACK])
            local.append(line[CALL])
            _measure(bench, found, draw)
    measured = {
        key: median(cycles for _, cycles in _free(some) or sorted(some)[-ENOUGH:])
        for key, some in found.items()
    }
    progress("what software takes, in one process")
    work = calibrate(placement.cpus[0], this_host())
    return _beside(measured, median(floor), median(local), work, boots)


def _free(runs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """In which the cores had their CPUs; none, if these are too few."""
    some = [run for run in runs if run[0] >= FULL]
    return some if len(some) >= ENOUGH else []


def _measure(
    bench: Bench, found: dict[Key, list[tuple[float, float]]], draw: random.Random
) -> None:
    """Every workload once, in an order of chance: how much of the time the cores had their CPUs,
    and cycles of a core for one operation.
    """
    keys = list(workloads())
    draw.shuffle(keys)
    for first in range(0, len(keys), EACH):
        some = keys[first : first + EACH]
        runs = [
            Run(form, one.lines, ((one.reads, one.think, one.share),), SECONDS)
            for form, one in some
        ]
        base = bench.uses(MEETINGS * CORES * len(runs)) - 1
        task = bench.prepared, Runs(tuple(runs), base)
        reports = bench.together("forms", loops.work, dict.fromkeys(PAIR, task))
        for number, key in enumerate(some):
            done = Done.of(reports, number)
            found[key].append((done.present, CORES / done.rate))


def _fitting(
    costs: sharing.Costs, name: str, measured: float, cycles: Callable[[sharing.Costs], float]
) -> sharing.Costs:
    """With that one of them such that it takes the cycles measured: they grow in proportion."""

    def at(value: float) -> sharing.Costs:
        return replace(costs, **{name: value})  # type: ignore[arg-type]

    none, some = cycles(at(0)), cycles(at(40))
    return at(max(0.0, 40 * (measured - none) / max(some - none, 1)))


def _beside(
    measured: dict[Key, float], floor: float, local: float, work: Work, boots: int
) -> FormsChecked:
    """The model of what was measured."""
    ghz = tsc_rate().hz / 1e9
    model = here.model(
        work, floors={"system": 2 * floor}, local=local, ghz=ghz, topology="2x1", state="measured"
    ).varied({"transfer.lines_under_way": LINES_UNDER_WAY})
    on = machine(model, CORES, "this host")

    def cycles(costs: sharing.Costs, key: Key) -> float:
        """The median of a few seeds."""
        form, workload = key
        return median(
            CORES / sharing.run(on, costs, form, workload, seed=seed).rate for seed in range(SEEDS)
        )

    costs = sharing.Costs(
        operation=20, line=sharing.LINE, atomic=work.lock, look=sharing.LOOK, relax=work.relax,
        turn=work.turn, clock=20, migrates=True,
    )  # fmt: skip
    for _ in range(2):
        for name, key in (("operation", BARE), ("line", WIDE), ("clock", THINKS)):
            costs = _fitting(costs, name, measured[key], partial(cycles, key=key))
    rows = tuple(
        FormRow(form, workload, cycles(costs, key), measured[key], key in (BARE, WIDE, THINKS))
        for key in workloads()
        for form, workload in (key,)
    )
    line = model.message["system"].own
    assert line is not None
    return FormsChecked(rows, floor, line.value, costs, boots)
