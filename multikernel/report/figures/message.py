"""Messages by cache distance: latency in cycles, throughput in messages a thousand cycles, in the form of table 2.

Guarantees: a row pairs a latency with the throughput of the same system, variant and parameters; what has no partner
has a dash. The paper's rows are in the table beside. Called by: registry. Answers: the paper's table 2.
"""

from __future__ import annotations

from multikernel.report.figure import Block, Table
from multikernel.report.figures import generic
from multikernel.report.paper_values import OTHERS, TABLE_2, TABLE_2_LATENCY
from multikernel.report.table import number
from multikernel.report.wording import MEASURES, interval_note, labels, nanoseconds, rate_of, short
from multikernel.results.document import Document, Series

HEADINGS = ("message", "latency, cycles", "interval", "ns", "× floor", "messages / kcycle", "messages / s")
LATENCIES = ("one-way", "round-trip")


def draw(document: Document) -> list[Block]:
    """The table, then every series in the usual form."""
    known = [
        one for one in document.series if not one.control and (one.measure in LATENCIES or _is_rate(one))
    ]
    rates: dict[str, Series] = {}
    latencies: list[tuple[str, Series]] = []
    for one, label in zip(known, labels(known, leaving=("mode",)), strict=True):
        if _is_rate(one):
            rates.setdefault(label, one)
        else:
            latencies.append((label, one))
    if not rates:
        return generic.draw(document)
    rows = []
    for label, one in latencies:
        # A throughput stands once, in the first row of its own arm.
        rows.append(
            _row(document, f"{label}, {MEASURES[one.measure]}, {one.mode}", one, rates.pop(label, None))
        )
    rows += [_row(document, label, None, one) for label, one in rates.items()]
    table = Table(
        title="Latency and throughput, as in the paper's table 2",
        headings=HEADINGS,
        rows=(*rows, *_paper_rows()),
        right=frozenset(range(1, len(HEADINGS))),
        notes=(
            interval_note(known).replace("Bars and points", "Numbers").replace("Error bars", "Interval"),
            "The paper's rows: σ in place of an interval, ns by the machine's clock. " + OTHERS,
        ),
    )
    return [table, *generic.of_series(document, document.series)]


def _paper_rows() -> list[tuple[str, ...]]:
    """The paper's lines: latency and throughput of the same machine in one."""
    found: list[tuple[str, ...]] = []
    for one in TABLE_2_LATENCY:
        assert one.value is not None
        assert one.machine is not None
        assert one.ns is not None
        stream = next(
            other for other in TABLE_2 if other.machine == one.machine and other.unit == "messages/kcycle"
        )
        assert stream.value is not None
        a_second = stream.value * one.machine.ghz * 1e6
        name = f"the paper, {one.machine.name}: {one.what}"
        cells = (
            f"{one.value:g} (σ {one.spread:g})",
            "–",
            short(one.ns),
            "–",
            f"{stream.value:.2f}",
            number(a_second),
        )
        found.append((name, *cells))
    return found


def _is_rate(series: Series) -> bool:
    return series.unit == "messages/s"


def _row(document: Document, name: str, latency: Series | None, stream: Series | None) -> tuple[str, ...]:
    rate = rate_of(document)
    cells = ["–"] * 6
    if latency is not None:
        ns = nanoseconds(latency, latency.p50, rate)
        interval = latency.median_interval
        cells[0] = number(latency.p50) if latency.unit == "tsc-cycles" else "–"
        cells[1] = f"{number(interval.low)} – {number(interval.high)}"
        cells[2] = "–" if ns is None else short(ns)
        cells[3] = "–" if latency.over_floor is None else f"{latency.over_floor:.2f}"
    if stream is not None:
        cells[4] = f"{stream.p50 / rate * 1000:.2f}" if rate else "–"
        cells[5] = number(stream.p50)
    return (name, *cells)
