"""Marked-up text, built from elements: what makes the report's HTML and SVG, and what a notebook
shows of a system.

Guarantees: whatever is not `Markup` already is escaped; characters that XML forbids, and those that
turn the direction of writing round, are replaced by U+FFFD. This file imports nothing of ours.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Sequence

SELF_CLOSING = frozenset({"rect", "line", "path", "circle", "image", "meta", "link"})
"""Elements that have no content and are written so in both languages."""

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)

Value = str | float | int | None


class Markup(str):
    """Text that is markup already; made by the functions of this page."""

    __slots__ = ()


Child = Markup | str


def clean(text: object) -> str:
    """The text without characters that a page cannot or should not hold."""
    return _FORBIDDEN.sub("\ufffd", str(text))


def escaped(text: object) -> Markup:
    """Text for a page; `Markup` stays as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(clean(text), quote=True))


def joined(children: Iterable[Child]) -> Markup:
    return Markup("".join(escaped(child) for child in children))


def element(name: str, /, *children: Child, **attributes: Value) -> Markup:
    """<name attribute="…">children</name>; None leaves an attribute out.

    In attribute names a trailing underscore is dropped and others become dashes: class_,
    stroke_width, viewBox.
    """
    written = ""
    for key, value in attributes.items():
        if value is not None:
            text = number(value) if isinstance(value, float) else escaped(value)
            written += f' {key.rstrip("_").replace("_", "-")}="{text}"'
    if name in SELF_CLOSING:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def number(value: float) -> str:
    """A coordinate: two digits after the point, no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def table(
    headings: Sequence[Child], rows: Iterable[Sequence[Child]], right: Collection[int] = ()
) -> Markup:
    """A plain table, as notebooks show it. right: columns of numbers."""

    def cells(name: str, row: Sequence[Child]) -> Markup:
        return joined(
            element(name, one, style="text-align:right" if place in right else None)
            for place, one in enumerate(row)
        )

    body = joined(element("tr", cells("td", row)) for row in rows)
    top = element("thead", element("tr", cells("th", headings)))
    return element("table", top, element("tbody", body))
