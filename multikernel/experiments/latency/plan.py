"""Which pairs of CPUs to measure, so that what is said of all of them holds, and when a pair has
been measured enough.

Guarantees: one state machine, no clock and no machine; equal inputs and seed give equal plans. Up
to WHOLE CPUs every ordered pair is measured. Beyond, pairs are grouped by what the machine declares
they share; a few of every group are measured, and every CPU takes part in one. A group whose
members disagree by more than noise and tolerance is divided, first where a CPU stands out, else by
where the two ends lie, within a budget. Idea: MCTOP infers levels from latencies; here declared
ones are tested by them.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from statistics import median
from typing import Self, TypeVar

from multikernel.errors import BadInput
from multikernel.experiments.instrument.rig import Pair
from multikernel.machine.topology.measured_levels import RELATIONS
from multikernel.machine.topology.model import Topology
from multikernel.results import statistics

WHOLE = 32
"""Up to so many CPUs, every pair."""
ROOT_PAIRS, PART_PAIRS, SMALL_PART = 12, 6, 64
"""Measured of every declared group (and each also the other way round), and of every part of a
divided one; half as many of a part of fewer than SMALL_PART pairs.
"""
CELLS_MOST, CELLS_LEVEL = 32, 2
"""Where the next finer division of a group has no more parts than this, each has one measured pair
at least; down to caches, not to cores.
"""
TOLERANCE = 0.15
"""Members of a group may differ by so much, beyond their own noise."""
TIGHT, LEAST_BOOTS = 0.05, 3
"""A pair is done whose interval reaches no farther from its median, after so many boots."""
ODD_MOST, ODD_PROBES = 8, 3
"""CPUs that may stand out of a group; and by how many pairs of each this is judged."""
CANDIDATES = 64
"""Of so many pairs drawn at random the one is measured whose CPUs took part least often."""
T = TypeVar("T", bound=Hashable)
LEVELS = ("node", "die", "l3", "core", "cpu")
"""By what groups are divided: the ends' places, each finer than the one before."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pair takes, in cycles, and between what it probably lies."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        interval = statistics.median_interval(values)
        return cls(median(values), interval.low, interval.high)

    def is_tight(self, boots: int) -> bool:
        """Whether a pair that takes this in so many boots has been measured enough."""
        farthest = max(self.high - self.value, self.value - self.low)
        return boots >= LEAST_BOOTS and farthest <= TIGHT * self.value


@dataclass(slots=True, eq=False)
class Group:
    """Pairs that are taken to cost the same. root: how they are related; label: what they have in
    common; level: by how much of where they lie they have been divided; inherited: the value of
    what it was a part of.
    """

    root: str
    label: str
    pairs: list[Pair] = field(repr=False)
    level: int = 0
    odd_known: bool = False
    settled: bool = False
    inherited: float | None = None


def disagree(readings: Sequence[Reading]) -> bool:
    """Whether some two of them cannot be the same cost: by more than noise and tolerance."""
    least = min((one.high for one in readings), default=0)
    return any(one.low > (1 + TOLERANCE) * least for one in readings)


