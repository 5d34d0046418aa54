"""Local operations on capabilities, with 10 … 10⁶ of them in the mapping database; and a revoke of
1000 Frames.

One replica in memory of its own: no cores, no messages. A round is a few thousand operations on
capabilities picked at random; `extra_info` has the cycles of one (and ns by the calibrated clock),
clock reads included.
"""

from __future__ import annotations

from typing import Any

import pytest

from multikernel.machine.host.clock import tsc_rate
from multikernel.native import _native
from multikernel.results.histogram import Histogram

COUNTS = [10**n for n in range(1, 7)]
OPERATIONS, DESCENDANTS = 2000, 1000


@pytest.fixture(scope="module", params=COUNTS)
def filled(request: pytest.FixtureRequest) -> _native.Capabilities:
    replica = _native.Capabilities(_native.Capabilities.cnodes_to_probe(request.param))
    replica.probe_fill(request.param)
    return replica


def note(benchmark: Any, name: str, native: _native.Histogram) -> None:
    """Keeps median, best and worst percentile: the mean of so short operations is the host's
    interruptions.
    """
    counts = memoryview(native.counts()).cast("Q")
    histogram = Histogram.from_dense(counts, native.min, native.max, native.sum)
    median = histogram.percentile(50)
    benchmark.extra_info[name] = {
        "median_cycles": median,
        "median_ns": round(median / tsc_rate().hz * 1e9, 1),
        "min_cycles": histogram.minimum,
        "p99_cycles": histogram.percentile(99),
        "samples": histogram.samples,
    }


def test_copy_retype_delete(benchmark: Any, filled: _native.Capabilities) -> None:
    copy, retype, delete = _native.Histogram(), _native.Histogram(), _native.Histogram()
    seeds = iter(range(1, 1000))

    def operations() -> None:
        filled.probe_operations(OPERATIONS, next(seeds), copy, retype, delete)

    benchmark.pedantic(operations, rounds=10, warmup_rounds=1)
    for name, histogram in (("copy", copy), ("retype", retype), ("delete", delete)):
        note(benchmark, name, histogram)


def test_split(benchmark: Any, filled: _native.Capabilities) -> None:
    """Of memory with all the other capabilities below it, at offsets picked at random: the worst
    there is.
    """
    split, rounds = _native.Histogram(), min(OPERATIONS, len(filled) // 8)
    seeds = iter(range(1, 1000))
    benchmark.pedantic(
        lambda: filled.probe_split(rounds, next(seeds), split), rounds=10, warmup_rounds=1
    )
    note(benchmark, "split", split)


def test_revoke(benchmark: Any, filled: _native.Capabilities) -> None:
    revoke = _native.Histogram()
    benchmark.pedantic(
        lambda: filled.probe_revoke(DESCENDANTS, 10, revoke), rounds=5, warmup_rounds=1
    )
    note(benchmark, f"revoke_{DESCENDANTS}", revoke)
