"""A chart: sized for a column of a paper, drawn when it is asked for.

Guarantees: the same chart gives the same bytes; on a page its names are unique and its letters are
text; in a file of its own its letters are outlines (SVG) or embedded (PDF), so it looks alike
wherever it is opened. matplotlib is imported here, and only when something is drawn.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from multikernel.report.draw.markup import Markup, clean, escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Form = Literal["svg", "pdf", "png"]
FORMS: tuple[Form, ...] = ("svg", "pdf", "png")
WIDTH = 3.5
"""Inches: a column."""
DPI = 300
XLINK = "http://www.w3.org/1999/xlink"
SIZE, SMALL = 7.5, 6.5
"""Of letters, in points."""
LETTER = 0.53
"""Mean width of a letter over its size."""
INK, SOFT, GRID = "#1b1e23", "#5b626d", "#dfe2e6"
SYSTEMS = {
    "multikernel": "#0072b2", "shared": "#d55e00", "linux": "#cc79a7", "raw": "#7f8791",
}  # fmt: skip
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#50565f")
DASHED: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 3))}
"""A mark, such as a floor."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": SIZE,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "svg.hashsalt": "multikernel",
    "text.parse_math": False,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """height: in inches; paint: draws onto an empty figure of that size."""

    height: float
    paint: Callable[[Figure], None]

    def save(self, form: Form) -> bytes:
        """A file of its own."""
        metadata: dict[str, Any] = {
            "svg": {"Date": None, "Creator": None},
            "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
            "png": {"Software": None},
        }[form]
        with _styled({"svg.fonttype": "path", "pdf.fonttype": 42}):
            return self._drawn(form, metadata)

    def markup(self, name: str, title: Markup) -> Markup:
        """For a page. name: unique on it; title: elements that name and describe it."""
        head = (
            f'<svg xmlns:xlink="{XLINK}" viewBox="0 0 {72 * WIDTH:g} {72 * self.height:g}"'
            f' role="img" class="chart" aria-labelledby="{name}-title {name}-description">'
        )
        return Markup(head + title + self.elements(name) + "</svg>")

    def elements(self, name: str, *, outlined: bool = False) -> Markup:
        """What is drawn, in points, for an svg element that knows XLINK. name: unique in it;
        outlined: for a file, whose reader may not have the fonts.
        """
        with _styled({"svg.fonttype": "path" if outlined else "none"}):
            text = self._drawn("svg", {"Date": None, "Creator": None}).decode()
        inner = text[text.index("<svg") : text.rindex("</svg>")]
        inner = inner[inner.index(">") + 1 :]
        # A sheet would be in force everywhere on the page.
        inner = re.sub(r"<(metadata|style)\b.*?</\1>", "", inner, flags=re.S)
        inner = re.sub(r"<\w[^<>]*>", lambda tag: _named(tag[0], name), inner)
        return Markup(f'<g stroke-linejoin="round">{inner.strip()}</g>')

    def _drawn(self, form: Form, metadata: dict[str, Any]) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, self.height))
        FigureCanvasAgg(figure)
        out = io.BytesIO()
        with warnings.catch_warnings():
            # A letter that the font lacks is a box, or on a page the reader's.
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing", UserWarning)
            self.paint(figure)
            figure.savefig(out, format=form, dpi=DPI, metadata=metadata)
        return out.getvalue()


@contextmanager
def _styled(more: dict[Any, Any]) -> Iterator[None]:
    """In our looks, whatever the user has set for figures of their own."""
    # Where it keeps its list of fonts is nothing to a reader of reports.
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update({**STYLE, **more})
            yield
    finally:
        logger.setLevel(before)


def _named(tag: str, name: str) -> str:
    """The tag with names that are unique on the page."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", tag)


def letters(text: str) -> str:
    """Text as it can be drawn: on one line, without what no font has, and what turns the writing
    round.
    """
    return " ".join(clean(text).replace("\ufffd", "?").split())


def width_of(text: str, size: float = SIZE) -> float:
    """About how wide a text is, in inches."""
    return len(text) * size * LETTER / 72


def shortened(text: str, room: float, size: float = SIZE) -> str:
    """The text, cut with an ellipsis where it is wider than the room, in inches."""
    most = max(int(room * 72 / (size * LETTER)), 2)
    text = letters(text)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def error_bar(axes: Axes, at: float, ends: tuple[float | None, float | None], along: str) -> None:
    """At that place, along an axis, x or y; nothing where an end is not known."""
    if ends[0] is None or ends[1] is None:
        return
    low, half = min(ends[0], ends[1]), abs(ends[1] - ends[0]) / 2
    across = "y" if along == "x" else "x"
    axes.errorbar(
        **{along: [low + half], across: [at], f"{along}err": [half]},
        fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.8, capthick=0.8,
    )  # fmt: skip


def axes_in(
    figure: Figure, height: float, *, left: float, right: float, top: float, bottom: float
) -> Axes:
    """Axes with these margins, in inches."""
    return figure.add_axes((
        left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (top + bottom) / height,
    ))  # fmt: skip


def titled(name: str, title: str, description: str) -> Markup:
    """What a reader who does not see it is told."""
    return Markup(
        f'<title id="{name}-title">{escaped(title)}</title>'
        f'<desc id="{name}-description">{escaped(description)}</desc>'
    )
