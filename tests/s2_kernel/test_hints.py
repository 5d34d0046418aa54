"""More cores than one watches: whoever calls, from wherever, is heard.

What is not heard of at once is found by a tick at last, and so a broken hint shows as a test that
takes for ever (`watch.h`).
"""

from __future__ import annotations

import pytest
from s2_kernel import hint_programs as programs

import multikernel

CORES, TIMES = 9, 100


@pytest.mark.parametrize("options", [{}, {"kernel": "shared"}, {"transport": "ring"}], ids=str)
def test_all_call_all(options: dict[str, str]) -> None:
    with multikernel.boot(cores=CORES, **options) as system:  # type: ignore[arg-type]
        tasks = [core.start(programs.call_all, CORES, TIMES, core.index) for core in system.cores]
        assert [task.result() for task in tasks] == [(CORES - 1) * TIMES] * CORES


@pytest.mark.parametrize("options", [{}, {"transport": "ring"}], ids=str)
def test_all_map_on_all(options: dict[str, str]) -> None:
    with multikernel.boot(cores=CORES, **options) as system:  # type: ignore[arg-type]
        frames = [system.allocate(4096) for _ in system.cores]
        tasks = [
            core.start(programs.map_on_all, frame, 20)
            for core, frame in zip(system.cores, frames, strict=True)
        ]
        assert [task.result() for task in tasks] == [20] * CORES
