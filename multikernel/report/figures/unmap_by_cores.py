"""Unmap by number of cores and by tree: the paper's figure 7 within one document and over several,
and what the tree is worth.

Guarantees: the kernels stand side by side only along the same tree, the shared kernel's line and
Linux as what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multikernel.catalogue import OTHERS, PLOT, paper
from multikernel.report.draw.bars import Group
from multikernel.report.draw.lines import Line, Point
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.figures.parts import LINES, bar_figure, bars_of, line_figure, point_of
from multikernel.report.say.by_cores import PROTOCOLS, Curve, Curves, is_unmap, trees_of
from multikernel.report.say.wording import NOTIFIED_TITLES, SYSTEMS, host_transport_of
from multikernel.results.document import Document, Series

CURVES = ("Barrelfish", "Linux 2.6.26", "Windows Server 2008 R2 beta")
OF_THE_PAPER = (
    "Dashed: the paper's curves on its 8×4 AMD of 2009. Only their hollow points are known; what"
    " joins them is drawn for the eye. " + PLOT,
    OTHERS,
)
BY_HOST = (
    "By socket: the monitors' messages and the attention they need go through the host; where"
    " nothing is said they go by call lines in shared memory."
)
AXIS = "cycles until no core can read the page"
BOOTED = (
    "The page is mapped on so many of {} cores that are booted; the others sleep. Linux has so many"
    " threads."
)
SAME = (
    "Compare within a group: both kernels are notified along the same tree, by messages over the"
    " same call lines. Between the shared kernel's line and its trees lies what messages cost it;"
    " between trees of one kernel, what the tree is worth."
)
BESIDES = ("told", "operation", "cores", "target", "tree", "equal_trees", "booted")


def draw(document: Document) -> list[Block]:
    """Nothing of a document without such series."""
    curves = Curves.of(document)
    if curves is None:
        return []
    found: list[Block] = []
    if curves.several:
        found.append(_figure_7(curves))
        if len(curves.kinds()) > 1:
            found += [_by_tree(curves, protocol) for protocol in PROTOCOLS]
    return [*found, _same_tree(document, curves)]


def draw_together(documents: Sequence[Document]) -> list[Block]:
    """The paper's figure 7, if the documents are of different numbers of cores."""
    latest: dict[int, list[Series]] = {}
    for document in sorted(documents, key=lambda one: one.environment.time):
        unmaps = [one for one in document.series if is_unmap(one)]
        if unmaps:
            cores = max(one.cores for one in unmaps)
            latest[cores] = [one for one in unmaps if one.cores == cores and not one.control]
    if len(latest) < 2:
        return []
    by_memory: dict[str, dict[int, Series]] = {}
    # Beside those of the same notification and system, so that the difference is the transport's.
    notified_alike: dict[str, dict[int, Series]] = {}
    for cores, some in sorted(latest.items()):
        for one in some:
            told, transport = one.parameters.get("told"), host_transport_of(one)
            how = f"by {transport}, {NOTIFIED_TITLES[told]}" if transport else NOTIFIED_TITLES[told]
            label = f"{SYSTEMS[one.system]} · {one.variant}, {how}"
            if transport is None:
                by_memory.setdefault(label, {})[cores] = one
            if (one.system, told) == ("multikernel", "poll"):
                notified_alike.setdefault(label, {})[cores] = one
    title = "Unmap by number of cores"
    seventh = f"{title}, as in the paper's figure 7"
    found = _most_cores(seventh, by_memory, OF_THE_PAPER, beside=True)
    if any(host_transport_of(one) for curve in notified_alike.values() for one in curve.values()):
        found += _most_cores(f"{title}, by transport", notified_alike, (BY_HOST,), beside=False)
    return found


def _most_cores(
    title: str, curves: Mapping[str, Curve], notes: Sequence[str], *, beside: bool
) -> list[Block]:
    """Of what was measured with several numbers of cores; nothing if that is nothing."""
    kept = [(label, curve) for label, curve in curves.items() if len(curve) > 1][:LINES]
    return [_drawn(title, dict(kept), notes, beside=beside)] if kept else []


