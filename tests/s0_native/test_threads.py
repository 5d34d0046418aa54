"""Ring, call line, lock, change line and doorbell between threads, under ThreadSanitizer where it
can see; and every seeded bug is caught.

The same clients go to GenMC, which tries all executions of a small one, where it is installed.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess

import pytest
from s0_native.building import HERE, NATIVE, Compiler, sanitizer_prefix
from s0_native.channel_bugs import BUGS, LOCKS
from seeded import Bug, every

SANITIZER = ("-fsanitize=thread", "-O1")
CLIENTS = {
    "ring": "ring_client.c",
    "used_ring": "used_ring_client.c",
    "call_line": "call_line_client.c",
    **{f"lock {kind}": "lock_client.c" for kind in LOCKS},
    "change_line": "change_line_client.c",
}
SEEN_BY_DOORBELLS = [name for name, bug in BUGS.items() if bug.seen_by == ("doorbell",)]
SEEN_BY_CLIENTS = [name for name, bug in BUGS.items() if bug.seen_by[0] in CLIENTS]


def run(
    compiler: Compiler,
    client: str,
    *arguments: int,
    flags: tuple[str, ...] = (),
    bug: Bug | None = None,
) -> subprocess.CompletedProcess[str]:
    program = compiler.build(CLIENTS[client], flags=flags, bug=bug)
    prefix: tuple[str, ...] = ()
    if "-fsanitize=thread" in flags:
        prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER))
    environment = {
        **os.environ,
        "TSAN_OPTIONS": "halt_on_error=1 exitcode=66 report_thread_leaks=0",
    }
    command = [*prefix, str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def random_arguments(client: str, seed: int, count: int) -> tuple[int, ...]:
    chosen = random.Random(seed)
    match client:
        case "ring" | "used_ring":
            return seed, 4 << chosen.randrange(5), count
        case "call_line":
            return seed, chosen.randint(1, 8), count
        case _ if client.startswith("lock"):
            # A wait of parked threads is long.
            return seed, 4, count // 4, LOCKS.index(client.removeprefix("lock "))
        case _:
            return seed, 4, count


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("client", CLIENTS)
def test_no_race_and_no_wrong_message(compiler: Compiler, client: str, seed: int) -> None:
    arguments = random_arguments(client, seed, 5_000)
    done = run(compiler, client, *arguments, flags=SANITIZER)
    assert done.returncode == 0, (arguments, done.stderr)


@pytest.mark.full(one_in=5)
@pytest.mark.parametrize("seed", range(100, 160))
@pytest.mark.parametrize("client", CLIENTS)
def test_no_race_and_no_wrong_message_for_long(compiler: Compiler, client: str, seed: int) -> None:
    # Each operation of these waits for other threads, of which there are more than CPUs.
    arguments = random_arguments(
        client, seed, 200_000 if client in ("ring", "used_ring", "call_line") else 20_000
    )
    done = run(compiler, client, *arguments, flags=SANITIZER)
    assert done.returncode == 0, (arguments, done.stderr)


# Without the sanitizer the hardware's own reordering and full speed: more messages than the
# acknowledgement has bits.
@pytest.mark.parametrize("slots", [4, 8, 32, 32768])
def test_rings_stream_past_the_end_of_the_acknowledgement(compiler: Compiler, slots: int) -> None:
    done = run(compiler, "ring", 7, slots, 150_000)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("window", [1, 3, 32])
def test_call_lines_stream(compiler: Compiler, window: int) -> None:
    done = run(compiler, "call_line", 7, window, 150_000)
    assert done.returncode == 0, done.stderr


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("seed", range(3))
def test_the_lock_loses_no_count(compiler: Compiler, kind: str, seed: int) -> None:
    done = run(compiler, f"lock {kind}", seed, 4, 10_000, LOCKS.index(kind))
    assert done.returncode == 0, done.stderr


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("name", every(3, SEEN_BY_CLIENTS))
def test_a_seeded_bug_is_caught(compiler: Compiler, name: str) -> None:
    (client,) = BUGS[name].seen_by
    # A race shows only in some interleavings: the more runs, the surer; nearly always the first run
    # ends it.
    for seed in range(20):
        arguments = random_arguments(client, seed, 5_000)
        flags = (*SANITIZER, "-DSTUCK_SECONDS=5")
        done = run(compiler, client, *arguments, flags=flags, bug=BUGS[name])
        if done.returncode:
            break
    else:
        pytest.fail(f"{name} ran {seed + 1} times without being noticed")
    # The right judge: an ordering bug is a race, a credit too many is a message overwritten, a
    # change taken twice is an acknowledgement too many.
    if name.endswith(("CREDIT", "NUMBER", "SERVED")):
        assert done.returncode in (1, 66, -14), done.stderr
    else:
        assert "data race" in done.stderr


# Full, and written over many times while it is copied; and never full.
@pytest.mark.parametrize("events", [4, 64, 1 << 20])
def test_what_is_copied_of_a_trace_is_whole(compiler: Compiler, events: int) -> None:
    program = compiler.build("trace_client.c")
    done = subprocess.run([program, "400000", str(events)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 0


# One caller, which is watched; more than are watched, by one level of hints and by two.
@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("rounds", "callers", "apart"), [(60_000, 1, 1), (5_000, 6, 1), (5_000, 8, 1), (5_000, 8, 30)]
)
def test_no_wake_up_is_lost(compiler: Compiler, rounds: int, callers: int, apart: int) -> None:
    program = compiler.build("doorbell_client.c", NATIVE / "channel" / "doorbell.c")
    command = [str(program), "3", str(rounds), str(callers), str(apart)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or f"slept, and lost: {done.stdout}"
    slept, wake_ups, messages = map(int, done.stdout.split())
    assert slept > 100, "the client did not exercise parking"
    assert wake_ups == messages == 0


@pytest.mark.parametrize("seed", range(4))
def test_hints_are_no_race(compiler: Compiler, seed: int) -> None:
    program = compiler.build(
        "doorbell_client.c", NATIVE / "channel" / "doorbell.c", flags=(*SANITIZER, "-Wno-tsan")
    )
    prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER))
    command = [*prefix, str(program), str(seed), "2000", "6", str(1 + 29 * (seed % 2))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


LOST_BY = {
    "WATCH_OWNER": (3_000, 6, 1),
    "HINT_BEHIND_THE_MODE": (20_000, 1, 1, 1),
    "HINT_UPPER_FIRST": (20_000, 1, 30, 1),
}
"""Rounds, callers, how far apart, and whether nobody is watched."""


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    "name", [*SEEN_BY_DOORBELLS, pytest.param("no last look", marks=pytest.mark.full)]
)
def test_a_lost_wake_up_is_noticed(compiler: Compiler, name: str) -> None:
    if len(os.sched_getaffinity(0)) < 2 and name in BUGS:
        pytest.skip("one CPU sees its own stores in order")
    flags = () if name in BUGS else ("-DNO_LAST_LOOK",)
    program = compiler.build(
        "doorbell_client.c", NATIVE / "channel" / "doorbell.c", flags=flags, bug=BUGS.get(name)
    )
    for seed in range(20):
        done = subprocess.run(
            [program, str(seed), *map(str, LOST_BY.get(name, (20_000, 1, 1)))],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            break
    assert done.returncode == 1
    assert sum(map(int, done.stdout.split()[1:])) > 0


@pytest.mark.parametrize("client", CLIENTS)
def test_genmc_finds_nothing_in_all_executions(client: str) -> None:
    if not shutil.which("genmc"):
        pytest.skip("genmc is not on PATH")
    if client == "lock robust":
        pytest.skip("the host's")
    kind = LOCKS.index(client.removeprefix("lock ")) if client.startswith("lock") else 0
    flags = ["-DGENMC", f"-DKIND={kind}", "-D_GNU_SOURCE", f"-I{NATIVE}", f"-I{HERE}"]
    command = ["genmc", "--unroll=8", "--", *flags, str(HERE / CLIENTS[client])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
