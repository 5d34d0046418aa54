"""Round trips over two epoch rings: between bare ends, and to a driver that answers.

A round is one program that makes 20 000 of them; `extra_info` has the cycles of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from multikernel import System
from multikernel.experiments.instrument import loops
from multikernel.experiments.instrument.loops import Report

Note = Callable[[Report, int], None]
COUNT, BATCH = 20_000, 100
VIA_RING = 1


def test_bare_ends(benchmark: Any, note: Note, system: System) -> None:
    if system.kernel == "shared":
        pytest.skip("the ends know no kernel")
    plan = (("round_trip", COUNT, BATCH),)

    def round_trips() -> Report:
        answering = system.cores[1].start(loops.raw, "ring", 0, 1, plan, None)
        report: Report = system.cores[0].run(loops.raw, "ring", 1, 0, plan, None)
        answering.result()
        return report

    note(benchmark.pedantic(round_trips, rounds=10, warmup_rounds=1), COUNT)


def test_through_the_driver(benchmark: Any, note: Note, system: System) -> None:
    plan = (("round_trip", COUNT, BATCH),)
    report = benchmark.pedantic(
        lambda: system.cores[0].run(loops.ping, 1, VIA_RING, plan, None),
        rounds=10,
        warmup_rounds=1,
    )
    note(report, COUNT)
