"""The structure of figures, for tests: what is drawn, how often, named how."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure as Sheet

from multikernel.report.draw.bars import Bar, Group, Mark, bars
from multikernel.report.draw.chart import Chart
from multikernel.report.figures import registry
from multikernel.report.figures.figure import Block, Figure, svg
from multikernel.results.document import Document

ALONE = Bar("multikernel · arm", 60.0, "60 cycles", "multikernel")


def chart_of(*several: Bar, marks: tuple[Mark, ...] = ()) -> Chart:
    """Of one group."""
    return bars([Group("All of them", several, marks)], "TSC cycles")


@dataclass(frozen=True)
class Drawn:
    """bars, controls, papers: their values, of the systems', of those repeated, of the paper's;
    intervals: of the error bars; lines: the points of those that the legend names; marks: where
    dashed lines stand; groups: headings.
    """

    bars: tuple[float, ...]
    controls: tuple[float, ...]
    papers: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    lines: dict[str, list[tuple[float, float]]]
    marks: tuple[float, ...]
    groups: tuple[str, ...]

    @property
    def points(self) -> int:
        """Of all lines together."""
        return sum(map(len, self.lines.values()))


def drawn(figure: Figure) -> Drawn:
    """What the chart paints, as matplotlib has it, before it is ink."""
    assert isinstance(figure.drawing, Chart)
    axes = painted(figure.drawing)
    bars: dict[str, list[float]] = {"bar": [], "control": [], "paper": []}
    intervals = []
    for container in axes.containers:
        if isinstance(container, BarContainer):
            (bar,) = container
            hollow = bar.get_facecolor()[:3] == (1.0, 1.0, 1.0)
            dashed = bar.get_linestyle() not in ("-", "solid")
            kind = "paper" if dashed else "control" if hollow else "bar"
            bars[kind].append(float(bar.get_width()))
        elif isinstance(container, ErrorbarContainer):
            assert container.has_xerr != container.has_yerr
            for ends in container.lines[2][0].get_segments():
                low, high = ends[:, 0 if container.has_xerr else 1]
                intervals.append((float(low), float(high)))
    handles, labels = axes.get_legend_handles_labels()
    lines = {
        label.removeprefix(" "): [tuple(map(float, point)) for point in handle.get_xydata()]
        for handle, label in zip(handles, labels, strict=True)
    }
    marks = []
    for line in axes.lines:
        xs, ys = map(list, line.get_data())
        if line not in handles and line.get_linestyle() == "--" and len(xs) == 2:
            marks.append(float(xs[0] if xs[0] == xs[1] else ys[0]))
    groups = [one.get_text() for one in axes.texts if one.get_fontweight() == "bold"]
    return Drawn(
        *(tuple(bars[kind]) for kind in ("bar", "control", "paper")),
        tuple(intervals), lines, tuple(marks), tuple(groups),
    )  # fmt: skip


def painted(chart: Chart) -> Axes:
    """Its axes; no ink is spent."""
    sheet = Sheet(figsize=(1, chart.height))
    chart.paint(sheet)
    return sheet.axes[0]


def parsed(figure: Figure) -> ElementTree.Element:
    """The drawing as a page holds it, read as XML."""
    return ElementTree.fromstring(svg(figure, "f1"))


def texts(figure: Figure) -> list[str]:
    """All that is written in the drawing on a page, but its title and description."""
    return [(one.text or "").strip() for one in parsed(figure).iter("text")]


def figures(document: Document) -> list[Figure]:
    """Its figures, without its tables."""
    return [block for block in registry.draw(document) if isinstance(block, Figure)]


def said(block: Block) -> tuple[object, ...]:
    """What a figure says in words, with all its values: alike in figures that are alike."""
    assert isinstance(block, Figure)
    return (block.title, block.description, block.notes, block.paper)
