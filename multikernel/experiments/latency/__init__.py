"""Latency: what a cache line takes between every two CPUs, there and back, one line for both ways
or one for each.

Guarantees: every measured pair on 16 lines spread over 8 KiB, since the address decides which slice
of a cache serves it; where CPUs have memory of their own, with the lines at home on either side,
and where they lie is asked of the host. Pairs by turns, one at a time unless asked otherwise; a
pair is done when its interval over boots is tight. Which pairs are measured is the planner's
(`plan`): all of a small machine, enough of a large one, and what is estimated is called that.
Between the others one pair is measured again and again: where it moves, the machine moved, and the
document says so. Answers: the paper's table 2 (what a message costs by distance), of which this is
the part the hardware takes. Idea: core-to-core-latency's matrix; ours says where lines lie.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median

from multikernel import system as system_
from multikernel.catalogue import entry
from multikernel.errors import BadInput
from multikernel.experiments.instrument import document, states
from multikernel.experiments.instrument.arms import CONTROL, Arm, Ratio, Spec
from multikernel.experiments.instrument.collector import Collector, Ready
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.experiments.latency import core, said
from multikernel.experiments.latency.core import LINES, ONE_LINE, SINGLE, TWO_LINES
from multikernel.experiments.latency.ledger import Ledger, key_of, moved, reference_key
from multikernel.experiments.latency.map import Map, Pair, map_of
from multikernel.experiments.latency.plan import Planner, Reading
from multikernel.experiments.latency.slices import Rig, systems, turns
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.topology.model import Topology
from multikernel.results.document import Caution, Document, Scalar

BATCH, USUAL, USUAL_SINGLE = 50, 200, 20
"""Round trips between two looks at the clock; on each line in a slice; and of those with a clock
around each.
"""
SYSTEM_CPUS = 64
"""CPUs of one booted system: a large machine is measured by some, one after the other."""
ROUNDS_LEAST, ROUNDS_OF = 2, 256
"""Slices of a pair in a boot; more, as far as the size allows, where there are fewer pairs than
this.
"""
REFERENCE_EVERY = 16
"""Turns between two looks at the reference pair."""


@dataclass(frozen=True, slots=True)
class Look:
    """Progress. values: cycles of one line, by (from, to), measured so far; planned: pairs that are
    measured or will be, as far as is known; pairs: all there are.
    """

    cpus: tuple[int, ...]
    values: Mapping[Pair, float]
    planned: int
    pairs: int
    boots: int


class Latency(Experiment):
    """Every two CPUs, or as many as it takes to know of the others."""

    entry = entry("latency")

    def __init__(
        self,
        request: Request,
        *,
        parallel: bool = False,
        watcher: Callable[[Look], None] | None = None,
        machine: Map | None = None,
    ) -> None:
        """parallel: pairs without a CPU in common at the same time; watcher: called after every
        turn; machine: None for the one this runs on. Raises BadInput.
        """
        cpus = request.placement.cpus
        if request.crowded:
            raise BadInput(
                "latency between CPUs needs a CPU for each core",
                value=f"{request.cores} cores on CPUs {format_cpu_list(cpus)}",
                where="--cores",
                hint="name each CPU once",
            )
        super().__init__(request)
        self.parallel = parallel
        self.watcher = watcher
        self.machine = map_of(Topology.read(), cpus) if machine is None else machine
        self.site = self.machine.by_cpu
        self.planner = Planner(self.machine, seed=request.seed)
        self.ledger = Ledger(request)
        self.order = random.Random(request.seed)
        self.boots = 0
        self.planned: list[Pair] = []
        self.values: dict[Pair, float] = {}
        self.suspects: set[Pair] = set()
        """Pairs that were measured while the reference pair moved."""
        count = request.size.count(USUAL, BATCH)
        self.counts: core.Counts = (
            (ONE_LINE, count, BATCH),
            (SINGLE, request.size.count(USUAL_SINGLE), 1),
            (TWO_LINES, count, BATCH),
        )

    def arms(self) -> tuple[Arm, ...]:
        """None beforehand: what is measured next depends on what has been."""
        return ()

    # --- measuring ---

    def run(self) -> Document:
        """Measures. Raises MeasurementRefused if nothing can be trusted."""
        record = document.begin(self.request)
        self.measure()
        boots = states.settle(self.ledger, (), self.boots)
        return document.finish(
            self, record, self.ledger, boots, list(self.specs()), list(self.ratios())
        )

    def measure(self) -> None:
        """Waves until the planner knows enough."""
        while wave := self.planner.wave():
            self.planned += wave
            for pending in systems(wave, SYSTEM_CPUS - 2):
                for _ in range(self.request.size.boots):
                    self.boot(pending)
                    pending = [pair for pair in pending if not self.done(pair)]
                    if not pending:
                        break
            self.planner.learn({pair: self.reading(pair) for pair in wave})

    @property
    def reference(self) -> Pair:
        """The pair that is measured between the others."""
        return self.planned[0]

    def boot(self, pairs: Sequence[Pair]) -> None:
        """Measures some slices of each pair in a fresh system, the reference pair in between."""
        self.boots += 1
        self.request.progress(
            f"{self.entry.name}: boot {self.boots}, {len(pairs)} pairs; {len(self.values)} of"
            f" {len(self.planned)} planned have been measured"
        )
        rounds = min(self.request.size.rounds, max(ROUNDS_LEAST, ROUNDS_OF // len(pairs)))
        with self.rig(sorted({cpu for pair in (*pairs, self.reference) for cpu in pair})) as rig:
            since: list[Pair] = []
            for _ in range(rounds):
                found = turns(pairs, parallel=self.parallel)
                self.order.shuffle(found)
                for at, turn in enumerate(found):
                    if at % REFERENCE_EVERY == 0:
                        self.look_back(rig, since)
                        since = []
                    name = ", ".join(f"CPUs {a} and {b}" for a, b in turn)
                    measure = partial(rig.slice, turn, self.counts)
                    self.ledger.slice(self.boots - 1, Ready(name, measure))
                    since += turn
                    self.report(turn)
            self.look_back(rig, since)

    @contextmanager
    def rig(self, cpus: list[int]) -> Iterator[Rig]:
        """A fresh system."""
        with system_.boot(cpus) as booted:
            yield Rig(Bench(booted), self.homes)

    def look_back(self, rig: Rig, since: Sequence[Pair]) -> None:
        """The reference pair once more; where it moved, what was measured since it was last looked
        at is marked.
        """
        a, b = self.reference
        seen = self.ledger.slices_of[reference_key(self.reference)]
        had = len(seen)
        measure = partial(rig.slice, [self.reference], self.counts[:1], again=True)
        self.ledger.slice(self.boots - 1, Ready(f"CPUs {a} and {b}, again", measure))
        if 0 < had < len(seen):
            (before, was), (now, value) = seen[-2:]
            if before == now and moved([was, value]):
                self.suspects.update(since)

    def report(self, turn: Sequence[Pair]) -> None:
        """To the watcher, if there is one: how far it is."""
        for pair in turn:
            key = self.best(pair)
            if key is not None:
                self.values[pair] = median(self.ledger.medians(key).values())
        if self.watcher is not None:
            pairs = len(self.site) * (len(self.site) - 1)
            look = Look(tuple(self.site), self.values, len(self.planned), pairs, self.boots)
            self.watcher(look)

    # --- asking ---

    def homes(self, pair: Pair) -> tuple[str, ...]:
        """Where the one line of a pair is put: with the second CPU; and with the first, where that
        is another memory.
        """
        a, b = (self.site[cpu].node for cpu in pair)
        return ("to",) if a == b else ("to", "from")

    def ways(self, pair: Pair) -> list[tuple[str, str]]:
        """What a pair has series of: number of lines, and home."""
        return [*((ONE_LINE, home) for home in self.homes(pair)), (TWO_LINES, "to")]

    def keys(self, pair: Pair) -> list[str]:
        """Of the pair's one line, at each home of which something counts."""
        keys = [key_of(ONE_LINE, home, pair) for home in self.homes(pair)]
        return [key for key in keys if self.ledger.has(key)]

    def best(self, pair: Pair) -> str | None:
        """The key of its one line at the home where it takes least; None if nothing of it
        counts.
        """
        return min(
            self.keys(pair), key=lambda key: median(self.ledger.medians(key).values()), default=None
        )

    def done(self, pair: Pair) -> bool:
        """Whether further boots would show nothing new."""
        for what, home in self.ways(pair):
            values = list(self.ledger.medians(key_of(what, home, pair)).values())
            if not values or not Reading.of(values).is_tight(len(values)):
                return False
        return True

    def reading(self, pair: Pair) -> Reading | None:
        """What the planner learns: between boots where there are several, else between slices."""
        key = self.best(pair)
        if key is None:
            return None
        values = list(self.ledger.medians(key).values())
        if len(values) == 1:
            values = [value for _, value in self.ledger.slices_of[key]]
        return Reading.of(values)

    def steady(self, pair: Pair) -> bool:
        """Whether neither it nor the reference pair moved while it was measured."""
        return pair not in self.suspects and not any(
            self.ledger.moved(key) for key in self.keys(pair)
        )

    def ends(self) -> dict[Pair, float]:
        """The nearest and the farthest of the measured pairs, in a direction in which they were
        measured, and what they take.
        """
        both: dict[Pair, list[float]] = defaultdict(list)
        for pair in sorted(self.planner.readings):
            least = min(self.ledger.pooled(key) for key in self.keys(pair))
            both[pair[::-1] if pair[::-1] in both else pair].append(least)
        means = {pair: sum(values) / len(values) for pair, values in both.items()}
        order = sorted(means, key=means.__getitem__)
        return {pair: means[pair] for pair in (*order[:1], *order[-1:])}

    # --- the document ---

    def judged_by(self) -> list[Pair]:
        """The measured pairs: they are their own floors."""
        cores = {cpu: core for core, cpu in enumerate(self.request.placement.cpus)}
        return [(cores[a], cores[b]) for a, b in sorted(self.planner.readings)]

    def specs(self) -> Iterator[Spec]:
        """A series a measured pair, number of lines and home; and the reference pair."""
        for group in self.planner.groups:
            unmeasured = self.planner.unmeasured(group)
            for pair in group.pairs:
                if pair in self.planner.readings:
                    shared: dict[str, Scalar] = {
                        "relation": group.root, "group": group.label,
                        "group_pairs": len(group.pairs),
                        "group_unmeasured": unmeasured, "steady": self.steady(pair),
                    }  # fmt: skip
                    for what, home in self.ways(pair):
                        yield self.spec(what, home, pair, shared)
        yield self.spec(ONE_LINE, "to", self.reference, {"reference": True}, CONTROL)

    def spec(
        self, what: str, home: str, pair: Pair, shared: Mapping[str, Scalar], suffix: str = ""
    ) -> Spec:
        """The description of one series."""
        key, two = key_of(what, home, pair), what == TWO_LINES
        node, lines = self.ledger.homes.get((pair, home), (-1, 1))[0], self.ledger.lines(key)
        return Spec(
            key=key + suffix, system="raw", variant=what, cores=2, measure="round-trip",
            mode="back-to-back", batch=BATCH, control=bool(suffix),
            parameters={
                "from_cpu": pair[0], "to_cpu": pair[1], "lines": 2 if two else 1,
                "home": "receiver" if two else home,
                "home_node": None if two or node < 0 else node,
                "addresses": len(LINES), "line_low": min(lines, default=None),
                "line_high": max(lines, default=None),
                "target": "polling", "told": "poll", **shared,
            },
        )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        """The farthest pair over the nearest, two lines over one on the nearest, and the
        control.
        """
        yield Ratio(
            reference_key(self.reference), key_of(ONE_LINE, "to", self.reference), "control"
        )
        ends = list(self.ends())
        for far in ends[1:]:
            yield Ratio(key_of(ONE_LINE, "to", far), key_of(ONE_LINE, "to", ends[0]), "cost")
        for near in ends[:1]:
            yield Ratio(key_of(TWO_LINES, "to", near), key_of(ONE_LINE, "to", near), "cost")

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        """Ends, homes, what moved, what is estimated."""
        del collector
        return said.cautions(self)


EXPERIMENT = Latency
