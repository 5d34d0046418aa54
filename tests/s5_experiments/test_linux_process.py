"""The Linux process: it answers, it is a process of its own, and it is gone with its parent."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from s5_experiments.smoke import placement

from multikernel.errors import CoreDied, MultikernelError
from multikernel.experiments.instrument.linux_process import (
    PROVED,
    TIMES,
    LinuxProcess,
)
from multikernel.experiments.instrument.rig import samples_of

MEMORY = 1 << 20


def test_it_measures_and_says_what_happened() -> None:
    cpus = placement().cpus
    with LinuxProcess(cpus, MEMORY) as linux:
        answer = linux.ask("unmap", count=20, idle=False)
        for name in TIMES:
            assert samples_of(answer)[name].samples == 20
        assert answer.activity is not None
        assert set(answer.activity.cpus) == set(cpus)
        for processes in (False, True):
            answer = linux.ask("own_pages", pages=8, rounds=2, processes=processes)
            assert answer.counts["cycles"] > 0
            assert answer.activity is not None
            assert len(answer.activity.tasks) == (len(cpus) if processes else 1)
            assert os.sched_getaffinity(linux.process.pid) == {cpus[0]}
        for reused in (False, True):
            answer = linux.ask("life", count=2 * 16, batch=16, reused=reused, idle=True)
            assert samples_of(answer)["life"].samples == 2
    assert linux.process.poll() == 0


def test_the_proof_counts_around_the_timed_call_alone() -> None:
    cpus = placement().cpus
    if len(set(cpus)) < 2:
        pytest.skip("one CPU interrupts nobody")
    with LinuxProcess(cpus, MEMORY) as linux:
        computing, idle = (
            sum(linux.ask("unmap", count=4, idle=idle).counts.get("proof", 0) for _ in range(5))
            for idle in (False, True)
        )
    if not computing:
        pytest.skip("this host notifies no CPU by interrupts that it counts")
    operations = 5 * PROVED * (len(set(cpus)) - 1)
    assert 0.5 * operations < computing < 1.5 * operations
    assert idle < 0.5 * operations


def test_threads_have_their_cpus_before_a_slice_begins() -> None:
    """A task that moves in a slice makes it worthless."""
    with LinuxProcess(placement().cpus, MEMORY) as linux:
        slices = [linux.ask("unmap", count=20, idle=idle) for idle in (False, True)]
        slices += [
            linux.ask("own_pages", pages=8, rounds=2, processes=processes)
            for processes in (False, True)
        ]
    happened = [one.activity for one in slices if one.activity is not None]
    assert len(happened) == len(slices)
    moved = [task.migrations for one in happened for task in one.tasks.values()]
    assert not any(moved)


def test_it_is_pinned_and_named() -> None:
    cpus = placement().cpus
    with LinuxProcess(cpus, MEMORY) as linux:
        process = psutil.Process(linux.process.pid)
        assert process.cpu_affinity() == [cpus[0]]
        assert Path(f"/proc/{linux.process.pid}/comm").read_text().strip() == "mk-linux"


def test_it_leaves_no_segment() -> None:
    with LinuxProcess(placement().cpus, MEMORY) as linux:
        mine = f"multikernel-{linux.process.pid}-"
        assert not [path for path in Path("/dev/shm").iterdir() if path.name.startswith(mine)]


def test_its_death_is_an_error_with_a_name() -> None:
    with LinuxProcess(placement().cpus, MEMORY) as linux:
        linux.process.kill()
        with pytest.raises(CoreDied, match="Linux process ended"):
            linux.ask("unmap", count=20, idle=False)


def test_it_is_gone_when_its_parent_is_killed() -> None:
    cpus = placement().cpus
    script = (
        "import time\n"
        "from multikernel.experiments.instrument.linux_process import LinuxProcess\n"
        f"linux = LinuxProcess({cpus}, {MEMORY})\n"
        "print(linux.process.pid, flush=True)\n"
        "linux.ask('unmap', count=10**8, idle=False)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)  # into the middle of its loop, where it reads no input
        parent.kill()
    while Path(f"/proc/{pid}").exists() and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.02)  # ends by the death signal; the watchdog ends a test that waits for ever
    assert pid != os.getpid()


def test_a_process_that_is_killed_ends_its_slice_and_nothing_else() -> None:
    with LinuxProcess(placement().cpus, MEMORY) as linux, ThreadPoolExecutor(1) as pool:
        slice_ = pool.submit(
            linux.ask, "own_pages", pages=8, rounds=1_000_000, processes=True
        )  # minutes
        helper = psutil.Process(linux.process.pid)
        while len(helper.children()) < len(placement().cpus) and not slice_.done():
            time.sleep(0.01)
        helper.children()[0].kill()
        with pytest.raises(MultikernelError, match="a process that unmaps ended"):
            slice_.result()
        assert not helper.children()
        assert linux.ask("own_pages", pages=8, rounds=2, processes=True).counts["cycles"] > 0
