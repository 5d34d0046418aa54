"""The bench of the native core's hot paths: it builds, and every operation of it runs in either
kernel, in the geometry of two cores and of many.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seeded import NATIVE

from multikernel.native._native import LOCKS

ROOT = NATIVE.parents[1]
FLOORS = {"floor", "floor-single", "floor-after"}
TOGETHER = {"own-pages", "own-pages-by-hand"} | {
    f"retype{what}" for what in ("", "-local", "-16", "-both-1", "-both-16")
}
"""What all cores of a geometry take part in."""


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        names = ("building", "__main__")
        yield {name: importlib.import_module(f"bench.native.{name}") for name in names}


@pytest.fixture(scope="module")
def programs(bench: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("cmake"):
        pytest.skip("no cmake on PATH")
    return bench["building"].build(ROOT, tmp_path_factory.mktemp("bench"))


@pytest.mark.full
@pytest.mark.parametrize("mode", ["alone", "both", "crowd", "four"])
def test_every_lock_is_measured(programs: Path, mode: str) -> None:
    # A slice of several turns of the host, so that each gets its own on a loaded machine, too.
    command = [programs / "locks", mode, "1", "3" if mode in ("alone", "both") else "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    assert first == "round 0"
    assert {*LOCKS} <= {row.split()[0] for row in rows}
    if mode != "alone":
        assert all(float(row.split()[2]) > 0 for row in rows)


@pytest.mark.full
@pytest.mark.parametrize(
    ("program", "sizes"),
    [
        ("objects", ("0", "4", "50", "1", "1")),
        ("object_switches", ("1", "50")),
        ("object_delegation", ("1", "200")),
        ("object_windows", ("2", "1")),
    ],
)
def test_every_figure_of_objects_is_there(
    programs: Path, program: str, sizes: tuple[str, ...]
) -> None:
    command = [programs / program, *sizes]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    figures = [row.split(",") for row in rows]
    assert len(figures) > 8
    assert all(float(figure) > 0 for row in figures for figure in row[6:])


@pytest.mark.full
@pytest.mark.parametrize("kernel", ["multikernel", "shared"])
@pytest.mark.parametrize("cores", [2, 64])
def test_every_operation_runs(
    bench: dict[str, Any], programs: Path, kernel: str, cores: int
) -> None:
    command = bench["__main__"]
    taken: set[str] = set()
    for _ in range(10):  # those in which the host moved the CPUs are left out
        for one in command.rounds_of(programs, kernel, cores, 1, []):
            assert all(cycles > 0 for cycles in one.values())
            taken |= one.keys()
        if taken:
            break
    named = {name for ratio in command.RATIOS for name in ratio if name} | FLOORS
    not_there = (TOGETHER if cores > 2 else set()) | (
        {"unmap-two-phase"} if kernel == "shared" else set()
    )
    assert named - taken <= not_there