def _drawn(
    title: str, curves: Mapping[str, Curve], notes: Sequence[str], *, beside: bool,
    bands: Sequence[Line] = (),
) -> Figure:  # fmt: skip
    """beside: with the paper's curves; bands: further lines."""
    several = [
        Line(label, tuple(point_of(one, cores) for cores, one in sorted(curve.items())))
        for label, curve in curves.items()
        if curve
    ]
    several += bands
    if beside:
        several += map(_paper_curve, CURVES)
    measured = [one for curve in curves.values() for one in curve.values()]
    return line_figure(
        title, several, "cores", measured, y_axis=AXIS, linear=True, notes=notes,
        paper=paper("unmap") if beside else (),
    )  # fmt: skip


def _paper_curve(name: str) -> Line:
    points = tuple(
        Point(float(one.cores), one.value)
        for one in paper("unmap")
        if one.what == name and one.value is not None and one.cores is not None
    )
    return Line(f"{name}, the paper", points, paper=True)


def _figure_7(curves: Curves) -> Figure:
    kind, shared = curves.best(), SYSTEMS["shared"]
    signalled = curves.without("shared", "signal")
    if len(signalled) < 2:  # by cores on modelled machines alone
        signalled = {}
    named = {
        f"multikernel · one-phase, tree {kind}": curves.along("multikernel", "one-phase", kind),
        f"multikernel · two-phase, tree {kind}": curves.along("multikernel", "two-phase", kind),
        f"{shared} · mcs, tree {kind}": curves.along("shared", "mcs", kind),
        f"{shared} · mcs, its line": curves.without("shared", "poll"),
        f"{shared} · mcs, notified by signal": signalled,
        "Linux · mprotect, notified by interrupt": curves.without("linux", "interrupt"),
    }
    bands = [_band(curves, order) for order in ("at-once", "one-by-one")]
    notes = (
        BOOTED.format(curves.booted),
        f"Of the trees {kind} is drawn, the multikernel's fastest here.",
        *OF_THE_PAPER,
    )
    title = "Unmap by number of cores: the paper's figure 7"
    return _drawn(title, named, notes, beside=True, bands=[one for one in bands if one.points])


def _band(curves: Curves, order: str) -> Line:
    """The interrupt kernel's, between the ends of what sending an interrupt may cost."""
    nominal, low, high = (
        {
            one.cores: one.p50
            for one in curves.known
            if (one.system, one.variant, one.parameters.get("range")) == ("interrupts", order, end)
        }
        for end in ("nominal", "low", "high")
    )
    points = tuple(
        Point(cores, value, band=(low.get(cores, value), high.get(cores, value)))
        for cores, value in sorted(nominal.items())
    )
    return Line(f"interrupt kernel, {order.replace('-', ' ')}", points)


def _by_tree(curves: Curves, protocol: str) -> Figure:
    named: dict[str, Curve] = {
        f"{SYSTEMS[system]} · {variant}, {kind}": curves.along(system, variant, kind)
        for system, variant in (("multikernel", protocol), ("shared", "mcs"))
        for kind in curves.kinds()
    }
    named[f"{SYSTEMS['shared']} · mcs, its line"] = curves.without("shared", "poll")
    return _drawn(f"Unmap by tree and number of cores, {protocol}", named, (SAME,), beside=False)


def _same_tree(document: Document, curves: Curves) -> Figure:
    """All kernels over all cores, tree by tree."""
    booted = curves.booted
    last = Curves(tuple(one for one in curves.known if one.cores == booted), booted)
    named: dict[str, list[Series]] = {}
    for kind in last.kinds():
        along = [one for one in last.known if one.parameters.get("tree") == kind]
        if booted == 2:
            along = [*(one for one in last.known if one.system == "multikernel"), *along]
        names = next(names for one in along if kind in (names := trees_of(one)))
        named[f"Along the tree {', '.join(names)}"] = along
    named["By the shared kernel's line"] = list(last.without("shared", "poll").values())
    groups = [
        Group(title, bars_of(document, several, leaving=BESIDES))
        for title, several in named.items()
        if several
    ]
    measured = [one for one in last.known if one.system != "linux"] or list(curves.known)
    title = f"Unmap in both kernels along the same tree, {booted} cores"
    return bar_figure(title, groups, measured, notes=(SAME,))
