"""Two runs held against each other: which series changed, by how much, and how sure that is.

Guarantees: only what was measured in the same way is compared: the same experiment, system,
variant, cores, parameters, measure, mode, batch and unit. What a change is called is the judge's
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
from typing import Any

from multikernel.errors import BadInput
from multikernel.results.document import Document, Environment, Interval, Scalar, Series
from multikernel.results.judge import Outcome, judge, spread_of

METHOD = (
    "change: new median over old median; interval: opposite ends of the two medians' intervals over"
    " boots, which covers at least the sum of both coverages less 1; noise: the farther end of the"
    " controls' ratios"
)
RATE_DIFFERS = 0.01
"""Counters whose rates differ by more are not one machine's."""

Key = tuple[object, ...]


# --- Machines
# --------------------------------------------------------------------------------------------------


def machine_of(environment: Environment) -> dict[str, object]:
    """What makes it this machine and no other: hardware, as far as it is known."""
    topology: dict[str, Any] = environment.topology
    known = ("packages", "dies", "cores", "cpus", "threads_per_core", "l2", "l3", "nodes", "kinds")
    return {
        "cpu_model": environment.cpu_model,
        "architecture": environment.architecture,
        "cpu_flags": frozenset(environment.cpu_flags),
        "virtualised": environment.virtualised,
        "hypervisor": environment.hypervisor,
        **{f"topology.{name}": topology[name] for name in known if name in topology},
    }


def conditions_of(environment: Environment) -> dict[str, object]:
    """What may change on one machine, and with it the numbers."""
    return {
        "cpus": ", ".join(map(str, environment.cpus)),
        "kernel": environment.kernel,
        "governor": environment.governor,
        "clocksource": environment.clocksource,
        "cpu_quota": environment.cpu_quota,
        "python": environment.python,
        "packages": ", ".join(
            f"{name} {version}" for name, version in sorted(environment.packages.items())
        ),
        "compiler": environment.compiler,
        "compiler_flags": environment.compiler_flags,
        "build": ", ".join(f"{name} {value}" for name, value in sorted(environment.build.items())),
        "revision": environment.revision,
    }


def machine_differences(old: Environment, new: Environment) -> list[str]:
    """What shows them to be different machines, a phrase each; empty if nothing does."""
    found = _differences(machine_of(old), machine_of(new))
    a, b = old.tsc_hz, new.tsc_hz
    if a is not None and b is not None and abs(a / b - 1) > RATE_DIFFERS:
        found.append(f"tsc_hz: {a / 1e6:.0f} MHz against {b / 1e6:.0f} MHz")
    return found


def condition_differences(old: Environment, new: Environment) -> list[str]:
    """What else differs, a phrase each."""
    return _differences(conditions_of(old), conditions_of(new))


def _differences(old: dict[str, object], new: dict[str, object]) -> list[str]:
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return [_difference(name, old.get(name), new.get(name)) for name in names]


def _difference(name: str, old: object, new: object) -> str:
    if isinstance(old, frozenset) and isinstance(new, frozenset):
        old, new = (
            ", ".join(map(str, sorted(one))) or "none of these" for one in (old - new, new - old)
        )
    return f"{name}: {_said(old)} against {_said(new)}"


def _said(value: object) -> str:
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 120 else text[:119] + "…"


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
class Comparison:
    """machine, conditions: what differs, a phrase each; only_old, only_new: names of series without
    a partner.
    """

    changes: tuple[Change, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    machine: tuple[str, ...]
    conditions: tuple[str, ...]
    threshold: float

    @property
    def crossed(self) -> tuple[Change, ...]:
        """Those that crossed the threshold."""
        return tuple(change for change in self.changes if change.crossed)


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
    for name in both:
        pairs, left, right = _paired(_judged(ours[name]), _judged(theirs[name]))
        changes += [_change(ours[name], theirs[name], a, b, threshold) for a, b in pairs]
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
    """Pairs, and what has no partner on either side. First by all parameters; then, where that
    leaves one candidate a side, without those that are fractions: counts taken while measuring.
    """
    pairs: list[tuple[Series, Series]] = []
    left, right = list(old), list(new)
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


def _by_key(several: Sequence[Series], *, fractions: bool) -> dict[Key, list[Series]]:
    found: dict[Key, list[Series]] = {}
    for series in several:
        found.setdefault(_key(series, fractions=fractions), []).append(series)
    return found


def _change(old: Document, new: Document, a: Series, b: Series, threshold: float) -> Change:
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
    first, second = _ends(a), _ends(b)
    ratio = scale * _over(b.p50, a.p50)
    interval = Interval(
        low=min(scale * _over(second[0], first[1]), ratio),
        high=max(scale * _over(second[1], first[0]), ratio),
        coverage=max(a.median_interval.coverage + b.median_interval.coverage - 1, 0.0),
        method=(
            "min-max"
            if "min-max" in (a.median_interval.method, b.median_interval.method)
            else "order-statistic"
        ),
    )
    noise = max(spread_of(old), spread_of(new))
    claimed = not any(
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
