"""What a page is made of: figures, each with a title and a description for those who do not see it,
and tables.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from multikernel.catalogue import PaperValue
from multikernel.markup import Markup, element, joined
from multikernel.report.draw.chart import WIDTH as COLUMN
from multikernel.report.draw.chart import XLINK, Chart, shortened, titled
from multikernel.report.draw.looks import LOOKS

WIDTH = 420.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """WIDTH wide; body: SVG elements."""

    height: float
    body: Markup


@dataclass(frozen=True, slots=True)
class Figure:
    """notes: what must be known to read it; paper: what the paper has for the same."""

    title: str
    description: str
    drawing: Drawing | Chart
    notes: tuple[str, ...] = ()
    paper: tuple[PaperValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """right: columns of numbers; heads: how many columns at the left name the row."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: Collection[int] = ()
    notes: tuple[str, ...] = ()
    paper: tuple[PaperValue, ...] = ()
    heads: int = 1


Block = Figure | Table


def svg(figure: Figure, name: str) -> Markup:
    """The chart for a page. name: unique on it."""
    assert isinstance(figure.drawing, Chart)
    return figure.drawing.markup(name, titled(name, figure.title, figure.description))


def stacked(figures: Sequence[Figure], *, outlined: bool = True) -> Markup:
    """A file of its own: all drawings, one below the other, each under its title. outlined: charts'
    letters are outlines, which look alike everywhere and take five times the room.
    """
    parts = []
    top = 16.0
    for figure in figures:
        title = shortened(figure.title, (WIDTH - 16) / 72, 13)
        drawing, height, scale = figure.drawing, figure.drawing.height, ""
        if isinstance(drawing, Chart):
            body = drawing.elements(f"f{top + 18:.0f}", outlined=outlined)
            height *= WIDTH / COLUMN
            scale = f" scale({WIDTH / COLUMN / 72:g})"
        else:
            body = drawing.body
        moved = element("g", body, transform=f"translate(0 {top + 18:g}){scale}")
        words = (element("title", figure.title), element("desc", figure.description))
        heading = element("text", title, x=8, y=top + 8, **LOOKS["heading"])
        parts.append(element("g", *words, heading, moved, role="img"))
        top += height + 44
    height = max(top - 16, 40.0)
    return element(
        "svg",
        element("title", "; ".join(figure.title for figure in figures)),
        element("rect", width=WIDTH, height=height, **LOOKS["ground"]),
        joined(parts),
        xmlns="http://www.w3.org/2000/svg",
        **{"xmlns:xlink": XLINK},
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        width=1.5 * WIDTH,
        height=1.5 * height,
        **LOOKS["drawing"],
    )


def file_of(figures: Sequence[Figure]) -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{stacked(figures)}\n'
    return text.encode("utf-8", "replace")
