"""Latency: what a cache line takes between every two CPUs, there and back, one line for both ways
or one for each.

Guarantees: every pair on 16 lines over 8 KiB, since the address decides which slice of a cache
serves it; where CPUs have memory of their own, with the lines at home on either side. Pairs by
turns, one at a time unless asked otherwise. Which are measured is the planner's (`plan`); what is
estimated is called that. One pair is measured again and again between the others: where it moves,
the machine moved. Answers: the hardware's part of the paper's table 2. Idea: core-to-core-latency's
matrix; ours says where lines lie.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from multikernel import system as system_
from multikernel.errors import BadInput
from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.experiment import opened
from multikernel.experiments.instrument.floors import settle
from multikernel.experiments.instrument.loops import Plan, Watch
from multikernel.experiments.latency import ledger, said
from multikernel.experiments.latency.ledger import ONE_LINE, TWO_LINES, Slice, key_of
from multikernel.experiments.latency.plan import Planner, Reading
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.topology.model import Topology
from multikernel.results.document import Boot

BATCH_OF, USUAL, USUAL_SINGLE = 50, 200, 20
"""Round trips in a batch; on each line in a slice; and of those with a clock around each."""
SYSTEM_CPUS = 64
"""CPUs of one booted system: a large machine is measured by some, one after the other."""
ROUNDS_LEAST, ROUNDS_OF = 2, 256
"""Slices of a pair in a boot; more, as far as the size allows, where there are few pairs."""
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


@dataclass(frozen=True, slots=True)
class Some:
    cpus: tuple[int, ...]

    def open(self, stack: ExitStack, request: Request) -> Bench:
        return Bench(stack.enter_context(system_.boot(list(self.cpus))))


class Latency(Experiment):
    entry = entry("latency")

    def __init__(
        self, request: Request, *, parallel: bool = False,
        watcher: Callable[[Look], None] | None = None, topology: Topology | None = None,
    ) -> None:  # fmt: skip
        """parallel: pairs without a CPU in common at the same time; watcher: called after every
        turn; topology: None for this machine's. Raises BadInput.
        """
        if request.crowded:
            raise BadInput(
                "latency between CPUs needs a CPU for each core",
                value=f"{request.cores} cores on CPUs {format_cpu_list(request.placement.cpus)}",
                where="cores", hint="name each CPU once",
            )  # fmt: skip
        super().__init__(request)
        self.parallel, self.watcher, self.cpus = parallel, watcher, request.placement.cpus
        self.planner = Planner(topology or Topology.read(), self.cpus, seed=request.seed)
        self.ledger = ledger.Ledger(request)
        self.order = random.Random(request.seed)
        self.boots = 0
        self.planned: list[Pair] = []
        self.values: dict[Pair, float] = {}
        count = request.size.count(USUAL, BATCH_OF)
        self.counts: Plan = (
            (ONE_LINE, count, BATCH_OF),
            (ledger.SINGLE, request.size.count(USUAL_SINGLE), 1),
            (TWO_LINES, count, BATCH_OF),
        )

    def arms(self) -> Sequence[Arm]:
        """Which there are depends on what has been measured."""
        return ()

    def measured(self, arms: list[Arm]) -> tuple[Collector, list[Boot]]:
        self.measure()
        return self.ledger, settle(self.ledger, (), self.boots)

    def measure(self) -> None:
        while wave := self.planner.wave():
            self.planned += wave
            for pending in systems(wave, SYSTEM_CPUS - 2):
                for _ in range(self.request.size.boots):
                    self.boot(pending)
                    pending = [pair for pair in pending if not self.done(pair)]
                    if not pending:
                        break
            self.planner.learn({pair: one for pair in wave if (one := self.reading(pair))})

    @property
    def reference(self) -> Pair:
        """The pair that is measured between the others."""
        return self.planned[0]

    def boot(self, pairs: Sequence[Pair]) -> None:
        """Measures some slices of each pair in a fresh system, the reference pair in between."""
        self.request.progress(
            f"{self.entry.name}: boot {self.boots + 1}, {len(pairs)} pairs; {len(self.values)} of"
            f" {len(self.planned)} planned have been measured"
        )
        on = self.on(tuple(sorted({cpu for pair in (*pairs, self.reference) for cpu in pair})))
        lots = turns(pairs, parallel=self.parallel)
        arms = [self._arm(on, [self.reference], again=True), *(self._arm(on, lot) for lot in lots)]
        rounds = min(self.request.size.rounds, max(ROUNDS_LEAST, ROUNDS_OF // len(pairs)))
        with ExitStack() as stack:
            (reference, *ready), _ = opened(arms, stack, self.request)
            order = list(zip(lots, ready, strict=True))
            for _ in range(rounds):
                self.order.shuffle(order)
                for at, (turn, arm) in enumerate(order):
                    if at % REFERENCE_EVERY == 0:
                        self.ledger.slice(self.boots, reference)
                    self.ledger.slice(self.boots, arm)
                    self._look(turn)
            self.ledger.slice(self.boots, reference)
        self.boots += 1

    def on(self, cpus: tuple[int, ...]) -> Any:
        return Some(cpus)

    def _arm(self, on: Any, turn: Sequence[Pair], *, again: bool = False) -> Arm:
        name = ", ".join(f"CPUs {a} and {b}" for a, b in turn) + ", again" * again
        return Arm(name, (), on, partial(self.slice, turn, again))

    def slice(self, turn: Sequence[Pair], again: bool, bench: Bench) -> Slice:
        """Those pairs at once. again: of the reference pair, under its own key."""
        pids, core = bench.system.launched.pids, {cpu: core for core, cpu in enumerate(bench.cpus)}
        cpus = [cpu for pair in turn for cpu in pair]
        watch = Watch(tuple(cpus), tuple(pids[core[cpu]] for cpu in cpus))
        counts = self.counts[:1] if again else self.counts
        # Lines of different pairs are different ones, so one base does for all.
        base = 2 * bench.uses(ledger.span(counts, 2))
        homes = {pair: ("to",) if again else self.homes(pair) for pair in turn}
        sides: dict[int, tuple[Any, ...]] = {
            core[pair[role]]: (core[pair[0]], core[pair[1]], role, homes[pair], base, counts)
            for role in (0, 1)  # those that answer begin
            for pair in turn
        }
        name = f"latency {len(turn)} {'again' if again else ''}"
        reports = bench.together(name, ledger.bounce, sides, watch)
        outcome = Slice(activity=reports[core[turn[0][0]]].activity, again=again)
        for pair in turn:
            report = reports[core[pair[0]]]
            for name, histogram in samples_of(report).items():
                key = f"{name}.{pair[0]}-{pair[1]}" + (CONTROL if again else "")
                outcome.samples[key] = histogram
                outcome.lines[key] = [
                    float(report.counts[f"{name}.{line}"]) for line in ledger.LINES
                ]
            for home in homes[pair]:
                found = report.counts[f"node.{home}"], report.counts[f"nodes.{home}"]
                outcome.homes[pair, home] = found
        return outcome

    def _look(self, turn: Sequence[Pair]) -> None:
        for pair in turn:
            if key := self.best(pair):
                self.values[pair] = median(self.ledger.medians(key).values())
        if self.watcher is not None:
            pairs = len(self.cpus) * (len(self.cpus) - 1)
            self.watcher(Look(self.cpus, self.values, len(self.planned), pairs, self.boots + 1))

    def homes(self, pair: Pair) -> tuple[str, ...]:
        """Where the one line is put: with the second CPU; with the first, if that is elsewhere."""
        a, b = (self.planner.node[cpu] for cpu in pair)
        return ("to",) if a == b else ("to", "from")

    def ways(self, pair: Pair) -> list[tuple[str, str]]:
        """What a pair has series of: number of lines, and home."""
        return [*((ONE_LINE, home) for home in self.homes(pair)), (TWO_LINES, "to")]

    def keys(self, pair: Pair) -> list[str]:
        """Of the pair's one line, at each home of which something counts."""
        keys = [key_of(ONE_LINE, home, pair) for home in self.homes(pair)]
        return [key for key in keys if self.ledger.has(key)]

    def best(self, pair: Pair) -> str | None:
        """The key of its one line at the home where it takes least; None if nothing counts."""
        medians = self.ledger.medians
        return min(self.keys(pair), key=lambda key: median(medians(key).values()), default=None)

    def done(self, pair: Pair) -> bool:
        """Whether further boots would show nothing new."""
        each = [list(self.ledger.medians(key_of(*way, pair)).values()) for way in self.ways(pair)]
        return all(values and Reading.of(values).is_tight(len(values)) for values in each)

    def reading(self, pair: Pair) -> Reading | None:
        """What the planner learns: between boots where there are several, else between slices."""
        if (key := self.best(pair)) is None:
            return None
        values = list(self.ledger.medians(key).values())
        return Reading.of(
            values if len(values) > 1 else [value for _, value in self.ledger.slices_of[key]]
        )

    def steady(self, pair: Pair) -> bool:
        """Whether neither it nor the reference pair moved while it was measured."""
        return pair not in self.ledger.suspects and not any(map(self.ledger.moved, self.keys(pair)))

    def ends(self) -> dict[Pair, float]:
        """The nearest and the farthest of the measured pairs, and what they take."""
        both: dict[Pair, list[float]] = defaultdict(list)
        for pair in sorted(self.planner.readings):
            least = min(self.ledger.pooled(key) for key in self.keys(pair))
            both[pair[::-1] if pair[::-1] in both else pair].append(least)
        means = {pair: sum(values) / len(values) for pair, values in both.items()}
        order = sorted(means, key=means.__getitem__)
        return {pair: means[pair] for pair in (*order[:1], *order[-1:])}

    def judged_by(self) -> list[Pair]:
        return [(self.cpus.index(a), self.cpus.index(b)) for a, b in sorted(self.planner.readings)]

    def specs(self) -> list[Spec]:
        found = []
        for group in self.planner.groups:
            unmeasured = self.planner.unmeasured(group)
            for pair in filter(self.planner.readings.__contains__, group.pairs):
                shared: dict[str, Scalar] = {
                    "relation": group.root, "group": group.label, "group_pairs": len(group.pairs),
                    "group_unmeasured": unmeasured, "steady": self.steady(pair),
                }  # fmt: skip
                found += [self._spec(*way, pair, shared) for way in self.ways(pair)]
        again = self._spec(ONE_LINE, "to", self.reference, {"reference": True}, CONTROL)
        return [*found, again]

    def _spec(
        self, what: str, home: str, pair: Pair, shared: Mapping[str, Scalar], suffix: str = ""
    ) -> Spec:
        key, two = key_of(what, home, pair), what == TWO_LINES
        node, lines = self.ledger.homes.get((pair, home), (-1, 1))[0], self.ledger.lines(key)
        return Spec(
            key=key + suffix, system="raw", variant=what, cores=2, measure="round-trip",
            mode="back-to-back", batch=BATCH_OF, control=bool(suffix),
            parameters={
                "from_cpu": pair[0], "to_cpu": pair[1], "lines": 2 if two else 1,
                "home": "receiver" if two else home,
                "home_node": None if two or node < 0 else node,
                "addresses": len(ledger.LINES), "line_low": min(lines, default=None),
                "line_high": max(lines, default=None),
                "target": "polling", "told": "poll", **shared,
            },
        )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        """The farthest pair over the nearest, two lines over one, and the control."""
        one_line = partial(key_of, ONE_LINE, "to")
        yield Ratio(ledger.reference_key(self.reference), one_line(self.reference), "control")
        ends = list(self.ends())
        for far in ends[1:]:
            yield Ratio(one_line(far), one_line(ends[0]), "cost")
        for near in ends[:1]:
            yield Ratio(key_of(TWO_LINES, "to", near), one_line(near), "cost")

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        return said.cautions(self)


def systems(pairs: Iterable[Pair], most: int) -> list[list[Pair]]:
    """Pairs shared out among systems of at most `most` CPUs each."""
    return _packed(pairs, lambda cpus, pair: len(cpus.union(pair)) <= most)


def turns(pairs: Iterable[Pair], *, parallel: bool = False) -> list[list[Pair]]:
    """What is measured at once: one pair, or in parallel as many as have no CPU in common."""
    if parallel:
        return _packed(pairs, lambda cpus, pair: cpus.isdisjoint(pair))
    return [[pair] for pair in pairs]


def _packed(pairs: Iterable[Pair], fits: Callable[[set[int], Pair], bool]) -> list[list[Pair]]:
    """Each into the first lot it fits in, by the CPUs of that lot."""
    lots: list[tuple[set[int], list[Pair]]] = []
    for pair in pairs:
        lot = next((lot for lot in lots if fits(lot[0], pair)), None)
        if lot is None:
            lots.append(lot := (set(), []))
        lot[0].update(pair)
        lot[1].append(pair)
    return [held for _, held in lots]
