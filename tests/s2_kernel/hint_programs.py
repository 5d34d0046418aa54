"""Programs that talk to all other cores at once."""

from __future__ import annotations

import random

import multikernel
from multikernel import Frame
from multikernel.native._native import KINDS


def call_all(cores: int, times: int, seed: int) -> int:
    """Calls every other core so often, in any order; how many answered with what they were sent."""
    driver, chosen = multikernel.here().driver, random.Random(seed)
    others = [core for core in range(cores) if core != driver.me] * times
    chosen.shuffle(others)
    return sum(
        driver.call(core, KINDS["PING"], (number,))[2][0] == number
        for number, core in enumerate(others)
    )


def map_on_all(frame: Frame, times: int) -> int:
    """Maps the frame on all cores and unmaps it, so often."""
    here = multikernel.here()
    for _ in range(times):
        here.unmap(here.map(frame))
    return times
