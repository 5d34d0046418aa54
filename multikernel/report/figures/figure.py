"""What a page is made of: figures, which are drawings with a title and a description, and tables.

Guarantees: every figure has a title and a description that says in words what is to be seen, for
those who do not see it. Charts are matplotlib's (`draw`); a drawing is ours, for a width of WIDTH.
Both are in plain colours on a light ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from multikernel.catalogue import PaperValue
from multikernel.report.draw.chart import WIDTH as COLUMN
from multikernel.report.draw.chart import XLINK, Chart, titled
from multikernel.report.draw.markup import Child, Markup, element, joined
from multikernel.report.draw.style import LOOKS

WIDTH = 420.0
LETTER = 0.53
"""Mean width of a letter over the size of the type."""


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
    right: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    paper: tuple[PaperValue, ...] = field(default=())
    heads: int = 1


Block = Figure | Table


def svg(figure: Figure, name: str) -> Markup:
    """The drawing for a page. name: unique on it."""
    if isinstance(figure.drawing, Chart):
        return figure.drawing.markup(name, titled(name, figure.title, figure.description))
    title, description = f"{name}-title", f"{name}-description"
    return element(
        "svg",
        element("title", figure.title, id=title),
        element("desc", figure.description, id=description),
        figure.drawing.body,
        viewBox=f"0 0 {WIDTH:g} {figure.drawing.height:g}",
        role="img",
        **LOOKS["drawing"],
        aria_labelledby=f"{title} {description}",
    )


def stacked(figures: Sequence[Figure], *, outlined: bool = True) -> Markup:
    """A file of its own: all drawings, one below the other, each under its title. outlined: charts'
    letters are outlines, which look alike everywhere and take five times the room.
    """
    parts: list[Child] = []
    top = 16.0
    for figure in figures:
        heading = element(
            "text", shortened(figure.title, WIDTH - 16, 13), x=8, y=top + 8, **LOOKS["heading"]
        )
        moved, height = _placed(figure, top + 18, outlined=outlined)
        words = (element("title", figure.title), element("desc", figure.description))
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


def _placed(figure: Figure, top: float, *, outlined: bool) -> tuple[Markup, float]:
    """The drawing at that height of a file, and how high it is."""
    drawing = figure.drawing
    if not isinstance(drawing, Chart):
        moved = element("g", drawing.body, transform=f"translate(0 {top:g})")
        return moved, drawing.height
    scale = WIDTH / COLUMN / 72
    body = drawing.elements(f"f{top:.0f}", outlined=outlined)
    moved = element("g", body, transform=f"translate(0 {top:g}) scale({scale:g})")
    return moved, drawing.height * WIDTH / COLUMN


def width_of(text: str, size: float) -> float:
    """About how wide a text is."""
    return len(text) * size * LETTER


def shortened(text: str, room: float, size: float) -> str:
    """The text, cut with an ellipsis where it is wider than the room."""
    most = max(int(room / (size * LETTER)), 2)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
