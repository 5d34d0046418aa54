"""Which pairs of CPUs to measure, so that what is said of all of them holds, and when a pair has
been measured enough.

Guarantees: pure functions and one state machine, no clock and no machine; equal inputs and seed
give equal plans. Up to WHOLE CPUs every ordered pair is measured. Beyond, pairs are grouped by what
the machine declares they share; a few of every group are measured, and every CPU takes part in at
least one of them; where members of a group disagree by more than noise and tolerance, the group is
divided, first where a CPU stands out, else by where the two ends lie (node, die, cache, core, in
the end pair by pair), and its parts are measured in turn. A budget bounds it all; a group that
still disagrees when it is spent is said to be unsettled. Idea: MCTOP infers levels from latencies
alone; here the declared ones are tested by latencies.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from multikernel.errors import BadInput
from multikernel.experiments.latency.map import Map, Pair, Site, relation
from multikernel.machine.topology.measured_levels import RELATIONS
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
"""Members of a group may differ by so much, beyond their own noise, and still stand for one
another.
"""
TIGHT, LEAST_BOOTS = 0.05, 3
"""A pair whose interval reaches no farther than this share from its median is done, after so many
boots.
"""
ODD_MOST, ODD_PROBES = 8, 3
"""CPUs that may stand out of a group; and by how many pairs of it that a CPU takes part in this is
judged.
"""
CANDIDATES = 64
"""Of so many pairs drawn at random the one is measured whose CPUs took part least often."""


# --- Groups
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pair takes, in cycles, and between what it probably lies."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Reading:
        """Their median."""
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
    what it was a part of; parent: what that was; doubted: another part of it had to be divided
    further, so this one is looked at twice as closely.
    """

    root: str
    label: str
    pairs: list[Pair] = field(repr=False)
    level: int = 0
    odd_known: bool = False
    settled: bool = False
    inherited: float | None = None
    parent: Group | None = field(default=None, repr=False)
    doubted: bool = False


def disagree(readings: Sequence[Reading]) -> bool:
    """Whether some two of them cannot be the same cost: by more than noise and tolerance."""
    if not readings:
        return False
    return max(one.low for one in readings) > (1 + TOLERANCE) * min(one.high for one in readings)


_LEVELS: tuple[tuple[str, Callable[[Site], Hashable]], ...] = (
    ("node", lambda site: (site.package, site.node)),
    ("die", lambda site: site.die),
    ("l3", lambda site: (site.die, site.l3)),
    ("core", lambda site: site.core),
    ("cpu", lambda site: site.cpu),
)
"""By what groups are divided, one after the other: the ends' places, each finer than the one
before.
"""


def _both(place: Callable[[Site], Hashable], a: Site, b: Site) -> Hashable:
    return place(a), place(b)


def _those(cpus: Sequence[int], a: Site, b: Site) -> Hashable:
    return tuple(cpu for cpu in cpus if cpu in (a.cpu, b.cpu))


