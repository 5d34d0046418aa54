"""Threads of a program that enter their core's driver, against its signal handler and each other,
under ThreadSanitizer: no race, and no request whose signal leaves no mark.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from s0_native.building import Compiler, sanitizer_prefix
from s0_native.guest_bugs import BUGS
from s0_native.test_deferred import SOURCES
from seeded import Bug, product_build

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

SANITIZER = ("-fsanitize=thread", "-O1")


def run(
    compiler: Compiler, seed: int, rounds: int, bug: Bug | None = None
) -> subprocess.CompletedProcess[str]:
    sources = ("guest_client.c", *SOURCES, product_build() / "record_build.c")
    flags = (*SANITIZER, "-Wno-tsan", "-DSTUCK_SECONDS=10", "-lm", "-lrt")
    program = compiler.build(*sources, flags=flags, bug=bug)
    prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER))
    return subprocess.run(
        [*prefix, str(program), str(seed), str(rounds)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1 exitcode=66"},
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_nobody_meets_the_handler(compiler: Compiler, seed: int) -> None:
    done = run(compiler, seed, 4000)
    assert done.returncode == 0, done.stderr
    interrupts, one, other, refused = map(int, re.findall(r"\d+", done.stdout))
    assert min(interrupts, one, other, refused), done.stdout


@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_seen(compiler: Compiler, name: str) -> None:
    for seed in range(8):  # a race shows only in some interleavings
        if run(compiler, seed, 4000, BUGS[name]).returncode:
            return
    pytest.fail("ran eight times without being noticed")
