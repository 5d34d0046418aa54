"""Slices of arms by turns, interleaved, over several boots; then series and ratios of them.

Guarantees: within a boot every arm has its slice in every round, in an order drawn anew from the
request's seed. A slice that the machine disturbed is measured again, twice at most, and then
dropped; an arm of which nothing remains has no series but a sentence that says why. Intervals are
over boots, ratios within each; boots of another state (`floors`) do not count. Idea: hyperfine's
interleaving and its warnings.
"""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from multikernel.experiments.instrument.arms import CONTROL, Outcome, Ratio, Spec, caution, line_key
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Pair
from multikernel.machine.host.clock import tsc_step
from multikernel.results import document, statistics
from multikernel.results.document import BootSamples, Buckets, Caution, Mode, Series, Unmeasured
from multikernel.results.histogram import Histogram

REPEATS, REPEATS_SHARE = 2, 0.25
"""How often a disturbed slice is measured again; and of how many slices at most."""
PREEMPTED_FEW, PREEMPTED_SHARE = 4, 0.05
"""Preemptions that a slice may have, so many or that share of its samples: a median holds."""
WAITED_NS, WAITED_SHARE = 50_000, 0.01
"""How long a task may have waited for its CPU in a slice that is one number, or that share."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An arm on its machine. run: one slice of it; strict: as an arm's."""

    name: str
    run: Callable[[], Outcome]
    strict: bool = False


