"""Sharing or messages: which kind of form wins where and by how much, where it turns, and what an
object loses that chooses by itself; from the document alone.

Guarantees: of two kinds one is called the winner only where the judge says so, of their ratio
within each boot; else it cannot be told. A workload of which too little was measured is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from multikernel.report.say.wording import counted
from multikernel.results.document import Document, Interval, Ratio, Series
from multikernel.results.judge import judge
from multikernel.results.statistics import median_interval, ratio

NAME = "sharing-or-messages"
KINDS = {
    "locked": "locks",
    "fifo": "locks",
    "optimistic": "locks",
    "delegated": "the owner",
    "replicated": "replicas",
    "lock-free": "the lock-free form",
}
"""What kind a form is of; a form that is not here is a kind by itself."""
CHOOSES, BEST, AGAIN = "adaptive", "best", "best-again"
CLEARLY, RIGHT = 1.2, 0.95
"""By how much a kind wins clearly; and what share of the best form's rate the right form has."""
BARS = 0.05, 0.10
EVEN = 50
"""Percent that the owner does where two cores do alike."""
Place = tuple[int, int, int, int]
"""Percent of reads, lines, cycles of thinking, percent that the owner does."""


@dataclass(frozen=True, slots=True)
class Workload:
    """forms: the series by form, the chosen one and the best of all among them; regret, control:
    by how much of itself the best form is better than the one that chooses, and than itself.
    """

    place: Place
    forms: Mapping[str, Series]
    regret: float | None
    control: float | None

    @property
    def reads(self) -> int:
        return self.place[0]

    @property
    def think(self) -> int:
        return self.place[2]

    @property
    def kinds(self) -> dict[str, Series]:
        """The best form of each kind."""
        found: dict[str, Series] = {}
        for form, one in self.forms.items():
            kind = KINDS.get(form)
            if kind and (kind not in found or one.p50 > found[kind].p50):
                found[kind] = one
        return found

    @property
    def winner(self) -> tuple[str, float, bool]:
        """The kind, how many times it does the work of the next, and whether that is certain: by
        the one judge, to whom what the best form differs from itself by there is the noise.
        """
        ranked = sorted(self.kinds.items(), key=lambda one: -one[1].p50)
        (kind, first), (_, second) = ranked[:2]
        value, interval = _over(first, second)
        return kind, value, judge(interval, abs(self.control or 0)).outcome == "better"

    @property
    def chosen(self) -> str | None:
        """The form that the object ended in, in most boots."""
        one = self.forms.get(CHOOSES)
        return str(one.parameters["chosen"]) if one and "chosen" in one.parameters else None

    @property
    def right(self) -> bool | None:
        """Whether that one has RIGHT of the rate of the best, of those it can choose from."""
        its = self.forms.get(self.chosen or "")
        if its is None:
            return None
        best = max(one.p50 for form, one in self.forms.items() if form in KINDS and form != "fifo")
        return its.p50 >= RIGHT * best


def _over(first: Series, second: Series) -> tuple[float, Interval]:
    """The ratio of two series over boots that have both, and its interval."""
    ours = {one.boot: one.p50 for one in first.by_boot}
    both = [(ours[one.boot], one.p50) for one in second.by_boot if one.boot in ours]
    if not both:
        return first.p50 / second.p50, median_interval([first.p50 / second.p50])
    return ratio([a for a, _ in both], [b for _, b in both])


def is_sharing(document: Document) -> bool:
    return document.experiment == NAME


def workloads(document: Document) -> list[Workload]:
    """Those of which at least two kinds were measured."""
    names = "reads_percent", "lines", "think_cycles", "owner_percent"
    by_place: dict[Place, dict[str, Series]] = {}
    for one in document.series:
        if all(isinstance(one.parameters.get(name), int) for name in names):
            reads, lines, think, owner = (int(str(one.parameters[name])) for name in names)
            by_place.setdefault((reads, lines, think, owner), {})[one.variant] = one
    regrets = _regrets(document, CHOOSES, "regret")
    controls = _regrets(document, AGAIN, "control")
    found = []
    for place, forms in sorted(by_place.items()):
        chooses, again = forms.get(CHOOSES), forms.get(AGAIN)
        workload = Workload(
            place, forms,
            regrets.get(chooses.key) if chooses else None,
            controls.get(again.key) if again else None,
        )  # fmt: skip
        if len(workload.kinds) > 1:
            found.append(workload)
    return found


def _regrets(document: Document, variant: str, kind: str) -> dict[str, float]:
    """By key of the series that a ratio is under."""
    return {
        one.under: one.value - 1
        for one in document.ratios
        if one.kind == kind and one.under.endswith(f"-{variant}")
    }


def changing(document: Document) -> list[Ratio]:
    """Of the workload that changes: how many times each does what the one that chooses does."""
    return [one for one in document.ratios if one.under == f"changing-{CHOOSES}"]


# --- In words


def sentences(document: Document) -> list[str]:
    """Nothing of another experiment."""
    if not is_sharing(document) or not (found := workloads(document)):
        return []
    said = [
        *_wins(found), *_turns(found), *_fairness(found), *_regret(found), *_changing(document),
    ]  # fmt: skip
    if not document.simulated:
        return said
    return [f"Simulated, {document.machine}: {sentence}" for sentence in said]


