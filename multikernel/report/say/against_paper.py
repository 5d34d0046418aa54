"""Simulated curves beside the paper's points: which is above which, how each grows, and where they
cross.

Guarantees: every curve of ours is held against the named one of the paper, and nothing is judged
but order, growth and crossings: the offset at two cores is an operating system's, and no model of a
machine has it. So each kernel's curve is raised to the paper's point at two cores before crossings
are looked for; those three numbers are all that is taken from a figure. Where sending an interrupt
may cost more or less, both ends stand beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from multikernel import columns
from multikernel.catalogue import paper
from multikernel.report.say.by_cores import Curves
from multikernel.report.say.wording import number
from multikernel.results.document import Document, Series

Points = Mapping[int, float]
SHOWN = (2, 8, 16, 32)
MESSAGES = {
    "broadcast": "broadcast", "unicast": "unicast", "multicast": "multicast",
    "numa-aware": "NUMA-aware multicast",
}  # fmt: skip
"""Ours, and the paper's curve of figure 6 that it is held against."""
KERNELS = {
    "multikernel, one phase": "Barrelfish",
    "interrupts, all at once": "Linux 2.6.26",
    "interrupts, one by one": "Windows Server 2008 R2 beta",
}
"""The same of figure 7."""
ALLOWED = 0.35
"""How far a growth may lie off the paper's."""


def said(documents: Sequence[Document]) -> list[str]:
    """Lines of text, figure by figure, of the simulated documents among these."""
    by_name = {one.experiment: one for one in documents if one.simulated}
    lines: list[str] = []
    for name, part in PARTS.items():
        if name in by_name:
            lines += [*part(by_name[name]), ""]
    return lines[:-1]


def points_of(
    document: Document, wanted: Callable[[Series], bool], within: str = ""
) -> dict[int, float]:
    """The medians of those series by number of cores. within: of these keys."""
    return {
        one.cores: one.p50
        for one in document.series
        if wanted(one) and not one.control and within in one.key
    }


def paper_points(experiment: str, what: str) -> dict[int, float]:
    """Of one of the paper's curves."""
    return {
        one.cores: one.value
        for one in paper(experiment)
        if one.what == what and one.cores is not None and one.value is not None
    }


def at(points: Points, cores: int) -> float | None:
    """With so many cores; between two that were run, on the line between them."""
    if cores in points:
        return points[cores]
    below = [one for one in points if one < cores]
    above = [one for one in points if one > cores]
    if not below or not above:
        return None
    a, b = max(below), min(above)
    return points[a] + (points[b] - points[a]) * (cores - a) / (b - a)


Row = tuple[str, ...]


def _row(name: str, points: Points, behind: str) -> Row:
    cells = [at(points, cores) for cores in SHOWN]
    return (name, *("–" if one is None else number(one) for one in cells), behind)


def _table(title: str, behind: str, rows: Sequence[Row]) -> list[str]:
    heading = ("cores", *map(str, SHOWN), behind)
    lines = columns.aligned([heading, *rows], right=range(1, 1 + len(SHOWN)))
    return [title, *(f"  {line}" for line in lines)]


def _off(ours: float, theirs: float) -> str:
    return f"{100 * (ours / theirs - 1):+.0f} %"


# --- Figure by figure


def _messages(document: Document) -> list[str]:
    title = f"Figure 6, messages alone (simulated: {document.machine}; cycles)"
    curves = {
        ours: points_of(
            document,
            lambda one, ours=ours: ours in _names(one) and one.mode == "back-to-back",  # type: ignore[misc]
        )
        for ours in MESSAGES
    }
    rows = []
    for ours, theirs in MESSAGES.items():
        value, own = paper_points("shootdown", theirs).get(32), at(curves[ours], 32)
        behind = "" if value is None or own is None else f"{number(value)}: {_off(own, value)}"
        rows.append(_row(ours, curves[ours], behind))
    paper_order = sorted(MESSAGES, key=lambda one: -paper_points("shootdown", MESSAGES[one])[32])
    order = _order("at 32 cores", curves, paper_order)
    return [*_table(title, "the paper at 32", rows), order]


def _names(series: Series) -> tuple[str, ...]:
    """Its own, and those of protocols that come to the same there."""
    same = str(series.parameters.get("same", ""))
    return (series.variant, *same.split(","))


def _order(where: str, curves: Mapping[str, Points], expected: Sequence[str]) -> str:
    values = {name: at(points, 32) for name, points in curves.items()}
    wrong = [
        f"{low} is not below {high}"
        for high, low in pairwise(expected)
        if (values[low] or 0) >= (values[high] or 0)
    ]
    verdict = "as in the paper" if not wrong else "; ".join(wrong)
    return f"  {where}: {' > '.join(expected)}: {verdict}"


def growth(points: Points) -> float | None:
    """From 2 to 32 cores."""
    few, many = at(points, 2), at(points, 32)
    return None if few is None or many is None else many - few