class Planner:
    """Gives a wave of pairs to measure, learns what they took, gives the next; an empty one is the
    last.
    """

    def __init__(self, machine: Map, *, budget: int | None = None, seed: int = 1) -> None:
        if len(machine.sites) < 2:
            raise BadInput(
                "latency between CPUs needs at least 2 CPUs",
                value=f"{len(machine.sites)} CPU",
                where="--cores",
                hint="name more CPUs, or allow this process more of them",
            )
        self.machine = machine
        self.budget = 1000 + 10 * len(machine.sites) if budget is None else budget
        self.readings: dict[Pair, Reading] = {}
        self.short = False
        self._whole = len(machine.sites) <= WHOLE
        self._random = random.Random(seed)
        self._site = machine.by_cpu
        self._uses: Counter[int] = Counter()
        self._planned: set[Pair] = set()
        self.groups = self._roots()

    # --- waves ---

    def wave(self) -> list[Pair]:
        """What to measure next; empty when all is known, or the budget is spent."""
        if not self._planned:
            if self._whole:
                every = [pair for group in self.groups for pair in group.pairs]
                return self._take(every, free=True)
            found = [
                pair for group in self.groups for pair in self._representatives(group, ROOT_PAIRS)
            ]
            both = [one for a, b in found for one in ((a, b), (b, a))]
            return self._take([*both, *self._covering(both)], free=True)
        wanted: list[Pair] = []
        while not (wanted or self.short) and (
            unsettled := [group for group in self.groups if not group.settled]
        ):
            wanted = [pair for group in unsettled for pair in self._refine(group)]
        return self._take(wanted)

    def learn(self, readings: Mapping[Pair, Reading | None]) -> None:
        """What a wave's pairs took; None: nothing that can be trusted."""
        self.readings.update({pair: one for pair, one in readings.items() if one is not None})

    # --- what is known ---

    def of(self, group: Group) -> list[Reading]:
        """What was measured in a group."""
        return [self.readings[pair] for pair in group.pairs if pair in self.readings]

    def unsettled(self) -> list[Group]:
        """Groups of which pairs are estimated though members disagree, or though none was
        measured.
        """
        return [
            group
            for group in self.groups
            if self.unmeasured(group) and (not (found := self.of(group)) or disagree(found))
        ]

    def unmeasured(self, group: Group) -> int:
        """How many pairs of a group are only estimated."""
        return sum(pair not in self.readings for pair in group.pairs)

    def value(self, group: Group) -> float | None:
        """What a pair of the group that was not measured is taken to cost; None where nothing is
        known.
        """
        found = self.of(group)
        return median(one.value for one in found) if found else group.inherited

    # --- groups ---

    def _roots(self) -> list[Group]:
        found: dict[tuple[str, tuple[str, ...], tuple[int, ...]], list[Pair]] = defaultdict(list)
        distances = self.machine.distances
        for a in self.machine.sites:
            for b in self.machine.sites:
                if a.cpu != b.cpu:
                    apart = (a.node, b.node), (b.node, a.node)
                    far = tuple(sorted(distances[way] for way in apart if way in distances))
                    kinds = tuple(sorted((a.kind, b.kind))) if a.kind or b.kind else ()
                    found[relation(a, b), kinds, far].append((a.cpu, b.cpu))
        order = list(RELATIONS)
        groups = []
        for (near, kinds, far), pairs in sorted(
            found.items(), key=lambda one: (order.index(one[0][0]), *one[0][1:])
        ):
            label = near + "".join(f" {kind or 'other'}" for kind in kinds)
            if far and len(self.machine.nodes) > 1:
                label += f" distance {'/'.join(map(str, dict.fromkeys(far)))}"
            groups.append(Group(label, label, pairs, settled=self._whole))
        return groups

    def _refine(self, group: Group) -> list[Pair]:
        """What is still to be measured before more can be said; divides the group if it must."""
        if group.settled:  # by now: what stood out of another group divided this one too
            return []
        found = self.of(group)
        enough = PART_PAIRS if len(group.pairs) >= SMALL_PART else PART_PAIRS // 2
        enough = min(2 * enough if group.doubted else enough, len(group.pairs))
        tried = sum(pair in self._planned for pair in group.pairs)
        wanted = self._representatives(group, enough - len(found))
        if wanted and tried < max(2 * enough, CELLS_MOST):
            return wanted
        if not disagree(found):
            group.settled = True
            return []
        if not group.odd_known:
            probes = self._probe(group)
            if probes or group.settled:
                return probes
        self._divide(group)
        return []

    def _probe(self, group: Group) -> list[Pair]:
        """Pairs that show whether single CPUs stand out. When that is known and some do, the group
        is divided.
        """
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
        if not suspects or len(suspects) > 2 * ODD_MOST or len(group.pairs) < 8 * ODD_PROBES:
            return []
        probes = []
        for cpu in suspects:
            own = [pair for pair in group.pairs if cpu in pair]
            more = [pair for pair in own if sum(end in suspects for end in pair) == 1]
            probes += self._sample(more, ODD_PROBES - len(taking_part[cpu]))
        if probes:
            group.odd_known = False  # asked again when they are known
            return probes
        odd = [cpu for cpu in suspects if len(taking_part[cpu]) >= ODD_PROBES]
        if odd and len(odd) <= ODD_MOST:
            # What stands out here may stand out anywhere.
            for one in list(self.groups):
                self._replace(one, partial(_those, odd), "with", one.level)
        return []

    def _divide(self, group: Group) -> None:
        """By the next finer place of the two ends; those that can't be divided are settled."""
        for level in range(group.level, len(_LEVELS)):
            name, place = _LEVELS[level]
            if self._replace(group, partial(_both, place), name, level + 1):
                self._doubt_beside(group)
                return
        group.settled = True

    def _doubt_beside(self, group: Group) -> None:
        """That this level did not explain it all casts doubt on parts of it that seemed to
        agree.
        """
        for other in self.groups:
            if group.parent is not None and other.parent is group.parent and not other.doubted:
                other.doubted, other.settled = True, False

    def _replace(
        self, group: Group, key: Callable[[Site, Site], Hashable], name: str, level: int
    ) -> bool:
        """Puts the parts in the group's place; False if it would be one part only."""
        parts: dict[Hashable, list[Pair]] = defaultdict(list)
        for a, b in group.pairs:
            parts[key(self._site[a], self._site[b])].append((a, b))
        if len(parts) < 2:
            return False
        at, value = self.groups.index(group), self.value(group)
        group.settled = True
        self.groups[at : at + 1] = [
            Group(
                group.root,
                f"{group.label}, {name} {_words(part)}",
                pairs,
                level,
                name == "with",
                inherited=value,
                parent=group,
            )
            for part, pairs in parts.items()
        ]
        return True

    # --- choosing ---

    def _representatives(self, group: Group, count: int) -> list[Pair]:
        """So many more pairs of a group, and one at least of every part that it might have to be
        divided into.
        """
        chosen: list[Pair] = []
        for _, place in _LEVELS[group.level : CELLS_LEVEL + 1]:
            cells: dict[frozenset[Hashable], list[Pair]] = defaultdict(list)
            for a, b in group.pairs:
                cells[frozenset((place(self._site[a]), place(self._site[b])))].append((a, b))
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
        uses: Counter[int] = Counter()
        free = [pair for pair in pairs if pair not in self._planned]
        while free and len(chosen) < count:
            some = free if len(free) <= CANDIDATES else self._random.sample(free, CANDIDATES)
            best = min(some, key=lambda pair: sum(self._uses[cpu] + uses[cpu] for cpu in pair))
            chosen.append(best)
            uses.update(best)
            free.remove(best)
            free = [pair for pair in free if pair != best[::-1]] if len(free) < CANDIDATES else free
        return chosen

    def _covering(self, planned: Iterable[Pair]) -> list[Pair]:
        """Pairs for the CPUs that take part in none: of the largest group, as most CPUs have many
        pairs there.
        """
        largest = max(self.groups, key=lambda group: len(group.pairs))
        partners: dict[int, list[int]] = defaultdict(list)
        for a, b in largest.pairs:
            partners[a].append(b)
        bare = set(self._site) - {cpu for pair in planned for cpu in pair}
        found = []
        for cpu in sorted(bare):
            if cpu in bare:
                others = partners[cpu] or [one for one in self._site if one != cpu]
                other = self._random.choice([one for one in others if one in bare] or others)
                bare -= {cpu, other}
                found.append((cpu, other))
        return found

    def _take(self, pairs: Iterable[Pair], *, free: bool = False) -> list[Pair]:
        """Plans them, each once, as far as the budget reaches; the first wave is free."""
        fresh = [pair for pair in dict.fromkeys(pairs) if pair not in self._planned]
        room = max(self.budget - len(self._planned), 0)
        if not free and len(fresh) > room:
            self.short = True
            fresh = sorted(self._random.sample(fresh, room))
        self._planned.update(fresh)
        for pair in fresh:
            self._uses.update(pair)
        return fresh


def _words(part: Hashable) -> str:
    return str(part).replace("(", "").replace(")", "").rstrip(",") or "none"
