"""Slices of pairs: which are measured in one system and at once, and what a slice brings.

Guarantees: every pair is measured in some system, and has its turn there; pairs that are measured
at once have no CPU in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from multikernel.experiments.instrument.arms import CONTROL
from multikernel.experiments.instrument.loops import Watch
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.experiments.latency import core
from multikernel.experiments.latency.ledger import Slice, key_of
from multikernel.experiments.latency.map import Pair


class Rig:
    """A booted system. homes: where the one line of a pair is put, by turns."""

    def __init__(self, bench: Bench, homes: Callable[[Pair], tuple[str, ...]]) -> None:
        self.bench = bench
        self.homes = homes
        self.core = {cpu: core for core, cpu in enumerate(bench.cpus)}

    def slice(self, turn: Sequence[Pair], counts: core.Counts, *, again: bool = False) -> Slice:
        """Those pairs at once. again: of the reference pair, under its own key."""
        pids = self.bench.system.launched.pids
        cpus = [cpu for pair in turn for cpu in pair]
        watch = Watch(tuple(cpus), tuple(pids[self.core[cpu]] for cpu in cpus))
        # Lines of different pairs are different ones, so one base does for all.
        base = 2 * self.bench.uses(core.span(counts, 2))
        homes = {pair: ("to",) if again else self.homes(pair) for pair in turn}
        answering: dict[int, Call] = {}
        asking: dict[int, Call] = {}
        for place, pair in enumerate(turn):
            a, b = (self.core[cpu] for cpu in pair)
            alike = (homes[pair], base, counts)
            answering[b] = (core.bounce, (a, b, 1, *alike, None))
            asking[a] = (core.bounce, (a, b, 0, *alike, None if place else watch))
        kind = f"latency {len(turn)} {'again' if again else ''}"
        reports = self.bench.run(kind, {**answering, **asking})
        outcome = Slice(activity=reports[self.core[turn[0][0]]].activity)
        for pair in turn:
            report = reports[self.core[pair[0]]]
            found = report.counts
            for name, histogram in samples_of(report).items():
                what, home = name.split(".")
                key = key_of(what, home, pair) + (CONTROL if again else "")
                outcome.samples[key] = histogram
                outcome.lines[key] = [float(found[f"{name}.{line}"]) for line in core.LINES]
            for home in homes[pair]:
                outcome.homes[pair, home] = found[f"node.{home}"], found[f"nodes.{home}"]
        return outcome


def systems(pairs: Iterable[Pair], most: int) -> list[list[Pair]]:
    """Pairs shared out among systems of at most `most` CPUs each, so that no system is larger than
    it needs be.
    """
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
            lot = (set(), [])
            lots.append(lot)
        lot[0].update(pair)
        lot[1].append(pair)
    return [held for _, held in lots]
