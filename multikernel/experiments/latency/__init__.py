"""Latency: what a cache line takes between every two CPUs, there and back, one line for both ways
or one for each.

Guarantees: every measured pair on 16 lines spread over 8 KiB, since the address decides which slice
of a cache serves it; where CPUs have memory of their own, with the lines at home on either side,
and where they lie is asked of the host. Pairs by turns, one at a time unless asked otherwise; a
pair is done when its interval over boots is tight. Which pairs are measured is `latency_plan`'s:
all of a small machine, enough of a large one, and what is estimated is called that. Between the
others one pair is measured again and again: where it moves, the machine moved, and the document
says so. Answers: the paper's table 2 (what a message costs by distance), of which this is the part
the hardware takes. Idea: core-to-core-latency's matrix; ours says where lines lie.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from multikernel import system as system_
from multikernel.errors import BadInput
from multikernel.experiments.instrument import document
from multikernel.experiments.instrument.arms import CONTROL, Arm, Outcome, Scalar, Spec
from multikernel.experiments.instrument.loops import Watch
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.experiments.latency import core, said
from multikernel.experiments.latency.core import LINES, ONE_LINE, SINGLE, TWO_LINES
from multikernel.experiments.latency.ledger import (
    Ledger,
    Slice,
    homes_of,
    key_of,
    moved,
    reference_key,
)
from multikernel.experiments.latency.map import Map, Pair, map_of
from multikernel.experiments.latency.plan import Planner, Reading, is_tight, systems, turns
from multikernel.machine.topology import Topology, format_cpu_list
from multikernel.results import statistics
from multikernel.results.document import Document, Floor, LineFloors

NAME = "latency"
FIGURE = "table 2"
SUMMARY = (
    "One cache line there and back between every two CPUs, and one line each way: the machine's map"
    " of distances."
)

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


class Matrix:
    """One run."""

    def __init__(
        self, request: Request, machine: Map, parallel: bool, watcher: Callable[[Look], None] | None
    ) -> None:
        self.request = request
        self.machine = machine
        self.parallel = parallel
        self.watcher = watcher
        self.planner = Planner(machine, seed=request.seed)
        self.ledger = Ledger(request)
        self.order = random.Random(request.seed)
        self.boots = 0
        self.planned: list[Pair] = []
        self.values: dict[Pair, float] = {}
        self.homes_found: dict[tuple[Pair, str], tuple[int, int]] = {}
        """(node, of how many) by pair and home."""
        self.suspects: set[Pair] = set()
        self.reference: Pair | None = None
        self.site = {site.cpu: site for site in machine.sites}
        count = request.size.count(USUAL, BATCH)
        self.counts: core.Counts = (
            (ONE_LINE, count, BATCH),
            (SINGLE, request.size.count(USUAL_SINGLE), 1),
            (TWO_LINES, count, BATCH),
        )

    # --- measuring ---

    def measure(self) -> None:
        """Waves until the planner knows enough."""
        while wave := self.planner.wave():
            self.planned += wave
            self.reference = self.reference or wave[0]
            for held in systems(wave, SYSTEM_CPUS - 2):
                pending = held
                for _ in range(self.request.size.boots):
                    self.boot(pending)
                    pending = [pair for pair in pending if not self.done(pair)]
                    if not pending:
                        break
            self.planner.learn({pair: self.reading(pair) for pair in wave})

    def boot(self, pairs: Sequence[Pair]) -> None:
        """Measures some slices of each pair in a fresh system, the reference pair in between."""
        assert self.reference is not None
        self.boots += 1
        self.request.progress(
            f"{NAME}: boot {self.boots}, {len(pairs)} pairs; {len(self.values)} of"
            f" {len(self.planned)} planned have been measured"
        )
        cpus = sorted({cpu for pair in (*pairs, self.reference) for cpu in pair})
        rounds = min(self.request.size.rounds, max(ROUNDS_LEAST, ROUNDS_OF // len(pairs)))
        with system_.boot(cpus) as booted:
            rig = _Rig(Bench(booted), self.homes, self.homes_found)
            since: list[Pair] = []
            for _ in range(rounds):
                found = turns(pairs, parallel=self.parallel)
                self.order.shuffle(found)
                for at, turn in enumerate(found):
                    if at % REFERENCE_EVERY == 0:
                        since = self.look_back(rig, since)
                    self.ledger.slice(self.boots, rig.arm(turn, self.counts))
                    since += turn
                    self.report(turn)
            self.look_back(rig, since)

    def look_back(self, rig: _Rig, since: Sequence[Pair]) -> list[Pair]:
        """The reference pair once more; where it moved, what was measured since it was last looked
        at is marked.
        """
        assert self.reference is not None
        key = reference_key(self.reference)
        seen = self.ledger.slices_of[key]
        before = seen[-1] if seen else None
        self.ledger.slice(self.boots, rig.arm([self.reference], self.counts[:1], CONTROL))
        after = seen[-1] if seen else None
        if before and after and before[0] == after[0] and moved([before[1], after[1]]):
            self.suspects.update(since)
        return []

    def report(self, turn: Sequence[Pair]) -> None:
        """To the watcher, if there is one: how far it is."""
        for pair in turn:
            key = self.best(pair)
            if key is not None:
                self.values[pair] = median(self.ledger.medians(key).values())
        if self.watcher is not None:
            cpus = tuple(site.cpu for site in self.machine.sites)
            pairs = len(cpus) * (len(cpus) - 1)
            self.watcher(Look(cpus, self.values, len(self.planned), pairs, self.boots))

    # --- asking ---

    def homes(self, pair: Pair) -> tuple[str, ...]:
        """Where the line of a pair has been."""
        return homes_of(
            self.site[pair[0]].node, self.site[pair[1]].node, len(self.machine.nodes) > 1
        )

    def best(self, pair: Pair) -> str | None:
        """The key of the pair's one line at the home where it takes least; None if nothing of it
        counts.
        """
        keys = [key for key in self.keys(pair) if self.ledger.has(key)]
        return min(keys, key=lambda key: median(self.ledger.medians(key).values()), default=None)

    def done(self, pair: Pair) -> bool:
        """Whether further boots would show nothing new."""
        for key in (*self.keys(pair), key_of(TWO_LINES, self.homes(pair)[0], pair)):
            values = list(self.ledger.medians(key).values())
            if not values:
                return False
            interval = statistics.median_interval(values)
            if not is_tight(interval.low, median(values), interval.high, len(values)):
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
        interval = statistics.median_interval(values)
        return Reading(median(values), interval.low, interval.high)

    def lines(self, what: str, home: str, pair: Pair) -> list[float]:
        """Of each line the median, over slices, of its means."""
        return [
            median(means)
            for means in zip(*self.ledger.lines_of.get(key_of(what, home, pair), ()), strict=True)
        ]

    def steady(self, pair: Pair) -> bool:
        """Whether neither it nor the reference pair moved while it was measured."""
        return pair not in self.suspects and not any(
            moved([value for _, value in self.ledger.slices_of.get(key, ())])
            for key in self.keys(pair)
        )

    # --- the document ---

    def floors(self) -> dict[Pair, Floor]:
        """Of the measured pairs, the line at home with the second; a line's value: the median of
        its slices' means.
        """
        found = {}
        for pair in sorted(self.planner.readings):
            back_to_back, single = (
                self.lines(what, self.homes(pair)[0], pair) for what in (ONE_LINE, SINGLE)
            )
            if back_to_back and single:
                found[pair] = Floor(
                    pair=pair, back_to_back=median(back_to_back), single=median(single),
                    by_line=LineFloors(back_to_back=back_to_back, single=single),
                )  # fmt: skip
        return found

    def specs(self) -> Iterator[Spec]:
        """A series a measured pair, number of lines and home; and the reference pair."""
        for group in self.planner.groups:
            unmeasured = self.planner.unmeasured(group)
            for pair in group.pairs:
                if pair in self.planner.readings:
                    homes = self.homes(pair)
                    shared: dict[str, Scalar] = {
                        "relation": group.root, "group": group.label,
                        "group_pairs": len(group.pairs),
                        "group_unmeasured": unmeasured, "steady": self.steady(pair),
                    }  # fmt: skip
                    for what, home in [
                        *((ONE_LINE, home) for home in homes),
                        (TWO_LINES, homes[0]),
                    ]:
                        yield self.spec(what, home, pair, shared)
        if self.reference is not None:
            yield self.spec(ONE_LINE, "to", self.reference, {"reference": True}, CONTROL)

    def spec(
        self, what: str, home: str, pair: Pair, shared: Mapping[str, Scalar], suffix: str = ""
    ) -> Spec:
        """The description of one series."""
        node = self.homes_found.get((pair, home), (-1, 1))[0]
        lines = self.lines(what, home, pair)
        return Spec(
            key=key_of(what, home, pair) + suffix, system="raw", variant=what, cores=2,
            measure="round-trip",
            mode="back-to-back", batch=BATCH, floor=(pair,), control=bool(suffix),
            parameters={
                "from_cpu": pair[0], "to_cpu": pair[1], "lines": 2 if what == TWO_LINES else 1,
                "home": "receiver" if what == TWO_LINES else home,
                "home_node": node if node >= 0 and what != TWO_LINES else None,
                "addresses": len(LINES), "line_low": min(lines, default=None),
                "line_high": max(lines, default=None),
                "target": "polling", "told": "poll", **shared,
            },
        )  # fmt: skip

    def ends(self) -> dict[Pair, float]:
        """The nearest and the farthest of the measured pairs, the smaller CPU first, and what they
        take.
        """
        both: dict[Pair, list[float]] = defaultdict(list)
        for a, b in sorted(self.planner.readings):
            medians = [self.ledger.pooled(key) for key in self.keys((a, b)) if self.ledger.has(key)]
            both[min(a, b), max(a, b)].append(min(medians))
        means = {pair: sum(values) / len(values) for pair, values in both.items()}
        order = sorted(means, key=means.__getitem__)
        return {pair: means[pair] for pair in (*order[:1], *order[-1:])}

    def keys(self, pair: Pair) -> list[str]:
        """The keys of its one line, by home."""
        return [key_of(ONE_LINE, home, pair) for home in self.homes(pair)]

    def ratios(self) -> Iterator[tuple[str, str]]:
        """The farthest pair over the nearest, two lines over one on the nearest, and the
        control.
        """
        if self.reference is not None:
            key = key_of(ONE_LINE, "to", self.reference)
            yield key + CONTROL, key
        ends = [self.measured_way(pair) for pair in self.ends()]
        for far in ends[1:]:
            yield key_of(ONE_LINE, "to", far), key_of(ONE_LINE, "to", ends[0])
        for near in ends[:1]:
            yield key_of(TWO_LINES, "to", near), key_of(ONE_LINE, "to", near)

    def measured_way(self, pair: Pair) -> Pair:
        """The pair in a direction in which it was measured."""
        return pair if pair in self.planner.readings else pair[::-1]


class _Rig:
    """A booted system, and slices of pairs in it. homes: of a pair; found: where their lines turned
    out to lie.
    """

    def __init__(
        self,
        bench: Bench,
        homes: Callable[[Pair], tuple[str, ...]],
        found: dict[tuple[Pair, str], tuple[int, int]],
    ) -> None:
        self.bench = bench
        self.homes = homes
        self.found = found
        self.core = {cpu: core for core, cpu in enumerate(bench.cpus)}
        self.base = 0

    def arm(self, turn: Sequence[Pair], counts: core.Counts, suffix: str = "") -> Arm:
        """Those pairs at once."""
        name = ", ".join(f"CPUs {a} and {b}" for a, b in turn)
        return Arm(
            f"{name}{', again' if suffix else ''}", lambda: self._slice(turn, counts, suffix)
        )

    def _slice(self, turn: Sequence[Pair], counts: core.Counts, suffix: str) -> Outcome:
        pids = self.bench.system.launched.pids
        cpus = [cpu for pair in turn for cpu in pair]
        watch = Watch(tuple(cpus), tuple(pids[self.core[cpu]] for cpu in cpus))
        answering: dict[int, Call] = {}
        asking: dict[int, Call] = {}
        for place, pair in enumerate(turn):
            a, b = (self.core[cpu] for cpu in pair)
            homes = ("to",) if suffix else self.homes(pair)
            arguments = (homes, self.base, counts)
            answering[b] = (core.bounce, (a, b, 1, *arguments, None))
            asking[a] = (core.bounce, (a, b, 0, *arguments, None if place else watch))
        # Lines of different pairs are different ones, so one base does for all.
        self.base += core.span(counts, 2)
        slowest = f"latency {len(turn)} {'again' if suffix else ''}"
        reports = self.bench.run(slowest, {**answering, **asking})
        outcome = Slice()
        for pair in turn:
            report = reports[self.core[pair[0]]]
            outcome.activity = outcome.activity or report.activity
            for name, histogram in samples_of(report).items():
                what, home = name.split(".")
                key = key_of(what, home, pair) + suffix
                outcome.samples[key] = histogram
                outcome.lines[key] = [float(report.counts[f"{name}.{line}"]) for line in LINES]
            for home in self.homes(pair) if not suffix else ():
                self.found[pair, home] = (
                    report.counts[f"node.{home}"],
                    report.counts[f"nodes.{home}"],
                )
        return outcome


def run(
    request: Request, *, parallel: bool = False, watcher: Callable[[Look], None] | None = None
) -> Document:
    """Measures; see the page. parallel: pairs without a CPU in common at the same time; watcher:
    called after every turn. Raises BadInput, MeasurementRefused.
    """
    cpus = request.placement.cpus
    if request.crowded:
        raise BadInput(
            "latency between CPUs needs a CPU for each core",
            value=f"{request.cores} cores on CPUs {format_cpu_list(cpus)}",
            where="--cores",
            hint="name each CPU once",
        )
    matrix = Matrix(request, map_of(Topology.read(), cpus), parallel, watcher)
    record = document.begin(request)
    matrix.measure()
    return document.finish(
        NAME,
        record,
        matrix.ledger,
        matrix.floors(),
        list(matrix.specs()),
        matrix.ratios(),
        said.cautions(matrix),
    )
