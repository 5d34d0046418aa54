"""The page's tables: in a box that scrolls by itself; all ratios, all series, the environment, and
the documents themselves.

Guarantees: every ratio and series of the latest runs has a row, or the page says how many have not;
every document is there whole, as a download.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Collection, Iterable, Sequence

from multikernel.report.draw.markup import Child, Markup, element, joined
from multikernel.report.page import machines as machines_
from multikernel.report.page.machines import Machine
from multikernel.report.say.table import HEADINGS, NOTE, NUMBERS, rows
from multikernel.results.encoding import encode
from multikernel.results.store import PACKED

ROWS = 300
"""Most series of a document in the table; all of them are in the raw data."""


def table(
    headings: Iterable[str], cells: Iterable[Sequence[str]], *, right: Collection[int] = (),
    caption: str = "", label: str = "", heads: int = 1, class_: str | None = None,
) -> Markup:  # fmt: skip
    """A table in a box that scrolls by itself where it is too wide. right: columns of numbers;
    heads: how many columns at the left name the row.
    """

    def number(place: int) -> str | None:
        return "number" if place in right else None

    top = [
        element("th", heading, scope="col", class_=number(place))
        for place, heading in enumerate(headings)
    ]
    body = []
    before = ""
    for row in cells:
        line = [element("th", cell, scope="row") for cell in row[:heads]]
        line += [element("td", cell, class_=number(at)) for at, cell in enumerate(row)][heads:]
        new = before and row[0] != before and heads > 1
        body.append(element("tr", *line, class_="newsection" if new else None))
        before = row[0]
    drawn = element(
        "table",
        element("caption", caption) if caption else "",
        element("thead", element("tr", *top)),
        element("tbody", *body),
        class_=class_,
    )
    name = caption or label or "table"
    return element("div", drawn, class_="scroll", tabindex=0, role="group", aria_label=name)


def ratios(machine: Machine) -> Markup:
    """Every ratio of the latest runs, with its interval and what that covers."""
    cells = []
    for document in machine.latest:
        for ratio in document.ratios:
            interval = ratio.interval
            covers = f"{100 * interval.coverage:.1f} %" if interval.coverage else "–"
            ends = f"{interval.low:.2f} – {interval.high:.2f}"
            sides = f"{ratio.over} / {ratio.under}"
            cells.append((document.experiment, sides, f"{ratio.value:.2f}", ends, covers))
    if not cells:
        return Markup()
    headings = ("experiment", "ratio", "median over boots", "interval", "covers")
    note = (
        "A ratio is taken within each boot, so what disturbed both sides cancels. A control repeats"
        " its configuration: how far its ratio is from 1 is noise."
    )
    drawn = table(headings, cells, right=(2, 3, 4), heads=2, class_="series", caption="Ratios")
    return joined([element("h2", "Ratios"), drawn, element("p", note, class_="note")])


def series(machine: Machine) -> Markup:
    """Everything measured, newest runs only."""
    latest = [one for one in machine.latest if one.series]
    if not latest:
        return Markup()
    cells = [row for one in latest for row in rows([one])[:ROWS]]
    left_out = sum(max(len(one.series) - ROWS, 0) for one in latest)
    more = f" {left_out} more series are in the raw data below." if left_out else ""
    caption = "Series of the latest runs"
    drawn = table(HEADINGS, cells, right=NUMBERS, heads=3, class_="series", caption=caption)
    heading = element("h2", "Everything measured")
    return joined([heading, drawn, element("p", NOTE + more, class_="note")])


def facts(machine: Machine) -> Markup:
    """What the machine was."""
    lines = [
        element("tr", element("th", name, scope="row"), element("td", text))
        for name, text in machines_.facts(machine)
    ]
    drawn = element("table", element("tbody", *lines), class_="facts")
    return joined([element("h2", "Environment"), drawn])


def raw(machine: Machine) -> Markup:
    """The documents, packed, as downloads."""
    links = []
    for experiment, documents in machine.by_experiment.items():
        for number, document in enumerate(documents, 1):
            name = experiment + (f"-{number}" if number > 1 else "") + PACKED
            packed = gzip.compress(encode(document), 9, mtime=0)
            data = "data:application/gzip;base64," + base64.b64encode(packed).decode()
            links.append(element("a", name, download=name, href=data))
    note = (
        "The result documents themselves, compressed, with every histogram: whatever is above can"
        " be drawn from them again."
    )
    downloads = element("p", *spaced(links), class_="downloads")
    return joined([element("h2", "Raw data"), element("p", note), downloads])


def spaced(links: Sequence[Markup]) -> list[Child]:
    """Links with a space after each."""
    return [part for link in links for part in (link, " ")]
