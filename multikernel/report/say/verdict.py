"""The verdict: what the documents show, in sentences with ratios, and what they don't.

Guarantees: every ratio that has words has its sentence, in the section of its kind (TITLES), so
every configuration in which the multikernel is slower has one. Whether there is a difference is the
judge's to say (`results.judge`); nothing is claimed where cores shared CPUs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from multikernel.report.say import by_cores, scale, sharing
from multikernel.report.say.wording import capital, grouped, host_transport_of
from multikernel.results import judge as judging
from multikernel.results.document import Document, Ratio, Words

TITLES = {
    "structure": "What structure is worth (both sides notified in the same way)",
    "tree": "What the tree is worth",
    "transport": "What shared memory is worth to messages (call lines against sockets)",
    "spared": "What cores are spared that don't hold the page",
    "asking": "What it costs to ask all, where the shared kernel's cores take a lock",
    "notification": "What the kind of notification is worth (poll, signal, interrupt, nothing)",
    "cost": "What else is paid",
}
"""By kind of ratio, in the order in which they are said."""
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
    """outcome: of the words' subject; sentence: for people; remark: what must be said with it."""

    ratio: Ratio
    words: Words
    outcome: judging.Outcome
    sentence: str
    remark: str = ""

    @property
    def full(self) -> str:
        return f"{self.sentence} {self.remark}".rstrip()


def judge(ratio: Ratio, words: Words, spread: float) -> Judgement:
    """What a ratio says. spread: of the control."""
    # From here on: how many times better the subject is.
    value, interval = ratio.value, ratio.interval
    if not words.more_is_better:
        value = 1 / value
        interval = replace(interval, low=1 / interval.high, high=1 / interval.low)
    low, high = interval.low, interval.high
    found = judging.judge(interval, spread)
    if found.outcome == "better":
        how = f"{words.subject} {words.better.format(_times(value))} {words.other}"
        span = f"{_times(low)} – {_times(high)}"
    elif found.outcome == "worse":
        how = f"{words.subject} {words.worse.format(_times(1 / value))} {words.other}"
        span = f"{_times(1 / high)} – {_times(1 / low)}"
    else:
        sides = f"{words.subject.rstrip(',')} and {words.other}"
        span = f"ratio of speeds {value:.2f}, {low:.2f} – {high:.2f}"
        how = f"{sides} are the same within {100 * found.margin:.0f} %"
        if found.outcome == "unknown":
            how = f"which of {sides} is better cannot be told"
            if found.reason == "wide" and not low <= 1 <= high:
                side = "better" if low > 1 else "worse"
                how = f"{words.subject} is {side} than {words.other}, and by how much"
                how += " cannot be told"
            span += f": {UNDECIDED[found.reason]}"
    sentence = capital(f"{words.lead}: {how} ({span})." if words.lead else f"{how} ({span}).")
    return Judgement(ratio, words, found.outcome, sentence, words.remarks.get(found.outcome, ""))


def _times(value: float) -> str:
    digits = 2 if value < 9.95 else 1 if value < 99.5 else 0
    return f"{value:.{digits}f} ×"


def judgements(documents: Sequence[Document]) -> list[Judgement]:
    """Of all ratios that have words, in the documents' order."""
    found = [
        (document, judge(ratio, ratio.words, judging.spread_of(document, ratio)))
        for document in documents
        for ratio in document.ratios
        if ratio.words is not None
    ]
    return [
        dataclasses.replace(one, sentence=f"Simulated: {one.sentence}")
        if document.simulated
        else one
        for document, one in found
    ]


def oversubscribed(document: Document) -> bool:
    return any(warning.code == "oversubscribed" for warning in document.warnings)


def verdict(documents: Sequence[Document]) -> list[tuple[str, list[str]]]:
    """Sections of sentences: (title, sentences)."""
    if any(map(oversubscribed, documents)):
        systems = sorted({one.system for document in documents for one in document.unmeasured})
        sentence = (
            f"Every configuration ran and gave correct answers ({', '.join(systems)}). Cores shared"
            " CPUs: no latency is claimed, nothing compared."
        )
        return [("What this shows", [sentence])]
    found = judgements(documents)
    kinds = grouped(found, lambda one: one.ratio.kind)
    sections = {
        TITLES.get(kind, capital(kind.replace("-", " "))): [
            *(_costs(documents) if kind == "cost" else ()),
            *(one.full for one in kinds.get(kind, ())),
        ]
        for kind in dict.fromkeys([*TITLES, *kinds])
    }
    sections["By the number of cores"] = [
        sentence
        for document in documents
        for sentence in (*by_cores.sentences(document), *scale.sentences(document))
    ]
    sections["Sharing or messages"] = [
        sentence for document in documents for sentence in sharing.sentences(document)
    ]
    slower = [one.sentence for one in found if one.outcome == "worse" and one.words.counterpart]
    none = "In nothing that is compared above." if found else "Nothing was compared."
    sections["Where the multikernel is slower"] = slower or [none]
    sections["To be read with"] = _caveats(documents)
    return [(title, sentences) for title, sentences in sections.items() if sentences]


def _caveats(documents: Sequence[Document]) -> list[str]:
    texts = []
    for document in documents:
        noise = judging.spread_of(document)
        if noise:
            texts.append(
                f"{document.experiment}: a configuration measured twice differs by up to"
                f" {100 * noise:.1f} % from itself."
            )
        for warning in document.warnings:
            if warning.code in CAVEATS:
                lead = f"{document.experiment}: " if warning.code == "floor-moved" else ""
                texts.append(lead + warning.text)
        kernels = [one for one in document.series if one.system in ("multikernel", "shared")]
        one_count = len({one.cores for one in kernels or document.series}) < 2
        if len(document.environment.cpus) > 1 and one_count and not by_cores.sentences(document):
            number = len(set(document.environment.cpus))
            texts.append(
                f"Measured on {number} cores: nothing here says how costs grow with cores."
            )
    return list(dict.fromkeys(texts))


def _costs(documents: Sequence[Document]) -> list[str]:
    """What an unmap costs beyond the local call, in floors: of the first document that knows."""
    for document in documents:
        medians = {
            (one.system, one.variant, one.parameters.get("target")): one.p50
            for one in document.series
            if not (one.control or host_transport_of(one) or by_cores.is_by_cores(one))
        }
        local = medians.get(("raw", "local", None))
        floor = max((one.back_to_back for one in document.floor), default=None)
        if local is None or floor is None:
            continue
        ways = {
            "in one phase": ("multikernel", "one-phase"),
            "in two phases": ("multikernel", "two-phase"),
            "in the shared kernel": ("shared", "mcs"),
        }
        beyond = [
            f"{(medians[*way, 'polling'] - local) / floor:.1f} {name}"
            for name, way in ways.items()
            if (*way, "polling") in medians
        ]
        if beyond:
            sentence = (
                f"Beyond the mapping call itself ({local:.0f} cycles, nobody notified), an unmap"
                f" notified by poll costs so many back-to-back floors of {floor:.0f} cycles:"
            )
            return [f"{sentence} {', '.join(beyond)}."]
    return []
