"""Unmap by number of cores and by tree: the paper's figure 7 within one document, and what the tree is worth.

Guarantees: a curve holds one way of telling in one kernel; where kinds of tree have the same edges the series that was
run stands for all of them; the kernels stand side by side only along the same tree, the shared kernel's line and Linux
as what they are. Called by: unmap, with series that say how many cores were booted. Answers: figure 7 over cores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multikernel.report.bars import Group
from multikernel.report.figure import Block
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of, line_figure, point_of
from multikernel.report.lines import Line, Point, lines
from multikernel.report.paper_values import FIGURE_7, OTHERS, PLOT
from multikernel.report.wording import SYSTEMS, host_carrier_of, rate_of
from multikernel.results.document import Document, Series

CURVES = ("Barrelfish", "Linux 2.6.26", "Windows Server 2008 R2 beta")
OF_THE_PAPER = (
    "Dashed: the paper's curves on its 8×4 AMD of 2009. Only their hollow points are known; what joins them is drawn "
    "for the eye. " + PLOT,
    OTHERS,
)
AXIS = "cycles until no core can read the page"
BOOTED = (
    "The page is mapped on so many of {} cores that are booted; the others sleep. Linux has so many threads."
)
PROTOCOLS = ("one-phase", "two-phase")
SAME = (
    "Compare within a group: both kernels are told along the same tree, by messages over the same call lines. Between "
    "the shared kernel's line and its trees lies what messages cost it; between trees of one kernel, what the tree is "
    "worth."
)

Curve = Mapping[int, Series]


def is_by_cores(series: Series) -> bool:
    """Whether it is one of those drawn here."""
    return isinstance(series.parameters.get("booted"), int)


def draw(document: Document, of_all: Sequence[Series]) -> list[Block]:
    """of_all: the unmaps by all cores, which are the last points of the line's and Linux's curves."""
    known = [one for one in document.series if is_by_cores(one)]
    if not known:
        return []
    booted = int(str(known[0].parameters["booted"]))
    known += [one for one in of_all if _ends_a_curve(one, booted, along=booted == 2)]
    found = []
    if len({one.cores for one in known}) > 1:
        found.append(_figure_7(known, booted))
        if len(kinds_of(known)) > 1:
            found += [_by_tree(known, protocol) for protocol in PROTOCOLS]
    found.append(_same_tree(document, known, booted))
    return found


def paper_curve(name: str) -> Line:
    """A curve of the paper's figure 7."""
    known = [one for one in FIGURE_7 if one.what == name]
    points = tuple(
        Point(float(one.cores), one.value) for one in known if one.value is not None and one.cores is not None
    )
    return Line(f"{name}, the paper", points, paper=True)


def kinds_of(several: Sequence[Series]) -> list[str]:
    """Kinds of tree of which at least one series is their own."""
    return list(dict.fromkeys(str(one.parameters["tree"]) for one in several if "tree" in one.parameters))


def _ends_a_curve(series: Series, booted: int, *, along: bool) -> bool:
    if series.control or series.cores != booted or host_carrier_of(series) is not None:
        return False
    how = (series.system, series.parameters.get("told"))
    # Over two cores the multikernel's usual arms are along the one tree that there is.
    return how in {("shared", "poll"), ("linux", "interrupt")} or (along and how == ("multikernel", "poll"))


def _trees_of(series: Series) -> list[str]:
    equal = series.parameters.get("equal_trees")
    return [str(series.parameters.get("tree")), *(str(equal).split(", ") if equal else ())]


def _along(known: Sequence[Series], system: str, variant: str, kind: str) -> Curve:
    return {
        one.cores: one
        for one in known
        if (one.system, one.variant) == (system, variant) and kind in _trees_of(one)
    }


def _without(known: Sequence[Series], system: str) -> Curve:
    return {one.cores: one for one in known if one.system == system and "tree" not in one.parameters}


def _best(known: Sequence[Series]) -> str:
    """The kind of tree that is fastest in the multikernel over most cores."""
    along = [one for one in known if "tree" in one.parameters]
    ours = [one for one in along if one.system == "multikernel"] or along
    # Over most cores, and there in the least time.
    return str(min(ours, key=lambda one: (-one.cores, one.p50)).parameters["tree"]) if ours else ""


def _line(label: str, curve: Curve) -> Line:
    return Line(label, tuple(point_of(one, cores) for cores, one in sorted(curve.items())))


def _drawn(title: str, curves: Mapping[str, Curve], notes: Sequence[str], *, paper: bool) -> Block:
    ours = [_line(label, curve) for label, curve in curves.items() if curve]
    several = [*ours, *(paper_curve(name) for name in CURVES if paper)]
    measured = [one for curve in curves.values() for one in curve.values()]
    drawing = lines(several, "cores", AXIS, linear=True)
    values = FIGURE_7 if paper else ()
    return line_figure(title, drawing, several, "cores", "cycles", measured, notes=notes, paper=values)


def _figure_7(known: Sequence[Series], booted: int) -> Block:
    kind, shared = _best(known), SYSTEMS["shared"]
    curves = {
        f"multikernel · one-phase, tree {kind}": _along(known, "multikernel", "one-phase", kind),
        f"multikernel · two-phase, tree {kind}": _along(known, "multikernel", "two-phase", kind),
        f"{shared} · mcs, tree {kind}": _along(known, "shared", "mcs", kind),
        f"{shared} · mcs, its line": _without(known, "shared"),
        "Linux · mprotect, told by interrupt": _without(known, "linux"),
    }
    notes = (
        BOOTED.format(booted),
        f"Of the trees {kind} is drawn, the multikernel's fastest here.",
        *OF_THE_PAPER,
    )
    return _drawn(
        "Unmap by number of cores in one system, as in the paper's figure 7", curves, notes, paper=True
    )


def _by_tree(known: Sequence[Series], protocol: str) -> Block:
    curves: dict[str, Curve] = {}
    for system, variant in (("multikernel", protocol), ("shared", "mcs")):
        for kind in kinds_of(known):
            curves[f"{SYSTEMS[system]} · {variant}, {kind}"] = _along(known, system, variant, kind)
    curves[f"{SYSTEMS['shared']} · mcs, its line"] = _without(known, "shared")
    return _drawn(f"Unmap by tree and number of cores, {protocol}", curves, (SAME,), paper=False)


def _same_tree(document: Document, known: Sequence[Series], booted: int) -> Block:
    """All kernels over all cores, tree by tree."""
    last = [one for one in known if one.cores == booted]
    groups = []
    for kind in kinds_of(last):
        along = [one for one in last if one.parameters.get("tree") == kind]
        if booted == 2:
            along = [*(one for one in last if one.system == "multikernel"), *along]
        names = next(names for one in along if kind in (names := _trees_of(one)))
        groups.append(_group(document, f"Along the tree {', '.join(names)}", along))
    line = _without(last, "shared")
    if line:
        groups.append(_group(document, "By the shared kernel's line", list(line.values())))
    measured = [one for one in last if one.system != "linux"] or known
    title = f"Unmap in both kernels along the same tree, {booted} cores"
    return bar_figure(title, groups, axis_of(measured[0]), measured, notes=(SAME,))


def _group(document: Document, title: str, several: Sequence[Series]) -> Group:
    leaving = ("told", "operation", "cores", "target", "tree", "equal_trees", "booted")
    return Group(title, bars_of(several, rate_of(document), leaving=leaving))
