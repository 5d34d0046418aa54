"""Our channels beside the host's own: latency, throughput and cache lines of each, in the form of
table 3.

Guarantees: what stays in cache lines, what goes through the host's kernel, what sleeps there and
what shares a CPU have a figure each, as they differ by orders of magnitude. Answers: the paper's
table 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.catalogue import OTHERS, paper
from multikernel.report.draw.bars import Group
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Table
from multikernel.report.figures.parts import bar_figure, bars_of
from multikernel.report.say.wording import MODES, SYSTEMS, capital, fixed, in_ns, number, short
from multikernel.results.document import Document, Mode, Series

HEADINGS = (
    "message over", "waits", "sleeps / message", "memory", "latency, cycles", "single, cycles",
    "ns", "× floor", "messages / kcycle",
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
NOTES = (
    "Numbers: median of all samples.",
    (
        "Latency there and back, back-to-back; ns and × floor are of it. The paper gives the"
        f" latency of a message. {OTHERS}"
    ),
    (
        "Sleeps: of both sides together, for a message there and back; a side that finds its"
        " message there does not sleep."
    ),
    "A line of ours holds 56 bytes of message and its control word; the host's own carry 64 bytes.",
)


def draw(document: Document) -> list[Block]:
    known = [one for one in document.series if not one.control and "way" in one.parameters]
    trips = [one for one in known if one.measure == "round-trip" and one.unit == "tsc-cycles"]
    rates = [one for one in known if one.unit == "messages/s"]
    if not trips or not rates:
        return generic.draw(document)
    found: list[Block] = [_table(document, trips, rates)]
    for name, title in CLASSES.items():
        own = [one for one in trips if _class(one) == name]
        groups = [
            Group(capital(words), bars_of(document, some, leaving=LEFT_OUT, among=own))
            for mode, words in MODES.items()
            if (some := [one for one in own if one.mode == mode])
        ]
        if own:
            crossed = dict.fromkeys(str(one.parameters.get("crosses")) for one in own)
            note = f"A message crosses {'; '.join(crossed)}."
            found.append(bar_figure(f"There and back. {title}", groups, own, notes=(note,)))
    for crossing, title in ((False, CLASSES["memory"]), (True, "Through the host's kernel")):
        own = [one for one in rates if (_class(one) != "memory") == crossing]
        if own:
            groups = [Group("", bars_of(document, own, leaving=LEFT_OUT))]
            note = "Longer is better."
            found.append(bar_figure(f"One way. {title}", groups, own, notes=(note,)))
    return [*found, *generic.rest(document, [*trips, *rates])]


def _class(series: Series) -> str:
    """By what a message goes through; the dearest that applies."""
    if series.parameters["way"] == "one-cpu":
        return "one-cpu"
    if series.parameters.get("waits") == "sleeps":
        return "sleeps"
    return "memory" if str(series.parameters.get("crosses", "")).startswith("nothing") else "kernel"


def _table(document: Document, trips: Sequence[Series], rates: Sequence[Series]) -> Table:
    counted = [name for name, key in COUNTED.items() if any(key in one.parameters for one in trips)]
    rows = []
    for name in dict.fromkeys((one.system, one.variant) for one in trips):
        by_mode = {one.mode: one for one in trips if (one.system, one.variant) == name}
        stream = next((one for one in rates if (one.system, one.variant) == name), None)
        rows.append(_row(document, by_mode, stream, counted))
    why = [warning.text for warning in document.warnings if warning.code == NOT_COUNTED]
    return Table(
        "Latency and throughput, as in the paper's table 3",
        (*HEADINGS, *counted),
        (*rows, *_paper_rows(counted)),
        {2, *range(4, len(HEADINGS) + len(counted))},
        (*NOTES, *why),
        paper("transport"),
    )


def _row(
    document: Document, trips: dict[Mode, Series], stream: Series | None, counted: Sequence[str]
) -> tuple[str, ...]:
    rate = document.environment.tsc_hz
    first = trips.get("back-to-back") or next(iter(trips.values()))
    get = first.parameters.get
    shared = get("memory_shared")
    return (
        f"{SYSTEMS[first.system]} · {first.variant}",
        str(get("waits", "–")),
        fixed(get("sleeps_per_message"), 2),
        "–" if shared is None else "shared" if shared else "not shared",
        *(number(trips[mode].p50) if mode in trips else "–" for mode in MODES),
        in_ns(document, first),
        fixed(first.over_floor, 2),
        f"{stream.p50 / rate * 1000:.3g}" if stream is not None and rate else "–",
        *(fixed(get(COUNTED[name]), 1) for name in counted),
    )


def _paper_rows(counted: Sequence[str]) -> list[tuple[str, ...]]:
    """URPC and L4. Their cache lines stand beside, with the paper's values: they are no loads and
    no misses.
    """
    values = {one.what: one for one in paper("transport")}
    found = []
    for who in ("URPC", "L4 IPC"):
        latency, stream = values[f"{who}, latency"], values[f"{who}, throughput"]
        assert latency.machine is not None
        assert latency.value is not None
        assert latency.ns is not None
        cells = (number(latency.value), "–", short(latency.ns), "–", f"{stream.value:g}")
        name = f"the paper, {latency.machine.name}: {who}"
        found.append((name, "–", "–", "–", *cells, *("–" for _ in counted)))
    return found
