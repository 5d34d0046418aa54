"""Messages by cache distance: latency and throughput in the form of table 2; both over the size of
the ring; how far the writer was ahead; latency at several rates of requests; and, over the poll
budget P, poll or block, with the measured cost C of blocking, which bounds the loss at P = C.

Guarantees: a row pairs a latency with the throughput of the same system, variant and parameters.
The table has rings of one size, the figures all of them. Answers: the paper's table 2 and section
4.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Mark
from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.figures import generic, parts
from multikernel.report.figures.figure import Block, Figure, Table
from multikernel.report.say import wording
from multikernel.report.say.wording import grouped, number, short
from multikernel.results.document import Document, Series
from multikernel.results.histogram import bucket_bounds

HEADINGS = (
    "message", "latency, cycles", "interval", "ns", "× floor", "messages / kcycle", "messages / s",
)  # fmt: skip
LATENCIES, RATE = ("one-way", "round-trip"), "messages/s"
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
BUDGET = "budget"
TITLES = {
    "latency": "Latency",
    "cpu-lost": "CPU time lost for each message",
    "loss": "Loss, latency and CPU time together,",
}
"""By variant."""


def draw_message(document: Document) -> list[Block]:
    free = [one for one in document.series if not one.control]
    sized = [one for one in free if parts.choice_of(one, SLOTS) is not None]
    by_measure = grouped(sized, lambda one: one.measure)
    rates = by_measure.get("throughput", [])
    trips = by_measure.get("round-trip", [])
    occupied = by_measure.get("occupancy", [])
    at_a_rate = [one for one in free if parts.choice_of(one, EVERY) is not None]
    found = [
        *_table(document),
        *_over_slots("Messages a second, by ring size", rates, (BOTH_WAYS, YARDSTICK)),
        *_latencies(document, trips),
        *_ahead(occupied),
        *_open_loop(at_a_rate),
    ]
    drawn = [*rates, *trips, *occupied, *at_a_rate]
    return [*found, *generic.rest(document, drawn)] if found else []


def _table(document: Document) -> list[Block]:
    """Nothing where no throughput was measured."""
    # Rings of one size: the usual one, or the smallest there is.
    rings = (one for one in document.series if one.variant != CALL_LINE)
    sizes = {size for one in rings if (size := parts.choice_of(one, SLOTS)) is not None}
    shown = USUAL_SLOTS if USUAL_SLOTS in sizes else min(sizes, default=None)
    known = [one for one in document.series if _in_table(one, shown)]
    rates: dict[str, Series] = {}
    latencies: list[tuple[str, Series]] = []
    for one, label in zip(known, wording.labels(known, leaving=("mode",)), strict=True):
        if one.unit == RATE:
            rates.setdefault(label, one)
        else:
            latencies.append((label, one))
    if not rates:
        return []
    rows: list[tuple[str, ...]] = []
    for label, one in latencies:
        # A throughput stands once, in the first row of its series.
        rate = _rate_cells(document, rates.pop(label, None))
        cycles = number(one.p50) if one.unit == "tsc-cycles" else "–"
        times = (
            cycles,
            wording.span(one.median_interval),
            wording.in_ns(document, one),
            wording.fixed(one.over_floor, 2),
        )
        rows.append((f"{label}, {wording.MEASURES[one.measure]}, {one.mode}", *times, *rate))
    for label, one in rates.items():
        rows.append((label, *["–"] * 4, *_rate_cells(document, one)))
    title = "Latency and throughput, as in the paper's table 2"
    notes = (wording.interval_note(known, "Numbers"), OF_THE_PAPER)
    right = range(1, len(HEADINGS))
    return [Table(title, HEADINGS, (*rows, *_paper_rows()), right, notes)]


def _rate_cells(document: Document, stream: Series | None) -> tuple[str, str]:
    if stream is None:
        return "–", "–"
    rate = document.environment.tsc_hz
    return f"{stream.p50 / rate * 1000:.2f}" if rate else "–", number(stream.p50)


def _in_table(one: Series, slots: float | None) -> bool:
    known = one.measure in LATENCIES or one.unit == RATE
    if one.control or EVERY in one.parameters or not known:
        return False
    any_size = SLOTS not in one.parameters or one.variant == CALL_LINE
    return any_size or parts.choice_of(one, SLOTS) == slots


def _paper_rows() -> list[tuple[str, ...]]:
    streams = {one.machine: one.value for one in paper("message") if one.unit == "messages/kcycle"}
    found: list[tuple[str, ...]] = []
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


def _latencies(document: Document, several: Sequence[Series]) -> list[Figure]:
    found = []
    for mode, name in wording.MODES.items():
        some = [one for one in several if one.mode == mode]
        pairs = {str(one.parameters.get("pair")) for one in some}
        own = [one for one in document.floor if "{}-{}".format(*one.pair) in pairs]
        marks = [parts.floor_mark(one, mode) for one in own or document.floor]
        least = sorted(marks, key=lambda mark: mark.value)[:1]
        title = f"A message there and back, by ring size: {name}"
        found += _over_slots(title, some, (DASHED,) if marks else (), least)
    return found


def _over_slots(
    title: str, several: Sequence[Series], notes: Sequence[str], marks: Sequence[Mark] = ()
) -> list[Figure]:
    every = parts.lines_over(several, SLOTS, leaving=("pair",), systems=False)
    return parts.line_figures(title, every, "slots", several, marks=marks, notes=notes)


def _ahead(several: Sequence[Series]) -> list[Figure]:
    """A figure a form: how much of the ring was full, whenever the reader looked."""
    forms = grouped(several, lambda one: (one.variant, one.parameters.get("pair")))
    pairs = {pair for _, pair in forms}
    found = []
    for (variant, pair), own in forms.items():
        several_lines, words = [], []
        for one in own:
            slots = f"{one.parameters[SLOTS]} slots"
            several_lines.append(Line(slots, _shares(one)))
            middle, low, high = map(number, (one.p50, one.p5, one.p95))
            below = f"5 % below {low}, 5 % above {high} messages ahead"
            words.append(f"{slots}: median {middle}, {below}")
        name = f"{variant}, CPUs {pair}" if len(pairs) > 1 else variant
        what = "Lines: the share of looks at which at most so much of the ring was full. "
        axes = "of the ring is full at most, %", "% of looks"
        drawing = lines(several_lines, *axes, linear=True)
        title = f"How far the writer is ahead of the reader: {name}"
        found.append(Figure(title, f"{what}{'; '.join(words)}.", drawing, (LOOKS,)))
    return found


def _shares(one: Series) -> tuple[Point, ...]:
    """At every tenth of the ring: the share of samples up to there, in %."""
    dense = one.dense()
    slots = parts.choice_of(one, SLOTS) or 0.0
    filled = np.flatnonzero(dense.counts)
    lows = np.array([bucket_bounds(int(index), dense.sub_bits)[0] for index in filled])
    points = []
    for part in range(PARTS + 1):
        upto = filled[lows <= slots * part / PARTS]
        share = float(dense.counts[upto].sum()) / dense.samples
        points.append(Point(100 * part / PARTS, 100 * share))
    return tuple(points)


def _open_loop(several: Sequence[Series]) -> list[Figure]:
    found = []
    for pair, own in grouped(several, lambda one: str(one.parameters.get("pair", ""))).items():
        own.sort(key=lambda one: parts.choice_of(one, EVERY) or 0)
        drawn = [
            Line(
                f"{own[0].variant}, {name}",
                tuple(Point(parts.choice_of(one, EVERY) or 0, getattr(one, field)) for one in own),
            )
            for name, field in TAILS
        ]
        title = "Latency of requests that come at a rate" + (f", CPUs {pair}" if pair else "")
        axis = "mean time between requests, ns"
        found.append(parts.line_figure(title, drawn, axis, own, notes=(INTENDED,)))
    return found


def draw_poll_or_block(document: Document) -> list[Block]:
    free = [one for one in document.series if not one.control]
    over = [one for one in free if parts.choice_of(one, BUDGET) is not None]
    costs = (one.p50 for one in free if one.variant == "block" and one.unit == "tsc-cycles")
    standing = [Mark(f"P = C = {number(cost)}", cost) for cost in islice(costs, 1)]
    found: list[Block] = []
    families = grouped(over, lambda one: (TITLES.get(one.variant), one.measure, one.unit, one.mode))
    for (title, measure, *_), family in families.items():
        what = title or wording.capital(measure.replace("-", " "))
        found += parts.line_figures(
            f"{what} over the poll budget", parts.lines_over(family, BUDGET),
            "poll budget P, cycles", family, standing=standing, notes=(OTHERS,),
            paper=paper("poll-or-block"),
        )  # fmt: skip
    return [*found, *generic.rest(document, over)]
