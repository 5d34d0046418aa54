"""Our channels beside the host's own: latency, throughput and cache lines of each, in the form of
table 3.

Guarantees: what differs by orders of magnitude is not drawn on one axis: what stays in cache lines,
what goes through the host's kernel, what sleeps there, and what shares a CPU have a figure each.
Cache lines stand in the table where the document has them; where not, it says why. Answers: the
paper's table 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Table
from multikernel.report.figures.parts import axis_of, bar_figure, bars_of
from multikernel.report.say.table import number
from multikernel.report.say.wording import (
    MODES,
    SYSTEMS,
    interval_note,
    nanoseconds,
    rate_of,
    short,
)
from multikernel.results.document import Document, Mode, Series

MODES_IN_ORDER: tuple[Mode, ...] = ("back-to-back", "single")
HEADINGS = (
    "message over", "waits", "sleeps / message", "memory", "latency, cycles", "single, cycles",
    "ns", "× floor",
    "messages / kcycle",
)  # fmt: skip
COUNTED = {
    "L1D loads": "l1d_reads_per_message",
    "L1D misses": "l1d_misses_per_message",
    "L1I misses": "l1i_misses_per_message",
}
"""Columns, by the parameters that they show."""
NOT_COUNTED = "cache-lines-not-available"
LEFT_OUT = ("way", "crosses", "waits", "memory_shared", "message_bytes", "target", "pair", "mode")
CLASSES = {
    "memory": "Cache lines alone",
    "kernel": "Through the host's kernel, polled",
    "sleeps": "Asleep in the host's kernel",
    "one-cpu": "Asleep, both processes on one CPU",
}


def draw(document: Document) -> list[Block]:
    """The table, figures by what is crossed; the rest as of any experiment."""
    known = [one for one in document.series if not one.control and "way" in one.parameters]
    trips = [one for one in known if one.measure == "round-trip" and one.unit == "tsc-cycles"]
    rates = [one for one in known if one.unit == "messages/s"]
    if not trips or not rates:
        return generic.draw(document)
    found: list[Block] = [_table(document, trips, rates)]
    for name, title in CLASSES.items():
        own = [one for one in trips if _class(one) == name]
        groups = [
            Group(
                _capital(MODES[mode]), bars_of(some, rate_of(document), leaving=LEFT_OUT, among=own)
            )
            for mode in MODES_IN_ORDER
            if (some := [one for one in own if one.mode == mode])
        ]
        if own:
            found.append(
                bar_figure(
                    f"There and back. {title}", groups, axis_of(own[0]), own, notes=_notes(own)
                )
            )
    for crossing, title in ((False, CLASSES["memory"]), (True, "Through the host's kernel")):
        own = [one for one in rates if (_class(one) != "memory") == crossing]
        if own:
            bars = bars_of(own, rate_of(document), leaving=LEFT_OUT)
            notes = ("Longer is better.",)
            found.append(
                bar_figure(
                    f"One way. {title}", [Group("", bars)], axis_of(own[0]), own, notes=notes
                )
            )
    rest = [one for one in document.series if one not in trips and one not in rates]
    return [*found, *generic.of_series(document, rest)]


def _class(series: Series) -> str:
    """By what a message goes through; the dearest that applies."""
    if series.parameters["way"] == "one-cpu":
        return "one-cpu"
    if series.parameters.get("waits") == "sleeps":
        return "sleeps"
    return "memory" if str(series.parameters.get("crosses", "")).startswith("nothing") else "kernel"


def _notes(own: Sequence[Series]) -> tuple[str, ...]:
    crossed = dict.fromkeys(str(one.parameters.get("crosses")) for one in own)
    return ("A message crosses " + "; ".join(crossed) + ".",)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- The table
# --------------------------------------------------------------------------------------------------


def _table(document: Document, trips: Sequence[Series], rates: Sequence[Series]) -> Table:
    counted = [name for name, key in COUNTED.items() if any(key in one.parameters for one in trips)]
    names = list(dict.fromkeys((one.system, one.variant) for one in trips))
    rows = [
        _row(
            document,
            {one.mode: one for one in trips if (one.system, one.variant) == name},
            next((one for one in rates if (one.system, one.variant) == name), None),
            counted,
        )
        for name in names
    ]
    why = [warning.text for warning in document.warnings if warning.code == NOT_COUNTED]
    return Table(
        title="Latency and throughput, as in the paper's table 3",
        headings=(*HEADINGS, *counted),
        rows=(*rows, *_paper_rows(counted)),
        right=frozenset({2, *range(4, len(HEADINGS) + len(counted))}),
        notes=(
            interval_note(trips).split(" Error bars")[0].replace("Bars and points", "Numbers"),
            "Latency there and back, back-to-back; ns and × floor are of it. The paper gives the"
            " latency of a message. " + OTHERS,
            (
                "Sleeps: of both sides together, for a message there and back; a side that finds"
                " its message there does not sleep."
            ),
            (
                "A line of ours holds 56 bytes of message and its control word; the host's own"
                " carry 64 bytes."
            ),
            *why,
        ),
        paper=paper("transport"),
    )


def _row(
    document: Document, trips: dict[Mode, Series], stream: Series | None, counted: Sequence[str]
) -> tuple[str, ...]:
    rate = rate_of(document)
    first = trips.get("back-to-back") or next(iter(trips.values()))
    ns = nanoseconds(first, first.p50, rate)
    shared = first.parameters.get("memory_shared")
    slept = first.parameters.get("sleeps_per_message")
    counts = [first.parameters.get(COUNTED[name]) for name in counted]
    return (
        f"{SYSTEMS[first.system]} · {first.variant}",
        str(first.parameters.get("waits", "–")),
        f"{slept:.2f}" if isinstance(slept, int | float) else "–",
        "–" if shared is None else "shared" if shared else "not shared",
        *(number(trips[mode].p50) if mode in trips else "–" for mode in MODES_IN_ORDER),
        "–" if ns is None else short(ns),
        "–" if first.over_floor is None else f"{first.over_floor:.2f}",
        f"{stream.p50 / rate * 1000:.3g}" if stream is not None and rate else "–",
        *(f"{count:.1f}" if isinstance(count, int | float) else "–" for count in counts),
    )


def _paper_rows(counted: Sequence[str]) -> list[tuple[str, ...]]:
    """URPC and L4. Their cache lines stand beside, with the paper's values: they are no loads and
    no misses.
    """
    found = []
    for who in ("URPC", "L4 IPC"):
        latency = next(one for one in paper("transport") if one.what == f"{who}, latency")
        stream = next(one for one in paper("transport") if one.what == f"{who}, throughput")
        assert latency.value is not None
        assert latency.ns is not None
        assert latency.machine is not None
        cells = (number(latency.value), "–", short(latency.ns), "–", f"{stream.value:g}")
        found.append(
            (
                f"the paper, {latency.machine.name}: {who}",
                "–",
                "–",
                "–",
                *cells,
                *("–" for _ in counted),
            )
        )
    return found
