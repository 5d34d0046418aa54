"""Maps in panels: a square a case, coloured by what it is called and darker for more of it, with a
number in it; all panels of one shape, below a common key.

Guarantees: legible in grey, for the number says how much and the letter what; a case that is
missing is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from multikernel.report.draw.chart import COLOURS, INK, SMALL, SOFT, WIDTH, Chart, letters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEFT, TOP, RIGHT, FOOT, GAP, HEAD, KEY = 0.42, 0.42, 0.04, 0.3, 0.1, 0.16, 0.3
"""Inches."""
SIDE = 0.17
"""Of a square, its height."""
LETTERS = 5.0
"""Size of the numbers in the squares, in points."""


@dataclass(frozen=True, slots=True)
class Cell:
    """kind: which colour; depth: 0 to 1, how dark; text: in the square."""

    kind: str
    depth: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """cells: by (row, column)."""

    title: str
    cells: Mapping[tuple[str, str], Cell]


def panels(
    several: Sequence[Sequence[Panel]], rows: Sequence[str], columns: Sequence[str],
    axes: tuple[str, str], kinds: Sequence[str],
) -> Chart:  # fmt: skip
    """The chart. several: rows of panels; rows, columns: of each panel, in order; axes: what they
    are; kinds: in the key.
    """
    across = max(map(len, several))
    wide = (WIDTH - LEFT - RIGHT - GAP * (across - 1)) / across
    high = SIDE * len(rows)
    height = TOP + len(several) * (high + HEAD) + GAP * (len(several) - 1) + FOOT
    colours = dict(zip(kinds, COLOURS, strict=False))

    def paint(figure: Figure) -> None:
        for down, line in enumerate(several):
            for along, panel in enumerate(line):
                left = LEFT + along * (wide + GAP)
                top = TOP + down * (high + HEAD + GAP) + HEAD
                place = (left / WIDTH, 1 - (top + high) / height, wide / WIDTH, high / height)
                _paint(figure, place, panel, rows, columns, colours,
                       first=along == 0, last=down == len(several) - 1)  # fmt: skip
        figure.text(LEFT / WIDTH, 0.04 / height, letters(axes[1]), size=SMALL, color=SOFT)
        figure.text(0.02, 1 - (TOP + HEAD) / height, letters(axes[0]), size=SMALL, color=SOFT)
        at = LEFT
        for kind in kinds:
            figure.text(at / WIDTH, 1 - KEY / height, "■", size=SMALL, color=colours[kind])
            figure.text((at + 0.1) / WIDTH, 1 - KEY / height, letters(kind), size=SMALL, color=INK)
            at += 0.2 + 0.055 * len(kind)

    return Chart(height, paint)


def _paint(
    figure: Figure, place: tuple[float, float, float, float], panel: Panel, rows: Sequence[str],
    columns: Sequence[str], colours: Mapping[str, str], *, first: bool, last: bool,
) -> None:  # fmt: skip
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    axes = figure.add_axes(place)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    axes.set_title(letters(panel.title), size=SMALL, loc="left", pad=2)
    axes.set_xticks([at + 0.5 for at in range(len(columns))], columns if last else [])
    axes.set_yticks([at + 0.5 for at in range(len(rows))], rows if first else [])
    axes.tick_params(length=0, pad=1, labelsize=LETTERS)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (row, column), cell in panel.cells.items():
        x, y = columns.index(column), rows.index(row)
        depth = 0.15 + 0.85 * min(max(cell.depth, 0.0), 1.0)
        shade = tuple(1 - depth * (1 - one) for one in to_rgb(colours[cell.kind]))
        axes.add_patch(Rectangle((x, y), 0.96, 0.94, facecolor=shade, edgecolor="none"))
        light = sum(shade) > 1.6
        axes.text(
            x + 0.48, y + 0.5, cell.text, ha="center", va="center", size=LETTERS,
            color=INK if light else "white",
        )  # fmt: skip
