"""Latency: what a cache line takes between every two CPUs, there and back, one line for both ways or one for each.

Guarantees: every measured pair on 16 lines spread over 8 KiB, since the address decides which slice of a cache serves
it; where CPUs have memory of their own, with the lines at home on either side, and where they lie is asked of the host.
Pairs by turns, one at a time unless asked otherwise; a pair is done when its interval over boots is tight. Which pairs
are measured is `latency_plan`'s: all of a small machine, enough of a large one, and what is estimated is called that.
Between the others one pair is measured again and again: where it moves, the machine moved, and the document says so.
Answers: the paper's table 2 (what a message costs by distance), of which this is the part the hardware takes.
Called by: cli (`multikernel latency`), the registry. Idea: core-to-core-latency's matrix; ours says where lines lie.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from msgspec.structs import replace

from multikernel import system as system_
from multikernel.errors import BadInput
from multikernel.experiments import document, latency_core
from multikernel.experiments.arms import CONTROL, Arm, Collector, Outcome, Scalar, Spec
from multikernel.experiments.latency_core import LINES, ONE_LINE, SINGLE, TWO_LINES
from multikernel.experiments.latency_plan import (
    RELATIONS,
    TOLERANCE,
    Group,
    Map,
    Pair,
    Planner,
    Reading,
    is_tight,
    map_of,
    systems,
    turns,
)
from multikernel.experiments.measure import Bench, Call, samples_of
from multikernel.experiments.on_core import Watch
from multikernel.experiments.request import Request
from multikernel.machine.clock import tsc_rate
from multikernel.machine.topology import Topology, format_cpu_list
from multikernel.results import statistics
from multikernel.results.document import Caution, Document, Floor, LineFloors, Mode, Series
from multikernel.results.histogram import Histogram

NAME = "latency"
FIGURE = "table 2"
SUMMARY = "One cache line there and back between every two CPUs, and one line each way: the machine's map of distances."

BATCH, USUAL, USUAL_SINGLE = 50, 200, 20
"""Round trips between two looks at the clock; on each line in a slice; and of those with a clock around each."""
SYSTEM_CPUS = 64
"""CPUs of one booted system: a large machine is measured by some, one after the other."""
ROUNDS_LEAST, ROUNDS_OF = 2, 256
"""Slices of a pair in a boot; more, as far as the size allows, where there are fewer pairs than this."""
REFERENCE_EVERY = 16
"""Turns between two looks at the reference pair."""
MOVED = 1.5
"""A pair whose slices differ so much was not in one place all the time."""


@dataclass(frozen=True, slots=True)
class Look:
    """How far it is. values: cycles of one line, by (from, to), measured so far; planned: pairs that are measured or
    will be, as far as is known; pairs: all there are.
    """

    cpus: tuple[int, ...]
    values: Mapping[Pair, float]
    planned: int
    pairs: int
    boots: int


@dataclass(slots=True)
class Slice(Outcome):
    """An outcome that knows its lines. lines: the mean of each, in their order, by key."""

    lines: dict[str, list[float]] = field(default_factory=dict)


class Ledger(Collector):
    """A collector of thousands of arms: one histogram each, the medians of slices, and the means of lines in slices."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.slices_of: dict[str, list[tuple[int, float]]] = defaultdict(list)
        """(boot, median of a slice), by key."""
        self.lines_of: dict[str, list[list[float]]] = defaultdict(list)

    def keep(self, number: int, outcome: Outcome) -> None:
        """Counts a slice's samples in."""
        for key, histogram in outcome.samples.items():
            self.slices_of[key].append((number, histogram.percentile(50)))
            held = self._tallies[key][0]
            held[:] = [Histogram.merge([*held, histogram])]
        if isinstance(outcome, Slice):
            for key, lines in outcome.lines.items():
                self.lines_of[key].append(lines)

    def medians(self, key: str) -> dict[int, float]:
        """The median of an arm's slices in each boot that has some."""
        found: dict[int, list[float]] = defaultdict(list)
        for boot, value in self.slices_of.get(key, ()):
            found[boot].append(value)
        return {boot: median(values) for boot, values in found.items()}

    def pooled(self, key: str) -> float:
        """The median of all samples of an arm that has some, as its series gives it."""
        return self._tallies[key][0][0].percentile(50)

    def series(self, spec: Spec, floors: Mapping[Pair, Mapping[Mode, float]]) -> Series | None:
        """As ever; the samples of all boots lie together."""
        one = super().series(spec, floors)
        return None if one is None else replace(one, boots=len(self.medians(spec.key)))


