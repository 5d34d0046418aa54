"""What measured round trips say of a machine, beside what its firmware says; and a warning where
they disagree.

The machine declares levels: pairs of CPUs that share a core, a cache, a die, … , at some distance
of their nodes, of some kinds of cores. The measurement has classes: pairs that take about as long.
This file finds the classes and warns

- of a *split*: within one declared level there are two classes, so the machine has a level that it
  does not declare (a virtual machine that hides hardware threads; two dies in a package that is
  declared as one; a CPU that is elsewhere);
- of a *merge*: two declared levels take the same, so one of them is not there, or makes no
  difference to a cache line;
- of an *inversion*: what is declared to be nearer takes longer.

Guarantees: pure functions of numbers, no clock and no machine. Say pairs are known to NOISE (half
of their interval over their value) or better, and no more than OUTLIERS of a level's take longer
than they should for another reason: disturbance only adds. Then levels that differ by LEVEL_EFFECT
or more, and are each uniform, are not warned of; a level of two classes that differ by SPLIT_EFFECT
or more is, if the smaller class is a tenth of the level's pairs, or is all pairs within groups of
CPUs, or all pairs of a CPU, and is LEAST pairs (groups: two); and two levels that take the same
are. Between these bounds it depends. All this as surely as statistics allow: an accident in
thousands of machines remains. Where pairs are known worse, nothing is said but that.

Ideas: MCTOP (EuroSys'17) infers levels from latencies alone; here declared ones are tested. The
floor of the warning is the valley: a class differs from a tail by the lack of values between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from math import exp, log
from statistics import fmean, median
from typing import Literal, NamedTuple

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.topology.model import Relation, Topology

NOISE = 0.08  # pairs may typically be known no worse than this
OUTLIERS = 0.01  # share of a level's pairs that may take longer for any reason
SPLIT_EFFECT, LEVEL_EFFECT = 1.35, 1.25  # always found, never mistaken, as ratios; see above
# Where decisions lie, between those bounds: classes are cut at such a ratio of medians, levels are
# the same below.
CUT_AT, SAME_BELOW = 1.2, 1.12
VALLEY = 0.1  # of the smaller class may be as many values between two, but for outliers
SHARE, LEAST = 0.1, 3  # a class of such a share of a level's pairs, and of so many, needs no shape
# Of the CPUs of a level so many must be in groups that explain a small class; or of a CPU's pairs
# so many in it.
SHAPED = 0.75
TRIED = 128  # cuts of either kind
DEEPEST = 4  # a level is divided no more often, one part within the other

RELATIONS: Mapping[str, str] = {
    "smt": "hardware threads of one core",
    "l2": "CPUs that share a second-level cache",
    "cluster": "CPUs of one cluster",
    "l3": "CPUs that share a third-level cache",
    "die": "CPUs of one die",
    "package": "CPUs of one package",
    "system": "CPUs of different packages",
}
"""What two CPUs share at most, in words."""

Pair = tuple[int, int]


class Measured(NamedTuple):
    """What a pair takes there and back, in any unit, and between what that probably lies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Level:
    """Pairs that are declared alike."""

    relation: Relation
    distance: tuple[int, ...] = ()  # of their nodes, where there are several
    kinds: tuple[str, ...] = ()  # of hybrid cores

    @property
    def label(self) -> str:
        """In words."""
        text = RELATIONS[self.relation]
        if self.kinds:
            text += f" ({' and '.join(dict.fromkeys(self.kinds))} cores)"
        if self.distance:
            text += f" at distance {'/'.join(map(str, self.distance))}"
        return text

    @property
    def nearness(self) -> tuple[int, tuple[int, ...], tuple[str, ...]]:
        """Smaller, the nearer it is declared to be."""
        return list(RELATIONS).index(self.relation), self.distance, self.kinds


@dataclass(frozen=True, slots=True)
class Class:
    """Pairs that take about as long."""

    levels: tuple[Level, ...]  # that were declared of them
    pairs: tuple[Pair, ...] = field(repr=False)  # the smaller CPU first
    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What must be said, and of which levels."""

    code: Literal["level-split", "level-merged", "level-inverted", "too-noisy"]
    text: str
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measured classes beside declared levels."""

    classes: tuple[Class, ...]
    warnings: tuple[Disagreement, ...]
    pairs: int  # that were judged


def levels_of(topology: Topology, pairs: Iterable[Pair]) -> dict[Pair, Level]:
    """What is declared of pairs. Raises BadInput for a CPU that is not online."""
    several = len(topology.nodes) > 1
    distances = {
        (node.id, other): distance
        for node in topology.nodes
        for other, distance in node.distances
        if several
    }
    found = {}
    for a, b in pairs:
        one, other = topology.cpu(a), topology.cpu(b)
        ways = ((one.node, other.node), (other.node, one.node))
        far = sorted({distances[way] for way in ways if way in distances})
        kinds = sorted((one.kind or "other", other.kind or "other"))
        hybrid = one.kind or other.kind
        found[a, b] = Level(topology.relation(a, b), tuple(far), tuple(kinds) if hybrid else ())
    return found


