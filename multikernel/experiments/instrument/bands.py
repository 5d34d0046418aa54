"""What a simulated result owes to numbers that nobody knows: its band.

Guarantees: every number of the machine that has a range is set to each end of it, one at a time,
and all arms are run again with the first seed, with fewer operations; the band of a series reaches
as far as the widest of these moves it, and what moves it is named. One at a time, since ends that
are joined contradict each other: the parts of a message add up to what a fact says. The trees stay
those of the machine as its file has it. Readings of a source, which are no numbers, are tried in
the same way and said beside; no band has them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import median
from typing import NamedTuple

from multikernel.errors import BadInput
from multikernel.experiments.instrument.arms import Arm, caution
from multikernel.experiments.instrument.modelled import attempt
from multikernel.experiments.instrument.request import Request
from multikernel.machine.models.model import Model
from multikernel.results.document import Caution, Scalar, Series
from multikernel.results.document import Ratio as Found
from multikernel.results.judge import LEAST

LOW, HIGH = "assumed_low", "assumed_high"
"""Parameters of a series: the ends of its band, in its unit."""
SHARE = 0.04
"""Of the operations: a median of so few is exact enough, for think times alone are by chance."""
NAMED = 6
BANDS_MOST = 256
"""Cores that this is done on: on more one run alone takes minutes."""


class Trial(NamedTuple):
    """A number, or a reading, that has another value."""

    place: str
    value: float | str

    def __str__(self) -> str:
        return f"{self.place} = {self.value if isinstance(self.value, str) else f'{self.value:g}'}"


def ends(model: Model) -> Iterator[Trial]:
    """Of every number with a range, the ends that it does not lie at."""
    for place, number in model.numbers():
        for end in (number.low, number.high):
            if end is not None and end != number.value:
                yield Trial(place, end)


def readings(model: Model) -> Iterator[Trial]:
    """Of the source, that the machine does not take."""
    for reading in model.transfer.readings:
        if reading != model.transfer.gap:
            yield Trial("transfer.gap", reading)


@dataclass(slots=True)
class Bands:
    """moved: by what trial how many times as much, by key; impossible: trials of which there is no
    machine.
    """

    model: Model
    moved: dict[Trial, dict[str, float]] = field(default_factory=dict)
    read: dict[Trial, dict[str, float]] = field(default_factory=dict)
    impossible: list[Trial] = field(default_factory=list)

    def on(self, series: Series) -> dict[str, Scalar]:
        """Its parameters, with the band where it has one."""
        factors = [found.get(series.key, 1.0) for found in self.moved.values()]
        low, high = min(factors, default=1.0), max(factors, default=1.0)
        if low == high:
            return series.parameters
        band: dict[str, Scalar] = {
            LOW: min(low, 1.0) * series.p50,
            HIGH: max(high, 1.0) * series.p50,
        }
        return series.parameters | band

    def cautions(self, series: Sequence[Series], ratios: Sequence[Found]) -> Iterator[Caution]:
        """What was tried, what moves most, and which ratios it turns round."""
        if self.moved:
            yield caution("assumed", self._said(series))
        turned = defaultdict(list)
        for ratio in ratios:
            if by := self._turns(ratio):
                turned[by].append(ratio.name)
        if turned:
            several = sum(map(len, turned.values()))
            by_trial = [
                f"{by} turns {len(names)} round, such as {names[0]}"
                for by, names in sorted(turned.items(), key=lambda one: -len(one[1]))
            ]
            text = (
                f"Which of two is less rests on numbers that nobody knows in {several} of"
                f" {len(ratios)} ratios: {_listed(by_trial)}."
            )
            yield caution("assumed-decides", text)
        for trial, found in self.read.items():
            if found:
                least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
                text = (
                    "Readings of the machine's source that were tried: this document's,"
                    f" {self.model.transfer.gap}, and {trial.value}, with which the medians would"
                    f" be {found[least] - 1:+.0%} ({least}) to {found[most] - 1:+.0%} ({most}) of"
                    " these. No band has that in it."
                )
                yield caution("readings", text)

    def _said(self, series: Sequence[Series]) -> str:
        widest: Counter[str] = Counter()
        reach: dict[str, float] = {}
        for one in series:
            found = {trial: moves.get(one.key, 1.0) for trial, moves in self.moved.items()}
            by = max(found, key=lambda trial: max(found[trial], 1 / found[trial]))
            if found[by] != 1.0:
                widest[by.place] += 1
                times = max(found[by], 1 / found[by])
                reach[by.place] = max(reach.get(by.place, 1.0), times)
        most = [f"{place} ({count} series, up to {reach[place]:.2g} times)"
                for place, count in widest.most_common(NAMED)]  # fmt: skip
        left = f" Ends of which there is no machine: {_listed(self.impossible)}." * bool(
            self.impossible
        )
        return (
            f"Bands: {len({trial.place for trial in self.moved})} numbers of the machine's file"
            " have a range; each was set to its ends, one at a time, with one seed, and a band"
            " reaches as far as the widest moves a median. The widest are"
            f" {', '.join(most) or 'none'}.{left}"
        )

    def _turns(self, ratio: Found) -> Trial | None:
        """The first that puts its other side ahead, both times by more than the margin."""
        for trial, found in self.moved.items():
            if ratio.over in found and ratio.under in found:
                both = ratio.value, ratio.value * found[ratio.over] / found[ratio.under]
                if min(both) < 1 / (1 + LEAST) and max(both) > 1 + LEAST:
                    return trial
        return None


def _listed(words: Sequence[object]) -> str:
    left = len(words) - NAMED
    return ", ".join(map(str, words[:NAMED])) + (f" and {left} more" if left > 0 else "")


def small(request: Request) -> Request:
    """For the arms that are run again and again."""
    size = replace(request.size, boots=1, rounds=1, scale=SHARE * request.size.scale)
    return replace(request, size=size)


def bands(arms: Sequence[Arm], request: Request) -> Bands:
    """Of these arms. request: `small`."""
    model = request.model
    assert model is not None
    found = Bands(model)
    plain = _medians(arms, request)
    for kept, trials in ((found.moved, ends(model)), (found.read, readings(model))):
        for trial in trials:
            request.progress(f"band: {trial}")
            try:
                medians = _medians(arms, replace(request, assumed=(trial,)))
            except BadInput:
                found.impossible.append(trial)
                continue
            kept[trial] = {key: medians[key] / plain[key] for key in medians if plain.get(key)}
    return found


def _medians(arms: Sequence[Arm], request: Request) -> dict[str, float]:
    """By series, of one slice. Raises BadInput where there is no such machine."""
    found: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        machines: dict[object, object] = {}
        for arm in arms:
            if arm.on not in machines:
                machines[arm.on] = arm.on.open(stack, request)
            outcome = attempt(lambda arm=arm: arm.slice(machines[arm.on]))  # type: ignore[misc]
            for key, samples in outcome.samples.items():
                found[key].append(float(samples.percentile(50)))
    return {key: median(values) for key, values in found.items()}
