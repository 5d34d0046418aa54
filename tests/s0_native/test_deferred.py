"""A driver keeps every request that it cannot finish yet, however many can be made at once."""

from __future__ import annotations

import os
import subprocess

import pytest
from s0_native.building import NATIVE, SANITIZED, SANITIZED_ENVIRONMENT, Compiler
from seeded import product_build

ABOVE = ("client", "probes", "face")
SOURCES = sorted(
    path for path in NATIVE.rglob("*.c") if path.relative_to(NATIVE).parts[0] not in ABOVE
)


@pytest.mark.full  # the whole core is built for it
@pytest.mark.parametrize(("cores", "channels"), [(10, 66), (2, 2), (64, 2)])
def test_as_many_as_there_are_places(compiler: Compiler, cores: int, channels: int) -> None:
    sources = ("deferred_client.c", *SOURCES, product_build() / "record_build.c")
    program = compiler.build(*sources, flags=SANITIZED)
    done = subprocess.run(
        [program, str(cores), str(channels)], capture_output=True, text=True, check=False,
        env={**os.environ, **SANITIZED_ENVIRONMENT},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