class _Matrix:
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
        self.counts: latency_core.Counts = (
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
        """Some slices of each pair in a fresh system, the reference pair in between."""
        assert self.reference is not None
        self.boots += 1
        self.request.progress(
            f"{NAME}: boot {self.boots}, {len(pairs)} pairs; {len(self.values)} of {len(self.planned)} planned "
            "have been measured"
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
                    self.tell(turn)
            self.look_back(rig, since)

    def look_back(self, rig: _Rig, since: Sequence[Pair]) -> list[Pair]:
        """The reference pair once more; where it moved, what was measured since it was last looked at is marked."""
        assert self.reference is not None
        key = reference_key(self.reference)
        seen = self.ledger.slices_of[key]
        before = seen[-1] if seen else None
        self.ledger.slice(self.boots, rig.arm([self.reference], self.counts[:1], CONTROL))
        after = seen[-1] if seen else None
        if before and after and before[0] == after[0] and moved([before[1], after[1]]):
            self.suspects.update(since)
        return []

    def tell(self, turn: Sequence[Pair]) -> None:
        """The one who watches, if there is one."""
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
        return homes_of(self.site[pair[0]].node, self.site[pair[1]].node, len(self.machine.nodes) > 1)

    def best(self, pair: Pair) -> str | None:
        """The key of the pair's one line at the home where it takes least; None if nothing of it counts."""
        keys = [key for key in self.keys(pair) if self.ledger.has(key)]
        return min(keys, key=lambda key: median(self.ledger.medians(key).values()), default=None)

    def done(self, pair: Pair) -> bool:
        """Whether further boots would tell nothing new."""
        for key in (*self.keys(pair), key_of(TWO_LINES, self.homes(pair)[0], pair)):
            values = list(self.ledger.medians(key).values())
            if not values:
                return False
            interval = statistics.median_interval(values)
            if not is_tight(interval.low, median(values), interval.high, len(values)):
                return False
        return True

    def reading(self, pair: Pair) -> Reading | None:
        """What the planner is told: between boots where there are several, else between slices."""
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
            moved([value for _, value in self.ledger.slices_of.get(key, ())]) for key in self.keys(pair)
        )

    # --- the document ---

    def floors(self) -> dict[Pair, Floor]:
        """Of the measured pairs, the line at home with the second; a line's value: the median of its slices' means."""
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
                        "relation": group.root, "group": group.label, "group_pairs": len(group.pairs),
                        "group_unmeasured": unmeasured, "steady": self.steady(pair),
                    }  # fmt: skip
                    for what, home in [*((ONE_LINE, home) for home in homes), (TWO_LINES, homes[0])]:
                        yield self.spec(what, home, pair, shared)
        if self.reference is not None:
            yield self.spec(ONE_LINE, "to", self.reference, {"reference": True}, CONTROL)

    def spec(self, what: str, home: str, pair: Pair, shared: Mapping[str, Scalar], suffix: str = "") -> Spec:
        """Of one series."""
        node = self.homes_found.get((pair, home), (-1, 1))[0]
        lines = self.lines(what, home, pair)
        return Spec(
            key=key_of(what, home, pair) + suffix, system="raw", variant=what, cores=2, measure="round-trip",
            mode="back-to-back", batch=BATCH, floor=(pair,), control=bool(suffix),
            parameters={
                "from_cpu": pair[0], "to_cpu": pair[1], "lines": 2 if what == TWO_LINES else 1,
                "home": "receiver" if what == TWO_LINES else home,
                "home_node": node if node >= 0 and what != TWO_LINES else None,
                "addresses": len(LINES), "line_low": min(lines, default=None), "line_high": max(lines, default=None),
                "target": "polling", "told": "poll", **shared,
            },
        )  # fmt: skip

    def ends(self) -> dict[Pair, float]:
        """The nearest and the farthest of the measured pairs, the smaller CPU first, and what they take."""
        both: dict[Pair, list[float]] = defaultdict(list)
        for a, b in sorted(self.planner.readings):
            medians = [self.ledger.pooled(key) for key in self.keys((a, b)) if self.ledger.has(key)]
            both[min(a, b), max(a, b)].append(min(medians))
        means = {pair: sum(values) / len(values) for pair, values in both.items()}
        order = sorted(means, key=means.__getitem__)
        return {pair: means[pair] for pair in (*order[:1], *order[-1:])}

    def keys(self, pair: Pair) -> list[str]:
        """Of its one line, by home."""
        return [key_of(ONE_LINE, home, pair) for home in self.homes(pair)]

    def ratios(self) -> Iterator[tuple[str, str]]:
        """The farthest pair over the nearest, two lines over one on the nearest, and the control."""
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

    def cautions(self) -> Iterator[Caution]:
        """What a reader must know."""
        yield from self._ends_said()
        yield from self._homes_said()
        yield from self._moves_said()
        if self.parallel:
            yield Caution(
                code="parallel-pairs",
                text="Pairs without a CPU in common were measured at the same time, as was asked for: they share "
                "caches and links, and may have held one another up.",
            )
        yield from estimates(self.planner)

    def _ends_said(self) -> Iterator[Caution]:
        ends = self.ends()
        words = ("Nearest", "Farthest") if len(ends) > 1 else ("The only measured",)
        codes = ("nearest-pair", "farthest-pair")
        for word, code, (pair, cycles) in zip(words, codes, ends.items(), strict=False):
            way = self.measured_way(pair)
            root = next(group.root for group in self.planner.groups if way in group.pairs)
            yield Caution(
                code=code,
                text=f"{word} pair: CPUs {pair[0]} and {pair[1]} ({RELATIONS[root.split()[0]]}), {cycles:.0f} TSC "
                f"cycles ({cycles / tsc_rate().hz * 1e9:.0f} ns) there and back on one line.",
            )

    def _homes_said(self) -> Iterator[Caution]:
        if len(self.machine.nodes) < 2:
            yield Caution(
                code="home-not-varied",
                text=f"The CPUs measured are of one memory node ({self.machine.nodes[0]}): the home of a line was not "
                "varied, as there is no other.",
            )
            return
        unknown = [at for at, (node, _) in self.homes_found.items() if node < 0]
        if unknown:
            yield Caution(
                code="home-not-verified",
                text=f"The host does not say where memory lies (error {-self.homes_found[unknown[0]][0]} of "
                f"move_pages): the homes of {len(unknown)} lines' sets are where they were touched first, unverified.",
            )
        elsewhere = sorted(
            {
                pair
                for (pair, home), (node, nodes) in self.homes_found.items()
                if node >= 0 and (nodes > 1 or node != self.site[pair[0] if home == "from" else pair[1]].node)
            }
        )
        if elsewhere:
            yield Caution(
                code="home-elsewhere",
                text=f"Lines of {len(elsewhere)} pairs, of CPUs {elsewhere[0][0]} and {elsewhere[0][1]} among them, "
                "lie on another memory node than that of the CPU that touched them first; home_node says where.",
            )

    def _moves_said(self) -> Iterator[Caution]:
        assert self.reference is not None
        seen = [value for _, value in self.ledger.slices_of.get(reference_key(self.reference), ())]
        unsteady = sorted(pair for pair in self.planner.readings if not self.steady(pair))
        if moved(seen):
            yield Caution(
                code="reference-moved",
                text=f"The reference pair, CPUs {self.reference[0]} and {self.reference[1]}, was measured "
                f"{len(seen)} times between the others and moved between {min(seen):.0f} and {max(seen):.0f} TSC "
                "cycles, as when a hypervisor moves the CPUs: no value here is that of one fixed place.",
            )
        if unsteady:
            yield Caution(
                code="unsteady-pairs",
                text=f"{len(unsteady)} of {len(self.planner.readings)} measured pairs moved by more than {MOVED:g}× "
                "while they were measured, or the reference pair did meanwhile; their series say steady: false.",
            )


