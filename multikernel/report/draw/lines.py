"""Lines over something that was chosen (cores, sizes, budgets), with error bars; single points, and
distributions.

Guarantees: lines differ by colour, by the shape of their points and by name in the legend below;
the axis of values begins at nought unless they span more than two powers of ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from multikernel.report.draw import chart
from multikernel.report.draw.bars import Mark
from multikernel.report.say.wording import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, TOP, PLOT, FOOT, ENTRY = 0.5, 0.1, 0.22, 1.75, 0.4, 0.145
"""Inches: margins, the plot, the axis below it, a line of the legend."""
WIDE = chart.WIDTH - LEFT - RIGHT
SPAN = 100.0
"""Values that differ by more get a logarithmic axis."""
BEYOND = 2.0
"""How many times as far as the points the axis of values follows a band."""
TICKS = 9
SHAPES = ("o", "s", "^", "D", "v", "X")
STROKES: tuple[Any, ...] = (
    "-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (9, 2)), (0, (2, 2)),
)  # fmt: skip
"""Of lines without points."""


@dataclass(frozen=True, slots=True)
class Point:
    """low, high: of the error bar, None without one; band: of what is shaded there."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """joined: whether the points are joined; paper: whether it is the paper's; kind: a system,
    whose colour it gets, else by its place; bare: without a sign at each point; dashed: it is
    simulated, beside what is measured.
    """

    label: str
    points: tuple[Point, ...]
    kind: str = ""
    joined: bool = True
    paper: bool = False
    bare: bool = False
    dashed: bool = False


def lines(
    several: Sequence[Line], x_axis: str, y_axis: str, *, marks: Sequence[Mark] = (),
    standing: Sequence[Mark] = (), linear: bool = False, logarithmic: bool = False,
    steps: bool = False,
) -> chart.Chart:  # fmt: skip
    """The chart. marks: values drawn across; standing: choices drawn upright; linear,
    logarithmic: both axes are, however little they span; steps: shares from 0 to 100 over values,
    which get a logarithmic axis.
    """
    named = [line.label for line in several if line.label]
    columns = (
        2 if len(named) > 2 and all(chart.width_of(one, chart.SMALL) < 1.35 for one in named) else 1
    )
    rows = -(-len(named) // columns)
    height = TOP + PLOT + FOOT + rows * ENTRY

    def paint(figure: Figure) -> None:
        axes = chart.axes_in(
            figure, height, left=LEFT, right=RIGHT, top=TOP, bottom=FOOT + rows * ENTRY
        )
        axes.grid(axis="y")
        index = -1
        for line in several:
            index += not line.dashed  # else in the colour of the line before
            _line(axes, line, max(index, 0))
        if steps:
            _shares(axes)
        else:
            _across(axes, several, standing, linear)
            _up(axes, several, marks, linear, logarithmic)
        small: dict[str, Any] = {"size": chart.SMALL, "color": chart.SOFT}
        for mark in marks:
            axes.axhline(mark.value, **chart.DASHED)
            along = axes.get_yaxis_transform()
            name = chart.letters(mark.label)
            axes.text(1, mark.value, name, ha="right", va="bottom", transform=along, **small)
        for mark in standing:
            axes.axvline(mark.value, **chart.DASHED)
            share = _share(axes, mark.value)
            side, name = "right" if share > 0.6 else "left", f" {chart.letters(mark.label)} "
            axes.text(share, 0.99, name, ha=side, va="top", transform=axes.transAxes, **small)
        axes.set_xlabel(chart.shortened(x_axis, WIDE, chart.SMALL), loc="right", labelpad=1)
        name = chart.shortened(y_axis, chart.WIDTH, chart.SMALL)
        axes.text(-LEFT / WIDE, 1 + 0.1 / PLOT, name, transform=axes.transAxes, **small)
        if named:
            figure.legend(
                *axes.get_legend_handles_labels(), loc="lower left", ncols=columns, borderpad=0.1,
                bbox_to_anchor=(0.01, 0.0, 0.98, rows * ENTRY / height), labelspacing=0.25,
                handlelength=2.2, columnspacing=1.0, borderaxespad=0.0,
            )  # fmt: skip

    return chart.Chart(height, paint)


def _share(axes: Axes, x: float) -> float:
    return float(axes.transAxes.inverted().transform(axes.transData.transform((x, 1)))[0])


def _line(axes: Axes, line: Line, index: int) -> None:
    colour = (
        chart.SOFT
        if line.paper
        else chart.SYSTEMS.get(line.kind) or chart.COLOURS[index % len(chart.COLOURS)]
    )
    label = chart.shortened(line.label, chart.WIDTH - 0.5, chart.SMALL)
    stroke: Any = STROKES[index % len(STROKES)] if line.bare else "-"
    if line.paper:
        stroke = (0, (3, 3))
    if line.dashed:
        stroke = (0, (4, 1.6))
    if any(point.band for point in line.points):
        bands = [point.band or (point.y, point.y) for point in line.points]
        lows, highs = zip(*bands, strict=True)
        xs = [point.x for point in line.points]
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.12, linewidth=0)
    for point in () if line.paper else line.points:
        chart.error_bar(axes, point.x, (point.low, point.high), "y")
    axes.plot(
        [point.x for point in line.points], [point.y for point in line.points],
        # A name that begins with an underscore would not be in the legend.
        label=f" {label}" if label.startswith("_") else label,
        color=colour, linestyle=stroke if line.joined else "none", linewidth=1.1,
        marker="" if line.bare else SHAPES[index % len(SHAPES)], markersize=3.4,
        markerfacecolor="white" if line.paper or line.dashed else colour, markeredgewidth=0.8,
    )  # fmt: skip


def _across(axes: Axes, several: Sequence[Line], standing: Sequence[Mark], linear: bool) -> None:
    xs = sorted({
        *(point.x for line in several for point in line.points), *(mark.value for mark in standing)
    })  # fmt: skip
    above = [x for x in xs if x > 0]
    if not linear and len(above) > 1 and xs[0] >= 0 and above[-1] > 4 * above[0]:
        if xs[0] > 0:
            axes.set_xscale("log", base=2)
        else:  # nought has a place beside the others
            axes.set_xscale("symlog", base=2, linthresh=above[0])
    if len(xs) == 1:
        beside = max(1.0, abs(xs[0]) / 2)
        axes.set_xlim(xs[0] - beside, xs[0] + beside)
    if len(xs) <= TICKS:
        axes.set_xticks(_apart(axes, xs))
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    axes.minorticks_off()


def _shares(axes: Axes) -> None:
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 25, 50, 75, 90, 100])
    _finer(axes, "x", *axes.get_xlim())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    axes.grid(axis="x")


def _finer(axes: Axes, along: Literal["x", "y"], low: float, high: float) -> None:
    """On a logarithmic axis whose powers of ten alone say little."""
    from matplotlib.ticker import LogLocator

    if high < 30 * low:
        axis = axes.xaxis if along == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))


def _apart(axes: Axes, xs: Sequence[float]) -> list[float]:
    """Those whose numbers do not run into one another."""
    kept: list[float] = []
    edge = -1e9
    axes.set_xlim(auto=True)
    for x in xs:
        middle = _share(axes, x) * WIDE
        half = chart.width_of(short(x), chart.SMALL) / 2 + 0.03
        if middle - half > edge:
            kept.append(x)
            edge = middle + half
    return kept


def _up(
    axes: Axes, several: Sequence[Line], marks: Sequence[Mark], linear: bool, logarithmic: bool
) -> None:
    points = [point for line in several for point in line.points]
    known = (end for point in points for end in (point.low, point.y, point.high))
    ends = [*(end for end in known if end is not None), *(mark.value for mark in marks)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    # A band may be many times as wide as all that is drawn: it goes out of the picture then.
    shaded = [end for point in points for end in point.band or ()]
    low, high = max(min([low, *shaded]), low / BEYOND), min(max([high, *shaded]), high * BEYOND)
    if not linear and low > 0 and (logarithmic or high > SPAN * low):
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.2)
        _finer(axes, "y", low, high)
    else:
        axes.set_ylim(min(low, 0.0), high * 1.05 or 1.0)
    axes.yaxis.set_major_formatter(lambda value, _: short(value))
    axes.minorticks_off()
