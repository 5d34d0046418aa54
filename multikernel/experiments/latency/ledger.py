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
from multikernel.experiments.instrument.loops import Loop, Plan, Watch
from multikernel.native._native import Histogram as Samples
from multikernel.results.document import Series

LINES = tuple(range(0, 64, 4))
"""16 scratch lines over 8 KiB: neighbours are often served alike."""
WARM = 16
"""Round trips on a line before the first that counts: the other side may not have come yet."""
ONE_LINE, SINGLE, TWO_LINES = "one-line", "one-line-single", "two-lines"
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


# --- On the two cores of a pair: both run the same rounds in the same order


def span(counts: Plan, homes: int) -> int:
    """Round trips that `bounce` makes on each line; `base` grows by twice as many."""
    return homes * (WARM * len(counts) + sum(count for _, count, _ in counts))


def bounce(
    asker: int, answerer: int, role: int, homes: tuple[str, ...], base: int, counts: Plan,
    watch: Watch | None,
) -> Report:  # fmt: skip
    """Round trips between two cores. role: 0 on the asker, 1 on the answerer. homes: whose region
    the one line is in, "from" (the asker's) or "to"; of two lines each is in its receiver's,
    whatever the home.

    Samples: "WHAT.HOME", of all lines. Counts: "WHAT.HOME.LINE", the mean of a line; "node.HOME",
    the memory node of the lines there (the highest of them), minus an errno where the host does not
    say; "nodes.HOME", of how many nodes.
    """
    loop = Loop(watch)

    def trip(
        what: str, home: str, line: int, start: int, count: int, batch: int, into: Samples
    ) -> None:
        two = what == TWO_LINES
        core = answerer if (role == 0 if two else home == "to") else asker
        loop.driver.probe(
            "two-lines" if two else "floor", core=core, role=role, line=line, base=start,
            count=count, batch=batch, times=into,
        )  # fmt: skip

    with loop.watched():
        at = base
        for home in homes:
            for what, count, batch in counts:
                if what == TWO_LINES and home != homes[0]:
                    continue
                into = loop.samples(f"{what}.{home}")
                for line in LINES:
                    # A histogram a line would be a longer way home than all that was measured.
                    total, samples = into.sum, into.n
                    trip(what, home, line, at, WARM, 1, Samples())
                    trip(what, home, line, at + 2 * WARM, count, batch, into)
                    if role == 0:
                        mean = (into.sum - total) / (into.n - samples)
                        loop.counts[f"{what}.{home}.{line}"] = round(mean)
                at += 2 * (WARM + count)
    for home in homes:
        core = asker if home == "from" else answerer
        nodes = [loop.driver.probe_home(core, line) for line in LINES]
        loop.counts[f"node.{home}"] = min(nodes) if min(nodes) < 0 else max(nodes)
        loop.counts[f"nodes.{home}"] = len(set(nodes))
    return loop.done(samples=role == 0)