def _wins(found: Sequence[Workload]) -> Iterator[str]:
    won = [(one.winner[0], one.winner[1], one.winner[2]) for one in found]
    kinds = sorted({kind for kind, _, _ in won}, key=lambda kind: -sum(k == kind for k, *_ in won))
    words = []
    for kind in kinds:
        sure = [value for other, value, certain in won if other == kind and certain]
        clearly = [value for value in sure if value > CLEARLY]
        most = f", at most {max(clearly):.1f} ×" if clearly else ""
        words.append(
            f"{kind} at {len(sure)}, of which {len(clearly)} by more than"
            f" {percent(CLEARLY - 1)}{most}"
        )
    even = sum(not certain for *_, certain in won)
    yield (
        f"Of {counted(len(found), 'workload')} on {found[0].forms['locked'].cores} cores, won:"
        f" {'; '.join(words)}. At {even} the difference cannot be told."
    )


def _turns(found: Sequence[Workload]) -> Iterator[str]:
    """By lines and the owner's share, at the least thinking: who wins as reads grow; and from which
    thinking on the form hardly matters.
    """
    least = min(one.think for one in found)
    for (lines, owner), several in _grouped(found, least):
        runs = [
            (kind, [one.reads for one in some])
            for kind, some in groupby(several, key=lambda one: one.winner[0])
        ]
        words = ", ".join(f"{kind} {_range(reads)}" for kind, reads in runs)
        yield (
            f"The owner does {owner} %, {counted(lines, 'line')}, no thinking: {words} reads."
            if least == 0
            else f"The owner does {owner} %, {counted(lines, 'line')}, {least} cycles between two"
            f" operations: {words} reads."
        )
    thinks = sorted({one.think for one in found})
    for at, think in enumerate(thinks):
        rest = [one.winner[1] for one in found if one.think in thinks[at:]]
        if sum(value <= CLEARLY for value in rest) >= 0.9 * len(rest):
            yield (
                f"From {think} cycles of thinking on it hardly matters: the best kind is within"
                f" {percent(CLEARLY - 1)} of the next at nine of ten workloads."
            )
            return


def _fairness(found: Sequence[Workload]) -> Iterator[str]:
    """Of locks that serve in order, and of those that do not: where all only write, without a pause
    and alike.
    """
    for one in found:
        fair, unfair = one.forms.get("fifo"), one.forms.get("locked")
        if one.place[0] or one.think or one.place[3] != EVEN or not fair or not unfair:
            continue
        bursts = [series.parameters.get("burst_mean") for series in (unfair, fair)]
        if None not in bursts:
            yield (
                f"What fairness costs, {counted(one.place[1], 'line')}, writes alone, cores alike:"
                f" the unfair lock does {_over(unfair, fair)[0]:.1f} × the work of the FIFO lock,"
                f" by bursts: {bursts[0]} operations in a row of one core in the mean, in the FIFO"
                f" lock {bursts[1]}."
            )


def _grouped(
    found: Iterable[Workload], think: int
) -> Iterator[tuple[tuple[int, int], list[Workload]]]:
    by: dict[tuple[int, int], list[Workload]] = {}
    for one in found:
        if one.think == think:
            by.setdefault((one.place[1], one.place[3]), []).append(one)
    for key in sorted(by, key=lambda key: (-key[1], key[0])):
        yield key, sorted(by[key], key=lambda one: one.reads)


def _range(reads: Sequence[int]) -> str:
    return f"at {reads[0]} %" if len(reads) == 1 else f"from {reads[0]} to {reads[-1]} %"


def _regret(found: Sequence[Workload]) -> Iterator[str]:
    regrets = [one.regret for one in found if one.regret is not None]
    controls = [one.control for one in found if one.control is not None]
    if not regrets:
        return
    text = f"An object that chooses its form loses {_spread(regrets)} to the same object pinned to"
    text += f" its best form, at {counted(len(regrets), 'workload')}"
    if controls:
        text += f"; the best form measured once more loses {_spread(controls)} to itself"
    yield text + "."
    rights = [one.right for one in found if one.right is not None]
    if rights:
        yield (
            f"It ends in the right form, one with {percent(RIGHT)} of the best's rate or more, at"
            f" {percent(sum(rights) / len(rights))} of them."
        )


def percent(share: float, digits: int = 0) -> str:
    """Of a share of one; never less than nought by rounding alone."""
    return f"{abs(100 * share) if abs(share) < 5e-4 else 100 * share:.{digits}f} %"


def _spread(values: Sequence[float]) -> str:
    shares = [sum(value <= bar for value in values) / len(values) for bar in BARS]
    return (
        f"{percent(median(values), 1)} in the median (at most {percent(BARS[0])} at"
        f" {percent(shares[0])}, at most {percent(BARS[1])} at {percent(shares[1])} of the"
        " workloads)"
    )


def _changing(document: Document) -> Iterator[str]:
    by_form = {one.over.removeprefix("changing-"): one for one in changing(document)}
    oracle = by_form.pop("oracle", None)
    if oracle is None or not by_form:
        return
    best = max(by_form, key=lambda form: by_form[form].value)
    yield (
        f"While the workload changes every second, it does {_inverse(oracle)} the work of an oracle"
        f" that knows the best form of each, and {_inverse(by_form[best])} that of the best single"
        f" form ({best}). The pinned forms, of which the oracle is made, had runs of their own:"
        " what is above an oracle is what two runs differ by."
    )


def _inverse(over: Ratio) -> str:
    low, high = over.interval.low, over.interval.high
    return f"{1 / over.value:.2f} × ({1 / high:.2f} – {1 / low:.2f})"