class Planner:
    """Gives a wave of pairs to measure, learns what they took; the last is empty."""

    def __init__(
        self, topology: Topology, cpus: Sequence[int], *, budget: int | None = None, seed: int = 1
    ) -> None:
        if len(cpus) < 2:
            raise BadInput(
                "latency between CPUs needs at least 2 CPUs", value=f"{len(cpus)} CPU",
                where="cores", hint="name more CPUs, or allow this process more of them",
            )  # fmt: skip
        self.node = {cpu: topology.cpu(cpu).node for cpu in cpus}
        """By CPU, its memory node."""
        self.budget = 1000 + 10 * len(cpus) if budget is None else budget
        self.readings: dict[Pair, Reading] = {}
        self.short = False
        self._whole = len(cpus) <= WHOLE
        self._random = random.Random(seed)
        self._places = _places(topology, cpus)
        self._uses: Counter[int] = Counter()
        self._planned: set[Pair] = set()
        self.groups = [
            Group(label, label, pairs, settled=self._whole)
            for label, pairs in _related(topology, cpus).items()
        ]

    def wave(self) -> list[Pair]:
        """What to measure next; empty when all is known, or the budget is spent."""
        if self._planned:
            wanted: list[Pair] = []
            while not (wanted or self.short) and (
                unsettled := [group for group in self.groups if not group.settled]
            ):
                wanted = [pair for group in unsettled for pair in self._refine(group)]
            return self._take(wanted, max(self.budget - len(self._planned), 0))
        if self._whole:
            first = [pair for group in self.groups for pair in group.pairs]
        else:
            some = [one for group in self.groups for one in self._some(group, ROOT_PAIRS)]
            first = [one for a, b in some for one in ((a, b), (b, a))]
            # A CPU that stands out shows among the many, not beside its neighbour alone.
            many = set(max(self.groups, key=lambda group: len(group.pairs)).pairs)
            bare = sorted(
                self.node.keys() - {cpu for pair in first if pair in many for cpu in pair}
            )
            self._random.shuffle(bare)
            first += zip(bare[::2], [*bare[1::2], *first[0]], strict=False)
        return self._take(first, len(first))

    def learn(self, readings: Mapping[Pair, Reading]) -> None:
        self.readings.update(readings)

    def _take(self, pairs: Iterable[Pair], room: int) -> list[Pair]:
        fresh = [pair for pair in dict.fromkeys(pairs) if pair not in self._planned]
        if len(fresh) > room:
            self.short = True
            fresh = sorted(self._random.sample(fresh, room))
        self._planned.update(fresh)
        return fresh

    def of(self, group: Group) -> list[Reading]:
        return [self.readings[pair] for pair in group.pairs if pair in self.readings]

    def unsettled(self) -> list[Group]:
        """Groups with estimated pairs whose members disagree, or of which none was measured."""
        return [
            group
            for group in self.groups
            if self.unmeasured(group) and (not (found := self.of(group)) or disagree(found))
        ]

    def unmeasured(self, group: Group) -> int:
        """How many pairs of a group are only estimated."""
        return len(group.pairs) - len(self.of(group))

    def value(self, group: Group) -> float | None:
        """What a pair that was not measured is taken to cost; None where nothing is known."""
        found = self.of(group)
        return median(one.value for one in found) if found else group.inherited

    def _refine(self, group: Group) -> list[Pair]:
        """What is still to be measured before more can be said; divides the group if it must."""
        if group.settled:  # by now: what stood out of another group divided this one too
            return []
        found = self.of(group)
        enough = PART_PAIRS if len(group.pairs) >= SMALL_PART else PART_PAIRS // 2
        enough = min(enough, len(group.pairs))
        tried = sum(pair in self._planned for pair in group.pairs)
        wanted = self._some(group, enough - len(found))
        if wanted and tried < max(2 * enough, CELLS_MOST):
            return wanted
        if not disagree(found):
            group.settled = True
        elif probes := self._odd(group):
            return probes
        elif not group.settled:
            self._divide(group)
        return []

    def _odd(self, group: Group) -> list[Pair]:
        """Pairs that show whether single CPUs stand out; all groups are divided by those."""
        if group.odd_known:
            return []
        group.odd_known = True
        known = {pair: self.readings[pair] for pair in group.pairs if pair in self.readings}
        middle = median(one.value for one in known.values())
        low, high = middle / (1 + TOLERANCE), middle * (1 + TOLERANCE)
        deviant = {pair for pair, one in known.items() if one.low > high or one.high < low}
        taking_part: dict[int, list[Pair]] = defaultdict(list)
        for pair in known:
            for cpu in pair:
                taking_part[cpu].append(pair)
        # A CPU that has one ordinary pair is not what makes its others extraordinary.
        suspects = sorted(cpu for cpu, pairs in taking_part.items() if deviant.issuperset(pairs))
        if not 0 < len(suspects) <= 2 * ODD_MOST or len(group.pairs) < 8 * ODD_PROBES:
            return []
        probes = []
        for cpu in suspects:
            more = [pair for pair in group.pairs if cpu in pair and len({*pair} & {*suspects}) == 1]
            probes += self._sample(more, ODD_PROBES - len(taking_part[cpu]))
        group.odd_known = not probes  # asked again when they are known
        odd = [cpu for cpu in suspects if len(taking_part[cpu]) >= ODD_PROBES]
        if not probes and 0 < len(odd) <= ODD_MOST:
            # What stands out here may stand out anywhere.
            for one in list(self.groups):
                self._replace(
                    one, lambda pair: tuple(cpu for cpu in odd if cpu in pair), "with", one.level
                )
        return probes

    def _divide(self, group: Group) -> None:
        """By the next finer place of the two ends; those that can't be divided are settled."""
        for level in range(group.level, len(LEVELS)):
            if self._replace(group, self._ends(level), LEVELS[level], level + 1):
                return
        group.settled = True

    def _ends(
        self, level: int, of: Callable[[Iterable[Hashable]], Hashable] = tuple
    ) -> Callable[[Pair], Hashable]:
        return lambda pair: of(self._places[cpu][level] for cpu in pair)

    def _replace(
        self, group: Group, key: Callable[[Pair], Hashable], name: str, level: int
    ) -> bool:
        """Puts the parts in the group's place; False if it would be one part only."""
        parts = _by(key, group.pairs)
        if len(parts) < 2:
            return False
        group.settled = True
        at = self.groups.index(group)
        self.groups[at : at + 1] = [
            Group(
                group.root, f"{group.label}, {name} {_words(part)}", pairs, level, name == "with",
                inherited=self.value(group),
            )
            for part, pairs in parts.items()
        ]  # fmt: skip
        return True

    def _some(self, group: Group, count: int) -> list[Pair]:
        """So many more pairs, at least one of every part that it might be divided into."""
        chosen: list[Pair] = []
        for level in range(group.level, CELLS_LEVEL + 1):
            cells = _by(self._ends(level, frozenset), group.pairs)
            if len(cells) > CELLS_MOST:
                break
            for cell in cells.values():
                if not any(pair in self._planned or pair in chosen for pair in cell):
                    chosen += self._sample(cell, 1)
        taken = set(chosen)
        others = [pair for pair in group.pairs if pair not in taken]
        return chosen + self._sample(others, count - len(chosen))

    def _sample(self, pairs: Sequence[Pair], count: int) -> list[Pair]:
        """So many pairs that were not planned yet, of CPUs that took part little."""
        chosen: list[Pair] = []
        free = [pair for pair in pairs if pair not in self._planned]
        while free and len(chosen) < count:
            some = self._random.sample(free, min(len(free), CANDIDATES))
            best = min(some, key=lambda pair: sum(self._uses[cpu] for cpu in pair))
            chosen.append(best)
            self._uses.update(best)
            free = [pair for pair in free if pair not in (best, best[::-1])]
        return chosen


