"""Arbitrary input, drawn from a seed, under the address and the undefined-behaviour sanitizer: to a
monitor's step, to what attaches to channels and segments, and to a driver's requests.

What is promised of it stands in multikernel/native/README.md. Said where one fails: the seed, and
the number of the generation, by which the client draws the same again (fuzz.h).
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from s0_native.building import NATIVE, SANITIZED, SANITIZED_ENVIRONMENT, Compiler
from s0_native.fuzz_bugs import BUGS
from s0_native.test_deferred import SOURCES as DRIVER
from sampling import more
from seeded import Bug, product_build

CLIENTS: dict[str, list[Path]] = {
    "step": [
        path
        for path in DRIVER
        if path.relative_to(NATIVE).parts[0] in ("monitor", "capability")
        or path in (NATIVE / "memory" / "mapping_table.c", NATIVE / "memory" / "frames.c")
    ],
    "attach": [path for path in DRIVER if path.parent.name in ("channel", "segment")],
    "dispatch": list(DRIVER),
}
"""And of what each is made."""


def run(
    compiler: Compiler, client: str, seed: int, executions: int, bug: Bug | None = None
) -> subprocess.CompletedProcess[str]:
    sources: list[Path | str] = [f"{client}_fuzz.c", *CLIENTS[client]]
    if client == "dispatch":
        sources.append(product_build() / "record_build.c")
    program = compiler.build(*sources, flags=SANITIZED, bug=bug)
    command = [str(program), str(seed), str(executions)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, errors="replace",
        env={**os.environ, **SANITIZED_ENVIRONMENT},
    )  # fmt: skip


def some_seed() -> int:
    return random.randrange(1 << 32)


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("client", CLIENTS)
def test_whatever_comes_is_borne(compiler: Compiler, client: str) -> None:
    done = run(compiler, client, some_seed(), more(3_000, 8_000))
    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.parametrize("client", CLIENTS)
def test_whatever_comes_is_borne_a_million_times(compiler: Compiler, client: str) -> None:
    done = run(compiler, client, some_seed(), 1_000_000)
    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_seen(compiler: Compiler, name: str) -> None:
    bug = BUGS[name]
    (client,) = bug.seen_by
    done = run(compiler, client, some_seed(), 500_000, bug)
    assert done.returncode != 0, done.stdout
    assert f"seed {done.args[1]}, generation" in done.stderr
