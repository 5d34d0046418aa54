"""Round trips over a call line: between bare ends, to a driver that answers, and the client's
requests to a core.

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
VIA_CALL_LINE = 0


def test_bare_ends(benchmark: Any, note: Note, system: System) -> None:
    if system.kernel == "shared":
        pytest.skip("the ends know no kernel")
    plan = (("round_trip", COUNT, BATCH),)

    def round_trips() -> Report:
        answering = system.cores[1].start(loops.raw, "call_line", 0, 1, plan, None)
        report: Report = system.cores[0].run(loops.raw, "call_line", 1, 0, plan, None)
        answering.result()
        return report

    note(benchmark.pedantic(round_trips, rounds=10, warmup_rounds=1), COUNT)


def test_through_the_driver(benchmark: Any, note: Note, system: System) -> None:
    plan = (("round_trip", COUNT, BATCH),)
    report = benchmark.pedantic(
        lambda: system.cores[0].run(loops.ping, 1, VIA_CALL_LINE, plan, None),
        rounds=10,
        warmup_rounds=1,
    )
    note(report, COUNT)


def test_a_request_from_outside(benchmark: Any, system: System) -> None:
    page = system.map(system.allocate(4096))
    assert benchmark(system.cores[1].read, page, 0, 8) == bytes(8)


def test_a_program_from_outside(benchmark: Any, system: System) -> None:
    assert benchmark(system.cores[1].run, abs, -1) == 1
