"""A chart: sized for a column of a paper, drawn when it is asked for.

Guarantees: the same chart gives the same bytes; on a page its names are unique and its letters are
text; in a file of its own they are outlines (SVG) or embedded (PDF). matplotlib is imported only
when something is drawn.
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

from multikernel.markup import Markup, clean, escaped

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
TICKS: dict[str, Any] = {
    "color": SOFT, "labelsize": SMALL, "major.width": 0.6, "major.size": 2.5,
}  # fmt: skip
STYLE: dict[Any, dict[str, Any]] = {
    "font": {"family": "DejaVu Sans", "size": SIZE},
    "text": {"color": INK, "parse_math": False},
    "axes": {
        "edgecolor": SOFT, "labelcolor": SOFT, "labelsize": SMALL, "linewidth": 0.6,
        "axisbelow": True, "spines.top": False, "spines.right": False,
    },
    "grid": {"color": GRID, "linewidth": 0.5},
    "xtick": TICKS,
    "ytick": TICKS,
    "legend": {"fontsize": SMALL, "frameon": False},
    "svg": {"hashsalt": "multikernel"},
    "pdf": {"fonttype": 42},
}  # fmt: skip
"""As matplotlib's `rc` takes it."""
FAMILY = re.compile(r"font-family:([^;\"]*);")
METADATA: dict[Form, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


@dataclass(frozen=True, slots=True)
class Chart:
    """height: in inches; paint: draws onto an empty figure of that size; stamp: stands in its upper
    right corner.
    """

    height: float
    paint: Callable[[Figure], None]
    stamp: str = ""

    def save(self, form: Form) -> bytes:
        return self._drawn(form, "path")

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
        text = self._drawn("svg", "path" if outlined else "none").decode()
        inner = text[text.index("<svg") : text.rindex("</svg>")]
        inner = inner[inner.index(">") + 1 :]
        # A sheet would be in force everywhere on the page.
        inner = re.sub(r"<(metadata|style)\b.*?</\1>", "", inner, flags=re.S)
        inner = re.sub(r">\s+<", "><", inner)
        inner = re.sub(r"<\w[^<>]*>", lambda tag: _named(tag[0], name), inner)
        # Of all letters, on each of which matplotlib says it.
        family = FAMILY.search(inner)
        inner = FAMILY.sub("", inner)
        fonts = f' font-family="{family[1]}"' if family else ""
        return Markup(f'<g stroke-linejoin="round"{fonts}>{inner.strip()}</g>')

    def drawn(self) -> Figure:
        """As a figure of matplotlib's, to be shown or changed."""
        with _styled("path"):
            return self._painted()

    def _drawn(self, form: Form, letters: str) -> bytes:
        out = io.BytesIO()
        with _styled(letters), warnings.catch_warnings():
            # A letter that the font lacks is a box, or on a page the reader's.
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing", UserWarning)
            self._painted().savefig(out, format=form, dpi=DPI, metadata=METADATA[form])
        return out.getvalue()

    def _painted(self) -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, self.height))
        self.paint(figure)
        if self.stamp:
            figure.text(0.995, 0.995, self.stamp, ha="right", va="top", size=SMALL, color=SOFT)
        return figure


@contextmanager
def _styled(letters: str) -> Iterator[None]:
    """In our looks, whatever the user has set for figures of their own. letters: of SVG."""
    # Where it keeps its list of fonts is nothing to a reader of reports.
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            for group, values in STYLE.items():
                matplotlib.rc(group, **values)
            matplotlib.rc("svg", fonttype=letters)
            yield
    finally:
        logger.setLevel(before)


def _named(tag: str, name: str) -> str:
    """A tag whose names are unique on the page, without what no reader sees."""
    tag = re.sub(r"(\.\d\d)\d+", r"\1", tag)
    tag = re.sub(r"([;:]) (?=[\w#'])", r"\1", tag)
    tag = re.sub(r' transform="rotate\(-0 [^"]*"|(?<=<g) id="[^"]*"', "", tag)
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", tag)


def letters(text: str) -> str:
    """Text as it can be drawn: on one line, without what no font has or what turns it round."""
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
    half = abs(ends[1] - ends[0]) / 2
    middle = min(ends[0], ends[1]) + half
    x, y = (middle, at) if along == "x" else (at, middle)
    looks: dict[str, Any] = {
        "elinewidth": 0.8,
        "capsize": 1.8,
        "capthick": 0.8,
        f"{along}err": half,
    }
    axes.errorbar(x, y, fmt="none", ecolor=INK, **looks)


def axes_in(
    figure: Figure, height: float, *, left: float, right: float, top: float, bottom: float
) -> Axes:
    """Axes with these margins, in inches."""
    return figure.add_axes((
        left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (top + bottom) / height,
    ))  # fmt: skip


def titled(name: str, title: str, description: str) -> Markup:
    return Markup(
        f'<title id="{name}-title">{escaped(title)}</title>'
        f'<desc id="{name}-description">{escaped(description)}</desc>'
    )
