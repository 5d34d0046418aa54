"""The shared kernel's capabilities between threads that stand for its cores: no race, no deadlock,
nothing left in the end; and every seeded bug in their locks is caught.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from s0_native.building import NATIVE, Compiler, sanitizer_prefix
from s0_native.capability_replicas import SOURCES as CAPABILITIES
from s0_native.shared_bugs import BUGS
from sampling import more
from seeded import Bug, every

SHARED = (
    "shared/capabilities.c", "shared/capability_locks.c", "shared/map_frame.c", "locks/waiting.c",
    "shared/frames.c", "memory/frames.c", "memory/mapping_table.c", "memory/vspace.c",
)  # fmt: skip
SOURCES = (*CAPABILITIES, *(NATIVE / file for file in SHARED))
SANITIZER = ("-fsanitize=thread", "-O1")
BIG, REGION = 0, 1


def run(
    compiler: Compiler,
    seed: int,
    steps: int,
    scope: int,
    bug: Bug | None = None,
    *,
    sanitized: bool = True,
) -> subprocess.CompletedProcess[str]:
    flags = (*(SANITIZER if sanitized else ()), "-DSTUCK_SECONDS=6")
    program = compiler.build(
        "shared_capabilities_client.c", "shared_around.c", *SOURCES, flags=flags, bug=bug
    )
    prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER)) if sanitized else ()
    environment = {
        **os.environ,
        "TSAN_OPTIONS": "halt_on_error=1 exitcode=66 report_thread_leaks=0",
    }
    command = [*prefix, str(program), *map(str, (seed, 4, steps, scope))]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("scope", [BIG, REGION])
def test_no_race_and_nothing_left(compiler: Compiler, scope: int) -> None:
    for seed in range(more(1, 2)):
        done = run(compiler, seed, 1_000, scope)
        assert done.returncode == 0, (seed, done.stderr)


# Without the sanitizer at full speed, where other interleavings show.
@pytest.mark.parametrize("scope", [BIG, REGION])
def test_nothing_left_at_full_speed(compiler: Compiler, scope: int) -> None:
    for seed in range(more(1, 2)):
        done = run(compiler, seed, 5_000, scope, sanitized=False)
        assert done.returncode == 0, (seed, done.stderr)


# No step at random: unrelated memory first, in one thread, where waiting would be for ever.
def test_what_is_done_in_one_region_does_not_wait_for_another(compiler: Compiler) -> None:
    done = run(compiler, 1, 0, REGION)
    assert done.returncode == 0, done.stderr


@pytest.mark.full(one_in=4)
@pytest.mark.parametrize("seed", range(100, 130))
@pytest.mark.parametrize("scope", [BIG, REGION])
def test_no_race_for_long(compiler: Compiler, scope: int, seed: int) -> None:
    done = run(compiler, seed, 20_000, scope)
    assert done.returncode == 0, done.stderr


# Those that come to a deadlock take as long as it takes to believe it.
DEADLOCKS = ("PAGES_FIRST", "UNORDERED")


@pytest.mark.sampled(one_in=4)
@pytest.mark.parametrize(
    "name",
    [
        *every(3, [name for name in BUGS if name not in DEADLOCKS]),
        *(pytest.param(name, marks=pytest.mark.full) for name in DEADLOCKS),
    ],
)
def test_a_seeded_bug_is_caught(compiler: Compiler, name: str) -> None:
    # A race shows only in some interleavings: the more runs, the surer; nearly always one of the
    # first ends it.
    for seed in range(20):
        done = run(compiler, seed, 2_000, REGION, BUGS[name])
        if done.returncode:
            break
    else:
        pytest.fail(f"{name} ran {seed + 1} times without being noticed")
    assert done.returncode in (1, 66, -6, -11, -14), done.stderr
