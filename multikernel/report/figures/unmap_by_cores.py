"""Unmap by number of cores and by tree: the paper's figure 7 within one document, and what the tree
is worth.

Guarantees: the kernels stand side by side only along the same tree, the shared kernel's line and
Linux as what they are. Answers: figure 7 over cores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multikernel.catalogue import OTHERS, PLOT, paper
from multikernel.report.draw.bars import Group
from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, line_figure, point_of
from multikernel.report.say.by_cores import PROTOCOLS, Curve, Curves, trees_of
from multikernel.report.say.wording import SYSTEMS, rate_of
from multikernel.results.document import Document, Series

CURVES = ("Barrelfish", "Linux 2.6.26", "Windows Server 2008 R2 beta")
OF_THE_PAPER = (
    "Dashed: the paper's curves on its 8×4 AMD of 2009. Only their hollow points are known; what"
    " joins them is drawn for the eye. " + PLOT,
    OTHERS,
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


def draw(document: Document) -> list[Block]:
    """Nothing of a document without such series."""
    curves = Curves.of(document)
    if curves is None:
        return []
    found = []
    if curves.several:
        found.append(_figure_7(curves))
        if len(curves.kinds()) > 1:
            found += [_by_tree(curves, protocol) for protocol in PROTOCOLS]
    return [*found, _same_tree(document, curves)]


def paper_curve(name: str) -> Line:
    """A curve of the paper's figure 7."""
    known = [one for one in paper("unmap") if one.what == name]
    points = tuple(
        Point(float(one.cores), one.value)
        for one in known
        if one.value is not None and one.cores is not None
    )
    return Line(f"{name}, the paper", points, paper=True)


def _line(label: str, curve: Curve) -> Line:
    return Line(label, tuple(point_of(one, cores) for cores, one in sorted(curve.items())))


def _drawn(title: str, curves: Mapping[str, Curve], notes: Sequence[str], *, beside: bool) -> Block:
    ours = [_line(label, curve) for label, curve in curves.items() if curve]
    several = [*ours, *(paper_curve(name) for name in CURVES if beside)]
    measured = [one for curve in curves.values() for one in curve.values()]
    drawing = lines(several, "cores", AXIS, linear=True)
    values = paper("unmap") if beside else ()
    return line_figure(
        title, drawing, several, "cores", "cycles", measured, notes=notes, paper=values
    )


def _figure_7(curves: Curves) -> Block:
    kind, shared = curves.best(), SYSTEMS["shared"]
    named = {
        f"multikernel · one-phase, tree {kind}": curves.along("multikernel", "one-phase", kind),
        f"multikernel · two-phase, tree {kind}": curves.along("multikernel", "two-phase", kind),
        f"{shared} · mcs, tree {kind}": curves.along("shared", "mcs", kind),
        f"{shared} · mcs, its line": curves.without("shared"),
        "Linux · mprotect, notified by interrupt": curves.without("linux"),
    }
    notes = (
        BOOTED.format(curves.booted),
        f"Of the trees {kind} is drawn, the multikernel's fastest here.",
        *OF_THE_PAPER,
    )
    return _drawn("Unmap by number of cores: the paper's figure 7", named, notes, beside=True)


def _by_tree(curves: Curves, protocol: str) -> Block:
    named: dict[str, Curve] = {}
    for system, variant in (("multikernel", protocol), ("shared", "mcs")):
        for kind in curves.kinds():
            named[f"{SYSTEMS[system]} · {variant}, {kind}"] = curves.along(system, variant, kind)
    named[f"{SYSTEMS['shared']} · mcs, its line"] = curves.without("shared")
    return _drawn(f"Unmap by tree and number of cores, {protocol}", named, (SAME,), beside=False)


def _same_tree(document: Document, curves: Curves) -> Block:
    """All kernels over all cores, tree by tree."""
    booted = curves.booted
    last = Curves(tuple(one for one in curves.known if one.cores == booted), booted)
    groups = []
    for kind in last.kinds():
        along = [one for one in last.known if one.parameters.get("tree") == kind]
        if booted == 2:
            along = [*(one for one in last.known if one.system == "multikernel"), *along]
        names = next(names for one in along if kind in (names := trees_of(one)))
        groups.append(_group(document, f"Along the tree {', '.join(names)}", along))
    line = last.without("shared")
    if line:
        groups.append(_group(document, "By the shared kernel's line", list(line.values())))
    measured = [one for one in last.known if one.system != "linux"] or list(curves.known)
    title = f"Unmap in both kernels along the same tree, {booted} cores"
    return bar_figure(title, groups, axis_of(measured[0]), measured, notes=(SAME,))


def _group(document: Document, title: str, several: Sequence[Series]) -> Group:
    leaving = ("told", "operation", "cores", "target", "tree", "equal_trees", "booted")
    return Group(title, bars_of(several, rate_of(document), leaving=leaving))
