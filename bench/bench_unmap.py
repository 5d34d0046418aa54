"""Unmap of a page mapped on both cores: from a core, in a loop, with the other polling; and through
the public calls.

A round of the first is one program that maps, touches and unmaps 1 000 times; `extra_info` has the
cycles of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from multikernel import System
from multikernel.experiments.instrument import loops
from multikernel.experiments.instrument.loops import Report
from multikernel.native._native import PROTOCOLS

Note = Callable[[Report, int], None]
COUNT, THINK_US = 1_000, 2


@pytest.mark.parametrize("protocol", ["one-phase", "two-phase"])
def test_by_a_core(benchmark: Any, note: Note, system: System, protocol: str) -> None:
    if system.kernel == "shared" and protocol == "two-phase":
        pytest.skip("the shared kernel has one phase")
    frame = system.allocate(4096)
    report = benchmark.pedantic(
        lambda: system.cores[0].run(
            loops.unmap,
            (frame.offset, frame.name),
            (0, 1),
            PROTOCOLS[protocol],
            COUNT,
            THINK_US,
            None,
        ),
        rounds=10,
        warmup_rounds=1,
    )
    note(report, COUNT)


def test_by_public_calls(benchmark: Any, system: System) -> None:
    frame = system.allocate(4096)

    def page() -> tuple[tuple[Any], dict[str, Any]]:
        return (system.map(frame),), {}

    benchmark.pedantic(system.unmap, setup=page, rounds=500)
