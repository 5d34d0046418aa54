"""Locks in every order of events, by an explorer of all states (lock_explorer.c): mutual exclusion,
FIFO, no lost wake-up. By processes that are killed at every place in a lock (lock_kill_client.c):
every wait of the others ends. And every seeded bug is caught.
"""

from __future__ import annotations

import signal
import subprocess

import pytest
from s0_native.building import Compiler
from s0_native.channel_bugs import LOCKS
from s0_native.lock_bugs import BUGS, KILL_BUGS
from seeded import Bug, every

EXPLORED = LOCKS[:-1]
NO_CPU, ONE_CPU, TWO_CPUS, _, NOBODY_PARKS = range(5)


def explore(
    compiler: Compiler,
    kind: str,
    cores: int,
    rounds: int,
    cpus: int,
    *,
    timeouts: bool = False,
    bug: Bug | None = None,
) -> subprocess.CompletedProcess[str]:
    program = compiler.build("lock_explorer.c", bug=bug)
    numbers = map(str, (LOCKS.index(kind), cores, rounds, cpus, int(timeouts)))
    return subprocess.run([program, *numbers], capture_output=True, text=True, check=False)


def holds(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 500


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.full) if k == "hapax" else k for k in EXPLORED]
)
def test_two_cores_that_share_a_cpu(compiler: Compiler, kind: str) -> None:
    holds(explore(compiler, kind, 2, 2, ONE_CPU))


@pytest.mark.parametrize("kind", EXPLORED)
def test_sleep_that_ends_by_itself_breaks_nothing(compiler: Compiler, kind: str) -> None:
    holds(explore(compiler, kind, 2, 1, ONE_CPU, timeouts=True))


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.full) if k == "hapax" else k for k in EXPLORED]
)
def test_two_cores_that_spin_first(compiler: Compiler, kind: str) -> None:
    holds(explore(compiler, kind, 2, 2, NO_CPU))


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    ("kind", "cpus"),
    [
        ("ttas", TWO_CPUS),
        ("mcs", ONE_CPU),
        pytest.param("mcs", NOBODY_PARKS, marks=pytest.mark.full),
        *(
            pytest.param(kind, cpus, marks=pytest.mark.full(one_in=3))
            for kind in EXPLORED
            for cpus in (NO_CPU, ONE_CPU, TWO_CPUS)
        ),
    ],
)
def test_three_cores(compiler: Compiler, kind: str, cpus: int) -> None:
    holds(explore(compiler, kind, 3, 1, cpus))


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.full) if k != "mcs" else k for k in EXPLORED]
)
def test_three_cores_of_which_one_comes_back(compiler: Compiler, kind: str) -> None:
    holds(explore(compiler, kind, 3, 21, NOBODY_PARKS))


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("name", every(2, BUGS))
def test_a_seeded_bug_is_caught(compiler: Compiler, name: str) -> None:
    kind, cores, rounds, *pinned = BUGS[name].seen_by
    cpus = int(pinned[0]) if pinned else ONE_CPU
    done = explore(compiler, kind, int(cores), int(rounds), cpus, bug=BUGS[name])
    assert done.returncode == 1, done.stdout + done.stderr


def killed(
    compiler: Compiler, kind: str, stuck_s: int, bug: Bug | None = None
) -> subprocess.CompletedProcess[str]:
    """stuck_s: without any progress, where all that is waited for takes milliseconds."""
    program = compiler.build("lock_kill_client.c", flags=[f"-DSTUCK_SECONDS={stuck_s}"], bug=bug)
    number = str(LOCKS.index(kind))
    return subprocess.run([program, number], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", EXPLORED)
def test_every_wait_ends_wherever_another_is_killed(compiler: Compiler, kind: str) -> None:
    done = killed(compiler, kind, stuck_s=60)
    assert done.returncode == 0, done.stderr
    taken, given_up = map(int, done.stdout.split())
    assert taken > 0
    assert given_up > 0


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("name", KILL_BUGS)
def test_a_wait_that_never_ends_is_caught(compiler: Compiler, name: str) -> None:
    done = killed(compiler, KILL_BUGS[name].seen_by[0], stuck_s=1, bug=KILL_BUGS[name])
    assert done.returncode == -signal.SIGALRM, done.stdout + done.stderr