def _related(topology: Topology, cpus: Sequence[int]) -> dict[str, list[Pair]]:
    """All pairs, by what they share, of what kind they are, and how far apart their nodes are."""
    distances = {
        (node.id, other): apart for node in topology.nodes for other, apart in node.distances
    }
    several = len({topology.cpu(cpu).node for cpu in cpus}) > 1
    order = list(RELATIONS)

    def related(pair: Pair) -> tuple[int, tuple[str, ...], tuple[int, ...]]:
        a, b = map(topology.cpu, pair)
        apart = (a.node, b.node), (b.node, a.node)
        far = tuple(sorted(distances[way] for way in apart if several and way in distances))
        kinds = tuple(sorted((a.kind, b.kind))) if a.kind or b.kind else ()
        return order.index(topology.relation(*pair)), kinds, far

    found = {}
    for (near, kinds, far), pairs in sorted(_by(related, permutations(cpus, 2)).items()):
        label = order[near] + "".join(f" {kind or 'other'}" for kind in kinds)
        if far:
            label += f" distance {'/'.join(map(str, dict.fromkeys(far)))}"
        found[label] = pairs
    return found


def _places(topology: Topology, cpus: Iterable[int]) -> dict[int, tuple[Hashable, ...]]:
    l3 = {cpu: number for number, group in enumerate(topology.l3) for cpu in group}
    dies: dict[Pair, int] = {}
    found: dict[int, tuple[Hashable, ...]] = {}
    for cpu in map(topology.cpu, cpus):
        die = dies.setdefault((cpu.package, cpu.die), len(dies))
        core = min(cpu.siblings or (cpu.id,))
        found[cpu.id] = (cpu.package, cpu.node), die, (die, l3.get(cpu.id)), core, cpu.id
    return found


def _by(key: Callable[[Pair], T], pairs: Iterable[Pair]) -> dict[T, list[Pair]]:
    found: dict[T, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[key(pair)].append(pair)
    return found


def _words(part: Hashable) -> str:
    return str(part).replace("(", "").replace(")", "").rstrip(",") or "none"
