"""What slices of pairs brought: by pair, number of lines and home; of each the medians of slices,
and of its lines.

Guarantees: thousands of pairs fit, one histogram each; what cannot be of one place is recognised. A
reference pair, measured again and again between the others, has a key of its own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from msgspec.structs import replace

from multikernel.experiments.declaring import *
from multikernel.experiments.latency.loops import ONE_LINE, SINGLE
from multikernel.results.document import Series

MOVED = 1.5
"""A pair whose slices differ so much was not in one place all the time."""


@dataclass(slots=True)
class Slice(Outcome):
    """An outcome that knows its lines. lines: the mean of each, in their order, by key; homes:
    where they lie, as (node, of how many), by pair and home; again: of the reference pair.
    """

    lines: dict[str, list[float]] = field(default_factory=dict)
    homes: dict[tuple[Pair, str], tuple[int, int]] = field(default_factory=dict)
    again: bool = False


class Ledger(Collector):
    """A collector of thousands of arms: one histogram each, medians of slices, means of lines."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.slices_of: dict[str, list[tuple[int, float]]] = defaultdict(list)
        """(boot, median of a slice), by key."""
        self.lines_of: dict[str, list[list[float]]] = defaultdict(list)
        self.homes: dict[tuple[Pair, str], tuple[int, int]] = {}
        """As of a slice."""
        self.suspects: set[Pair] = set()
        """Pairs that were measured while the reference pair moved."""
        self._since: set[Pair] = set()

    def keep(self, number: int, outcome: Outcome) -> None:
        """Where the reference pair moved, what was measured since the last look is marked."""
        assert isinstance(outcome, Slice)
        for key, histogram in outcome.samples.items():
            self.slices_of[key].append((number, histogram.percentile(50)))
            held = self._tallies[key][0]
            held[:] = [Histogram.merge([*held, histogram])]
        for key, lines in outcome.lines.items():
            self.lines_of[key].append(lines)
        self.homes.update(outcome.homes)
        pairs = {pair for pair, _ in outcome.homes}
        if not outcome.again:
            self._since |= pairs
            return
        for pair in pairs:
            *_, (before, was), (now, value) = [(-1, 0.0), *self.slices_of[reference_key(pair)]]
            if before == now and moved([was, value]):
                self.suspects |= self._since
        self._since = set()

    def medians(self, key: str) -> dict[int, float]:
        """The median of an arm's slices in each boot that has some."""
        found: dict[int, list[float]] = defaultdict(list)
        for boot, value in self.slices_of.get(key, ()):
            found[boot].append(value)
        return {boot: median(values) for boot, values in found.items()}

    def lines(self, key: str) -> list[float]:
        """Of each line the median, over slices, of its means."""
        return [median(means) for means in zip(*self.lines_of.get(key, ()), strict=True)]

    def floor_by_line(self, pair: Pair, mode: Mode) -> list[dict[int, float]]:
        """Of the one line at home with the second of two cores, as if all boots were one."""
        a, b = (self.request.placement.cpus[core] for core in pair)
        what = ONE_LINE if mode == "back-to-back" else SINGLE
        return [{0: line} for line in self.lines(key_of(what, "to", (a, b)))]

    def pooled(self, key: str) -> float:
        """The median of all samples of an arm that has some, as its series gives it."""
        return self._tallies[key][0][0].percentile(50)

    def moved(self, key: str) -> bool:
        return moved([value for _, value in self.slices_of.get(key, ())])

    def series(self, spec: Spec) -> Series | None:
        one = super().series(spec)
        return one and replace(one, boots=len(self.medians(spec.key)), by_boot=[])


def key_of(what: str, home: str, pair: Pair) -> str:
    return f"{what}.{home}.{pair[0]}-{pair[1]}"


def reference_key(pair: Pair) -> str:
    return key_of(ONE_LINE, "to", pair) + CONTROL


def moved(values: Sequence[float]) -> bool:
    return bool(values) and max(values) > MOVED * min(values)
