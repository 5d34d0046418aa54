"""The shared kernel's capabilities between threads that stand for its cores: no race, no deadlock,
nothing left in the end; and every seeded bug in their locks is caught.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from s0_native.building import NATIVE, Compiler, sanitizer_prefix
from s0_native.test_capability_bugs import SOURCES

SANITIZER = ("-fsanitize=thread", "-O1")
BIG, REGION = 0, 1


def mutant_names() -> list[str]:
    """In the order of their numbers, from 1."""
    source = (NATIVE / "shared" / "capability_locks.h").read_text()
    return re.findall(r"^ {4}SHARED_MUTANT_(\w+)", source, re.MULTILINE)


def run(
    compiler: Compiler,
    seed: int,
    steps: int,
    scope: int,
    mutant: int = 0,
    *,
    sanitized: bool = True,
) -> subprocess.CompletedProcess[str]:
    flags = (*(SANITIZER if sanitized else ()), "-DSTUCK_SECONDS=6")
    program = compiler.build("shared_capabilities_client.c", *SOURCES, flags=flags)
    prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER)) if sanitized else ()
    environment = {
        **os.environ,
        "TSAN_OPTIONS": "halt_on_error=1 exitcode=66 report_thread_leaks=0",
    }
    command = [*prefix, str(program), *map(str, (seed, 4, steps, scope, mutant))]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("scope", [BIG, REGION])
def test_no_race_and_nothing_left(compiler: Compiler, scope: int) -> None:
    for seed in range(2):
        done = run(compiler, seed, 1_000, scope)
        assert done.returncode == 0, (seed, done.stderr)


# Without the sanitizer at full speed, where other interleavings show.
@pytest.mark.parametrize("scope", [BIG, REGION])
def test_nothing_left_at_full_speed(compiler: Compiler, scope: int) -> None:
    for seed in range(2):
        done = run(compiler, seed, 5_000, scope, sanitized=False)
        assert done.returncode == 0, (seed, done.stderr)


@pytest.mark.full(one_in=4)
@pytest.mark.parametrize("seed", range(100, 130))
@pytest.mark.parametrize("scope", [BIG, REGION])
def test_no_race_for_long(compiler: Compiler, scope: int, seed: int) -> None:
    done = run(compiler, seed, 20_000, scope)
    assert done.returncode == 0, done.stderr


# Those that come to a deadlock take as long as it takes to believe it.
DEADLOCKS = ("PAGES_FIRST", "UNORDERED")


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(name, marks=pytest.mark.full) if name in DEADLOCKS else name
        for name in mutant_names()
    ],
)
def test_a_seeded_bug_is_caught(compiler: Compiler, mutant: str) -> None:
    # A race shows only in some interleavings: the more runs, the surer; nearly always one of the
    # first ends it.
    for seed in range(20):
        done = run(compiler, seed, 2_000, REGION, mutant_names().index(mutant) + 1)
        if done.returncode:
            break
    else:
        pytest.fail(f"{mutant} ran {seed + 1} times without being noticed")
    assert done.returncode in (1, 66, -6, -11, -14), done.stderr
