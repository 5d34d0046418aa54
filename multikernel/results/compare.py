"""Two runs held against each other: what changed, by how much, and how sure that is.

Guarantees: the floors come first, for they say whether both runs found the host in one state; where
they did not, medians are compared with nothing claimed. Ratios, which were taken within boots, come
second, and are what is gated on where both runs have some; medians last. Of medians only what was
measured in the same way is compared: the same experiment, system, variant, cores, parameters,
measure, mode, batch and unit. What a change is called is the judge's
(`judge`), by the wider of both runs' controls. Runs of different machines are recognised, and what
differs is named; whether to compare them all the same is for the caller to decide.

Method: the change is new median over old median. The runs are independent, so its interval reaches
from the low end of the new median's interval over the high end of the old one's, to the high end
over the low end. If the two intervals cover c and d, this one covers at least c + d − 1
(Bonferroni): 87.5 % for two runs of 5 boots.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multikernel.errors import BadInput
from multikernel.results import first_schema
from multikernel.results.document import Document, Interval, Ratio, Scalar, Series
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


# --- Series
# --------------------------------------------------------------------------------------------------


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
        """For people: experiment, system, variant and what was chosen."""
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
        """For people."""
        return f"{self.experiment}: {self.ratio.over} over {self.ratio.under}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """machine, conditions: what differs, a phrase each; only_old, only_new: names of series without
    a partner. floors: of each experiment, old and new, in cycles; moved: where they are of
    different states of the host.
    """

    changes: tuple[Change, ...]
    ratios: tuple[RatioChange, ...]
    floors: tuple[tuple[str, float, float], ...]
    moved: tuple[str, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    machine: tuple[str, ...]
    conditions: tuple[str, ...]
    threshold: float

    @property
    def crossed(self) -> tuple[Change | RatioChange, ...]:
        """What crossed the threshold: ratios, where there are any; else medians."""
        every: tuple[Change | RatioChange, ...] = self.ratios or self.changes
        return tuple(change for change in every if change.crossed)


def compare(
    old: Iterable[Document],
    new: Iterable[Document],
    *,
    threshold: float = 0.1,
    different_machines: bool = False,
) -> Comparison:
    """Holds the latest document of each experiment against its partner.

    threshold: 0.1 is crossed by what takes 10 % longer, or does 10 % less. Raises BadInput for
    different machines unless they are wanted, and where nothing was measured in both.
    """
    ours, theirs = _latest(old), _latest(new)
    both = [name for name in ours if name in theirs]
    machine = _each(
        machine_differences(ours[name].environment, theirs[name].environment) for name in both
    )
    if machine and not different_machines:
        raise BadInput(
            "these runs are of different machines",
            value="; ".join(machine),
            hint="add --different-machines to compare them nevertheless",
        )
    changes: list[Change] = []
    only_old = [
        name_of(name, series)
        for name in ours
        if name not in theirs
        for series in _judged(ours[name])
    ]
    only_new = [
        name_of(name, series)
        for name in theirs
        if name not in ours
        for series in _judged(theirs[name])
    ]
    ratios: list[RatioChange] = []
    floors = [
        (name, *ends) for name in both if (ends := _floors(ours[name], theirs[name])) is not None
    ]
    moved = [name for name, old_floor, new_floor in floors if _apart(old_floor, new_floor)]
    for name in both:
        pairs, left, right = _paired(_judged(ours[name]), _judged(theirs[name]))
        still = name not in moved
        changes += [
            _change(ours[name], theirs[name], a, b, threshold, still=still) for a, b in pairs
        ]
        ratios += _ratio_changes(ours[name], theirs[name], threshold)
        only_old += [name_of(name, series) for series in left]
        only_new += [name_of(name, series) for series in right]
    if not changes:
        raise BadInput(
            "nothing was measured in both runs in the same way",
            value=f"old: {', '.join(ours) or 'nothing'}; new: {', '.join(theirs) or 'nothing'}",
            hint="compare runs of the same experiments on as many cores",
        )
    conditions = _each(
        condition_differences(ours[name].environment, theirs[name].environment) for name in both
    )
    return Comparison(
        tuple(changes),
        tuple(ratios),
        tuple(floors),
        tuple(moved),
        tuple(only_old),
        tuple(only_new),
        tuple(machine),
        tuple(conditions),
        threshold,
    )


def name_of(experiment: str, series: Series) -> str:
    """For people: experiment, system, variant and what was chosen."""
    chosen = [
        f"{name}={value}"
        for name, value in series.parameters.items()
        if not isinstance(value, float)
    ]
    parts = [f"{experiment}: {series.system} {series.variant}", f"{series.cores} cores", *chosen]
    parts += [series.measure, series.mode]
    return ", ".join(parts)


def _latest(documents: Iterable[Document]) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for document in documents:
        before = found.get(document.experiment)
        if before is None or document.environment.time >= before.environment.time:
            found[document.experiment] = document
    return found


def _each(several: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(phrase for some in several for phrase in some))


def _judged(document: Document) -> list[Series]:
    """What can get better or worse: how far a writer runs ahead is neither."""
    return [
        series for series in document.series if not series.control and series.measure != "occupancy"
    ]


def _key(series: Series, *, fractions: bool) -> Key:
    def kept(value: Scalar) -> bool:
        return fractions or not isinstance(value, float)

    parameters = tuple(
        sorted((name, repr(value)) for name, value in series.parameters.items() if kept(value))
    )
    return (
        series.system, series.variant, series.cores, parameters, series.measure, series.mode,
        series.batch, series.unit,
    )  # fmt: skip


def _paired(
    old: Sequence[Series], new: Sequence[Series]
) -> tuple[list[tuple[Series, Series]], list[Series], list[Series]]:
    """Pairs, and what has no partner on either side. First by their keys, where both say the same
    of themselves but for what was counted or observed; then by all parameters; then, where that
    leaves one candidate a side, without those that are fractions: counts taken while measuring.
    """
    by_key = {one.key: one for one in new}
    pairs = [
        (one, partner)
        for one in old
        if not one.key.startswith(first_schema.KEY)
        and (partner := by_key.get(one.key)) is not None
        and _kind(one) == _kind(partner)
    ]
    left = [one for one in old if not any(one is a for a, _ in pairs)]
    right = [one for one in new if not any(one is b for _, b in pairs)]
    for fractions in (True, False):
        mine, yours = _by_key(left, fractions=fractions), _by_key(right, fractions=fractions)
        for key, own in mine.items():
            other = yours.get(key, [])
            if len(own) == len(other) == 1:
                pairs.append((own[0], other[0]))
        left = [one for one in left if not any(one is a for a, _ in pairs)]
        right = [one for one in right if not any(one is b for _, b in pairs)]
    order = {id(one): place for place, one in enumerate(old)}
    return sorted(pairs, key=lambda pair: order[id(pair[0])]), left, right


def _kind(series: Series) -> Key:
    """What its key cannot hide."""
    chosen = {name for name, value in series.parameters.items() if isinstance(value, str)}
    return (
        series.system, series.variant, series.cores, series.measure, series.mode, series.batch,
        series.unit, *sorted((name, series.parameters[name]) for name in chosen - OBSERVED),
    )  # fmt: skip


def _by_key(several: Sequence[Series], *, fractions: bool) -> dict[Key, list[Series]]:
    found: dict[Key, list[Series]] = {}
    for series in several:
        found.setdefault(_key(series, fractions=fractions), []).append(series)
    return found


# --- Changes
# --------------------------------------------------------------------------------------------------


def _floors(old: Document, new: Document) -> tuple[float, float] | None:
    """The farthest pair's back-to-back floor in both."""
    ends = [max((one.back_to_back for one in some.floor), default=0.0) for some in (old, new)]
    return (ends[0], ends[1]) if all(ends) else None


