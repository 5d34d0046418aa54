"""Unmap: bars by how the other cores are notified, the paper's values at the same number of cores,
and what else is paid.

Guarantees: configurations that are notified differently never share a group, nor do those whose
messages share no memory share one with those whose do. Answers: the paper's figure 7.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.catalogue import OTHERS, PLOT
from multikernel.catalogue import paper as values_of
from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic, unmap_by_cores
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.figures.parts import bar_figure, bars_of, paper_bar
from multikernel.report.say import wording
from multikernel.report.say.by_cores import is_by_cores, is_unmap
from multikernel.results.document import Document, Series

SIDE = {
    "map-on-all-cores": "Mapping on all cores",
    "first-touch-on-all-cores": "First touch on all cores",
}
LIFE = "map-touch-unmap"
FORMS = {
    "fresh": "Mapped where none was, and removed in the end",
    "reused": "Mapped again where it was",
}
"""Of a life: what the variant ends in."""
HOST_TITLE = "Notified by poll, by messages that share no memory"
COMPARE = (
    "Time until no core can read the page. Compare within a group: what structure is worth shows"
    " only between kernels notified in the same way."
)
ONE_LIFE = "A page's whole life: map, touch, unmap, mean of sixteen"
A_SECOND = "Longer is better: lives a second."
TOGETHER = "Longer is better: all cores' unmaps a second together."
KEPT = (
    "Longer is better: what programs computing on the other cores get done, left alone or notified"
    " of unmaps."
)


def draw(document: Document) -> list[Block]:
    by_operation = wording.grouped(document.series, lambda one: one.parameters.get("operation"))
    unmaps = [one for one in document.series if is_unmap(one)]
    own = [one for one in document.series if one.variant.startswith("own-pages")]
    programs = [one for one in document.series if one.variant == "computing-program"]
    side = {
        title: [one for one in by_operation.get(name, ()) if one not in own]
        for name, title in SIDE.items()
    }
    whole = by_operation.get(LIFE, [])
    lives = [one for one in whole if one.measure != "throughput"]
    sustained = [one for one in whole if one.measure == "throughput"]
    found: list[Block] = [_completion(document, unmaps)] if unmaps else []
    found += unmap_by_cores.draw(document)
    drawn = [*unmaps, *whole, *(one for one in document.series if is_by_cores(one))]
    at_once = f"Every core unmaps pages of its own at once, {_size(document)}"
    for title, by_group, leaving, notes in (
        (at_once, {"": own}, ("operation", "target"), (TOGETHER,)),
        ("What a computing program keeps", {"": programs}, ("operation", "target"), (KEPT,)),
        ("What mapping and the first touch cost", side, ("operation", "target", "told"), ()),
        (ONE_LIFE, _by_form(lives), ("operation",), ()),
        ("Whole lives, one after the other", _by_form(sustained), ("operation",), (A_SECOND,)),
    ):
        groups = [
            Group(name, bars_of(document, some, leaving=leaving))
            for name, some in by_group.items()
            if some
        ]
        measured = [one for some in by_group.values() for one in some]
        drawn += measured
        if measured:
            found.append(bar_figure(title, groups, measured, notes=notes))
    return [*found, *generic.rest(document, drawn)]


def _by_form(several: Sequence[Series]) -> dict[str, list[Series]]:
    return {
        form: [one for one in several if one.variant.endswith(end)] for end, form in FORMS.items()
    }


def _size(document: Document) -> str:
    return wording.counted(max(one.cores for one in document.series), "core")


def _completion(document: Document, unmaps: Sequence[Series]) -> Figure:
    titles = {how: wording.capital(title) for how, title in wording.NOTIFIED_TITLES.items()}

    def title_of(one: Series) -> str:
        how = one.parameters.get("told")
        by_host = wording.host_transport_of(one) is not None
        return HOST_TITLE if by_host else titles.get(how, f"Notified by {how}")

    by_title = wording.grouped(unmaps, title_of)
    first, *others = titles.values()
    leaving = ("told", "operation", "cores")
    groups = [
        Group(title, bars_of(document, by_title[title], leaving=leaving, among=unmaps))
        for title in dict.fromkeys([first, HOST_TITLE, *others, *by_title])
        if title in by_title
    ]
    cores = max(one.cores for one in unmaps)
    values = values_of("unmap")
    points = [one for one in values if one.value is not None and one.cores == cores]
    if points:
        title = f"The paper's figure 7 at {cores} cores (8×4 AMD 8350, 2.0 GHz)"
        groups.append(Group(title, tuple(map(paper_bar, points))))
    host = (unmap_by_cores.BY_HOST,) if HOST_TITLE in by_title else ()
    notes = (COMPARE, *host, f"{PLOT} {OTHERS}" if points else OTHERS)
    title = f"Unmap of a page that all cores hold, {_size(document)}"
    return bar_figure(title, groups, unmaps, notes=notes, paper=values)