def _kernels(document: Document) -> list[str]:
    title = f"Figure 7, unmap (simulated: {document.machine}; cycles)"
    curves, rows = kernels_of(document), []
    for ours, theirs in KERNELS.items():
        nominal, low, high = (growth(one) for one in curves[ours])
        known = growth(paper_points("unmap", theirs))
        behind = "–"
        if nominal is not None and known is not None:
            near = abs(nominal / known - 1) <= ALLOWED
            if low is not None and high is not None and low != high:
                near = near or low * (1 - ALLOWED) <= known <= high * (1 + ALLOWED)
                band = f" ({number(low)} – {number(high)})"
            else:
                band = ""
            verdict = "" if near else ", beyond what is allowed"
            behind = (
                f"{number(nominal)}{band}; {theirs}: {number(known)}"
                f" ({_off(nominal, known)}{verdict})"
            )
        rows.append(_row(ours, curves[ours][0], behind))
    of_all = Curves.of(document)
    for name, told in (("by its line", "poll"), ("by interrupt", "signal")):
        shared = {} if of_all is None else of_all.without("shared", told)
        points = {cores: one.p50 for cores, one in shared.items()}
        grown = growth(points)
        if grown is not None:
            behind = f"{number(grown)}; the paper has none"
            rows.append(_row(f"shared kernel, {name}", points, behind))
    return [*_table(title, "growth from 2 to 32", rows), *_crossings(curves)]


def kernels_of(document: Document) -> dict[str, tuple[Points, Points, Points]]:
    """By name its curve, and both ends of its range."""
    curves = Curves.of(document)
    ours: Points = {}
    if curves is not None:
        along = curves.along("multikernel", "one-phase", curves.best())
        ours = {cores: one.p50 for cores, one in along.items()}
    found = {"multikernel, one phase": (ours, ours, ours)}
    for name, order in (("interrupts, all at once", "at-once"),
                        ("interrupts, one by one", "one-by-one")):  # fmt: skip
        ends = [
            points_of(
                document,
                lambda one, order=order, end=end: (  # type: ignore[misc]
                    one.system == "interrupts"
                    and one.variant == order
                    and one.parameters.get("range") == end
                ),
            )
            for end in ("nominal", "low", "high")
        ]
        found[name] = (ends[0], ends[1], ends[2])
    return found


def _crossings(curves: Mapping[str, tuple[Points, Points, Points]]) -> Iterator[str]:
    raised = {
        ours: _raised(curves[ours], paper_points("unmap", theirs))
        for ours, theirs in KERNELS.items()
    }
    ours = raised["multikernel, one phase"][0]
    known = {"interrupts, one by one": "about 5", "interrupts, all at once": "12 to 13"}
    for name, expected in known.items():
        own = [_crossing(ours, one) for one in raised[name]]
        published = _crossing(ours, paper_points("unmap", KERNELS[name]))
        yield (
            f"  one phase is cheaper than {name} from {_cores(own[0])}"
            f" ({_cores(own[1])} to {_cores(own[2])}) on, and than the line published for"
            f" {KERNELS[name]} from {_cores(published)}; the paper: {expected}"
        )


def _raised(curves: Sequence[Points], known: Points) -> list[Points]:
    """So that each begins at the paper's point of two cores."""
    return [
        {cores: value + known[2] - points[2] for cores, value in points.items()}
        if 2 in points
        else {}
        for points in curves
    ]


def _crossing(ours: Points, theirs: Points) -> int | None:
    """The first number of cores at which ours is the cheaper one."""
    for cores in range(2, 33):
        a, b = at(ours, cores), at(theirs, cores)
        if a is not None and b is not None and a < b:
            return cores
    return None


def _cores(number_of: int | None) -> str:
    return "nowhere" if number_of is None else f"{number_of}"


def _retypes(document: Document) -> list[str]:
    title, rows = f"Figure 8, retype in two phases (simulated: {document.machine}; cycles)", []
    for what, end in (("one alone", "single"), ("16 in flight, each", "16-in-flight")):
        trees = sorted({
            str(one.parameters["tree"]) for one in document.series if "tree" in one.parameters
        })  # fmt: skip
        for tree in trees:
            points = points_of(
                document,
                lambda one, tree=tree, end=end: (  # type: ignore[misc]
                    one.variant == "two-phase"
                    and tree in (one.parameters.get("tree"), *_names(one))
                    and one.key.endswith(end)
                ),
            )
            rows.append(_row(f"{what}, {tree}", points, ""))
    return _table(title, "the paper's values are not known", rows)


def _shared(document: Document) -> list[str]:
    lines = [f"Figure 3, updates of shared lines (simulated: {document.machine}; cycles)"]
    most = max((one.cores for one in document.series), default=0)
    for name in ("shm1", "shm8", "msg1", "msg8"):
        few, many = (
            points_of(document, lambda one, name=name: one.variant == name and  # type: ignore[misc]
                      one.unit == "tsc-cycles").get(cores)
            for cores in (1, most)
        )  # fmt: skip
        if few is not None and many is not None:
            lines.append(f"  {name}: {number(few)} on 1 core, {number(many)} on {most}")
    lines.append("  the paper: below 30 on 1 core, almost 12 000 more on 16 (SHM8)")
    return lines


PARTS: Mapping[str, Callable[[Document], list[str]]] = {
    "shared-memory": _shared,
    "shootdown": _messages,
    "unmap": _kernels,
    "two-phase-commit": _retypes,
}
