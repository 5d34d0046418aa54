"""Unmap: bars by how the other cores are notified, the paper's values at the same number of cores,
and what else is paid.

Guarantees: configurations that are notified differently never share a group, nor do those whose
messages share no memory share one with those whose do. Over several numbers of cores, in one
document (`unmap_by_cores`) or in several, the paper's figure 7 is drawn as the paper draws it, with
what is known of its curves. Answers: the paper's figure 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multikernel.catalogue import OTHERS, PLOT, PaperValue
from multikernel.catalogue import paper as values_of
from multikernel.report.draw.bars import Group
from multikernel.report.draw.lines import Line, lines
from multikernel.report.figures import generic, unmap_by_cores
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import (
    axis_of,
    bar_figure,
    bars_of,
    grouped,
    line_figure,
    paper_bar,
    point_of,
    size_sentence,
)
from multikernel.report.say.by_cores import is_by_cores, is_unmap
from multikernel.report.say.wording import NOTIFIED_TITLES, SYSTEMS, host_transport_of, rate_of
from multikernel.results.document import Document, Series

NOTIFIED_ORDER = ("poll", "signal", "interrupt", "none", None)
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
MOST_LINES = 8
HOST_TITLE = "Notified by poll, by messages that share no memory"
HOST_NOTE = (
    "By socket: the monitors' messages and the attention they need go through the host;"
    " where nothing is said they go by call lines in shared memory."
)


def draw(document: Document) -> list[Block]:
    """Completion by notification; own pages; what a computing program keeps; map, touch, lives."""
    unmaps = _unmaps(document)
    own = [one for one in document.series if one.variant.startswith("own-pages")]
    programs = [one for one in document.series if one.variant == "computing-program"]
    side = [
        one for one in document.series if one.parameters.get("operation") in SIDE and one not in own
    ]
    whole = [one for one in document.series if one.parameters.get("operation") == LIFE]
    lives = [one for one in whole if one.measure != "throughput"]
    sustained = [one for one in whole if one.measure == "throughput"]
    growth = [one for one in document.series if is_by_cores(one)]
    drawn = [*unmaps, *own, *programs, *side, *whole, *growth]
    rest = [one for one in document.series if one not in drawn]
    found: list[Block] = []
    if unmaps:
        found.append(_completion(document, unmaps))
    found += unmap_by_cores.draw(document)
    if own:
        title = f"Every core unmaps pages of its own at once, {size_sentence(document)}"
        found.append(
            _throughput(
                document, own, title, "Longer is better: all cores' unmaps a second together."
            )
        )
    if programs:
        note = (
            "Longer is better: what programs computing on the other cores get done, left alone or"
            " notified of unmaps."
        )
        found.append(_throughput(document, programs, "What a computing program keeps", note))
    if side:
        groups = [
            Group(
                SIDE[str(operation)],
                bars_of(some, rate_of(document), leaving=("operation", "target", "told")),
            )
            for operation, some in grouped(side, "operation").items()
        ]
        found.append(
            bar_figure("What mapping and the first touch cost", groups, axis_of(side[0]), side)
        )
    for several, title, note in (
        (lives, "A page's whole life: map, touch, unmap, mean of sixteen", ""),
        (sustained, "Whole lives, one after the other", "Longer is better: lives a second."),
    ):
        groups = [
            Group(form, bars_of(some, rate_of(document), leaving=("operation",)))
            for end, form in FORMS.items()
            if (some := [one for one in several if one.variant.endswith(end)])
        ]
        if groups:
            axis = axis_of(several[0])
            found.append(bar_figure(title, groups, axis, several, notes=(note,) if note else ()))
    return [*found, *generic.of_series(document, rest)]


def draw_together(documents: Sequence[Document]) -> list[Block]:
    """The paper's figure 7, if the documents are of different numbers of cores."""
    latest: dict[int, Document] = {}
    for document in sorted(documents, key=lambda one: one.environment.time):
        cores = max((one.cores for one in _unmaps(document)), default=0)
        if cores:
            latest[cores] = document
    if len(latest) < 2:
        return []
    found = {
        cores: [one for one in _unmaps(document) if one.cores == cores]
        for cores, document in latest.items()
    }
    by_memory = {
        cores: [one for one in some if host_transport_of(one) is None]
        for cores, some in found.items()
    }
    # Beside those of the same notification and system, so that the difference is the transport's.
    notified_alike = {
        cores: [
            one
            for one in some
            if one.system == "multikernel" and one.parameters.get("told") == "poll"
        ]
        for cores, some in found.items()
    }
    drawn = [
        _by_cores("Unmap by number of cores, as in the paper's figure 7", by_memory, paper=True)
    ]
    if any(host_transport_of(one) is not None for some in notified_alike.values() for one in some):
        drawn.append(
            _by_cores("Unmap by number of cores, by transport", notified_alike, paper=False)
        )
    return [block for block in drawn if block is not None]