class Collector:
    def __init__(self, request: Request) -> None:
        self.request = request
        self._order = random.Random(request.seed)
        self._tallies: dict[str, dict[int, list[Histogram]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.sums: Counter[str] = Counter()
        self.slices = self.repeated = 0
        self.dropped: Counter[str] = Counter()
        self.why: dict[str, Counter[str]] = defaultdict(Counter)
        self._keys: dict[str, set[str]] = defaultdict(set)
        self._medians: dict[tuple[str, frozenset[int]], dict[int, float]] = {}
        self.left_out: frozenset[int] = frozenset()
        """Boots that do not count."""
        self.step = None if request.model is not None else tsc_step()
        """Of the clock, in cycles."""
        self.singles: set[str] = set()
        """Series whose samples are single operations: their percentiles lie within a step."""
        self.stands_for: dict[str, str] = {}
        """By key, the key of the series that stands for it (`Spec.also`)."""

    def boot(self, number: int, arms: Sequence[Ready]) -> None:
        for _ in range(self.request.size.rounds):
            order = list(arms)
            self._order.shuffle(order)
            for arm in order:
                self.slice(number, arm)

    def slice(self, number: int, arm: Ready) -> None:
        """One slice of an arm, again if it was disturbed, and kept if in the end it was not."""
        self.slices += 1
        for attempt in itertools.count(1):
            outcome = arm.run()
            self._keys[arm.name].update(outcome.samples)
            reason = None
            if self.request.size.measures:
                reason = disturbed(outcome, self.request.crowded, strict=arm.strict)
            if reason is None:
                self.keep(number, outcome)
                return
            self.why[arm.name][reason] += 1
            again = attempt <= REPEATS and self.repeated <= REPEATS_SHARE * self.slices
            if not again or self.request.model is not None:
                self.dropped[arm.name] += 1
                return
            self.repeated += 1

    def keep(self, number: int, outcome: Outcome) -> None:
        for key, histogram in outcome.samples.items():
            self._tallies[key][number].append(histogram)
        self._medians.clear()
        self.sums.update(outcome.sums)

    def medians(self, key: str) -> dict[int, float]:
        """The median of an arm in each boot that has one and counts."""
        found = self._medians.get((key, self.left_out))
        if found is None:
            step = self._step_of(self.stands_for.get(key, key).removesuffix(CONTROL))
            found = {boot: one.summary(step)["p50"] for boot, one in self._by_boot(key).items()}
            self._medians[key, self.left_out] = found
        return found

    def _step_of(self, key: str) -> float | None:
        """The clock's, where its steps are in the samples; floors are named by their mode."""
        floor = key.startswith("floor-") and "-single" in key
        return self.step if floor or key in self.singles else None

    def _by_boot(self, key: str) -> dict[int, Histogram]:
        found = self._tallies.get(self.stands_for.get(key, key), {})
        return {
            boot: Histogram.merge(some)
            for boot, some in sorted(found.items())
            if boot not in self.left_out
        }

    def discard(self, key: str) -> None:
        """An arm that turned out to be something else: it has no series and no ratios."""
        self._tallies.pop(key, None)
        self._medians.clear()

    def has(self, key: str) -> bool:
        """Whether any sample of it counts."""
        return key in self._tallies

    def floor_by_line(self, pair: Pair, mode: Mode) -> list[dict[int, float]]:
        """Of each line of that pair that was measured, the median in each boot."""
        found: list[dict[int, float]] = []
        while boots := self.medians(line_key(pair, mode, len(found))):
            found.append(boots)
        return found

    def _over_floor(self, spec: Spec) -> float | None:
        """The median, over boots, of what it takes over the floor of the same boot."""
        floors: dict[int, float] = {}
        for pair in spec.floor:
            lines = self.floor_by_line(pair, spec.mode)
            for boot in set().union(*lines):
                # Completion on many cores is judged by the slowest of the lines that it takes.
                floor = median(line[boot] for line in lines if boot in line)
                floors[boot] = max(floor, floors.get(boot, 0.0))
        ratios = [
            one / floors[boot] for boot, one in self.medians(spec.key).items() if boot in floors
        ]
        return median(ratios) if ratios and not self.request.crowded else None

    def series(self, spec: Spec) -> Series | None:
        found = self._by_boot(spec.key)
        if not found:
            return None
        merged = Histogram.merge(list(found.values()))
        step = self._step_of(spec.key.removesuffix(CONTROL))
        return Series(
            **_about(spec, Series), **merged.summary(step), boots=len(found),
            median_interval=statistics.median_interval(list(self.medians(spec.key).values())),
            over_floor=self._over_floor(spec), histogram=Buckets.of(merged),
            by_boot=[_samples_of(boot, one, step) for boot, one in found.items()],
        )  # fmt: skip

    def ratio(self, asked: Ratio) -> document.Ratio | None:
        """How many times the one arm is the other, over boots that have both; None without any."""
        numerators, denominators = self.medians(asked.over), self.medians(asked.under)
        boots = [boot for boot in numerators if boot in denominators]
        if not boots or self.request.crowded:
            return None
        control = asked.over == asked.under + CONTROL
        value, interval = statistics.ratio(
            [numerators[b] for b in boots], [denominators[b] for b in boots]
        )
        return document.Ratio(
            name=f"control-over-{asked.under}" if control else asked.name,
            over=self.stands_for.get(asked.over, asked.over),
            under=self.stands_for.get(asked.under, asked.under), kind=asked.kind, words=asked.words,
            value=value, interval=interval,
        )  # fmt: skip

    def unmeasured(self, spec: Spec, arm: str) -> Unmeasured:
        ran = sum(map(len, self._tallies.get(spec.key, {}).values()))
        crowded = self.request.crowded and ran
        missing = ("not-modelled",) if self.request.model is not None else ()
        return Unmeasured(
            **_about(spec, Unmeasured),
            slices=ran if crowded else self.dropped[arm],
            why=["cores-share-cpus"] if crowded else sorted(self.why.get(arm, missing)),
        )

    def warnings(self) -> list[Caution]:
        found = []
        if not self.request.size.measures:
            text = "Smoke size: this shows that everything runs, and measures nothing."
            found.append(caution("smoke", text))
        if self.request.model is not None:  # nothing disturbs; what is missing is unmeasured
            return found
        if self.why:
            text = (
                f"Of {self.slices} slices {self.repeated} were measured again because something"
                f" disturbed them ({_listed(sum(self.why.values(), Counter()))}), and"
                f" {sum(self.dropped.values())} were dropped in the end. Stop other programs, or"
                " use a quieter machine."
            )
            found.append(caution("contaminated-slices", text))
        for name, dropped in sorted(self.dropped.items()):
            if self._keys[name] and not any(map(self.has, self._keys[name])):
                text = (
                    f"{name}: refused, since each of its {dropped} slices was disturbed"
                    f" ({_listed(self.why[name])}) however often it was measured again."
                )
                found.append(caution("refused", text))
        return found


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{code} {times}×" for code, times in reasons.most_common())


def _about(spec: Spec, kind: type[Series | Unmeasured]) -> dict[str, Any]:
    names = [name for name in kind.__struct_fields__ if name in Spec.__slots__]
    return {name: getattr(spec, name) for name in names} | {"parameters": dict(spec.parameters)}


def _samples_of(boot: int, histogram: Histogram, step: float | None) -> BootSamples:
    kept = set(BootSamples.__struct_fields__)
    summary = {name: one for name, one in histogram.summary(step).items() if name in kept}
    return BootSamples(boot=boot, histogram=Buckets.of(histogram), **summary)


def disturbed(outcome: Outcome, crowded: bool, *, strict: bool = False) -> str | None:
    """Why a slice cannot be trusted, as a code; None if it can, or where cores share CPUs."""
    if crowded:
        return None
    activity, counts = outcome.activity, [one.samples for one in outcome.samples.values()]
    if outcome.reason is not None or activity is None:
        return outcome.reason
    if activity.steal_ticks:
        return "steal"
    if activity.throttled:
        return "throttled"
    waited = max(WAITED_NS, WAITED_SHARE * activity.time_ns)
    one_number = strict or all(samples == 1 for samples in counts)
    for task in activity.tasks.values():
        if task.migrations:
            return "migrated"
        if task.voluntary is None and task.involuntary is None:
            return "task-gone"
        if one_number and task.waited_ns is not None:
            if task.waited_ns > waited:
                return "away"
        elif (task.involuntary or 0) > max(PREEMPTED_FEW, PREEMPTED_SHARE * sum(counts)):
            return "preempted"
    return None
