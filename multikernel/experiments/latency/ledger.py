"""What slices of pairs brought: by pair, number of lines and home; of each the medians of slices,
and of its lines.

Guarantees: thousands of pairs fit, one histogram each; what cannot be of one place is recognised. A
reference pair, measured again and again between the others, has a key of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from msgspec.structs import replace

from multikernel.experiments.instrument.arms import CONTROL, Collector, Outcome, Spec
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.latency.core import ONE_LINE
from multikernel.experiments.latency.map import Pair
from multikernel.results.document import Series
from multikernel.results.histogram import Histogram

MOVED = 1.5
"""A pair whose slices differ so much was not in one place all the time."""


@dataclass(slots=True)
class Slice(Outcome):
    """An outcome that knows its lines. lines: the mean of each, in their order, by key."""

    lines: dict[str, list[float]] = field(default_factory=dict)


class Ledger(Collector):
    """A collector of thousands of arms: one histogram each, the medians of slices, and the means of
    lines in slices.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.slices_of: dict[str, list[tuple[int, float]]] = defaultdict(list)
        """(boot, median of a slice), by key."""
        self.lines_of: dict[str, list[list[float]]] = defaultdict(list)

    def keep(self, number: int, outcome: Outcome) -> None:
        """Adds a slice's samples to the pair's."""
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

    def series(self, spec: Spec) -> Series | None:
        """As a collector's; the samples of all boots are pooled."""
        one = super().series(spec)
        return None if one is None else replace(one, boots=len(self.medians(spec.key)))


def homes_of(from_node: int, to_node: int, several_nodes: bool) -> tuple[str, ...]:
    """Where the one line of a pair is put: with the second CPU; and with the first, where that is
    another memory.
    """
    return ("to", "from") if several_nodes and from_node != to_node else ("to",)


def key_of(what: str, home: str, pair: Pair) -> str:
    """The key of a pair's series."""
    return f"{what}.{home}.{pair[0]}-{pair[1]}"


def reference_key(pair: Pair) -> str:
    """The key of the reference pair's series."""
    return key_of(ONE_LINE, "to", pair) + CONTROL


def moved(values: Sequence[float]) -> bool:
    """Whether they cannot be of one place."""
    return bool(values) and max(values) > MOVED * min(values)
