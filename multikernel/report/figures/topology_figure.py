"""A machine as a figure: the boxes and words of `topology_text`, no wider than a page. A core that
may not be used is dashed and its numbers are in parentheses.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.parts import Part, boxes
from multikernel.markup import Markup, Value, element, joined
from multikernel.report.draw.chart import LETTER, shortened, width_of
from multikernel.report.draw.looks import LOOKS
from multikernel.report.figures.figure import WIDTH, Drawing, Figure, file_of
from multikernel.report.say import topology_text

LEFT = 8.0
GAP, PADDING, LINE = 4.0, 5.0, 12.0
CORE_HEIGHT, TITLE_HEIGHT = 16.0, 15.0
SMALL, TITLE = 9.0, 10.5
"""Size of the letters in cores, and above boxes."""
TITLE_LETTERS = 46


@dataclass(frozen=True, slots=True)
class _Block:
    width: float
    height: float
    at: Callable[[float, float], Markup]


def figure(topology: Topology, notes: Sequence[str] = ()) -> Figure:
    """notes: what is to be said besides, below."""
    barred = frozenset(topology.disallowed)
    found = boxes(topology)
    collapse = len(topology.online) > topology_text.COLLAPSE_CPUS
    block = _flow(found.parts, WIDTH - 2 * LEFT, barred, 0, collapse=collapse)
    rows = topology_text.distance_rows(topology)
    words = [
        *topology_text.remarks(topology),
        *(f"lies across others: {text}" for text in found.across),
        *notes,
    ]
    if not rows:
        words += topology_text.distances(topology, 1 << 16)
    source, counts = topology_text.heading(topology)
    title = source
    if len(source) > TITLE_LETTERS:
        title = source[: TITLE_LETTERS - 1].rstrip(" ,") + "…"
    said = words if title == source else [source, *words]
    lines = [line for text in said for line in _wrapped(text, WIDTH - 2 * LEFT, hanging="  ")]
    top = block.height + 10
    body = [block.at(LEFT, 4.0), _text(counts, LEFT, top + LINE - 4, "axis")]
    for line in lines:
        top += LINE
        body.append(_text(line, LEFT, top + LINE))
    if rows:
        above = f"{topology_text.distance_title(topology)} (10 = at home)"
        body += [_text(above, LEFT, top + 3 * LINE), _table(rows, top + 4 * LINE)]
        top += (2 + len(rows)) * LINE
    described = f"{source}: {counts}. {' '.join(f'{text}.' for text in words)}"
    return Figure(title, described, Drawing(top + 4 * LINE - 10, joined(body)))


def as_svg(topology: Topology, notes: Sequence[str] = ()) -> bytes:
    return file_of([figure(topology, notes)])


def _text(words: str, x: float, y: float, look: str = "part", **more: Value) -> Markup:
    return element("text", words, x=x, y=y, **LOOKS[look], **more)


def _wrapped(text: str, room: float, hanging: str = "") -> list[str]:
    letters = max(int(room / (SMALL * LETTER)), 4)
    return textwrap.wrap(text, letters, subsequent_indent=hanging)


def _table(rows: Sequence[Sequence[str]], top: float) -> Markup:
    """Distances; the first row names the columns, the first cell the row."""
    step = min(30.0, (WIDTH - 2 * LEFT - 50) / (len(rows[0]) - 1))
    parts = []
    for number, (label, *cells) in enumerate(rows):
        y = top + number * LINE
        parts.append(_text(label, LEFT, y))
        for place, cell in enumerate(cells, 1):
            parts.append(_text(cell, LEFT + 42 + place * step, y, text_anchor="end"))
    return joined(parts)


def _flow(
    parts: Sequence[Part], width: float, barred: frozenset[int], depth: int, *, collapse: bool
) -> _Block:
    placed: list[tuple[float, float, _Block]] = []
    x = y = widest = tall = 0.0
    for part, hidden in topology_text.runs(parts, barred, collapse=collapse):
        several = [_block(part, width, barred, depth, collapse=collapse)]
        if hidden:
            several += map(_words, _wrapped(topology_text.more(hidden), width))
        for place, block in enumerate(several):
            if x > 0 and (x + block.width > width or place):
                x, y, tall = 0.0, y + tall + GAP, 0.0
            placed.append((x, y, block))
            widest, tall = max(widest, x + block.width), max(tall, block.height)
            x += block.width + GAP
        if hidden:
            x, y, tall = 0.0, y + tall + GAP, 0.0
    height = max((top + block.height for _, top, block in placed), default=0.0)

    def at(left: float, top: float) -> Markup:
        return joined(block.at(left + dx, top + dy) for dx, dy, block in placed)

    return _Block(widest, height, at)


def _block(
    part: Part, width: float, barred: frozenset[int], depth: int, *, collapse: bool
) -> _Block:
    if not part.parts:
        return _core(part, width, barred)
    inner = _flow(part.parts, width - 2 * PADDING, barred, depth + 1, collapse=collapse)
    wide = min(max(inner.width, 72 * width_of(part.title, TITLE)) + 2 * PADDING, width)
    height = inner.height + TITLE_HEIGHT + PADDING
    title = shortened(part.title, (wide - 2 * PADDING) / 72, TITLE)
    look = LOOKS["box" if depth % 2 else "box even"]

    def at(x: float, y: float) -> Markup:
        return element(
            "g",
            element("title", f"{part.title}: {len(part.cpus)} CPUs"),
            element("rect", x=x, y=y, width=wide, height=height, rx=2, **look),
            _text(title, x + PADDING, y + 11.0, "axis"),
            inner.at(x + PADDING, y + TITLE_HEIGHT),
        )

    return _Block(wide, height, at)


def _core(part: Part, width: float, barred: frozenset[int]) -> _Block:
    lines = _wrapped(topology_text.core_label(part, barred).strip("[]"), width - 8)
    wide = max(72 * width_of(line, SMALL) for line in lines) + 8
    height = CORE_HEIGHT + (len(lines) - 1) * LINE
    look = LOOKS["core barred" if barred.issuperset(part.cpus) else "core"]

    def at(x: float, y: float) -> Markup:
        rect = element("rect", x=x, y=y, width=wide, height=height, rx=1.5, **look)
        middle, first = x + wide / 2, y + 11.2
        words = [
            _text(line, middle, first + number * LINE, text_anchor="middle")
            for number, line in enumerate(lines)
        ]
        return element("g", rect, *words)

    return _Block(wide, height, at)


def _words(text: str) -> _Block:
    return _Block(72 * width_of(text, SMALL), LINE, lambda x, y: _text(text, x, y + 9.0))
