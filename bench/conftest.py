"""Two cores, booted once for all benches of a file, in each kernel."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import multikernel
from multikernel import System
from multikernel.experiments.instrument.loops import Report


@pytest.fixture(scope="module", params=["multikernel", "shared"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(2, kernel=request.param) as booted:
        yield booted


@pytest.fixture(scope="session")
def native() -> Iterator[Path]:
    """Where the programs of bench/native are built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1])
        yield importlib.import_module("bench.native.building").here()


@pytest.fixture
def note(benchmark: Any) -> Callable[[Report, int], None]:
    """Keeps what one operation took by the core's own clock: the round's time has a program's start
    and end in it.
    """

    def keep(report: Report, operations: int) -> None:
        for name, (n, total, least, most, _) in report.samples.items():
            benchmark.extra_info[name] = {
                "mean_cycles": total / n,
                "min_cycles": least,
                "max_cycles": most,
            }
        benchmark.extra_info["operations_a_round"] = operations

    return keep
