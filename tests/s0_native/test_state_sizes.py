"""How many bytes a core's state has: it grows with what can be mapped and be under way at once,
and little with the number of cores.
"""

from __future__ import annotations

import subprocess

import pytest
from s0_native.building import NATIVE, Compiler

from multikernel.runtime.core import CNODES

SOURCES = [
    NATIVE / "multikernel" / "shape.c",
    *sorted((NATIVE / "monitor").rglob("*.c")),
    *sorted((NATIVE / "capability").glob("*.c")),
    NATIVE / "memory" / "frames.c",
    NATIVE / "memory" / "mapping_table.c",
]
MB = 1 << 20


@pytest.mark.parametrize(
    ("cores", "slots", "cnodes", "most"),
    [
        pytest.param(1024, 64, CNODES, 3 * MB, id="1024-as-booted"),
        pytest.param(4096, 16, 4, 3 * MB // 2, id="4096-for-an-experiment"),
        pytest.param(16, 32, 0, 64 << 10, id="16-for-an-experiment"),
    ],
)
def test_a_state_is_small(
    compiler: Compiler, cores: int, slots: int, cnodes: int, most: int
) -> None:
    program = compiler.build("state_sizes.c", *SOURCES)
    arguments = f"{cores}:{slots}:{cnodes}"
    done = subprocess.run([program, arguments], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) <= most
