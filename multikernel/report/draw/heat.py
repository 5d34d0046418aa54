"""Heat maps: a square a pair of CPUs, darker for dearer, with the number in it where there is room.

Guarantees: one hue, legible in grey; a pair that was not measured is empty; the scale's ends are at
least half as much again apart, so that values that are all but the same look it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from multikernel.report.draw.chart import SMALL, SOFT, WIDTH, Chart, axes_in, letters
from multikernel.report.say.wording import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERED = 16
LEFT, TOP, RIGHT, KEY = 0.3, 0.32, 0.1, 0.42
SPAN = 1.5
"""Least ratio of the scale's ends."""
MOST = 0.5
"""Of a square's side, in inches: few CPUs would make squares of half a page."""
Pair = tuple[int, int]


def heat(values: Mapping[Pair, float], cpus: Sequence[int], unit: str) -> Chart:
    """The chart. values: by (from, to); cpus: in the order to draw them."""
    low, high = min(values.values()), max(values.values())
    middle = low**0.5 * high**0.5
    low, high = min(low, middle / SPAN**0.5), max(high, middle * SPAN**0.5)
    side = min((WIDTH - LEFT - RIGHT) / len(cpus), MOST) * len(cpus)
    height = TOP + side + KEY
    table = np.array([[values.get((a, b), np.nan) for b in cpus] for a in cpus])

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, height, left=LEFT, right=WIDTH - LEFT - side, top=TOP, bottom=KEY)
        image = axes.imshow(table, cmap="Blues", vmin=low, vmax=high, aspect="auto")
        axes.set_title("from CPU ↓   to CPU →", size=SMALL, color=SOFT, loc="left", pad=12)
        step = max(1, round(0.16 * len(cpus) / side))
        places = list(range(0, len(cpus), step))
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            set_ticks(places, [str(cpus[place]) for place in places])
        axes.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0, pad=1)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if len(cpus) <= NUMBERED:
            for (row, column), value in np.ndenumerate(table):
                if not np.isnan(value):
                    dark = high > low and (value - low) / (high - low) > 0.55
                    axes.text(
                        column, row, f"{value:.0f}" if value < 9999.5 else short(value),
                        ha="center", va="center", size=min(SMALL, 26 * side / len(cpus)),
                        color="white" if dark else "#10202e",
                    )  # fmt: skip
        key = figure.add_axes((LEFT / WIDTH, 0.24 / height, 1.4 / WIDTH, 0.08 / height))
        figure.colorbar(image, cax=key, orientation="horizontal", ticks=[low, high])
        key.xaxis.set_major_formatter(lambda value, _: short(value))
        key.tick_params(length=0, pad=2)
        key.text(1.06, 0.5, letters(unit), va="center", size=SMALL, color=SOFT,
                 transform=key.transAxes)  # fmt: skip

    return Chart(height, paint)