class _Rig:
    """A booted system, and slices of pairs in it. homes: of a pair; found: where their lines turned out to lie."""

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

    def arm(self, turn: Sequence[Pair], counts: latency_core.Counts, suffix: str = "") -> Arm:
        """Those pairs at once."""
        name = ", ".join(f"CPUs {a} and {b}" for a, b in turn)
        return Arm(f"{name}{', again' if suffix else ''}", lambda: self._slice(turn, counts, suffix))

    def _slice(self, turn: Sequence[Pair], counts: latency_core.Counts, suffix: str) -> Outcome:
        pids = self.bench.system.launched.pids
        cpus = [cpu for pair in turn for cpu in pair]
        watch = Watch(tuple(cpus), tuple(pids[self.core[cpu]] for cpu in cpus))
        answering: dict[int, Call] = {}
        asking: dict[int, Call] = {}
        for place, pair in enumerate(turn):
            a, b = (self.core[cpu] for cpu in pair)
            homes = ("to",) if suffix else self.homes(pair)
            arguments = (homes, self.base, counts)
            answering[b] = (latency_core.bounce, (a, b, 1, *arguments, None))
            asking[a] = (latency_core.bounce, (a, b, 0, *arguments, None if place else watch))
        # Lines of different pairs are different ones, so one base does for all.
        self.base += latency_core.span(counts, 2)
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
                self.found[pair, home] = (report.counts[f"node.{home}"], report.counts[f"nodes.{home}"])
        return outcome