def compared(topology: Topology, measured: Mapping[Pair, Measured]) -> Comparison:
    """Classes and warnings. measured: by pair, in either direction or both.

    Raises BadInput for a CPU that is not online, and for what is no duration.
    """
    values = _undirected(measured)
    by_level: dict[Level, list[Pair]] = defaultdict(list)
    for pair, level in levels_of(topology, sorted(values)).items():
        by_level[level].append(pair)
    noise = [(one.high - one.low) / (2 * one.value) for one in values.values()]
    if noise and median(noise) > NOISE:
        text = (
            f"The round trips are typically known to ±{median(noise):.0%} only: they cannot show"
            f" whether the machine is built as it says (±{NOISE:.0%} would do)."
        )
        return Comparison((), (Disagreement("too-noisy", text),), len(values))
    logs = {pair: log(one.value) for pair, one in values.items()}
    warnings: list[Disagreement] = []
    parts: list[tuple[Level, list[Pair]]] = []
    for level in sorted(by_level, key=lambda one: one.nearness):
        found = _parts(by_level[level], logs)
        parts += [(level, part) for part in found]
        warnings += [_split(level, lower, upper, logs) for lower, upper in pairwise(found)]
    warnings += _against_each_other(by_level, logs)
    return Comparison(_classes(parts, logs), tuple(warnings), len(values))


def _undirected(measured: Mapping[Pair, Measured]) -> dict[Pair, Measured]:
    """Both directions of a pair are one: their mean."""
    both: dict[Pair, list[Measured]] = defaultdict(list)
    for (a, b), one in measured.items():
        if not 0 < one.value < float("inf") or not one.low <= one.value <= one.high:
            raise BadInput("no duration", value=one.value, where=f"CPUs {a} and {b}")
        if a != b:
            both[min(a, b), max(a, b)].append(one)
    return {pair: Measured(*map(fmean, zip(*some, strict=True))) for pair, some in both.items()}


def _middle(pairs: Iterable[Pair], logs: Mapping[Pair, float]) -> float:
    return median(logs[pair] for pair in pairs)


def _parts(
    pairs: Sequence[Pair], logs: Mapping[Pair, float], level: Sequence[Pair] = (), depth: int = 0
) -> list[list[Pair]]:
    """The classes within these pairs of a level, from the fastest; one, if they are uniform."""
    level = level or pairs
    ordered = sorted(pairs, key=lambda pair: (logs[pair], pair))
    at = _cut(ordered, [logs[pair] for pair in ordered], level) if depth < DEEPEST else None
    if at is None:
        return [ordered]
    halves = (ordered[:at], ordered[at:])
    return [part for some in halves for part in _parts(some, logs, level, depth + 1)]


