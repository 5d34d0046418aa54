"""A shared object as a notebook shows it: its form and how it came to it, what each core has done,
what operations cost, and as a picture what was measured. Plain HTML and SVG, without any library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from multikernel.errors import MultikernelError
from multikernel.user.object_block import FORMS
from multikernel.user.object_cost import Change, Cost, Seen

if TYPE_CHECKING:
    from multikernel.user.shared import Shared

# Told apart by those who do not see all colours (Okabe and Ito), and by their names beside them.
COLOURS = dict(
    zip(
        (
            "locked",
            "fifo",
            "optimistic",
            "delegated",
            "replicated",
            "lock-free",
            "combined",
            "adaptive",
        ),
        ("#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#F0E442", "#000000"),
        strict=True,
    )
)
WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 62, 100, 14, 36
STRIP = 18


def html(shared: Shared) -> str:
    """Of a closed object what was measured."""
    title = f"<b>Shared {escape(shared.kind)}</b> of size {shared.size}, {len(shared.cores)} cores"
    try:
        seen = shared.seen()
    except MultikernelError as error:
        now = f"<p>{escape(str(error))}</p>"
    else:
        now = _now(seen)
    return f"<div><p>{title}</p>{now}{_measured(shared.measured)}</div>"


def _now(seen: Seen) -> str:
    chosen = ", chosen as it goes" if seen.adaptive else ""
    races = ""
    if seen.races:
        times = "once" if seen.races == 1 else f"{seen.races} times"
        races = f"; it tried forms {times}, at {100 * seen.lost:.1f} % of its time"
    changes = "1 change of form" if seen.switches == 1 else f"{seen.switches} changes of form"
    return (
        f"<p>{_mark(seen.form)}{chosen}; {changes}{races}; owner: core {seen.owner}</p>"
        + _strip(seen.changes, seen.seconds)
        + _table(
            ("core", "operations", "share that reads"),
            [
                (str(one.core), f"{one.operations:,}", _percent(one.reads, one.operations))
                for one in seen.cores
            ],
        )
        + _table(
            ("form", "operations timed", "cycles each", "ns each"),
            [
                (_mark(one.form), f"{one.operations:,}", f"{one.cycles:,.0f}", f"{one.ns:,.0f}")
                for one in seen.forms
            ],
        )
        + (
            "<p><small>Cycles of the time stamp counter, read inside the system call around each"
            " operation: the mean of all cores' own.</small></p>"
        )
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _mark(form: str) -> str:
    return f'<span style="color:{COLOURS[form]}">■</span> {escape(form)}'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML."""
    if not rows:
        return ""
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join(f"<tr>{''.join(f'<td>{one}</td>' for one in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" text-anchor="{anchor}" {more}>'
        f"{escape(text)}</text>"
    )


def _svg(height: int, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img"'
        f' style="background:#fff;font-family:sans-serif"><title>{escape(title)}</title>'
        f"{body}</svg>"
    )


def _strip(changes: Sequence[Change], seconds: float) -> str:
    """The forms it has been in, by time. Where more changes were made than are kept, what lies
    between the first and those is blank.
    """
    if len(changes) < 2 or seconds <= 0:
        return ""
    wide = WIDTH - 2
    parts = []
    ends = [*(one.seconds for one in changes[1:]), seconds]
    for one, end in zip(changes, ends, strict=True):
        at, long = wide * one.seconds / seconds, wide * (end - one.seconds) / seconds
        parts.append(
            f'<rect x="{at:.2f}" y="0" width="{max(long, 0.2):.2f}" height="{STRIP}"'
            f' fill="{COLOURS[one.form]}"><title>{escape(one.form)} from {one.seconds:.4f} s'
            f"</title></rect>"
        )
    below = _text(0, STRIP + 13, "0 s") + _text(wide, STRIP + 13, f"{seconds:.2f} s", "end")
    return _svg(STRIP + 18, "forms by time", "".join(parts) + below)


def _measured(costs: Sequence[Cost]) -> str:
    """The last one at each point: cost by share of reads, and a line a form."""
    points = {(one.think, one.form, one.reads): one for one in costs if one.cycles > 0}
    return "".join(
        _chart([one for one in points.values() if one.think == think], think)
        for think in sorted({one.think for one in points.values()})
    )


def _ticks(low: float, high: float) -> list[float]:
    """One, two and five of each power of ten, that many as there are between the two."""
    found = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        found += [step * 10.0**power for step in (1, 2, 5)]
    return [one for one in found if low <= one <= high]


def _chart(costs: list[Cost], think: int) -> str:
    cycles = [one.cycles for one in costs]
    low, high = min(cycles) / 1.2, max(cycles) * 1.2
    inside, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    shares = sorted({one.reads for one in costs})  # side by side: most turns in the last percent

    def at(reads: float, cost: float) -> tuple[float, float]:
        across = shares.index(reads) / max(1, len(shares) - 1)
        up = math.log(cost / low) / math.log(high / low)
        return LEFT + across * inside, TOP + (1 - up) * tall

    parts = []
    for tick in _ticks(low, high):
        _, y = at(shares[0], tick)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + inside}" y2="{y:.1f}" stroke="#ddd"/>'
        )
        parts.append(_text(LEFT - 6, y + 4, f"{tick:,.0f}", "end"))
    for reads in shares:
        x, _ = at(reads, low)
        parts.append(_text(x, HEIGHT - 20, f"{100 * reads:.3g} %", "middle"))
    crowded = ", cores share CPUs" if any(one.crowded for one in costs) else ""
    unit = f"reads; {think} cycles between two operations{crowded}"
    parts.append(_text(LEFT + inside / 2, HEIGHT - 5, unit, "middle"))
    middle = TOP + tall / 2
    parts.append(
        _text(14, middle, "cycles an operation", "middle", f'transform="rotate(-90 14 {middle})"')
    )
    forms = [form for form in FORMS if any(one.form == form for one in costs)]
    for place, form in enumerate(forms):
        line = sorted((one for one in costs if one.form == form), key=lambda one: one.reads)
        spots = [at(one.reads, one.cycles) for one in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        colour = COLOURS[form]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for one, (x, y) in zip(line, spots, strict=True):
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"><title>{escape(form)}:'
                f" {one.cycles:,.0f} cycles, {one.ns:,.0f} ns, {one.rate / 1e6:.2f} M/s together"
                f"</title></circle>"
            )
        parts.append(
            _text(LEFT + inside + 12, TOP + 10 + 16 * place, form, more=f'fill="{colour}"')
        )
    return _svg(HEIGHT, "cost of an operation by share of reads", "".join(parts))
