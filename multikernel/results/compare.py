"""Two runs held against each other: what changed, by how much, and how sure that is.

Guarantees: the floors come first, for they say whether both runs found the host in one state; where
they did not, medians are compared with nothing claimed. Ratios, which were taken within boots, come
second, and are what is gated on where both runs have some; medians last. Of medians only what was
measured in the same way is compared: the same experiment, system, variant, cores, parameters,
measure, mode, batch and unit. A measured document and a simulated one are held against each other
only where that is asked for, and then nothing but that. What a change is called is the judge's
(`judge`), by the wider of both runs' controls. Runs of different machines are recognised, and what
differs is named.

Method: `METHOD`. If the intervals of two runs, which are independent, cover c and d, that of the
change covers at least c + d − 1 (Bonferroni): 87.5 % for two runs of 5 boots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from multikernel.errors import BadInput
from multikernel.results import first_schema
from multikernel.results.document import Document, Environment, Interval, Ratio, Scalar, Series
from multikernel.results.judge import Outcome, judge, spread_of
from multikernel.results.same_machine import (
    RATE_DIFFERS,
    condition_differences,
    machine_differences,
)

OBSERVED = {"told", "steady"}
"""Parameters that a run may find otherwise: they are no part of what a series is."""
METHOD = (
    "change: new median over old median; interval: opposite ends of the two medians' intervals over"
    " boots, which covers at least the sum of both coverages less 1; noise: the farther end of the"
    " controls' ratios"
)
ALIKE = 1.5
"""Floors that differ by more are of different states of the host."""

Key = tuple[object, ...]
Kept = Callable[[str, Scalar], bool]
WAYS: tuple[tuple[bool, Kept], ...] = (
    (True, lambda name, value: isinstance(value, str) and name not in OBSERVED),
    (False, lambda _, value: True),
    (False, lambda _, value: not isinstance(value, float)),
)
"""How partners are found, one way after the other: whether by their keys, and which parameters."""


@dataclass(frozen=True, slots=True)
class Change:
    """One series in both runs. unit: ns where cycles of different counters were turned into time.

    old, new: medians. ratio: new over old, with its interval. outcome: for the user, so more
    throughput is better; unknown: these runs cannot say. crossed: worse, and by more than the
    threshold.
    """

    experiment: str
    series: Series
    unit: str
    old: float
    new: float
    ratio: float
    interval: Interval
    noise: float
    outcome: Outcome
    crossed: bool

    @property
    def name(self) -> str:
        return name_of(self.experiment, self.series)


@dataclass(frozen=True, slots=True)
class RatioChange:
    """A ratio in both runs, by how much it changed, and what that is to its subject."""

    experiment: str
    ratio: Ratio
    old: float
    change: float
    interval: Interval
    outcome: Outcome
    crossed: bool

    @property
    def name(self) -> str:
        return f"{self.experiment}: {self.ratio.over} over {self.ratio.under}"


@dataclass(slots=True)
class Comparison:
    """machine, conditions: what differs, a phrase each; only_old, only_new: names of series without
    a partner. floors: of each experiment, old and new, in cycles; moved: where they are of
    different states of the host.
    """

    threshold: float
    machine: list[str]
    conditions: list[str]
    changes: list[Change] = field(default_factory=list)
    ratios: list[RatioChange] = field(default_factory=list)
    floors: list[tuple[str, float, float]] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    only_old: list[str] = field(default_factory=list)
    only_new: list[str] = field(default_factory=list)
    simulated: list[str] = field(default_factory=list)
    """Which side is, and on which machine, where the other one is measured."""

    @property
    def crossed(self) -> list[Change | RatioChange]:
        """What crossed the threshold: ratios, where there are any; else medians."""
        every: Sequence[Change | RatioChange] = self.ratios or self.changes
        return [change for change in every if change.crossed]


def compare(
    old: Iterable[Document],
    new: Iterable[Document],
    *,
    threshold: float = 0.1,
    different_machines: bool = False,
    simulated: bool = False,
) -> Comparison:
    """Holds the latest document of each experiment against its partner.

    threshold: 0.1 is crossed by what takes 10 % longer, or does 10 % less. simulated: one side is
    measured, the other one simulated, which are different machines. Raises BadInput for that unless
    it is wanted, and where it is wanted and not so; for different machines unless they are wanted;
    and where nothing was measured in both.
    """
    ours, theirs = _latest(old), _latest(new)
    both = {name: (ours[name], theirs[name]) for name in ours if name in theirs}
    for name, (before, after) in both.items():
        if (before.simulated != after.simulated) != simulated:
            raise _mixed(name, before, simulated=simulated)
    machine = _each(machine_differences, both.values())
    if machine and not different_machines and not simulated:
        raise BadInput(
            "these runs are of different machines",
            value="; ".join(machine),
            hint="add --different-machines to compare them nevertheless",
        )
    found = Comparison(threshold, machine, _each(condition_differences, both.values()))
    if simulated:
        found.simulated = sorted({_simulated(*one) for one in both.values()})
    found.conditions += dict.fromkeys(
        phrase for one in both.values() for phrase in _calibrations(*one)
    )
    for name, (before, after) in both.items():
        floors = _floor(before), _floor(after)
        if all(floors):
            found.floors.append((name, *floors))
            if max(floors) > ALIKE * min(floors) and not simulated:
                found.moved.append(name)
        found.ratios += _ratio_changes(before, after, threshold)
    for name in dict.fromkeys([*ours, *theirs]):
        pairs, left, right = _paired(_judged(ours.get(name)), _judged(theirs.get(name)))
        still = name not in found.moved
        found.changes += [_change(*both[name], *pair, threshold, still=still) for pair in pairs]
        found.only_old += [name_of(name, series) for series in left]
        found.only_new += [name_of(name, series) for series in right]
    if not found.changes:
        raise BadInput(
            "nothing was measured in both runs in the same way",
            value=f"old: {', '.join(ours) or 'nothing'}; new: {', '.join(theirs) or 'nothing'}",
            hint="compare runs of the same experiments on as many cores",
        )
    return found


def _mixed(name: str, old: Document, *, simulated: bool) -> BadInput:
    """What is wrong with a pair."""
    if simulated:
        what = f"both runs are {'simulated' if old.simulated else 'measured'}"
        return BadInput(what, value=name, hint="leave out --simulated")
    return BadInput(
        f"the {'old' if old.simulated else 'new'} run is simulated, and the other one measured",
        value=name, hint="add --simulated to hold the one against the other",
    )  # fmt: skip


def _simulated(old: Document, new: Document) -> str:
    return f"{'old' if old.simulated else 'new'}: {(old if old.simulated else new).machine}"


def _calibrations(old: Document, new: Document) -> list[str]:
    """Nothing where both rest on one, or either is measured."""
    a, b = old.calibration, new.calibration
    if a is None or b is None or a == b:
        return []
    return [f"calibration: {a.host} against {b.host}"]


def name_of(experiment: str, series: Series) -> str:
    """For people: experiment, system, variant and what was chosen."""
    chosen = [
        f"{name}={value}"
        for name, value in series.parameters.items()
        if not isinstance(value, float)
    ]
    what = f"{experiment}: {series.system} {series.variant}"
    return ", ".join([what, f"{series.cores} cores", *chosen, series.measure, series.mode])


def _latest(documents: Iterable[Document]) -> dict[str, Document]:
    every = list(documents)
    latest = {one.experiment: one for one in sorted(every, key=lambda one: one.environment.time)}
    return {one.experiment: latest[one.experiment] for one in every}


def _each(
    differences: Callable[[Environment, Environment], list[str]],
    both: Iterable[tuple[Document, Document]],
) -> list[str]:
    several = [differences(old.environment, new.environment) for old, new in both]
    return list(dict.fromkeys(phrase for some in several for phrase in some))


def _judged(document: Document | None) -> list[Series]:
    """What can get better or worse: how far a writer runs ahead is neither."""
    every = document.series if document else []
    return [one for one in every if not one.control and one.measure != "occupancy"]


def _floor(document: Document) -> float:
    """The farthest pair's, back-to-back; 0 without any."""
    return max((one.back_to_back for one in document.floor), default=0.0)


