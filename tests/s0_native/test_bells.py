"""Frames, and the bell that wakes a receiver: two threads, no race, no byte wrong, no sleep missed
(bell_client.c).
"""

from __future__ import annotations

import subprocess

import pytest
from s0_native.building import Compiler, sanitizer_prefix
from s0_native.test_channel_conformance import SANITIZER, SOURCES
from seeded import Bug, table

BUGS = table(
    Bug(
        "ARENA_WRITTEN_TOO_EARLY",
        "channel/frame.c",
        "if (arena_room(channel) < round_up(piece, LINE_BYTES))",
        "if (arena_room(channel) == UINT64_MAX)",
        seen_by=("frames", "64"),
    ),
    Bug(
        "ARENA_TAKEN_BEFORE_IT_IS_READ",
        "channel/frame.c",
        "channel->arena_got, memory_order_release);",
        "channel->arena_got, memory_order_relaxed);",
        seen_by=("frames", "64"),
    ),
    Bug(
        "FRAME_PIECES_LOST",
        "channel/frame.c",
        "            channel->arena_put = before;\n",
        "            (void)before;\n",
        seen_by=("frames", "2"),
    ),
    Bug(
        "NOBODY_RINGS",
        "channel/bell.c",
        "    write_to(channel->bell.other);\n",
        "    (void)write_to;\n",
        seen_by=("sleeps",),
    ),
    Bug(
        "RUNG_FOR_ONCE_AND_FOR_ALL",
        "channel/bell.c",
        "    bell->sleeps += CHANNEL_SLEEP;\n",
        "    bell->sleeps = CHANNEL_SLEEP;\n",
        seen_by=("sleeps",),
    ),
    Bug(
        "ASLEEP_WITHOUT_A_BARRIER",
        "channel/bell.c",
        "bell->naps = !barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) ||",
        "bell->naps = ",
        seen_by=("sleeps",),
    ),
    Bug(
        "MORE_IS_NOT_TOLD_OF",
        "channel/bell.c",
        "        write_to(bell->own);\n",
        "",
        seen_by=("polls",),
    ),
)
CASES = [
    ("used-ring", 1, 0),
    ("used-ring", 4, 4096),
    ("used-ring", 64, 65536),
    ("call-line", 3, 4096),
]


def run(
    compiler: Compiler, *arguments: object, flags: tuple[str, ...] = (), bug: Bug | None = None
) -> subprocess.CompletedProcess[str]:
    program = compiler.build("bell_client.c", *SOURCES, flags=flags, bug=bug)
    prefix: tuple[str, ...] = ()
    if flags:
        prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER))
    return subprocess.run(
        [*prefix, str(program), *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seen", ["frames", "sleeps", "polls"])
def test_frames_arrive_and_sleepers_are_woken(
    compiler: Compiler, seen: str, case: tuple[str, int, int]
) -> None:
    done = run(compiler, seen, *case, 7)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seen", ["frames", "sleeps"])
def test_no_race(compiler: Compiler, seen: str) -> None:
    done = run(compiler, seen, "used-ring", 4, 4096, 3, flags=(*SANITIZER, "-DROUNDS=500"))
    assert done.returncode == 0, done.stderr


RARE = "ASLEEP_WITHOUT_A_BARRIER"
"""Seen where both threads run at once, which beside other work is seldom."""


@pytest.mark.full
def test_a_missing_barrier_is_caught(compiler: Compiler) -> None:
    for seed in range(20):
        done = run(compiler, "sleeps", "used-ring", 4, 4096, seed, bug=BUGS[RARE])
        if done.returncode:
            return
    pytest.fail("no sleep was missed")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("name", [name for name in BUGS if name != RARE])
def test_a_seeded_bug_is_caught(compiler: Compiler, name: str) -> None:
    bug = BUGS[name]
    seen, *slots = bug.seen_by
    flags = (*SANITIZER, "-DSTUCK_SECONDS=5") if slots else ("-DSTUCK_SECONDS=20",)
    done = run(compiler, seen, "used-ring", *(slots or ["4"]), 4096, 3, flags=flags, bug=bug)
    assert done.returncode in (1, 66, -14), done.stderr
