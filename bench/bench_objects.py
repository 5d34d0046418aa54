"""Objects in each of their forms: by object, by how many of the operations only read, and by how
many lines one touches; and what the object's dispatch costs beside the form alone.

A round is one run of bench/native/objects.c, in which all forms come by turns, on two CPUs, with
equal parts for both cores. `extra_info` has millions of operations a second, the median and the
best; the lines' round trip belongs to them, for it changes with the host. *waits*: the caller has
one operation at a time; *flight*: several, which is another contract, and no competitor of the
others.
"""

from __future__ import annotations

import subprocess
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


def run(program: Path, *arguments: int) -> dict[str, Any]:
    """By form, contract and dispatch."""
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    found: dict[str, Any] = {"round_trip_cycles": float(first.split(",")[1])}
    for row in rows:
        _, _, _, form, contract, dispatch, median, best, cycles = row.split(",")
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
