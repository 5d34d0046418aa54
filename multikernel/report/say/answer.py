"""The answer: what the documents say of the multikernel, the shared kernel and Linux, in a sentence
and a few rows.

Guarantees: a row holds one configuration of the multikernel beside what it is compared with, as its
document has it and has words for it; whether they differ is the judge's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multikernel.report.say.verdict import judge, oversubscribed
from multikernel.report.say.wording import short
from multikernel.results import judge as judging
from multikernel.results.document import Document, Series, Words

MOST = 8
FIRST = "unmap"
"""The experiment whose rows come first: the paper's own question."""
HEADINGS = ("what", "multikernel", "shared", "Linux", "ratio", "sure?")
SURE: dict[judging.Outcome, str] = {
    "better": "better", "worse": "worse", "same": "the same", "unknown": "cannot be told",
}  # fmt: skip
RANKS = {"structure": 0, "spared": 1, "asking": 2, "cost": 3, "notification": 4}
LAST = ("map-", "touch-")
"""Rows that stand back where there are many."""


@dataclass(slots=True)
class Row:
    """One configuration of the multikernel. values: medians by system, with their unit; ratio: how
    many times as fast the multikernel is as `other`.
    """

    what: str
    unit: str
    values: dict[str, float]
    other: str
    ratio: float
    outcome: judging.Outcome

    def cells(self) -> tuple[str, ...]:
        """As HEADINGS has them."""
        values = (self.values.get(system) for system in ("multikernel", "shared", "linux"))
        unit = "/s" if self.unit.endswith("/s") else ""
        return (
            self.what,
            *("–" if value is None else short(value) + unit for value in values),
            f"{self.ratio:.2f} × {self.other}",
            SURE[self.outcome],
        )


NOTE = (
    "Medians of all boots: cycles, or operations a second. Ratio: how many times as fast the"
    " multikernel is, taken within each boot; sure?: what the interval over boots allows to say."
)


def rows(documents: Sequence[Document]) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for document in sorted(documents, key=lambda one: one.experiment != FIRST):
        if oversubscribed(document):
            continue
        series = {one.key: one for one in document.series}
        for ratio in sorted(document.ratios, key=lambda one: RANKS.get(one.kind, len(RANKS))):
            over, under = series.get(ratio.over), series.get(ratio.under)
            if ratio.words is None or not ratio.words.counterpart or not over or not under:
                continue
            ours, theirs = (under, over) if under.system == "multikernel" else (over, under)
            if ours.system != "multikernel" or theirs.system == "multikernel":
                continue
            place = document.experiment, ours.key
            if place not in found:
                outcome = judge(ratio, ratio.words, judging.spread_of(document, ratio)).outcome
                value = ratio.value if ratio.words.more_is_better else 1 / ratio.value
                name = "Linux" if theirs.system == "linux" else theirs.system
                values = {"multikernel": ours.p50}
                what = _what(ratio.words, ours)
                if document.simulated:
                    what = f"Simulated, {document.machine}: {what}"
                found[place] = Row(what, ours.unit, values, name, value, outcome)
            found[place].values.setdefault(theirs.system, theirs.p50)
    kept = sorted(found, key=lambda place: place[1].startswith(LAST))[:MOST]
    return [row for place, row in found.items() if place in kept]


def _what(words: Words, ours: Series) -> str:
    """In what, and in which way where there are several."""
    lead = words.lead or words.subject
    way = ours.variant.replace("-", " ")
    return lead if way in lead.lower() or "phase" not in way else f"{lead} ({way})"


def sentence(found: Sequence[Row]) -> str:
    row = found[0]
    unit = "cycles" if row.unit == "tsc-cycles" else row.unit
    others = [
        f"{name} {short(row.values[system])}"
        for system, name in (("shared", "the shared kernel"), ("linux", "Linux"))
        if system in row.values
    ]
    than = "the shared kernel" if row.other == "shared" else row.other
    verdict = {
        "better": f"{row.ratio:.2f} × as fast as {than}",
        "worse": f"slower than {than}, {1 / row.ratio:.2f} × its time",
        "same": f"as fast as {than}",
        "unknown": f"too close to {than}, or too unsteady, for these boots to tell",
    }[row.outcome]
    values = ", ".join([f"{short(row.values['multikernel'])} {unit}", *others])
    return f"{row.what}: the multikernel takes {values}. The multikernel is {verdict}."