# --- Pairs
# --------------------------------------------------------------------------------------------------


def _paired(
    old: list[Series], new: list[Series]
) -> tuple[list[tuple[Series, Series]], list[Series], list[Series]]:
    """Pairs, and what has no partner on either side. First by their keys, where both say the same
    of themselves but for what was counted or observed; then by all parameters; then, where that
    leaves one candidate a side, without those that are fractions: counts taken while measuring.
    """
    partners: dict[str, Series] = {}
    left, right = old, new
    for way in WAYS:
        mine, yours = _grouped(left, *way), _grouped(right, *way)
        found = {
            own[0].key: yours[key][0]
            for key, own in mine.items()
            if len(own) == len(yours.get(key, ())) == 1
        }
        partners |= found
        taken = {one.key for one in found.values()}
        left = [one for one in left if one.key not in found]
        right = [one for one in right if one.key not in taken]
    return [(one, partners[one.key]) for one in old if one.key in partners], left, right


def _grouped(several: list[Series], named: bool, kept: Kept) -> dict[Key, list[Series]]:
    """By what they are: their keys, if they are to be named, their fields and those parameters."""
    found: dict[Key, list[Series]] = {}
    for one in several:
        if named and one.key.startswith(first_schema.KEY):
            continue
        parameters = sorted(
            (name, repr(value)) for name, value in one.parameters.items() if kept(name, value)
        )
        key = (
            one.key if named else "", one.system, one.variant, one.cores, one.measure, one.mode,
            one.batch, one.unit, *parameters,
        )  # fmt: skip
        found.setdefault(key, []).append(one)
    return found


