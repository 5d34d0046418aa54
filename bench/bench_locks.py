"""Locks between processes: what one costs uncontended, beside its bare atomic operations; and what
contended ones do, on two CPUs and on one.

Rows are *unfair* or *FIFO*. A round is one run of bench/native/locks.c, in which all kinds come by
turns; `extra_info` has each one's figures. Where Concurrency Kit's headers are (Debian: libck-dev)
its locks are measured on the same loops, and the rest says so by name.
"""

from __future__ import annotations

import statistics
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from multikernel.native._native import LOCKS

ROUNDS, MS = 5, 60
FIFO = {**LOCKS, "ck-fas": False, "ck-mcs": True, "reading": False}
PEERS = {"ttas": "ck-fas", "mcs": "ck-mcs"}
BESIDE = "robust"
"""The host's mutex: what a lock on a crowded CPU is compared with."""


@pytest.fixture(scope="module")
def program(native: Path) -> Path:
    return native / "locks"


def rounds_of(program: Path, *arguments: object) -> list[list[list[str]]]:
    """Of each round, its rows."""
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    parts = done.stdout.split("round ")[1:]
    return [[line.split() for line in part.splitlines()[1:]] for part in parts]


def row(kind: str) -> str:
    return f"{'FIFO' if FIFO[kind] else 'unfair'} {kind}"


def test_uncontended(benchmark: Any, program: Path) -> None:
    rounds = benchmark.pedantic(lambda: rounds_of(program, "alone", ROUNDS), rounds=1)
    cycles: dict[str, list[float]] = defaultdict(list)
    bare: dict[str, list[float]] = defaultdict(list)
    for one in rounds:
        for kind, taken, atomics in one:
            cycles[kind].append(float(taken))
            bare[kind].append(float(taken) / float(atomics))
    for kind, values in cycles.items():
        benchmark.extra_info[row(kind)] = {"cycles": statistics.median(values)}
        if not kind.startswith("ck-"):
            benchmark.extra_info[row(kind)]["of_the_bare_atomics"] = statistics.median(bare[kind])
    for kind, peer in PEERS.items():
        if peer in cycles:
            pairs = zip(cycles[kind], cycles[peer], strict=True)
            benchmark.extra_info[f"{kind} of {peer}"] = statistics.median(a / b for a, b in pairs)
    benchmark.extra_info["skipped"] = [peer for peer in PEERS.values() if peer not in cycles]


@pytest.mark.parametrize("where", ["both", "crowd", "four"])
def test_contended(benchmark: Any, program: Path, where: str) -> None:
    """both: two processes, a CPU each; crowd: two on one CPU; four: four on two."""
    rounds = benchmark.pedantic(lambda: rounds_of(program, where, ROUNDS, MS), rounds=1)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in rounds:
        mutex = {think: float(mops) for kind, think, mops, *_ in one if kind == BESIDE}
        for kind, think, *figures in one:
            found[kind, think].append(tuple(map(float, figures)))
            ratios[kind, think].append(float(figures[0]) / mutex[think])
    for (kind, think), values in found.items():
        mops, busy, shares, sleeps, rows, longest = zip(*values, strict=True)
        benchmark.extra_info[f"{row(kind)}, think {think}"] = {
            "million_a_second": statistics.median(mops),
            "busy": statistics.median(busy),
            "least_share": min(shares),
            "sleeps_a_million": statistics.median(sleeps),
            "most_in_a_row": max(rows),
            "longest_wait_cycles": max(longest),
            f"of_{BESIDE}": statistics.median(ratios[kind, think]),
            f"of_{BESIDE}_worst": min(ratios[kind, think]),
        }
