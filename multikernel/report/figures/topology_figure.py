"""A machine as a figure: boxes within boxes as topology_text draws them, in the looks of the other
figures.

Guarantees: the same boxes, collapsed in the same places, the same words below; no wider than a
page; a core that may not be used is dashed and its numbers are in parentheses, so nothing is said
by colour alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.parts import Part, boxes
from multikernel.report.draw.markup import Child, Markup, element, joined
from multikernel.report.draw.style import LOOKS
from multikernel.report.figures.figure import (
    LETTER,
    WIDTH,
    Drawing,
    Figure,
    shortened,
    stacked,
    width_of,
)
from multikernel.report.say.topology_text import (
    COLLAPSE_CPUS,
    core_label,
    distance_rows,
    distance_title,
    distances,
    heading,
    more,
    remarks,
    runs,
)

LEFT = 8.0
GAP, PADDING, LINE = 4.0, 5.0, 12.0
CORE_HEIGHT, TITLE_HEIGHT = 16.0, 15.0
SMALL = 9.0
"""Size of the letters in cores."""
TITLE_LETTERS = 46


@dataclass(frozen=True, slots=True)
class _Block:
    """Something of a size that can be drawn anywhere."""

    width: float
    height: float
    at: Callable[[float, float], Markup]


def figure(topology: Topology, notes: Sequence[str] = ()) -> Figure:
    """notes: what is to be said besides, below."""
    barred = frozenset(topology.disallowed)
    found = boxes(topology)
    collapse = len(topology.online) > COLLAPSE_CPUS
    block = _flow(found.parts, WIDTH - 2 * LEFT, barred, 0, collapse=collapse)
    rows = distance_rows(topology)
    words = [*remarks(topology), *(f"lies across others: {text}" for text in found.across), *notes]
    if not rows:
        words += distances(topology, 1 << 16)
    letters = int((WIDTH - 2 * LEFT) / (SMALL * LETTER))
    lines = [
        line for text in words for line in textwrap.wrap(text, letters, subsequent_indent="  ")
    ]
    source, counts = heading(topology)
    title = (
        source if len(source) <= TITLE_LETTERS else source[: TITLE_LETTERS - 1].rstrip(" ,") + "…"
    )
    if title != source:
        lines = [*textwrap.wrap(source, letters, subsequent_indent="  "), *lines]
    below: list[Child] = [
        element("text", line, x=LEFT, y=block.height + (2 + place) * LINE, **LOOKS["part"])
        for place, line in enumerate(lines)
    ]
    top = block.height + (2 + len(lines)) * LINE
    if rows:
        above = f"{distance_title(topology)} (10 = at home)"
        below += [
            element("text", above, x=LEFT, y=top + LINE, **LOOKS["part"]),
            _table(rows, top + 2 * LINE),
        ]
        top += (2 + len(rows)) * LINE
    body = joined(
        [
            block.at(LEFT, 4.0),
            element("text", counts, x=LEFT, y=block.height + LINE + 6, **LOOKS["axis"]),
        ]
    )
    return Figure(
        title=title,
        description=f"{source}: {counts}. {' '.join(f'{text}.' for text in words)}",
        drawing=Drawing(
            top + 2 * LINE, joined([body, element("g", *below, transform="translate(0 10)")])
        ),
    )


def as_svg(topology: Topology, notes: Sequence[str] = ()) -> bytes:
    """A file of its own."""
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + stacked([figure(topology, notes)]) + "\n"
    return text.encode("utf-8", "replace")


def _table(rows: Sequence[Sequence[str]], top: float) -> Markup:
    """Distances; the first row names the columns, the first cell the row."""
    step = min(30.0, (WIDTH - 2 * LEFT - 50) / (len(rows[0]) - 1))
    parts: list[Child] = []
    for number, (label, *cells) in enumerate(rows):
        y = top + number * LINE
        parts.append(element("text", label, x=LEFT, y=y, **LOOKS["part"]))
        parts += [
            element(
                "text",
                cell,
                x=LEFT + 42 + (place + 1) * step,
                y=y,
                **LOOKS["part"],
                text_anchor="end",
            )
            for place, cell in enumerate(cells)
        ]
    return joined(parts)


# --- Boxes
# --------------------------------------------------------------------------------------------------


def _flow(
    parts: Sequence[Part], width: float, barred: frozenset[int], depth: int, *, collapse: bool
) -> _Block:
    """Blocks side by side as long as there is room, then below."""
    placed: list[tuple[float, float, _Block]] = []
    x = y = widest = tall = 0.0
    for part, hidden in runs(parts, barred, collapse=collapse):
        several = [_block(part, width, barred, depth, collapse=collapse)]
        if hidden:
            several += [
                _words(line) for line in textwrap.wrap(more(hidden), int(width / (SMALL * LETTER)))
            ]
        for place, block in enumerate(several):
            if x > 0 and (x + block.width > width or place):
                x, y, tall = 0.0, y + tall + GAP, 0.0
            placed.append((x, y, block))
            widest, tall = max(widest, x + block.width), max(tall, block.height)
            x += block.width + GAP
        if hidden:
            x, y, tall = 0.0, y + tall + GAP, 0.0
    height = max((top + block.height for _, top, block in placed), default=0.0)
    return _Block(
        widest,
        height,
        lambda left, top: joined(one.at(left + dx, top + dy) for dx, dy, one in placed),
    )


def _block(
    part: Part, width: float, barred: frozenset[int], depth: int, *, collapse: bool
) -> _Block:
    if not part.parts:
        return _core(part, width, barred)
    inner = _flow(part.parts, width - 2 * PADDING, barred, depth + 1, collapse=collapse)
    wide = min(max(inner.width, width_of(part.title, 10.5)) + 2 * PADDING, width)
    height = inner.height + TITLE_HEIGHT + PADDING

    def at(x: float, y: float) -> Markup:
        return element(
            "g",
            element("title", f"{part.title}: {len(part.cpus)} CPUs"),
            element(
                "rect",
                x=x,
                y=y,
                width=wide,
                height=height,
                rx=2,
                **LOOKS["box" if depth % 2 else "box even"],
            ),
            element(
                "text",
                shortened(part.title, wide - 2 * PADDING, 10.5),
                x=x + PADDING,
                y=y + 11.0,
                **LOOKS["axis"],
            ),
            inner.at(x + PADDING, y + TITLE_HEIGHT),
        )

    return _Block(wide, height, at)


def _core(part: Part, width: float, barred: frozenset[int]) -> _Block:
    label = core_label(part, barred).strip("[]")
    lines = textwrap.wrap(label, max(int((width - 8) / (SMALL * LETTER)), 4))
    wide = max(width_of(line, SMALL) for line in lines) + 8
    height = CORE_HEIGHT + (len(lines) - 1) * LINE
    dashed = "core barred" if barred.issuperset(part.cpus) else "core"

    def at(x: float, y: float) -> Markup:
        words = [
            element(
                "text",
                line,
                x=x + wide / 2,
                y=y + 11.2 + number * LINE,
                **LOOKS["part"],
                text_anchor="middle",
            )
            for number, line in enumerate(lines)
        ]
        return element(
            "g",
            element("rect", x=x, y=y, width=wide, height=height, rx=1.5, **LOOKS[dashed]),
            *words,
        )

    return _Block(wide, height, at)


def _words(text: str) -> _Block:
    return _Block(
        width_of(text, SMALL),
        LINE,
        lambda x, y: element("text", text, x=x, y=y + 9.0, **LOOKS["part"]),
    )
