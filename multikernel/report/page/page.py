"""The report: one HTML file that needs nothing else.

Guarantees: no script, no network (a content policy forbids both), every text of a document escaped;
light or dark as the reader's system is, and a style for paper. All documents are in it, as
downloads, whole. Idea: what hyperfine and core-to-core-latency put side by side, in the form of a
short paper.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from multikernel.catalogue import SOURCE, PaperValue, entries
from multikernel.markup import Child, Markup, element, joined
from multikernel.report.draw.looks import PAGE_STYLE
from multikernel.report.figures import beside, registry
from multikernel.report.figures.figure import Block, Figure, svg
from multikernel.report.page import machines as machines_
from multikernel.report.page.machines import Machine
from multikernel.report.say import answer
from multikernel.report.say.table import HEADINGS, NOTE, NUMBERS, rows
from multikernel.report.say.wording import capital, number, short
from multikernel.results.document import Document
from multikernel.results.store import PACKED, packed

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
FOOTER = (
    "Drawn by multikernel from the result documents embedded above, and from nothing else. The"
    f" paper's values: {SOURCE}; only those that two independent secondary sources agree on."
)
ROWS = 300
"""Most series of a document in the table; all of them are in the raw data."""
OUTCOMES = {"better": "▲ better", "worse": "▼ worse", "same": "= same", "unknown": "? unknown"}


def page(documents: Sequence[Document], *, together: bool = False) -> str:
    """together: with figures in which a simulated document stands beside a measured one."""
    found = machines_.machines(documents)
    names = (f"f{number}" for number in itertools.count(1))
    title = "Multikernel report: " + "; ".join(
        dict.fromkeys(machines_.title_of(one.environment) for one in found)
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        Markup(f"<style>{PAGE_STYLE}</style>"),
    )
    body = element(
        "body",
        _header(found),
        element(
            "main",
            *(_section(one, names, alone=len(found) == 1) for one in found),
            *_together(beside.draw(documents) if together else (), names),
        ),
        element("footer", element("p", FOOTER, class_="quiet")),
    )
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n"


def _together(found: Sequence[tuple[str, Figure]], names: Iterator[str]) -> list[Markup]:
    """Nothing where nothing is."""
    shown: set[tuple[PaperValue, ...]] = set()
    title = [element("h2", "Measured and simulated")] if found else []
    return title + [_block(figure, names, shown) for _, figure in found]


def _header(found: Sequence[Machine]) -> Markup:
    times = sorted(one.environment.time[:10] for machine in found for one in machine.documents)
    when = times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}"
    documents = [one for machine in found for one in machine.documents]
    experiments = list(dict.fromkeys(one.experiment for one in documents))
    count = f"{len(documents)} result document" + ("s" if len(documents) != 1 else "")
    return element(
        "header",
        element("h1", "Multikernel report"),
        element("p", f"{when} · {count} · {', '.join(experiments)}"),
        element("p",
        "A multikernel beside a kernel of shared, locked state and beside Linux, measured on ",
                "one machine." if len(found) == 1 else f"{len(found)} machines.", class_="quiet"),
    )  # fmt: skip


def _section(machine: Machine, names: Iterator[str], *, alone: bool) -> Markup:
    heading = "The machine" if alone else machines_.title_of(machine.environment)
    return element(
        "section",
        _answer(machine, names),
        element("h2", heading),
        element("p", machines_.described(machine), class_="lead"),
        _contents(machine) if alone else Markup(),
        *(_experiment(machine, name, names, alone=alone) for name in machine.by_experiment),
        _verdict(machine, alone=alone),
        _warnings(machine),
        _ratios(machine),
        _series(machine),
        _facts(machine),
        _raw(machine),
        class_="machine",
    )


def _answer(machine: Machine, names: Iterator[str]) -> Markup:
    """A sentence, a picture and a few rows; nothing where nothing was compared."""
    found = answer.rows(machine.latest)
    if not found:
        return Markup()
    sentence = element("p", answer.sentence(found), class_="lead answer")
    # The unmap by way of notification, with Linux beside.
    first = next((one for one in machine.latest if one.experiment == answer.FIRST), None)
    blocks = [] if first is None else registry.draw(first)
    figures = [one for one in blocks if isinstance(one, Figure)][:1]
    drawn = [_block(replace(one, paper=()), names, set()) for one in figures]
    cells = [row.cells() for row in found]
    table = _table(answer.HEADINGS, cells, right=(1, 2, 3), label="The answer")
    return joined([sentence, *drawn, table, element("p", answer.NOTE, class_="note")])


def _contents(machine: Machine) -> Markup:
    links = [element("a", name, href=f"#experiment-{name}") for name in machine.by_experiment]
    links.append(element("a", "the verdict", href="#verdict"))
    return element("p", "In this report: ", *_spaced(links), class_="quiet contents")


def _warnings(machine: Machine) -> Markup:
    """What concerns several experiments, or all there is of one."""
    every = machine.by_experiment
    listed = machines_.warnings(machine)
    here = [one for one in listed if len(every) == 1 or machines_.alone_in(one, every) is None]
    boots = sorted({series.boots for document in machine.documents for series in document.series})
    over = f"{boots[0]}" if len(boots) == 1 else f"{boots[0]} to {boots[-1]}" if boots else "no"
    more = " What concerns one experiment alone stands with its figures."
    first = (
        f"Each number is a median; how far it differs between fresh boots ({over} of them) shows"
        " what it is worth. Compare what is notified in the same way, and ratios rather than"
        f" cycles.{more if len(here) < len(listed) else ''}"
    )
    parts = [element("h2", "What these numbers can and cannot say"), element("p", first)]
    if not listed:
        return joined([*parts, element("p", "The documents carry no warnings.")])
    items = [
        (one.code + (f" ({', '.join(one.experiments)})" if some else ""), one.text)
        for one in here
        for some in [0 < len(one.experiments) < len(every)]
    ]
    summary = element("summary", f"{len(here)} warnings")
    return joined([*parts, element("details", summary, _codes(items))])


def _codes(items: Iterable[tuple[str, str]]) -> Markup:
    listed = [
        element("li", element("span", tag, class_="tag"), element("span", text))
        for tag, text in items
    ]
    return element("ul", *listed, class_="codes") if listed else Markup()


def _verdict(machine: Machine, *, alone: bool) -> Markup:
    parts: list[Child] = [element("h2", "The verdict", id="verdict" if alone else None)]
    if len(machine.latest) < len(machine.documents):
        parts.append(element("p", "Of the latest run of each experiment.", class_="quiet"))
    for title, sentences in machines_.sentences(machine):
        judged = [
            element("tr", element("td", OUTCOMES[one], class_=f"tag {one}"), element("td", text))
            for one, text in sentences
            if one in OUTCOMES
        ]
        others = [element("li", text, class_="plain") for one, text in sentences if not one]
        parts.append(element("h3", title))
        parts += [element("ul", *others)] if others else []
        parts += [element("table", element("tbody", *judged), class_="verdict")] if judged else []
    return joined(parts)


def _experiment(machine: Machine, name: str, names: Iterator[str], *, alone: bool) -> Markup:
    every = machine.by_experiment
    documents = every[name]
    parts = [element("h2", f"Experiment {name}", id=f"experiment-{name}" if alone else None)]
    if name in entries():
        parts.append(element("p", entries()[name].question, class_="quiet"))
    shown: set[tuple[PaperValue, ...]] = set()
    parts += [_block(block, names, shown) for block in registry.draw_together(documents)]
    for document in documents:
        if len(documents) > 1:
            time = document.environment.time.replace("T", " ").replace("Z", " UTC")
            parts.append(element("p", f"Run of {time}", class_="run"))
        blocks = registry.draw(document)
        parts += [_block(block, names, shown) for block in blocks]
        if not blocks:
            parts.append(element("p", "This document holds no series."))
    own = [one for one in machines_.warnings(machine) if machines_.alone_in(one, every) == name]
    if own and len(every) > 1:
        parts.append(element("h3", "To be read with"))
        parts.append(_codes((one.code, capital(one.text.removeprefix(f"{name}: "))) for one in own))
    return joined(parts)


def _block(block: Block, names: Iterator[str], shown: set[tuple[PaperValue, ...]]) -> Markup:
    """shown: values of the paper that stand on the page already, for this experiment."""
    notes = [element("p", note, class_="note") for note in block.notes]
    paper = Markup() if block.paper in shown else _paper(block.paper)
    shown.add(block.paper)
    if isinstance(block, Figure):
        drawn = element("div", svg(block, next(names)), class_="drawing")
    else:
        drawn = _table(
            block.headings, block.rows, right=block.right, heads=block.heads, label=block.title
        )
    wide = None if isinstance(block, Figure) else "wide"
    caption = element("figcaption", *notes, paper)
    return element("figure", element("h3", block.title), drawn, caption, class_=wide)


def _paper(values: Sequence[PaperValue]) -> Markup:
    if not values:
        return Markup()
    known = list(dict.fromkeys(one.machine.name for one in values if one.machine is not None))
    headings = ("what", "machine", "value", "ns") if len(known) > 1 else ("what", "value", "ns")
    cells = []
    for one in values:
        about = "≈ " if one.approximate else ""
        named = {
            "what": one.what + (f", {one.cores} cores" if one.cores else ""),
            "machine": "–" if one.machine is None else one.machine.name,
            "value": one.text,
            "ns": "–" if one.ns is None else f"{about}{short(one.ns)}",
        }
        if one.value is not None:
            value = number(one.value) if one.value >= 100 else f"{one.value:g}"
            spread = "" if one.spread is None else f" (σ {one.spread:g})"
            named["value"] = f"{about}{value} {one.unit}{spread}"
        cells.append([named[heading] for heading in headings])
    figures = ", ".join(dict.fromkeys(one.figure.lower() for one in values))
    caption = f"The paper's {figures}" + (f" ({known[0]})" if len(known) == 1 else "")
    drawn = _table(headings, cells, right=(len(headings) - 1,), caption=caption)
    return element("div", drawn, class_="paper-values")


# --- Tables
# --------------------------------------------------------------------------------------------------


def _table(
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


def _ratios(machine: Machine) -> Markup:
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
    drawn = _table(headings, cells, right=(2, 3, 4), heads=2, class_="series", caption="Ratios")
    return joined([element("h2", "Ratios"), drawn, element("p", note, class_="note")])


def _series(machine: Machine) -> Markup:
    latest = [one for one in machine.latest if one.series]
    if not latest:
        return Markup()
    cells = [row for one in latest for row in rows([one])[:ROWS]]
    left_out = sum(max(len(one.series) - ROWS, 0) for one in latest)
    more = f" {left_out} more series are in the raw data below." if left_out else ""
    caption = "Series of the latest runs"
    drawn = _table(HEADINGS, cells, right=NUMBERS, heads=3, class_="series", caption=caption)
    heading = element("h2", "Everything measured")
    return joined([heading, drawn, element("p", NOTE + more, class_="note")])


def _facts(machine: Machine) -> Markup:
    lines = [
        element("tr", element("th", name, scope="row"), element("td", text))
        for name, text in machines_.facts(machine)
    ]
    drawn = element("table", element("tbody", *lines), class_="facts")
    return joined([element("h2", "Environment"), drawn])


def _raw(machine: Machine) -> Markup:
    """The documents, packed, as downloads."""
    links = []
    for experiment, documents in machine.by_experiment.items():
        for run, document in enumerate(documents, 1):
            name = experiment + (f"-{run}" if run > 1 else "") + PACKED
            data = "data:application/x-xz;base64," + base64.b64encode(packed(document)).decode()
            links.append(element("a", name, download=name, href=data))
    note = (
        "The result documents themselves, compressed, with every histogram: whatever is above can"
        " be drawn from them again."
    )
    downloads = element("p", *_spaced(links), class_="downloads")
    return joined([element("h2", "Raw data"), element("p", note), downloads])


def _spaced(links: Sequence[Markup]) -> list[Child]:
    return [part for link in links for part in (link, " ")]
