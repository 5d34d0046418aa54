"""Objects in each of their forms: by object, by how many of the operations only read, and by how
many lines one touches; and what the object's dispatch costs beside the form alone.

A round is one run of bench/native/objects.c, in which all forms come by turns, on two CPUs, with
equal parts for both cores. `extra_info` has millions of operations a second, the median and the
best; the lines' round trip belongs to them, for it changes with the host. *waits*: the caller has
one operation at a time; *flight*: several, which is another contract, and no competitor of the
others.

Three more programs measure what there is besides: what a change of form costs the core that changes
it (object_switches.c), delegation beside a call line's round trip and beside what its owner alone
does (object_delegation.c), and what the windows of a chooser cost (object_windows.c). Ratios are
medians over rounds, in each of which all that is compared is measured.
"""

from __future__ import annotations

import statistics
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

COUNTERS, MAP, QUEUE, MAPPINGS = range(4)
OBJECTS = [(COUNTERS, 1), (COUNTERS, 2), (COUNTERS, 4), (COUNTERS, 8), (COUNTERS, 16)]
OBJECTS += [(COUNTERS, 32), (MAP, 1024), (MAPPINGS, 256)]
READS = (0, 50, 90, 95, 99, 100)
MS, ROUNDS = 1, 15
DISPATCH_MOST = 20
"""Cycles of an operation that the object may cost more than its form alone."""


@pytest.fixture(scope="module")
def program(native: Path) -> Path:
    return native / "objects"


def rows_of(program: Path, *arguments: int) -> list[list[str]]:
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split(",") for line in done.stdout.splitlines()]


def run(program: Path, *arguments: int) -> dict[str, Any]:
    """By form, contract and dispatch."""
    first, *rows = rows_of(program, *arguments)
    found: dict[str, Any] = {"round_trip_cycles": float(first[1])}
    for _, _, _, form, contract, dispatch, median, best, cycles in rows:
        found[f"{form} {contract} {dispatch}"] = {
            "mops": float(median),
            "best_mops": float(best),
            "cycles_of_a_core": float(cycles),
        }
    return found


@pytest.mark.parametrize("reads", READS)
@pytest.mark.parametrize(("kind", "shape"), OBJECTS)
def test_forms(benchmark: Any, program: Path, kind: int, shape: int, reads: int) -> None:
    found = benchmark.pedantic(lambda: run(program, kind, shape, reads, MS, ROUNDS), rounds=1)
    benchmark.extra_info |= found


def test_the_queue(benchmark: Any, program: Path) -> None:
    benchmark.extra_info |= benchmark.pedantic(
        lambda: run(program, QUEUE, 64, 0, MS, ROUNDS), rounds=1
    )


@pytest.mark.parametrize(("kind", "shape", "reads"), [(COUNTERS, 1, 0), (COUNTERS, 8, 50)])
def test_dispatch(benchmark: Any, program: Path, kind: int, shape: int, reads: int) -> None:
    """One core alone, where nothing else is in the way."""
    found = benchmark.pedantic(lambda: run(program, kind, shape, reads, MS, ROUNDS, 1), rounds=1)
    forms = {name.split()[0] for name in found if name.endswith("alone")}
    over = {
        form: found[f"{form} waits pinned"]["cycles_of_a_core"]
        - found[f"{form} waits alone"]["cycles_of_a_core"]
        for form in forms
    }
    benchmark.extra_info |= over
    assert max(over.values()) <= DISPATCH_MOST, over


def test_changes_of_form(benchmark: Any, native: Path) -> None:
    """By change, object and what the other core does: nanoseconds of the owner's."""
    rows = benchmark.pedantic(lambda: rows_of(native / "object_switches", 9, 2000), rounds=1)
    trips = [float(row[1]) for row in rows if row[0] == "round trip"]
    benchmark.extra_info["round_trip_cycles"] = [min(trips), max(trips)]
    for kind, shape, before, after, load, *figures in (row for row in rows if len(row) > 2):
        median, p99, p99_worst, worst, copies = map(float, figures)
        benchmark.extra_info[f"{before} to {after}, {kind} {shape}, the other {load}"] = {
            "median_ns": median,
            "p99_ns": p99,
            "p99_worst_round_ns": p99_worst,
            "worst_ns": worst,
            "two_copies_ns": copies,
        }


def test_delegation(benchmark: Any, native: Path) -> None:
    """One at a time over a round trip, and in flight over what the owner does where nobody asks."""
    rows = benchmark.pedantic(lambda: rows_of(native / "object_delegation", 15), rounds=1)
    by_kind: dict[str, list[list[float]]] = defaultdict(list)
    for kind, shape, *cycles in rows:
        by_kind[f"{kind} {shape}"].append([float(one) for one in cycles])
    for kind, rounds in by_kind.items():
        names = ("trip", "call", "asked", "flight", "alone", "apply")
        cycles = dict(zip(names, zip(*rounds, strict=True), strict=True))

        def ratio(of: str, to: str, cycles: dict[str, Any] = cycles) -> float:
            return float(
                statistics.median(a / b for a, b in zip(cycles[of], cycles[to], strict=True))
            )

        benchmark.extra_info[kind] = {
            **{f"{name}_cycles": statistics.median(cycles[name]) for name in names},
            "asked_over_call": ratio("asked", "call"),
            "asked_over_trip": ratio("asked", "trip"),
            "flight_of_alone": ratio("alone", "flight"),
            "flight_of_apply": ratio("apply", "flight"),
        }


@pytest.mark.parametrize("solo", [0, 1])
def test_windows_of_a_chooser(benchmark: Any, native: Path, solo: int) -> None:
    """The rate with a chooser that knows one form, over the rate without; `control`: neither has
    one.
    """
    program = native / "object_windows"
    first, *rows = benchmark.pedantic(lambda: rows_of(program, 300, 2, solo), rounds=1)
    benchmark.extra_info["round_trip_cycles"] = float(first[1])
    for kind, shape, reads, form, *figures in rows:
        ratio, low, high, control, *_ = map(float, figures)
        benchmark.extra_info[f"{form}, {kind} {shape}, {reads} % reads"] = {
            "ratio": ratio,
            "quartiles": [low, high],
            "control": control,
        }
