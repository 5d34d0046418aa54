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
from multikernel.report.figures.parts import (
    choice_of,
    floor_mark,
    line_figure,
    lines_over,
    portions,
)
from multikernel.report.say.wording import (
    MEASURES,
    MODES,
    grouped,
    interval_note,
    labels,
    nanoseconds,
    number,
    short,
    span,
)
from multikernel.results.document import Document, Series
from multikernel.results.histogram import bucket_bounds

HEADINGS = (
    "message", "latency, cycles", "interval", "ns", "× floor", "messages / kcycle", "messages / s",
)  # fmt: skip
LATENCIES = ("one-way", "round-trip")
SLOTS, EVERY = "slots", "every_ns"
"""Parameters: the size of a ring or the window of a call line; the mean time between requests."""
USUAL_SLOTS = 64
CALL_LINE = "call-line"
PARTS = 10
"""Steps in which an occupied share is drawn."""
OF_THE_PAPER = (
    "The paper's rows: the latency of a message, σ in place of an interval, ns by the machine's"
    f" clock. {OTHERS}"
)
BOTH_WAYS = (
    "Slots of a direction; of the call line, its window. A call line's messages all come back as"
    " replies."
)
YARDSTICK = "plain: a ring that carries words and does nothing else, the yardstick."
DASHED = "Dashed: one cache line there and back, in the same mode and the same slices."
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
    free = [one for one in document.series if not one.control]
    sized = [one for one in free if choice_of(one, SLOTS) is not None]
    by_measure = grouped(sized, lambda one: one.measure)
    rates, trips, occupied = (
        by_measure.get(measure, []) for measure in ("throughput", "round-trip", "occupancy")
    )
    at_a_rate = [one for one in free if choice_of(one, EVERY) is not None]
    title = "Messages a second, by ring size"
    figures = [
        *_over_slots(title, rates, (BOTH_WAYS, YARDSTICK)),
        *_latencies(document, trips),
        *_ahead(occupied),
        *_open_loop(at_a_rate),
    ]
    table = _table(document)
    left = generic.rest(document, [*rates, *trips, *occupied, *at_a_rate])
    if not table and not figures:
        return generic.draw(document)
    return [*table, *figures, *left]


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
    # A throughput stands once, in the first row of its series.
    rows = [
        _row(document, f"{label}, {MEASURES[one.measure]}, {one.mode}", one, rates.pop(label, None))
        for label, one in latencies
    ]
    rows += [_row(document, label, None, one) for label, one in rates.items()]
    return [
        Table(
            "Latency and throughput, as in the paper's table 2",
            HEADINGS,
            (*rows, *_paper_rows()),
            range(1, len(HEADINGS)),
            (interval_note(known, "Numbers"), OF_THE_PAPER),
        )
    ]


def _slots_shown(document: Document) -> float | None:
    """The size of the rings in the table: the usual one, or the smallest there is."""
    rings = (one for one in document.series if one.variant != CALL_LINE)
    sizes = {size for one in rings if (size := choice_of(one, SLOTS)) is not None}
    return USUAL_SLOTS if USUAL_SLOTS in sizes else min(sizes, default=None)


def _in_table(one: Series, slots: float | None) -> bool:
    if one.control or EVERY in one.parameters or not (one.measure in LATENCIES or _is_rate(one)):
        return False
    any_size = SLOTS not in one.parameters or one.variant == CALL_LINE
    return any_size or choice_of(one, SLOTS) == slots


def _is_rate(series: Series) -> bool:
    return series.unit == "messages/s"


def _row(
    document: Document, name: str, latency: Series | None, stream: Series | None
) -> tuple[str, ...]:
    rate = document.environment.tsc_hz
    cells = ["–"] * 6
    if latency is not None:
        ns = nanoseconds(document, latency, latency.p50)
        cells[0] = number(latency.p50) if latency.unit == "tsc-cycles" else "–"
        cells[1] = span(latency.median_interval)
        cells[2] = "–" if ns is None else short(ns)
        cells[3] = "–" if latency.over_floor is None else f"{latency.over_floor:.2f}"
    if stream is not None:
        cells[4] = f"{stream.p50 / rate * 1000:.2f}" if rate else "–"
        cells[5] = number(stream.p50)
    return (name, *cells)