# --- Changes
# --------------------------------------------------------------------------------------------------


def _ratio_changes(old: Document, new: Document, threshold: float) -> list[RatioChange]:
    """Of ratios that say what would be better."""
    before = {ratio.name: ratio for ratio in old.ratios}
    found = []
    for ratio in new.ratios:
        if ratio.words is None or (was := before.get(ratio.name)) is None:
            continue
        change = _over(ratio.value, was.value)
        interval = _quotient(was.interval, ratio.interval, change)
        noise = max(spread_of(old, was), spread_of(new, ratio))
        called = _called(change, interval, noise, ratio.words.more_is_better, threshold)
        found.append(RatioChange(old.experiment, ratio, was.value, change, interval, *called))
    return found


def _change(
    old: Document, new: Document, a: Series, b: Series, threshold: float, *, still: bool
) -> Change:
    """still: both runs found the host in one state; else nothing is claimed."""
    unit: str = a.unit
    scales = 1.0, 1.0
    before, after = old.environment.tsc_hz, new.environment.tsc_hz
    if unit == "tsc-cycles" and before and after and abs(before / after - 1) > RATE_DIFFERS:
        unit, scales = "ns", (1e9 / before, 1e9 / after)
    first, second = _held(a, scales[0]), _held(b, scales[1])
    medians = a.p50 * scales[0], b.p50 * scales[1]
    ratio = _over(medians[1], medians[0])
    interval = _quotient(first, second, ratio)
    noise = max(spread_of(old), spread_of(new))
    called = _called(ratio, interval, noise, b.measure == "throughput", threshold)
    crowded = any(one.code == "oversubscribed" for one in [*old.warnings, *new.warnings])
    if crowded or not still:
        called = "unknown", False
    return Change(old.experiment, b, unit, *medians, ratio, interval, noise, *called)


def _called(
    change: float, interval: Interval, noise: float, more_is_better: bool, threshold: float
) -> tuple[Outcome, bool]:
    """What a change is, and whether it crossed the threshold."""
    outcome = judge(interval, noise, more_is_better=more_is_better).outcome
    loss = 1 - change if more_is_better else change - 1
    return outcome, outcome == "worse" and loss > threshold


def _held(series: Series, scale: float) -> Interval:
    """The median's interval, made to hold that of all samples, which need not be that of boots."""
    one = series.median_interval
    low, high = min(one.low, series.p50), max(one.high, series.p50)
    return replace(one, low=low * scale, high=high * scale)


def _quotient(old: Interval, new: Interval, value: float) -> Interval:
    """Of new over old, which are independent; it holds the value."""
    return Interval(
        low=min(_over(new.low, old.high), value),
        high=max(_over(new.high, old.low), value),
        coverage=max(old.coverage + new.coverage - 1, 0.0),
        method="min-max" if "min-max" in (old.method, new.method) else "order-statistic",
    )


def _over(numerator: float, denominator: float) -> float:
    """A quotient; measured values may be 0 where a clock is coarse."""
    return numerator / max(denominator, 1e-9)