def _by_cores(title: str, found: Mapping[int, Sequence[Series]], *, paper: bool) -> Block | None:
    points: dict[str, list[tuple[int, Series]]] = {}
    for cores, some in sorted(found.items()):
        for one in some:
            if not one.control:
                how, transport = NOTIFIED_TITLES[one.parameters.get("told")], host_transport_of(one)
                if transport is not None:
                    how = f"by {transport}, {how}"
                points.setdefault(f"{SYSTEMS[one.system]} · {one.variant}, {how}", []).append(
                    (cores, one)
                )
    kept = [(label, own) for label, own in points.items() if len(own) > 1][:MOST_LINES]
    if not kept:
        return None
    ours = [Line(label, tuple(point_of(one, cores) for cores, one in own)) for label, own in kept]
    several = [
        *ours,
        *(unmap_by_cores.paper_curve(name) for name in unmap_by_cores.CURVES if paper),
    ]
    notes = unmap_by_cores.OF_THE_PAPER if paper else (HOST_NOTE,)
    drawing = lines(several, "cores", unmap_by_cores.AXIS, linear=True)
    measured = [one for _, own in kept for _, one in own]
    return line_figure(
        title,
        drawing,
        several,
        "cores",
        "cycles",
        measured,
        notes=notes,
        paper=values_of("unmap") if paper else (),
    )


def _unmaps(document: Document) -> list[Series]:
    return [one for one in document.series if is_unmap(one)]


def _completion(document: Document, unmaps: Sequence[Series]) -> Block:
    by_the_host = [one for one in unmaps if host_transport_of(one) is not None]
    by_notification = grouped([one for one in unmaps if one not in by_the_host], "told")
    leaving = ("told", "operation", "cores")
    order = [*NOTIFIED_ORDER, *(how for how in by_notification if how not in NOTIFIED_ORDER)]
    groups = []
    for how in order:
        if how in by_notification:
            bars = bars_of(by_notification[how], rate_of(document), leaving=leaving, among=unmaps)
            title = NOTIFIED_TITLES.get(how, f"notified by {how}")
            groups.append(Group(title[:1].upper() + title[1:], bars))
        if how == "poll" and by_the_host:
            groups.append(
                Group(
                    HOST_TITLE,
                    bars_of(by_the_host, rate_of(document), leaving=leaving, among=unmaps),
                )
            )
    cores = max(one.cores for one in unmaps)
    points = [one for one in values_of("unmap") if one.value is not None and one.cores == cores]
    if points:
        title = f"The paper's figure 7 at {cores} cores (8×4 AMD 8350, 2.0 GHz)"
        groups.append(Group(title, tuple(paper_bar(one) for one in points)))
    notes = (
        (
            "Time until no core can read the page. Compare within a group: what structure is worth"
            " shows only between kernels notified in the same way."
        ),
        *((HOST_NOTE,) if by_the_host else ()),
        *((f"{PLOT} {OTHERS}",) if points else (OTHERS,)),
    )
    title = f"Unmap of a page that all cores hold, {size_sentence(document)}"
    paper: tuple[PaperValue, ...] = values_of("unmap")
    return bar_figure(title, groups, axis_of(unmaps[0]), unmaps, notes=notes, paper=paper)


def _throughput(document: Document, several: Sequence[Series], title: str, note: str) -> Block:
    bars = bars_of(several, rate_of(document), leaving=("operation", "target"))
    return bar_figure(title, [Group("", bars)], axis_of(several[0]), several, notes=(note,))