def homes_of(from_node: int, to_node: int, several_nodes: bool) -> tuple[str, ...]:
    """Where the one line of a pair is put: with the second CPU; and with the first, where that is another memory."""
    return ("to", "from") if several_nodes and from_node != to_node else ("to",)


def key_of(what: str, home: str, pair: Pair) -> str:
    """Of a pair's series."""
    return f"{what}.{home}.{pair[0]}-{pair[1]}"


def reference_key(pair: Pair) -> str:
    """Of the reference pair's."""
    return key_of(ONE_LINE, "to", pair) + CONTROL


def moved(values: Sequence[float]) -> bool:
    """Whether they cannot be of one place."""
    return bool(values) and max(values) > MOVED * min(values)


def estimates(planner: Planner) -> Iterator[Caution]:
    """What is said of pairs that were not measured, by how they are related; and what was left open."""
    for root in dict.fromkeys(group.root for group in planner.groups):
        groups = [group for group in planner.groups if group.root == root]
        missing = sum(map(planner.unmeasured, groups))
        values = [value for group in groups if (value := planner.value(group)) is not None]
        if missing and values:
            yield Caution(code="estimated", text=_estimate(root, groups, missing, values))
    unsettled = planner.unsettled()
    if unsettled:
        pairs = sum(map(planner.unmeasured, unsettled))
        yield Caution(
            code="unsettled",
            text=f"Groups still disagreed by more than {TOLERANCE:.0%} and noise when as many pairs had been "
            f"measured as may be: {len(unsettled)} of {len(planner.groups)}. The estimates of {pairs} pairs in them "
            "are poor.",
        )


def _estimate(root: str, groups: Sequence[Group], missing: int, values: Sequence[float]) -> str:
    pairs = sum(len(group.pairs) for group in groups)
    name, _, rest = root.partition(" ")
    who = RELATIONS[name] + (f" ({rest})" if rest else "")
    head = f"Estimated, not measured: {missing} of {pairs} pairs of {who}. "
    low, high = min(values), max(values)
    if len(groups) == 1:
        return (
            head
            + f"They are taken to be the median of those that were measured, {low:.0f} TSC cycles on one line."
        )
    return (
        head
        + f"They fall into {len(groups)} groups, and are taken to be the median of their group, {low:.0f} to "
        f"{high:.0f} TSC cycles on one line; each measured series names its group."
    )


def run(
    request: Request, *, parallel: bool = False, watcher: Callable[[Look], None] | None = None
) -> Document:
    """Measures; see the page. parallel: pairs without a CPU in common at the same time; watcher: told after every
    turn. Raises BadInput, MeasurementRefused.
    """
    cpus = request.placement.cpus
    if request.crowded:
        raise BadInput(
            "latency between CPUs needs a CPU for each core",
            value=f"{request.cores} cores on CPUs {format_cpu_list(cpus)}",
            where="--cores",
            hint="name each CPU once",
        )
    matrix = _Matrix(request, map_of(Topology.read(), cpus), parallel, watcher)
    record = document.begin(request)
    matrix.measure()
    return document.finish(
        NAME, record, matrix.ledger, matrix.floors(), list(matrix.specs()), matrix.ratios(), matrix.cautions()
    )
