"""One table of everything measured: what it was, TSC cycles, ns, how many floors, and how sure.

Guarantees: every series of every document has a row, in the documents' order; a number that makes
no sense somewhere is a dash there. On a terminal the table has lines and colour, anywhere else it
is plain text of the same columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from multikernel.results.document import Document, Interval, Series, Unmeasured

HEADINGS = (
    "experiment", "system", "what", "target", "notified", "TSC cycles", "ns", "× floor",
    "median of boots", "p5 – p99",
)  # fmt: skip
NUMBERS = range(5, 10)
NOTE = (
    "TSC cycles: median of all samples (batches of b operations are means: b=…). median of boots:"
    " the interval of the median over fresh boots. × floor: over one cache line there and back, in"
    " the same mode."
)


def number(value: float) -> str:
    """Three digits or more, thin spaces between thousands; large ones in k and M."""
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    if value >= 99_999.5:
        return f"{value / 1e3:.0f} k"
    return f"{value:,.0f}".replace(",", " ")


def rows(documents: Sequence[Document]) -> list[tuple[str, ...]]:
    """The cells, one row a series. Series that would be called the same get all that differs
    between them.
    """
    found = []
    for document in documents:
        several = [(_row(document, series), series) for series in document.series]
        alike: dict[tuple[object, ...], list[Series]] = {}
        for row, series in several:
            alike.setdefault((*row[:5], row[5].endswith("/s")), []).append(series)
        for row, series in several:
            more = _besides(series, alike[(*row[:5], row[5].endswith("/s"))])
            found.append((*row[:2], " ".join((row[2], *more)), *row[3:]))
        found += [_unmeasured(document, one) for one in document.unmeasured]
    return found


def _besides(series: Series, alike: Sequence[Series]) -> list[str]:
    """Parameters that differ among these."""
    words = []
    for name in dict.fromkeys(name for one in alike for name in one.parameters):
        value = series.parameters.get(name)
        # Numbers with a fraction are counts taken while measuring.
        if (
            value is None
            or len({repr(one.parameters.get(name)) for one in alike}) < 2
            or isinstance(value, float)
        ):
            continue
        words.append(str(value) if name == "operation" else f"{name.replace('_', ' ')} {value}")
    if len({one.measure for one in alike}) > 1:
        words.append(series.measure)
    if len({one.batch for one in alike}) > 1:
        words.append(f"b={series.batch}" if series.mode == "back-to-back" else "single")
    return words


def _unmeasured(document: Document, one: Unmeasured) -> tuple[str, ...]:
    target, told = (str(one.parameters.get(name) or "–") for name in ("target", "told"))
    slices = f"{one.slices} slices"
    return (document.experiment, one.system, one.key, target, told, *["–"] * 4, slices)


def _row(document: Document, series: Series) -> tuple[str, ...]:
    cycles = series.unit == "tsc-cycles"
    rate = document.environment.tsc_hz
    unit = "/s" if series.unit.endswith("/s") else ""
    return (
        document.experiment,
        series.system,
        _what(document, series),
        str(series.parameters.get("target") or "–"),
        str(series.parameters.get("told") or "–"),
        number(series.p50) + unit,
        f"{series.p50 * 1e9 / rate:,.0f}".replace(",", " ") if cycles and rate else "–",
        "–" if series.over_floor is None else f"{series.over_floor:.2f}",
        _interval(series.median_interval) + unit,
        f"{number(series.p5)} – {number(series.p99)}{unit}",
    )


def _what(document: Document, series: Series) -> str:
    """What distinguishes the row from the document's others, but for how cores were notified."""
    alike = [
        one
        for one in document.series
        if (one.system, one.variant) == (series.system, series.variant)
    ]
    words = [series.variant]
    transport = series.parameters.get("transport")
    if transport is not None:
        words.append(f"by {transport}")
    if series.parameters.get("tree") is not None:
        words.append(f"tree {series.parameters['tree']}")
    if series.parameters.get("booted") is not None:
        words.append(f"{series.cores} of {series.parameters['booted']} cores")
    elif len({one.cores for one in alike}) > 1:
        words.append(f"{series.cores} cores" if series.cores > 1 else "1 core")
    pair = series.parameters.get("pair")
    if pair is not None:
        words.append(f"CPUs {pair}")
    if series.parameters.get("from_cpu") is not None:
        words.append(f"CPU {series.parameters['from_cpu']} → {series.parameters.get('to_cpu')}")
        if len({one.parameters.get("home") for one in alike}) > 1:
            words.append(f"home {series.parameters.get('home')}")
    if series.parameters.get("slots") is not None:
        words.append(f"{series.parameters['slots']} slots")
    if series.parameters.get("every_ns") is not None:
        words.append(f"every {series.parameters['every_ns']} ns")
    budget = series.parameters.get("budget_us")
    if isinstance(budget, int | float):
        words.append(f"P={budget:g} µs every {series.parameters.get('every_us')} µs")
    if series.measure == "occupancy":
        words.append("messages ahead")
    modes = {one.mode for one in alike if one.measure == series.measure}
    if series.measure == "round-trip" or len(modes) > 1:
        words.append(f"b={series.batch}" if series.mode == "back-to-back" else "single")
    if series.control:
        words.append("(control)")
    return " ".join(words)


def _interval(interval: Interval) -> str:
    return f"{number(interval.low)} – {number(interval.high)}"


def show(documents: Sequence[Document], out: IO[str]) -> None:
    """Prints the table: with lines on a terminal, plain elsewhere."""
    cells = rows(documents)
    if out.isatty():
        _show_on_terminal(cells, out)
    else:
        out.write(plain(HEADINGS, cells, right=NUMBERS))
    out.write(NOTE + "\n")


def plain(
    headings: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> str:
    """Columns of text, two blanks between, no trailing blanks; columns in `right` are aligned
    there.
    """
    widths = [max(len(line[i]) for line in (headings, *cells)) for i in range(len(headings))]
    lines = []
    for line in (headings, ["-" * width for width in widths], *cells):
        parts = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines) + "\n"


def _show_on_terminal(cells: Sequence[Sequence[str]], out: IO[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if i in NUMBERS else "left", no_wrap=i in NUMBERS)
    colours = {"multikernel": "cyan", "shared": "yellow", "linux": "magenta"}
    before = cells[0][0] if cells else ""
    for line in cells:
        if line[0] != before:
            table.add_section()
            before = line[0]
        table.add_row(*line, style=colours.get(line[1]))
    # Parameters are text, and neither markup nor emoji.
    Console(file=out, markup=False, emoji=False).print(table)
