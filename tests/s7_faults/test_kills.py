"""SIGKILL of the launcher, the supervisor or a core, at random moments: no process runs on, and no
segment stays.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import psutil
import pytest
from s7_faults.systems import Launcher, all_gone, names_of, running

VICTIMS = ("launcher", "supervisor", "core")


def nothing_left(launcher: Launcher) -> None:
    all_gone(launcher.pids)
    assert not running(launcher.process.pid)
    assert names_of({*launcher.pids, launcher.process.pid}) == []


# Each victim and each state of the cores twice; all pairs are with those of many times.
@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    ("what", "victim"),
    [
        ("rest", "core"),
        ("rest", "supervisor"),
        ("programs", "launcher"),
        ("programs", "core"),
        ("unmaps", "launcher"),
        ("unmaps", "supervisor"),
    ],
)
def test_while_it_runs(what: str, victim: str) -> None:
    kill_while_it_runs(Launcher("multikernel", 3, what), victim)


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    ("what", "victim"), [("unmaps", "launcher"), ("unmaps", "core"), ("programs", "supervisor")]
)
def test_while_the_shared_kernel_runs(what: str, victim: str) -> None:
    """Its supervisor is the other's; a core may die with the lock."""
    kill_while_it_runs(Launcher("shared", 3, what), victim)


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    ("transport", "what", "victim"),
    [
        ("socket", "unmaps", "core"),
        ("socket", "rest", "core"),
        ("socket", "unmaps", "launcher"),
    ],
)
def test_while_the_host_carries(transport: str, what: str, victim: str) -> None:
    kill_while_it_runs(Launcher("multikernel", 3, what, transport), victim)


@pytest.mark.full
@pytest.mark.parametrize("trial", range(3))
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("what", ["rest", "programs", "unmaps"])
@pytest.mark.parametrize(
    ("kernel", "transport"),
    [
        ("multikernel", "call-line"),
        ("multikernel", "socket"),
        ("shared", "call-line"),
    ],
)
def test_while_it_runs_many_times(
    kernel: str, transport: str, what: str, victim: str, trial: int
) -> None:
    kill_while_it_runs(Launcher(kernel, 3, what, transport), victim)


def kill_while_it_runs(launcher: Launcher, victim: str) -> None:
    seed = random.randrange(1 << 30)
    chosen = random.Random(seed)
    print("seed", seed)
    launcher.booted()
    assert launcher.supervisor is not None
    assert {launcher.supervisor, *launcher.cores} <= launcher.pids
    time.sleep(chosen.random() * 0.15)
    launcher.look()
    core = chosen.randrange(3)
    pid = {
        "launcher": launcher.process.pid,
        "supervisor": launcher.supervisor,
        "core": launcher.cores[core],
    }[victim]
    os.kill(pid, signal.SIGKILL)
    status, output, errors = launcher.end()
    match victim:
        case "launcher":
            assert status == -signal.SIGKILL
        case "core":
            assert (status, output) == (0, f"CoreDied {core} -9\n"), errors
        case "supervisor":
            assert (status, output) == (0, "CoreDied None None\n"), errors
    nothing_left(launcher)


def kill_during_boot(kernel: str, seed: int, transport: str = "call-line") -> str:
    """Once the processes of a boot are there, one of them is killed. Who."""
    chosen = random.Random(seed)
    launcher = Launcher(kernel, chosen.choice((2, 4, 9)), "rest", transport)
    launcher.started()
    victim = chosen.choice(VICTIMS)
    deadline = time.monotonic() + chosen.random() * 0.25
    pid = None
    while pid is None or time.monotonic() < deadline:
        launcher.look()
        try:
            below = psutil.Process(launcher.process.pid).children()
            if victim == "launcher":
                pid = launcher.process.pid
            elif below and victim == "supervisor":
                pid = below[0].pid
            elif below and (cores := below[0].children()):
                pid = chosen.choice(cores).pid
        except psutil.NoSuchProcess:
            continue
    os.kill(pid, signal.SIGKILL)
    status, output, errors = launcher.end()
    if victim == "launcher":
        assert status == -signal.SIGKILL
    else:
        assert "CoreDied" in output or "BootFailed" in errors, (status, output, errors)
    nothing_left(launcher)
    return victim


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("trial", range(4))
def test_during_boot(kernel: str, trial: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    kill_during_boot(kernel, seed)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("trial", range(2))
def test_during_boot_of_one_that_the_host_carries(trial: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    kill_during_boot("multikernel", seed, "socket")


@pytest.mark.full
@pytest.mark.parametrize("trial", range(60))
def test_during_boot_many_times(kernel: str, trial: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    kill_during_boot(kernel, seed)


def test_everything_at_once(kernel: str) -> None:
    launcher = Launcher(kernel, 3, "unmaps")
    launcher.booted()
    for pid in [launcher.process.pid, *launcher.pids]:
        with contextlib.suppress(ProcessLookupError):  # gone with its launcher already
            os.kill(pid, signal.SIGKILL)
    assert launcher.end()[0] == -signal.SIGKILL
    nothing_left(launcher)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("victim", ["supervisor", "core"])
def test_a_stopped_system_is_killed_too(kernel: str, victim: str) -> None:
    """Cores that do not run cannot leave by themselves."""
    launcher = Launcher(kernel, 3, "rest")
    launcher.booted()
    assert launcher.supervisor is not None
    for pid in launcher.cores:
        os.kill(pid, signal.SIGSTOP)
    os.kill(launcher.supervisor if victim == "supervisor" else launcher.cores[1], signal.SIGKILL)
    status, output, _ = launcher.end()
    assert (status, output.split()[0]) == (0, "CoreDied")
    nothing_left(launcher)
