"""The bench of the native core's hot paths: it builds, and every operation of it runs in either
kernel, in the geometry of two cores and of many.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from seeded import NATIVE

ROOT = NATIVE.parents[1]
FLOORS = {"floor", "floor-single", "floor-after"}
TOGETHER = {"own-pages", "own-pages-by-hand"} | {
    f"retype{what}" for what in ("", "-local", "-16", "-both-1", "-both-16")
}
"""What all cores of a geometry take part in."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import sys

    sys.path.insert(0, str(ROOT))
    from bench.native import building

    if not shutil.which("cmake"):
        pytest.skip("no cmake on PATH")
    return building.build(ROOT, tmp_path_factory.mktemp("bench"))


@pytest.mark.full
@pytest.mark.parametrize("kernel", ["multikernel", "shared"])
@pytest.mark.parametrize("cores", [2, 64])
def test_every_operation_runs(programs: Path, kernel: str, cores: int) -> None:
    from bench.native.__main__ import RATIOS, rounds_of

    taken: set[str] = set()
    for _ in range(10):  # those in which the host moved the CPUs are left out
        for one in rounds_of(programs, kernel, cores, 1, []):
            assert all(cycles > 0 for cycles in one.values())
            taken |= one.keys()
        if taken:
            break
    named = {name for ratio in RATIOS for name in ratio if name} | FLOORS
    missing = named - taken
    assert missing <= TOGETHER if cores > 2 else missing <= {"unmap-two-phase"}
