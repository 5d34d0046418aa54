"""The verdict: what the documents show, in sentences with ratios, and what they don't.

Guarantees: every comparison has its sentence, so every configuration in which the multikernel is
slower has one. Kernels notified in the same way are compared for what structure is worth; those
notified differently only with the remark that the difference comes of the notification, and would
hold for any kernel. Whether there is a difference, none, or nothing to be said of it is the judge's
(`results.judge`). How costs go with the number of cores is said only of documents that hold
several (`by_cores`); nothing at all is claimed where cores shared CPUs. The comparisons are listed
in `comparisons`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from multikernel.report import by_cores
from multikernel.report.comparisons import COMPARISONS, TITLES, Comparison
from multikernel.report.wording import host_transport_of
from multikernel.results import judge as judging
from multikernel.results.document import Document, Ratio, Series

CAVEATS = ("virtual", "smt-shared", "mixed-cores", "cpu-quota", "oversubscribed", "floor-moved")
"""Warnings without which a verdict cannot be read."""
UNDECIDED: dict[judging.Reason, str] = {
    "few": "too few boots; ask for more with --boots",
    "wide": "boots differ too much; more of them, or a quieter machine, would decide it",
    "across": "more boots (--boots) would decide it",
    "noise": "a configuration measured twice differs by as much; use a quieter machine",
}
"""Why a comparison is unknown, and what would decide it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """outcome: of the multikernel; sentence: for people; remark: what must be said with it."""

    comparison: Comparison
    outcome: judging.Outcome
    sentence: str
    remark: str = ""

    @property
    def full(self) -> str:
        """Sentence and remark."""
        return f"{self.sentence} {self.remark}".rstrip()


def judge(ratio: Ratio, comparison: Comparison, spread: float) -> Judgement:
    """What a ratio says. spread: of the control."""
    # From here on: how many times better the multikernel is.
    value, interval = ratio.value, ratio.interval
    if not comparison.more_is_better_for_multikernel:
        value = 1 / value
        interval = replace(interval, low=1 / interval.high, high=1 / interval.low)
    low, high = interval.low, interval.high
    found = judging.judge(interval, spread)
    better, worse = comparison.words
    if found.outcome == "better":
        how = f"{comparison.multikernel} {better.format(_times(value))} {comparison.other}"
        span = f"{_times(low)} – {_times(high)}"
    elif found.outcome == "worse":
        how = f"{comparison.multikernel} {worse.format(_times(1 / value))} {comparison.other}"
        span = f"{_times(1 / high)} – {_times(1 / low)}"
    else:
        sides = f"{comparison.multikernel.rstrip(',')} and {comparison.other}"
        span = f"ratio of speeds {value:.2f}, {low:.2f} – {high:.2f}"
        how = f"{sides} are the same within {100 * found.margin:.0f} %"
        if found.outcome == "unknown":
            how = f"which of {sides} is better cannot be told"
            if found.reason == "wide" and not low <= 1 <= high:
                side = "better" if low > 1 else "worse"
                how = f"{comparison.multikernel} is {side} than {comparison.other}, and by how much"
                how += " cannot be told"
            span += f": {UNDECIDED[found.reason]}"
    lead = f"{comparison.lead}: " if comparison.lead else ""
    sentence = f"{lead}{how} ({span})."
    remark = comparison.remarks.get(found.outcome, "")
    return Judgement(comparison, found.outcome, sentence[0].upper() + sentence[1:], remark)


def _times(value: float) -> str:
    return (
        f"{value:.2f} ×" if value < 9.95 else f"{value:.1f} ×" if value < 99.5 else f"{value:.0f} ×"
    )


def judgements(documents: Sequence[Document]) -> list[Judgement]:
    """All comparisons that the documents have ratios for, in the order of the list."""
    found = []
    for comparison in COMPARISONS:
        for document in documents:
            for ratio in document.ratios:
                if ratio.name == comparison.ratio:
                    spread = judging.spread_of(document, ratio.name)
                    found.append(judge(ratio, comparison, spread))
    return found


def verdict(documents: Sequence[Document]) -> list[tuple[str, list[str]]]:
    """Sections of sentences: (title, sentences)."""
    if any(
        warning.code == "oversubscribed" for document in documents for warning in document.warnings
    ):
        systems = sorted({series.system for document in documents for series in document.series})
        sentence = (
            f"Every configuration ran and gave correct answers ({', '.join(systems)}). Cores shared"
            " CPUs: no latency is claimed, nothing compared."
        )
        return [("What this shows", [sentence])]
    found = judgements(documents)
    sections: list[tuple[str, list[str]]] = []
    for kind, title in TITLES.items():
        sentences = [one.full for one in found if one.comparison.kind == kind]
        if kind == "cost":
            sentences = [*_costs(documents), *sentences]
        if sentences:
            sections.append((title, sentences))
    growth = [sentence for document in documents for sentence in by_cores.sentences(document)]
    if growth:
        sections.append(("By the number of cores", growth))
    sections.append(("Where the multikernel is slower", _slower(found)))
    caveats = _caveats(documents)
    if caveats:
        sections.append(("To be read with", caveats))
    return sections


def _slower(found: Sequence[Judgement]) -> list[str]:
    slower = [one for one in found if one.outcome == "worse" and one.comparison.is_counterpart]
    if not found:
        return ["Nothing was compared."]
    return [one.sentence for one in slower] or ["In nothing that is compared above."]


def _caveats(documents: Sequence[Document]) -> list[str]:
    texts: dict[str, None] = {}
    for document in documents:
        noise = judging.spread_of(document)
        if noise:
            control = (
                f"{document.experiment}: a configuration measured twice differs by up to"
                f" {100 * noise:.1f} % from itself."
            )
            texts[control] = None
        for warning in document.warnings:
            if warning.code in CAVEATS:
                lead = f"{document.experiment}: " if warning.code == "floor-moved" else ""
                texts[lead + warning.text] = None
        counts = {
            series.cores for series in document.series if series.system in ("multikernel", "shared")
        }
        if (
            len(document.environment.cpus) > 1
            and len(counts) < 2
            and not by_cores.sentences(document)
        ):
            number = len(set(document.environment.cpus))
            texts[f"Measured on {number} cores: nothing here says how costs grow with cores."] = (
                None
            )
    return list(texts)


def _costs(documents: Sequence[Document]) -> list[str]:
    """What an unmap costs beyond the local call, in floors."""
    for document in documents:
        medians = {
            _name(series): series.p50
            for series in document.series
            if not series.control
            and host_transport_of(series) is None
            and not by_cores.is_by_cores(series)
        }
        local, floors = (
            medians.get("raw local None"),
            [floor.back_to_back for floor in document.floor],
        )
        notified = [
            (name, medians[key])
            for name, key in (
                ("in one phase", "multikernel one-phase polling"),
                ("in two phases", "multikernel two-phase polling"),
                ("in the shared kernel", "shared mcs polling"),
            )
            if key in medians
        ]
        if local and floors and notified:
            beyond = ", ".join(
                f"{(median - local) / max(floors):.1f} {name}" for name, median in notified
            )
            sentence = (
                f"Beyond the mapping call itself ({local:.0f} cycles, nobody notified), an unmap"
                " notified by poll costs so many back-to-back floors of"
                f" {max(floors):.0f} cycles: {beyond}."
            )
            return [sentence]
    return []


def _name(series: Series) -> str:
    return f"{series.system} {series.variant} {series.parameters.get('target')}"