def _cut(ordered: Sequence[Pair], values: Sequence[float], level: Sequence[Pair]) -> int | None:
    """If these are two classes, how many pairs are in the faster. values: their logarithms."""
    count, pairs_of = len(values), _taken(level)
    # A class differs from a tail by the valley before it.
    for at in _steps(values):
        low, high = values[at // 2], values[(at + count) // 2]
        far = high - low
        if far < log(CUT_AT) or values[at - 1] > high - far / 3 or values[at] < low + far / 3:
            continue
        between = bisect_left(values, high - far / 3) - bisect_left(values, low + far / 3)
        small = min(at, count - at)
        if between > VALLEY * small + round(OUTLIERS * count):
            continue
        if small >= max(SHARE * len(level), LEAST):
            return at
        if _shaped(ordered[:at] if at == small else ordered[at:], pairs_of):
            return at
    return None


def _steps(values: Sequence[float]) -> list[int]:
    """Where to try a cut: at large steps, the largest first, and evenly between the tails."""
    count = len(values)
    large = sorted(range(2, count - 1), key=lambda at: values[at - 1] - values[at])[:TRIED]
    low, high = values[count // 50], values[-1 - count // 50]
    even = [bisect_left(values, low + (high - low) * step / TRIED) for step in range(1, TRIED)]
    return list(dict.fromkeys(at for at in [*large, *even] if 2 <= at <= count - 2))


def _shaped(small: Sequence[Pair], pairs_of: Mapping[int, int]) -> bool:
    """Whether few pairs are no accident: nearly all pairs of some CPUs; or groups of CPUs, all
    pairs within each. pairs_of: in how many pairs of the whole level a CPU is.
    """
    if _odd(small, pairs_of, LEAST):
        return True
    return sum(map(len, _groups(small))) >= SHAPED * len(pairs_of)


def _odd(some: Sequence[Pair], pairs_of: Mapping[int, int], least: int) -> list[int]:
    """CPUs of which nearly all pairs are among these, if they explain nearly all of these."""
    taken = _taken(some).items()
    odd = {cpu for cpu, number in taken if number >= max(SHAPED * pairs_of[cpu], least)}
    explained = sum(not odd.isdisjoint(pair) for pair in some)
    return sorted(odd) if explained >= SHAPED * len(some) else []


def _taken(pairs: Iterable[Pair]) -> Counter[int]:
    """In how many of these pairs a CPU is."""
    return Counter(cpu for pair in pairs for cpu in pair)


def _groups(pairs: Sequence[Pair]) -> list[tuple[int, ...]]:
    """The groups of CPUs of which these are all the pairs, but for a few; else none."""
    beside: dict[int, set[int]] = defaultdict(set)
    for a, b in pairs:
        beside[a].add(b)
        beside[b].add(a)
    groups, left = [], set(beside)
    while left:
        first = min(left)
        group = {first, *(beside[first] & left)}
        # Every member must know most of the others; an accident does not.
        known = {one for one in group if len(group & beside[one]) + 1 > len(group) / 2}
        groups.append(tuple(sorted({first, *known})))
        left.difference_update(groups[-1])
    within = [pair for group in groups for pair in combinations(group, 2)]
    found = sum(b in beside[a] for a, b in within)
    if found < (1 - VALLEY) * max(len(pairs), len(within)):
        return []
    return [group for group in groups if len(group) > 1]


def _split(
    level: Level, lower: Sequence[Pair], upper: Sequence[Pair], logs: Mapping[Pair, float]
) -> Disagreement:
    fast, slow = exp(_middle(lower, logs)), exp(_middle(upper, logs))
    text = (
        f"The machine declares one level, {level.label}, and two are measured: {len(lower)} pairs"
        f" take {fast:.0f} and {len(upper)} take {slow:.0f} TSC cycles,"
        f" {slow / fast:.1f} × as long."
    )
    groups = list(map(format_cpu_list, _groups(lower)))
    pairs_of = _taken([*lower, *upper])
    odd = _odd(upper, pairs_of, 2)
    if 0 < len(odd) * 4 <= len(pairs_of):
        text += f" The slower ones are those with CPU {format_cpu_list(odd)}."
    elif len(groups) > 1:
        named = " | ".join([*groups[:4], *(["…"] if len(groups) > 4 else [])])
        text += (
            f" The faster ones are those within CPUs {named}: they share something it does not say."
        )
    return Disagreement("level-split", text, (level,))


def _against_each_other(
    by_level: Mapping[Level, Sequence[Pair]], logs: Mapping[Pair, float]
) -> list[Disagreement]:
    """Merges and inversions of neighbouring levels, of the same kinds of cores."""
    found = []
    order = sorted(by_level, key=lambda level: (level.kinds, level.nearness))
    for near, far in pairwise(order):
        close, away = (exp(_middle(by_level[level], logs)) for level in (near, far))
        if near.kinds != far.kinds or away / close >= SAME_BELOW:
            continue
        takes = f"{close:.0f} and {away:.0f} TSC cycles"
        if away / close > 1 / SAME_BELOW:
            text = (
                f"The machine declares two levels, {near.label} and {far.label}, and they take the"
                f" same, {takes}: one of them makes no difference to a cache line."
            )
            found.append(Disagreement("level-merged", text, (near, far)))
        else:
            text = (
                f"{near.label[0].upper()}{near.label[1:]} are declared to be nearer than"
                f" {far.label}, and take longer: {takes}."
            )
            found.append(Disagreement("level-inverted", text, (near, far)))
    return found


def _classes(
    parts: Sequence[tuple[Level, list[Pair]]], logs: Mapping[Pair, float]
) -> tuple[Class, ...]:
    """Parts of levels that take the same are one class; from the fastest."""
    joined: list[list[tuple[Level, list[Pair]]]] = []
    first = 0.0
    for level, pairs in sorted(parts, key=lambda part: _middle(part[1], logs)):
        middle = _middle(pairs, logs)
        if not joined or middle - first >= log(SAME_BELOW):
            joined.append([])
            first = middle
        joined[-1].append((level, pairs))
    found = []
    for group in joined:
        pairs = sorted(pair for _, some in group for pair in some)
        cycles = sorted(exp(logs[pair]) for pair in pairs)
        levels = sorted({level for level, _ in group}, key=lambda level: level.nearness)
        found.append(Class(tuple(levels), tuple(pairs), cycles[0], median(cycles), cycles[-1]))
    return tuple(found)
