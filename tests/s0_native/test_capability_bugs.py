"""Would a bug in the capabilities be found? Seeded ones, each a build of its own, by random runs
beside the model; what lies out of bounds or is undefined by sanitizers."""

from __future__ import annotations

import random
import subprocess

import pytest
from s0_native.building import Compiler, Shell
from s0_native.capability_bugs import BUGS
from s0_native.capability_replicas import SOURCES
from s0_native.capability_world import World
from seeded import every


def found(shell: Shell, seeds: int) -> str | None:
    """What the first difference to the model was, in random runs."""
    for seed in range(seeds):
        choose = random.Random(seed)
        try:
            world = World(shell)
            world.furnish()
            for _ in range(150):
                world.random_step(choose)
        except (AssertionError, ValueError, KeyError, BrokenPipeError) as difference:
            return f"seed {seed}: {type(difference).__name__} {difference}"
    return None


@pytest.mark.parametrize("name", every(3, BUGS))
def test_seeded_bug_is_found(compiler: Compiler, name: str) -> None:
    shell = Shell(compiler.build("capability_shell.c", *SOURCES, flags=("-O0",), bug=BUGS[name]))
    try:
        assert found(shell, 40) is not None
    finally:
        shell.process.kill()
        shell.close()


def test_the_same_runs_find_nothing_without_one(compiler: Compiler) -> None:
    shell = Shell(compiler.build("capability_shell.c", *SOURCES))
    assert found(shell, 6) is None
    shell.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_byte_outside_and_nothing_undefined(compiler: Compiler, seed: int) -> None:
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
    alive = compiler.build("sanitized.c", flags=flags)
    if subprocess.run([alive], check=False, capture_output=True).returncode:
        pytest.skip("AddressSanitizer does not run here")
    program = compiler.build("capability_client.c", *SOURCES, flags=flags)
    done = subprocess.run([program, str(seed), "4000"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
