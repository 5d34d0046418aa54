"""Sharing or messages: one object that all cores operate on, behind locks, at an owner, as replicas
or without locks; and in the form that it chooses by itself.

Guarantees: in every form the cores do the same work, in the same shares. Pinned to a form and free
to choose it is the same object, so that what choosing costs is all that differs: that is the
*regret*, how many times the object in the form that is best there does the operations of the one
that chooses. The best form measured once more is the control: its regret is the host's. A slice
around which cores that only think do not come to what their thinking allows is restless, and is
measured again. Answers: the paper's section 2.3, and when each of the three is right.

Precedents: reactive locks (Lim and Agarwal, ASPLOS'94), SANL (Zhang et al., PPoPP'16: a local lock
or a remote server), SmartPQ (Giannoula et al., 2024: a priority queue of two forms).
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import harmonic_mean, median

from multikernel import Page
from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.loops import PAGE
from multikernel.experiments.instrument.modelled import COUNTERPARTS
from multikernel.experiments.instrument.request import SIZES
from multikernel.experiments.shared_memory import AWAY, PRESENT
from multikernel.experiments.sharing_or_messages import loops, modelled
from multikernel.experiments.sharing_or_messages.loops import (
    ADAPTIVE,
    CANDIDATES,
    FORMS,
    KNOWN,
    MEETINGS,
    Row,
    Run,
    Runs,
    Segment,
)  # fmt: skip
from multikernel.experiments.sharing_or_messages.points import LINES, Point, points
from multikernel.native._native import sharing_bytes

SWEEP, LONG, LOOK = 0.003, 0.04, 0.004
"""Seconds of a run that looks for the best form, that is compared, and of a control point."""
SWEEPS = 2
SECONDS = 1.0
"""Of a segment of the changing workload, where the object chooses; pinned it is PINNED of it."""
PINNED = 0.25
QUIET: Segment = 0, 10_000, 500
"""A workload that no form can speed up or slow down: its cores think."""
QUIET_ENOUGH = 0.85
BEST, AGAIN = "best", "best-again"
CHANGING: tuple[Segment, ...] = (
    (0, 0, 900), (99, 0, 500), (0, 0, 100), (100, 0, 500), (50, 100, 900), (90, 0, 100),
)  # fmt: skip
CHANGING_LINES = 8
BOOTS = 5
"""Where nobody asks for another number: as many as the judge needs, a minute and a half each."""
RESTLESS = "restless"
MANY = 16
"""Modelled cores above which the points are `COARSE`."""
TRIES = 5
"""Of a run in which a core was off its CPU."""
RATE = 1_000_000
"""What rows count by: cycles."""


def _page(bench: Bench) -> Page:
    """The memory of the object, on all cores."""
    # Of more cores than a real object has there is a model alone, which needs none.
    most = max(PAGE, *(sharing_bytes(loops.COUNTERS, lines, bench.cores) for lines in LINES))
    return bench.system.map(bench.system.allocate(-(-most // PAGE) * PAGE))


@dataclass(frozen=True, slots=True)
class Done:
    """A run. by_core: what each core counted, by the names of `loops.COUNTED`, and "segment.N"."""

    by_core: dict[int, dict[str, int]]

    @classmethod
    def of(cls, reports: dict[int, Report], number: int) -> "Done":
        lead = f"{number}."
        return cls({
            core: {
                name.removeprefix(lead): value
                for name, value in report.counts.items()
                if name.startswith(lead)
            }
            for core, report in reports.items()
        })  # fmt: skip

    @property
    def rate(self) -> float:
        """Operations a cycle of all cores."""
        return sum(one["operations"] / max(one["cycles"], 1) for one in self.by_core.values())

    @property
    def segments(self) -> list[float]:
        """The same, by segment."""
        cores = self.by_core.values()
        cycles = max(one["cycles"] for one in cores) / len(CHANGING)
        return [
            max(sum(one[f"segment.{nth}"] for one in cores), 1) / cycles
            for nth in range(len(CHANGING))
        ]

    @property
    def bursts(self) -> tuple[float, int]:
        """How many operations in a row a core did: the mean, and the most."""
        cores = self.by_core.values()
        total = sum(one["operations"] for one in cores)
        return (
            total / max(sum(one["bursts"] for one in cores), 1),
            max(one["longest_burst"] for one in cores),
        )

    @property
    def present(self) -> float:
        """For how much of the time the core that had its CPU least did."""
        return min(one["cpu_ns"] / one["wall_ns"] for one in self.by_core.values())

    @property
    def away(self) -> bool:
        """Whether a core was off its CPU for so long that the run counts for nothing."""
        return self.present < PRESENT


class SharingOrMessages(Experiment):
    entry = entry("sharing-or-messages")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        # A point's slice has its rounds in itself, and takes long.
        size = replace(self.request.size, rounds=1)
        if size.boots == SIZES["full"].boots:
            size = replace(size, boots=BOOTS)
        self.request = replace(self.request, size=size)
        few = not size.measures or self.request.crowded
        coarse = self.request.model is not None and self.request.cores > MANY
        self.points = list(points(few=few, coarse=coarse))
        self.on = Booted("multikernel", self.request.cores, prepare=_page)
        self.floors_on = self.on
        self.draw = random.Random(self.request.seed)
        self.seen: dict[Point, dict[str, list[float]]] = {}
        """Rates of the forms, in operations a million cycles: what tables are made of."""
        self.ended: dict[Point, Counter[str]] = defaultdict(Counter)
        """The forms that the object ended in."""
        self.bursts: dict[str, list[tuple[float, int]]] = defaultdict(list)
        """By series, where all only write: operations in a row of one core, the mean and most."""

    def pairs(self) -> list[Pair]:
        return root_pairs(self.request.cores)

    # --- Arms ---

    def arms(self) -> Iterator[Arm]:
        for point in self.points:
            names = [*self._forms(point), BEST, AGAIN, ADAPTIVE]
            specs = tuple(self._spec(point.key, name, point.parameters) for name in names)
            yield Arm(point.key, specs, self.on, partial(self._slice, point))
        if self.request.model is None:
            names = [*self._pinned(), "oracle", ADAPTIVE]
            about: dict[str, Scalar] = {"lines": CHANGING_LINES, "segments": len(CHANGING)}
            specs = tuple(self._spec("changing", name, about) for name in names)
            yield Arm("changing", specs, self.on, self._changing)

    def _spec(self, key: str, name: str, parameters: dict[str, Scalar]) -> Spec:
        return Spec(
            f"{key}-{name}", "multikernel", name, self.request.cores, "throughput", "back-to-back",
            100, "operations/s", {**parameters, "form": name},
        )  # fmt: skip

    def _forms(self, point: Point) -> list[str]:
        """That the object can have: a single counter alone has a lock-free one."""
        return [form for form in FORMS if form != "lock-free" or point.lines == 1]

    def _pinned(self) -> list[str]:
        return [form for form in CANDIDATES if form != "lock-free"]

    # --- Slices ---

    def _run(self, bench: Bench, name: str, runs: Sequence[Run]) -> list[Done]:
        """All runs; again those in which a core was off its CPU, some times."""
        cores = bench.cores
        found: list[Done] = [Done({}) for _ in runs]
        todo = list(range(len(runs)))
        for _ in range(1 if self.request.crowded or self.request.model else TRIES):
            asked = tuple(runs[place] for place in todo)
            # What they meet by counts how many have come since the system was booted, from 0.
            base = bench.uses(MEETINGS * cores * len(asked)) - 1
            task = bench.prepared, Runs(asked, base)
            name = f"{name} {sum(one.seconds * len(one.segments) for one in asked):.3f}"
            reports = bench.together(name, loops.work, dict.fromkeys(range(cores), task))
            for number, place in enumerate(todo):
                found[place] = Done.of(reports, number)
            todo = [place for place in todo if found[place].away]
            if not todo:
                break
        return found

    def _slice(self, point: Point, bench: Bench) -> Outcome:
        """A sweep over all forms; then the best of them, the one that chooses, and again the best,
        each long enough to tell them apart.
        """
        scale = self.request.size.scale
        segment = (point.reads, point.think, point.share)
        forms = self._forms(point)
        order = [form for _ in range(SWEEPS) for form in self.draw.sample(forms, len(forms))]
        one = Run("", point.lines, (segment,), SWEEP * scale)
        look = Run("locked", 1, (QUIET,), LOOK * scale)
        first, *swept = self._run(bench, "sweep", [look, *(replace(one, form=x) for x in order)])
        rates: dict[str, list[float]] = defaultdict(list)
        for form, done in zip(order, swept, strict=True):
            rates[form].append(done.rate)
            if not point.reads and self.request.model is None:
                self.bursts[f"{point.key}-{form}"].append(done.bursts)
        best = max(set(forms) & set(CANDIDATES), key=lambda form: median(rates[form]))
        long = replace(one, seconds=LONG * scale)
        compared = [BEST, ADAPTIVE, AGAIN]
        self.draw.shuffle(compared)
        rows = self._rows(point)
        runs = [
            replace(long, form=ADAPTIVE, rows=rows)
            if name == ADAPTIVE
            else replace(long, form=best)
            for name in compared
        ]
        *longs, last = self._run(bench, "long", [*runs, look])
        found = {form: median(rates[form]) for form in forms}
        found |= {name: done.rate for name, done in zip(compared, longs, strict=True)}
        chose = longs[compared.index(ADAPTIVE)]
        self.ended[point][FORMS[chose.by_core[0]["form"]]] += 1
        self._see(point, rates)
        return Outcome(
            {f"{point.key}-{name}": one_number(rate * bench.hz) for name, rate in found.items()},
            reason=self._reason([*swept, *longs], [first, last]),
        )  # fmt: skip

    def _reason(self, done: Sequence[Done], looks: Sequence[Done]) -> str | None:
        """Why a slice cannot be trusted."""
        if self.request.model is not None or not self.request.size.measures:
            return None
        if any(one.away for one in done):
            return AWAY
        allowed = QUIET_ENOUGH * self.request.cores / QUIET[1]
        return None if all(look.rate >= allowed for look in looks) else RESTLESS

    def _see(self, point: Point, rates: dict[str, list[float]]) -> None:
        seen = self.seen.setdefault(point, defaultdict(list))
        for form, some in rates.items():
            seen[form] += [rate * RATE for rate in some]

    def _rows(self, point: Point | None) -> tuple[Row, ...]:
        """What has been seen so far of other points. Of its own an object knows nothing."""
        return tuple(
            (
                other.reads, other.share, other.lines,
                *(round(median(seen[form])) if seen.get(form) else 0 for form in KNOWN),
            )
            for other, seen in self.seen.items() if other != point
        )  # fmt: skip

    def _changing(self, bench: Bench) -> Outcome:
        """Equal numbers of operations in each segment: the rate is the harmonic mean of theirs."""
        scale = self.request.size.scale
        one = Run("", CHANGING_LINES, CHANGING, SECONDS * PINNED * scale)
        pinned = self._pinned()
        runs = [replace(one, form=form) for form in pinned]
        chosen = replace(one, form=ADAPTIVE, seconds=SECONDS * scale, rows=self._rows(None))
        look = Run("locked", 1, (QUIET,), LOOK * scale)
        *done, before, last = self._run(bench, "changing", [*runs, chosen, look, look])
        by_form = {form: one.segments for form, one in zip([*pinned, ADAPTIVE], done, strict=True)}
        by_form["oracle"] = [
            max(by_form[form][segment] for form in pinned) for segment in range(len(CHANGING))
        ]
        return Outcome(
            {
                f"changing-{name}": one_number(harmonic_mean(rates) * bench.hz)
                for name, rates in by_form.items()
            },
            reason=self._reason((), [before, last]),
        )  # fmt: skip

    # --- What is compared ---

    def ratios(self) -> Iterator[Ratio]:
        for point in self.points:
            yield Ratio(f"{point.key}-{BEST}", f"{point.key}-{ADAPTIVE}", "regret")
            yield Ratio(f"{point.key}-{BEST}", f"{point.key}-{AGAIN}", "control")
        for form in ("oracle", *self._pinned()):
            yield Ratio(f"changing-{form}", f"changing-{ADAPTIVE}", "regret")

    def revised(self, spec: Spec, collector: Collector) -> Spec:
        """Where the object chose: the form that it ended in, in most boots. Where all only write:
        the bursts of a core.
        """
        ended = {f"{point.key}-{ADAPTIVE}": forms for point, forms in self.ended.items()}
        about = dict(spec.parameters)
        if forms := ended.get(spec.key):
            about["chosen"] = forms.most_common(1)[0][0]
        if bursts := self.bursts.get(spec.key):
            about["burst_mean"] = round(median(mean for mean, _ in bursts), 1)
            about["burst_longest"] = max(longest for _, longest in bursts)
        return replace(spec, parameters=about)

    def cautions(self, collector: Collector) -> Iterable[Caution]:
        yield caution(
            "operation",
            "An operation adds one to each of so many counters, or sums them, each on a line of its"
            " own. Each core does its share: one that is ahead waits. Reads, lines, thinking and"
            " the owner's share are each series' parameters. Synchronous throughout: no core has"
            " more than one operation under way.",
        )
        yield caution(
            "chosen-from",
            "The object chooses from all forms but FIFO locks, which are there for what fairness"
            " costs. Its table is of other workloads, measured in the same run before.",
        )


COUNTERPARTS[loops.work] = modelled.work
