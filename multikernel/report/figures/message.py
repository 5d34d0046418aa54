"""Messages by cache distance: latency in cycles, throughput in messages a thousand cycles, in the
form of table 2; both over the size of the ring; how far the writer was ahead; and latency at
several rates of requests.

Guarantees: a row pairs a latency with the throughput of the same system, variant and parameters;
what has no partner has a dash. The paper's rows are in the table beside. The table has rings of one
size, the figures all of them. Answers: the paper's table 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Mark
from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Figure, Table
from multikernel.report.figures.parts import axis_of, line_figure
from multikernel.report.say.table import number
from multikernel.report.say.wording import (
    MEASURES,
    MODES,
    interval_note,
    labels,
    nanoseconds,
    rate_of,
    short,
)
from multikernel.results.document import Document, Mode, Series
from multikernel.results.histogram import bucket_bounds

HEADINGS = (
    "message",
    "latency, cycles",
    "interval",
    "ns",
    "× floor",
    "messages / kcycle",
    "messages / s",
)
LATENCIES = ("one-way", "round-trip")
SLOTS, EVERY = "slots", "every_ns"
"""Parameters: the size of a ring or the window of a call line; the mean time between requests."""
USUAL_SLOTS = 64
CALL_LINE = "call-line"
PARTS = 10
"""Steps in which an occupied share is drawn."""
MODES_IN_ORDER: tuple[Mode, ...] = ("back-to-back", "single")
LOOKS = (
    "The reader looks when it has read a stretch of more than four times the ring; the writer says"
    " how far it is every 16 messages, or every quarter of a ring of fewer than 64. A line that is"
    " high from the left on: the reader is right behind. One that rises late: the writer is far"
    " ahead."
)
INTENDED = (
    "Requests come at random times that do not wait for the answers; latency counts from when each"
    " should have been sent, so that a request that had to queue shows it."
)
TAILS = (("median", "p50"), ("99 %", "p99"), ("99.9 %", "p999"))


def draw(document: Document) -> list[Block]:
    """The table, the figures over ring size, occupancy and rate; then what is left in the usual
    form.
    """
    found = [*_table(document)]
    figures: list[Block] = []
    drawn: list[Series] = []
    for several, make in (
        (_sized(document, "throughput"), _throughput),
        (_sized(document, "round-trip"), _latency),
        (_sized(document, "occupancy"), _ahead),
        (
            [one for one in document.series if EVERY in one.parameters and not one.control],
            _open_loop,
        ),
    ):
        made = make(document, several) if several else []
        figures += made
        drawn += several if made else []
    rest = [one for one in document.series if one not in drawn]
    return [
        *found,
        *figures,
        *(generic.of_series(document, rest) if found else generic.draw(document)),
    ]


# --- The table
# --------------------------------------------------------------------------------------------------


def _table(document: Document) -> list[Block]:
    """Nothing where no throughput was measured."""
    known = [one for one in document.series if _in_table(one, _slots_shown(document))]
    rates: dict[str, Series] = {}
    latencies: list[tuple[str, Series]] = []
    for one, label in zip(known, labels(known, leaving=("mode",)), strict=True):
        if _is_rate(one):
            rates.setdefault(label, one)
        else:
            latencies.append((label, one))
    if not rates:
        return []
    rows = []
    for label, one in latencies:
        # A throughput stands once, in the first row of its series.
        rows.append(
            _row(
                document,
                f"{label}, {MEASURES[one.measure]}, {one.mode}",
                one,
                rates.pop(label, None),
            )
        )
    rows += [_row(document, label, None, one) for label, one in rates.items()]
    return [
        Table(
            title="Latency and throughput, as in the paper's table 2",
            headings=HEADINGS,
            rows=(*rows, *_paper_rows()),
            right=frozenset(range(1, len(HEADINGS))),
            notes=(
                interval_note(known)
                .replace("Bars and points", "Numbers")
                .replace("Error bars", "Interval"),
                "The paper's rows: the latency of a message, σ in place of an interval, ns by the"
                " machine's clock. " + OTHERS,
            ),
        )
    ]


def _slots_shown(document: Document) -> float | None:
    """The size of the rings in the table: the usual one, or the smallest there is."""
    sizes = {
        generic.choice_of(one, SLOTS)
        for one in document.series
        if SLOTS in one.parameters and one.variant != CALL_LINE
    }
    known = sorted(size for size in sizes if size is not None)
    return USUAL_SLOTS if USUAL_SLOTS in known else known[0] if known else None


def _in_table(one: Series, slots: float | None) -> bool:
    if one.control or EVERY in one.parameters or not (one.measure in LATENCIES or _is_rate(one)):
        return False
    return (
        SLOTS not in one.parameters
        or one.variant == CALL_LINE
        or generic.choice_of(one, SLOTS) == slots
    )


def _paper_rows() -> list[tuple[str, ...]]:
    """The paper's lines: latency and throughput of the same machine in one."""
    found: list[tuple[str, ...]] = []
    for one in paper("round-trip"):
        assert one.value is not None
        assert one.machine is not None
        assert one.ns is not None
        stream = next(
            other
            for other in paper("message")
            if other.machine == one.machine and other.unit == "messages/kcycle"
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


def _row(
    document: Document, name: str, latency: Series | None, stream: Series | None
) -> tuple[str, ...]:
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


# --- The figures
# --------------------------------------------------------------------------------------------------


def _sized(document: Document, measure: str) -> list[Series]:
    return [
        one
        for one in document.series
        if one.measure == measure and not one.control and generic.choice_of(one, SLOTS) is not None
    ]


def _throughput(document: Document, several: Sequence[Series]) -> list[Block]:
    notes = (
        (
            "Slots of a direction; of the call line, its window. A call line's messages all come"
            " back as replies."
        ),
        "plain: a ring that carries words and does nothing else, the yardstick.",
    )
    return _over_slots("Messages a second, by ring size", several, notes)


def _latency(document: Document, several: Sequence[Series]) -> list[Block]:
    found: list[Block] = []
    for mode in MODES_IN_ORDER:
        some = [one for one in several if one.mode == mode]
        if some:
            marks = [_floor(document, some, mode)] if document.floor else []
            notes = (
                "Dashed: one cache line there and back, in the same mode and the same slices.",
            )
            title = f"A message there and back, by ring size: {MODES[mode]}"
            found += _over_slots(title, some, notes if marks else (), marks)
    return found


def _floor(document: Document, some: Sequence[Series], mode: Mode) -> Mark:
    """The least of the floors of their pairs."""
    pairs = {str(one.parameters.get("pair")) for one in some}
    own = [
        one for one in document.floor if f"{one.pair[0]}-{one.pair[1]}" in pairs
    ] or document.floor
    value = min(one.back_to_back if mode == "back-to-back" else one.single for one in own)
    return Mark(f"floor {number(value)}", value)


def _over_slots(
    title: str, several: Sequence[Series], notes: Sequence[str], marks: Sequence[Mark] = ()
) -> list[Block]:
    every = generic.lines_over(several, SLOTS, leaving=("pair",), systems=False)
    unit = axis_of(several[0])
    found: list[Block] = []
    for some in generic.portions(every, generic.LINES):
        drawing = lines(some, "slots", unit, marks=marks)
        found.append(line_figure(title, drawing, some, "slots", unit, several, notes=notes))
    return found


def _ahead(document: Document, several: Sequence[Series]) -> list[Block]:
    """A figure a form: how much of the ring was full, whenever the reader looked."""
    found: list[Block] = []
    forms: dict[tuple[str, object], list[Series]] = {}
    for one in several:
        forms.setdefault((one.variant, one.parameters.get("pair")), []).append(one)
    pairs = {pair for _, pair in forms}
    for (variant, pair), own in forms.items():
        several_lines = [Line(f"{one.parameters[SLOTS]} slots", _shares(one)) for one in own]
        drawing = lines(several_lines, "of the ring is full at most, %", "% of looks", linear=True)
        name = f"{variant}, CPUs {pair}" if len(pairs) > 1 else variant
        words = "; ".join(
            f"{one.parameters[SLOTS]} slots: median {number(one.p50)}, 5 % below {number(one.p5)},"
            f" 5 % above {number(one.p95)} messages ahead"
            for one in own
        )
        found.append(
            Figure(
                title=f"How far the writer is ahead of the reader: {name}",
                description=(
                    "Lines: the share of looks at which at most so much of the ring was full."
                    f" {words}."
                ),
                drawing=drawing,
                notes=(LOOKS,),
            )
        )
    return found


def _shares(one: Series) -> tuple[Point, ...]:
    """At every tenth of the ring: the share of samples up to there, in %."""
    dense = one.dense()
    slots = generic.choice_of(one, SLOTS)
    assert slots is not None
    filled = np.flatnonzero(dense.counts)
    lows = np.array([bucket_bounds(int(index), dense.sub_bits)[0] for index in filled])
    points = []
    for part in range(PARTS + 1):
        upto = lows <= slots * part / PARTS
        share = float(dense.counts[filled[upto]].sum()) / dense.samples
        points.append(Point(100 * part / PARTS, 100 * share))
    return tuple(points)


def _open_loop(document: Document, several: Sequence[Series]) -> list[Block]:
    """Latency over the time between requests: the median and what the slowest wait."""
    found: list[Block] = []
    for pair in dict.fromkeys(str(one.parameters.get("pair", "")) for one in several):
        own = [one for one in several if str(one.parameters.get("pair", "")) == pair]
        own = [one for one in own if generic.choice_of(one, EVERY) is not None]
        own.sort(key=lambda one: generic.choice_of(one, EVERY) or 0)
        if not own:
            continue
        drawn = [
            Line(
                f"{own[0].variant}, {name}",
                tuple(
                    Point(generic.choice_of(one, EVERY) or 0, getattr(one, field)) for one in own
                ),
            )
            for name, field in TAILS
        ]
        unit = axis_of(own[0])
        drawing = lines(drawn, "mean time between requests, ns", unit)
        title = "Latency of requests that come at a rate" + (f", CPUs {pair}" if pair else "")
        found.append(
            line_figure(title, drawing, drawn, "ns between requests", unit, own, notes=(INTENDED,))
        )
    return found