def _apart(one: float, other: float) -> bool:
    return max(one, other) > ALIKE * min(one, other)


def _ratio_changes(old: Document, new: Document, threshold: float) -> list[RatioChange]:
    """Of ratios that say what would be better."""
    before = {ratio.name: ratio for ratio in old.ratios}
    found = []
    for ratio in new.ratios:
        was = before.get(ratio.name)
        if was is None or ratio.words is None:
            continue
        change = _over(ratio.value, was.value)
        interval = _spread(
            (was.interval.low, was.interval.high), (ratio.interval.low, ratio.interval.high),
            was.interval, ratio.interval, change,
        )  # fmt: skip
        noise = max(spread_of(old, was), spread_of(new, ratio))
        better = ratio.words.more_is_better
        outcome = judge(interval, noise, more_is_better=better).outcome
        loss = 1 - change if better else change - 1
        crossed = outcome == "worse" and loss > threshold
        found.append(
            RatioChange(old.experiment, ratio, was.value, change, interval, outcome, crossed)
        )
    return found


def _spread(
    first: tuple[float, float], second: tuple[float, float], a: Interval, b: Interval, value: float
) -> Interval:
    """Of a quotient of two independent medians with these ends; it holds the value."""
    order = "min-max" not in (a.method, b.method)
    return Interval(
        low=min(_over(second[0], first[1]), value),
        high=max(_over(second[1], first[0]), value),
        coverage=max(a.coverage + b.coverage - 1, 0.0),
        method="order-statistic" if order else "min-max",
    )


def _change(
    old: Document, new: Document, a: Series, b: Series, threshold: float, *, still: bool
) -> Change:
    """still: both runs found the host in one state; else nothing is claimed."""
    unit: str = a.unit
    scale = 1.0
    rates = old.environment.tsc_hz, new.environment.tsc_hz
    if (
        unit == "tsc-cycles"
        and rates[0]
        and rates[1]
        and abs(rates[0] / rates[1] - 1) > RATE_DIFFERS
    ):
        unit, scale = "ns", rates[0] / rates[1]
    low, high = _ends(b)
    ratio = scale * _over(b.p50, a.p50)
    interval = _spread(
        _ends(a), (scale * low, scale * high), a.median_interval, b.median_interval, ratio
    )
    noise = max(spread_of(old), spread_of(new))
    claimed = still and not any(
        warning.code == "oversubscribed" for one in (old, new) for warning in one.warnings
    )
    more_is_better = b.measure == "throughput"
    found = judge(interval, noise, more_is_better=more_is_better).outcome
    outcome: Outcome = found if claimed else "unknown"
    loss = 1 - ratio if more_is_better else ratio - 1
    to_ns = (1.0, 1.0)
    if unit != a.unit and rates[0] and rates[1]:
        to_ns = 1e9 / rates[0], 1e9 / rates[1]
    return Change(
        old.experiment, b, unit, a.p50 * to_ns[0], b.p50 * to_ns[1], ratio, interval, noise,
        outcome,
        crossed=outcome == "worse" and loss > threshold,
    )  # fmt: skip


def _ends(series: Series) -> tuple[float, float]:
    """The interval, made to hold the median of all samples, which need not be that of the boots."""
    return min(series.median_interval.low, series.p50), max(series.median_interval.high, series.p50)


def _over(numerator: float, denominator: float) -> float:
    """A quotient; measured values may be 0 where a clock is coarse."""
    return numerator / max(denominator, 1e-9)
