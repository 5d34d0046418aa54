"""Heat maps: a square a pair of CPUs, darker for dearer, with the number in it where there is room.

Guarantees: one hue from light to dark, so it is read by those who see few colours, and in grey on
paper; numbers are written in the squares up to 16 CPUs; beyond 64 the squares become one picture,
so that hundreds of CPUs stay a small file; a pair that was not measured is empty.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence

from multikernel.report.figure import WIDTH, Drawing
from multikernel.report.markup import Child, Markup, element, joined
from multikernel.report.wording import short

NUMBERED, SQUARES = 16, 64
LEFT, TOP, RIGHT = 34.0, 32.0, 14.0
SPAN = 1.5
"""Least ratio of the scale's ends."""
LIGHT, DARK = (222, 235, 247), (8, 48, 107)

Pair = tuple[int, int]
Colour = tuple[int, int, int]


def heat(values: Mapping[Pair, float], cpus: Sequence[int], unit: str) -> Drawing:
    """The drawing. values: by (from, to); cpus: in the order to draw them."""
    low, high = _ends(values.values())
    side = (WIDTH - LEFT - RIGHT) / len(cpus)
    # Few CPUs would make squares of half a page.
    side = min(side, 56.0)
    parts: list[Child] = [
        element("text", "from CPU ↓   to CPU →", x=LEFT, y=12, class_="axis"),
        _names(cpus, side),
    ]
    if len(cpus) <= SQUARES:
        parts += [
            _square(
                values.get((a, b)),
                (a, b),
                LEFT + x * side,
                TOP + y * side,
                side,
                (low, high),
                len(cpus),
            )
            for y, a in enumerate(cpus)
            for x, b in enumerate(cpus)
        ]
    else:
        parts.append(_picture(values, cpus, side, (low, high)))
    bottom = TOP + side * len(cpus)
    parts.append(_key(low, high, unit, bottom + 18))
    return Drawing(bottom + 52, joined(parts))


def _ends(values: Collection[float]) -> tuple[float, float]:
    """Of the scale. Values that are all but the same get all but the same colour."""
    low, high = min(values), max(values)
    middle = (low * high) ** 0.5
    return min(low, middle / SPAN**0.5), max(high, middle * SPAN**0.5)


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (value - low) / (high - low) if high > low else 0.35


def _colour(share: float) -> Colour:
    r, g, b = (
        round(light + (dark - light) * share) for light, dark in zip(LIGHT, DARK, strict=True)
    )
    return r, g, b


def _hex(share: float) -> str:
    return "#" + bytes(_colour(share)).hex()


def _names(cpus: Sequence[int], side: float) -> Markup:
    step = max(1, round(22 / side)) if side < 22 else 1
    parts: list[Child] = []
    for place, cpu in list(enumerate(cpus))[::step]:
        middle = (place + 0.5) * side
        parts.append(
            element(
                "text", str(cpu), x=LEFT + middle, y=TOP - 5, class_="axis", text_anchor="middle"
            )
        )
        parts.append(
            element(
                "text", str(cpu), x=LEFT - 5, y=TOP + middle + 3.5, class_="axis", text_anchor="end"
            )
        )
    return joined(parts)


def _square(
    value: float | None,
    pair: Pair,
    x: float,
    y: float,
    side: float,
    ends: tuple[float, float],
    cpus: int,
) -> Markup:
    if value is None:
        return element("rect", x=x, y=y, width=side, height=side, class_="void")
    share = _share(value, ends)
    parts: list[Child] = [
        element("title", f"CPU {pair[0]} to {pair[1]}: {short(value)}"),
        element("rect", x=x, y=y, width=side, height=side, class_="cell", fill=_hex(share)),
    ]
    if cpus <= NUMBERED:
        class_ = "cell-dark" if share > 0.5 else "cell-light"
        words = f"{value:.0f}" if value < 9999.5 else short(value)
        parts.append(
            element(
                "text",
                words,
                x=x + side / 2,
                y=y + side / 2 + 3.2,
                class_=class_,
                text_anchor="middle",
            )
        )
    return element("g", *parts)


def _picture(
    values: Mapping[Pair, float], cpus: Sequence[int], side: float, ends: tuple[float, float]
) -> Markup:
    """All squares as one PNG, a pixel each; where nothing was measured it is transparent."""
    rows = bytearray()
    for a in cpus:
        rows.append(0)  # the row's filter: none
        for b in cpus:
            value = values.get((a, b))
            rows += b"\0\0\0\0" if value is None else bytes((*_colour(_share(value, ends)), 255))
    header = struct.pack(">IIBBBBB", len(cpus), len(cpus), 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    size = side * len(cpus)
    return element(
        "image", href="data:image/png;base64," + base64.b64encode(png).decode(), x=LEFT, y=TOP,
        width=size, height=size,
        style="image-rendering:pixelated",
    )  # fmt: skip


def _key(low: float, high: float, unit: str, top: float) -> Markup:
    """From light to dark, with the ends written beside."""
    steps, wide = 24, 7.0
    parts: list[Child] = [
        element("rect", x=LEFT + index * wide, y=top, width=wide + 0.5, height=9.0,
        fill=_hex(index / (steps - 1)))
        for index in range(steps)
    ]  # fmt: skip
    end = LEFT + steps * wide
    parts.append(element("text", short(low), x=LEFT, y=top + 21, class_="axis"))
    parts.append(element("text", short(high), x=end, y=top + 21, class_="axis", text_anchor="end"))
    parts.append(element("text", unit, x=end + 10, y=top + 9, class_="axis"))
    return joined(parts)
