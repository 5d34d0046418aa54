"""bench.peers: what its arms make of clocks and counters, with known numbers; and what the probes
keep.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from types import ModuleType
from typing import Any

import pytest
from s5_experiments.smoke import placement

import multikernel
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.rig import Bench, unpacked
from multikernel.machine.host.clock import TscRate, tsc_rate
from multikernel.native._native import Histogram

ROOT = Path(__file__).resolve().parents[2]
TRIP, MESSAGE = 900, 30
"""Cycles, of a counter of 3 GHz: 300 ns and 10 ns."""


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(ROOT)
    return {
        name: importlib.import_module(f"bench.peers.{name}")
        for name in ("ours", "peer", "workers", "table")
    }


class Cores:
    """Cores whose every probe keeps the same, as the native ones keep it: means of batches, of
    streams whole ones.
    """

    class System:
        def allocate(self, size: int) -> None: ...

        def map(self, frame: None) -> None: ...

    system = System()

    def floor(self, pair: Any, lines: int, plan: Any) -> Report:
        return self._report(plan[0][0], TRIP)

    def raw(self, end: str, pair: Any, plan: Any) -> Report:
        return self._report(plan[0][0], TRIP)

    def run(self, name: str, calls: dict[int, Any]) -> dict[int, Report]:
        _, (_, probe, *_, batch) = calls[0]
        return dict.fromkeys(
            calls, self._report("batch", MESSAGE * batch if probe == "stream" else TRIP)
        )

    def _report(self, name: str, cycles: int) -> Report:
        report, histogram = Report(counts={"wrong": 0}), Histogram()
        for _ in range(9):
            histogram.add(cycles)
        report.keep(**{name: histogram})
        return report


@pytest.mark.parametrize(
    "plan", [{}, {"seconds": 0.01}, {"most": 1000}], ids=["usual", "short", "few"]
)
@pytest.mark.parametrize("key", ["floor", "call-line", "epoch-ring", "used-ring"])
def test_native_arms_with_known_cycles(
    peers: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, key: str, plan: dict[str, Any]
) -> None:
    ours = peers["ours"]
    monkeypatch.setattr(ours, "tsc_rate", lambda: TscRate(3e9, 0.0, "stated"))
    (arm,) = [one for one in ours.peers() if one.key == key]
    arm.cores._bench = Cores()
    found = arm.measure(None, peers["peer"].Plan(**plan))
    assert found.round_trip_ns == pytest.approx(300, rel=0.05)  # a histogram's buckets
    if key in ("epoch-ring", "used-ring"):
        assert found.messages_per_second == pytest.approx(100e6, rel=0.05)
    else:
        assert found.messages_per_second is None


@pytest.mark.parametrize("trip", [150, 4_000, 900_000])
@pytest.mark.parametrize("plan", [{}, {"seconds": 0.01, "most": 2000}], ids=["usual", "quick"])
def test_arms_of_two_processes_with_known_nanoseconds(
    peers: dict[str, ModuleType], trip: int, plan: dict[str, Any]
) -> None:
    """Whatever batches and counts are chosen: batches are whole, streams are timed from end to
    end.
    """

    class Pair:
        def order(self, what: str, count: int, batch: int = 0) -> Any:
            return [trip * batch] * (count // batch) if what == "round_trips" else trip // 3 * count

    found = peers["workers"].measured(Pair(), peers["peer"].Plan(**plan), True, True)
    assert found.round_trip_ns == pytest.approx(trip)
    assert found.messages_per_second == pytest.approx(1e9 / (trip // 3))


# --- What the native probes keep
# --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with multikernel.boot(list(placement().cpus)) as system:
        yield Bench(system)


def clocked(ring_on_core: Callable[..., Report], *arguments: Any) -> tuple[Report, int]:
    """Beside what it reports, nanoseconds of all of it by the host's clock."""
    began = perf_counter_ns()
    report = ring_on_core(*arguments)
    return report, perf_counter_ns() - began


@pytest.mark.parametrize("form", ["epoch-ring", "used-ring"])
@pytest.mark.parametrize("probe", ["echo", "stream"])
def test_a_probe_keeps_what_is_made_nanoseconds_of(
    peers: dict[str, ModuleType], bench: Bench, probe: str, form: str
) -> None:
    """By neither more than it can have been nor less: a unit that is a batch off is one of the
    two.
    """
    ours, (batch, batches) = peers["ours"], (100, 40)
    page = bench.system.map(bench.system.allocate(4096 + 2 * ours.SLOTS * 64))
    tasks = [
        bench.system.cores[role].start(
            clocked, ours.ring_on_core, page, probe, form, role, 1, batch * batches, batch
        )
        for role in (0, 1)
    ]
    (report, elapsed), _ = (task.result() for task in tasks)
    kept = unpacked(report.samples["batch"])
    each = ours.nanoseconds(kept, probe, batch)
    # Half of the batches took the median or longer, one after the other.
    assert each * batch * batches / 2 <= 1.05 * elapsed
    # A message is stored and taken: a cycle, there and back two lines cross: what loads from the
    # next cache take.
    least = 1 if probe == "stream" else 20
    assert each >= least * tsc_rate().to_ns(1)