def _paper_rows() -> list[tuple[str, ...]]:
    """The paper's lines: latency and throughput of the same machine in one."""
    streams = {one.machine: one.value for one in paper("message") if one.unit == "messages/kcycle"}
    found = []
    for one in paper("round-trip"):
        machine, stream = one.machine, streams[one.machine]
        assert machine is not None
        assert stream is not None
        assert one.ns is not None
        name = f"the paper, {machine.name}: {one.what}"
        latency = f"{one.value:g} (σ {one.spread:g})"
        a_second = number(stream * machine.ghz * 1e6)
        found.append((name, latency, "–", short(one.ns), "–", f"{stream:.2f}", a_second))
    return found


# --- The figures
# --------------------------------------------------------------------------------------------------


def _latencies(document: Document, several: Sequence[Series]) -> list[Figure]:
    found = []
    for mode, name in MODES.items():
        some = [one for one in several if one.mode == mode]
        pairs = {str(one.parameters.get("pair")) for one in some}
        own = [one for one in document.floor if "{}-{}".format(*one.pair) in pairs]
        marks = [floor_mark(one, mode) for one in own or document.floor]
        least = sorted(marks, key=lambda mark: mark.value)[:1]
        title = f"A message there and back, by ring size: {name}"
        found += _over_slots(title, some, (DASHED,) if marks else (), least)
    return found


def _over_slots(
    title: str, several: Sequence[Series], notes: Sequence[str], marks: Sequence[Mark] = ()
) -> list[Figure]:
    every = lines_over(several, SLOTS, leaving=("pair",), systems=False)
    return [
        line_figure(name, some, "slots", several, marks=marks, notes=notes)
        for name, some in portions(title, every)
    ]


def _ahead(several: Sequence[Series]) -> list[Figure]:
    """A figure a form: how much of the ring was full, whenever the reader looked."""
    forms = grouped(several, lambda one: (one.variant, one.parameters.get("pair")))
    pairs = {pair for _, pair in forms}
    found = []
    for (variant, pair), own in forms.items():
        shares = [Line(f"{one.parameters[SLOTS]} slots", _shares(one)) for one in own]
        name = f"{variant}, CPUs {pair}" if len(pairs) > 1 else variant
        words = ". " + "; ".join(
            f"{one.parameters[SLOTS]} slots: median {number(one.p50)}, 5 % below {number(one.p5)},"
            f" 5 % above {number(one.p95)} messages ahead"
            for one in own
        )
        found.append(
            Figure(
                f"How far the writer is ahead of the reader: {name}",
                f"Lines: the share of looks at which at most so much of the ring was full{words}.",
                lines(shares, "of the ring is full at most, %", "% of looks", linear=True),
                (LOOKS,),
            )
        )
    return found


def _shares(one: Series) -> tuple[Point, ...]:
    """At every tenth of the ring: the share of samples up to there, in %."""
    dense = one.dense()
    slots = choice_of(one, SLOTS) or 0.0
    filled = np.flatnonzero(dense.counts)
    lows = np.array([bucket_bounds(int(index), dense.sub_bits)[0] for index in filled])
    points = []
    for part in range(PARTS + 1):
        upto = filled[lows <= slots * part / PARTS]
        share = float(dense.counts[upto].sum()) / dense.samples
        points.append(Point(100 * part / PARTS, 100 * share))
    return tuple(points)


def _open_loop(several: Sequence[Series]) -> list[Figure]:
    """Latency over the time between requests: the median and what the slowest wait."""
    found = []
    for pair, own in grouped(several, lambda one: str(one.parameters.get("pair", ""))).items():
        placed = sorted((choice_of(one, EVERY) or 0.0, place) for place, one in enumerate(own))
        drawn = [
            Line(
                f"{own[placed[0][1]].variant}, {name}",
                tuple(Point(every, getattr(own[place], field)) for every, place in placed),
            )
            for name, field in TAILS
        ]
        title = "Latency of requests that come at a rate" + (f", CPUs {pair}" if pair else "")
        axis = "mean time between requests, ns"
        found.append(line_figure(title, drawn, axis, own, notes=(INTENDED,)))
    return found
