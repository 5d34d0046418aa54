"""Limits that a host sets: below what a system needs, one sentence names the limit, its value and
what helps, and nothing is left; where it can do with less, it does.
"""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest
from s7_faults import hosts

import multikernel
from multikernel.errors import BootFailed

MIB = 1 << 20


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("files", [6, 7, 8, 10, 12, 16])
def test_few_open_files(files: int) -> None:
    done = hosts.python(hosts.use(), before=hosts.limits(NOFILE=files))
    if done.said != hosts.USED:
        hosts.one_sentence(done, "BootFailed", "RLIMIT_NOFILE is " + str(files), "ulimit -n")


def test_many_cores_need_no_more_files_than_one() -> None:
    done = hosts.python(hosts.use(40, slots=64), before=hosts.limits(NOFILE=24))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_no_timer_for_each_core() -> None:
    done = hosts.python(hosts.use(), before=hosts.limits(SIGPENDING=0))
    hosts.one_sentence(done, "BootFailed", "timer_create", "RLIMIT_SIGPENDING is 0", "ulimit -i")


def test_small_files() -> None:
    done = hosts.python(hosts.use(), before=hosts.limits(FSIZE=MIB))
    hosts.one_sentence(done, "BootFailed", "RLIMIT_FSIZE is 1 MiB", "ulimit -f unlimited")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("gigabytes", [2, 16])
def test_few_addresses_are_made_do_with(gigabytes: int, kernel: str) -> None:
    done = hosts.python(hosts.use(kernel=kernel), before=hosts.limits(AS=gigabytes << 30))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_too_few_addresses() -> None:
    done = hosts.python(hosts.use(16), before=hosts.limits(AS=900 * MIB))
    hosts.one_sentence(done, "RLIMIT_AS", "900 MiB", "ulimit -v unlimited")


FULL = """
import multikernel
from multikernel.errors import OutOfSlots
with multikernel.boot(2, kernel={kernel!r}, memory=64 << 20, slots=4096) as system:
    frame = system.allocate(48 << 20)
    pages = []
    try:
        while True:
            pages.append(system.map(frame))
    except OutOfSlots as error:
        print(len(pages), error)
    for page in pages:
        system.unmap(page)
    print(system.map(frame).read(0, 1))
"""


def test_a_full_range_of_addresses_is_no_full_table(kernel: str) -> None:
    program = FULL.format(kernel=kernel)
    done = hosts.python(program, before=hosts.limits(AS=4096 * MIB))
    assert (done.status, done.errors) == (0, ""), done
    said, after = done.said.splitlines()
    # half of 4 GiB, each core's part of it or all; 48 MiB and a guard each
    assert said.startswith("21 " if kernel == "multikernel" else "42 ")
    assert "no gap of that size" in said
    assert "2048 MiB equally, half of RLIMIT_AS (ulimit -v unlimited" in said
    assert after == "b'\\x00'"


def test_as_many_mappings_as_the_host_allows() -> None:
    limit = int(Path("/proc/sys/vm/max_map_count").read_text())
    if limit > 1 << 17:
        pytest.skip(f"vm.max_map_count is {limit} here: that many take long")
    program = (
        "import multikernel\n"
        "from multikernel.errors import OutOfSlots\n"
        "with multikernel.boot(1, slots=65536, memory=1 << 20) as system:\n"
        "    frame = system.allocate(4096)\n"
        "    def fill(frame):\n"
        "        from multikernel import here\n"
        "        try:\n"
        "            while True: here().map(frame)\n"
        "        except OutOfSlots as error:\n"
        "            return str(error)\n"
        "    print(system.cores[0].run(fill, frame))\n"
    )
    done = hosts.python(program)
    assert done.status == 0, done
    assert f"vm.max_map_count is {limit}" in done.said


def test_a_user_of_few_processes() -> None:
    if os.getuid() != 0:
        pytest.skip("another user's number is root's to take")

    within = ["setpriv", "--reuid=23456", "--regid=23456", "--clear-groups"]
    within += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]  # to read our files
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no setpriv that keeps a capability")
    few = hosts.limits(NPROC=5)
    done = hosts.python(hosts.use(8), before=few, within=within, cwd="/", OPENBLAS_NUM_THREADS="1")
    hosts.one_sentence(done, "BootFailed", "fork", "RLIMIT_NPROC is 5", "ulimit -u")


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("processes", [2, 3, 6])
def test_a_control_group_of_few_processes(processes: int) -> None:
    with hosts.control_group("pids", max=processes) as within:
        done = hosts.python(hosts.use(8), within=within, OPENBLAS_NUM_THREADS="1")
    hosts.one_sentence(done, "BootFailed", "pids.max", f"is {processes}, with ", "--pids-limit")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("where", ["shared memory", "memory files"])
def test_a_control_group_of_little_memory(where: str) -> None:
    small = ["mount -t tmpfs -o size=1m none /dev/shm"] if where == "memory files" else []
    mounted = hosts.mounts(*small) if small else []
    with hosts.control_group("memory", limit_in_bytes=160 * MIB) as within:
        done = hosts.python(hosts.use(memory=512 * MIB), within=[*within, *mounted])
        if done.said == hosts.USED:
            pytest.skip("there is swap")
        hosts.one_sentence(done, "SegmentFull", "160 MiB", "control group", "less memory")
        done = hosts.python(hosts.use(memory=16 * MIB), within=[*within, *mounted])
        assert (done.status, done.said) == (0, hosts.USED), done


EATS = """
import multikernel
from multikernel.errors import CoreDied
def eat():
    eaten = []
    while True:
        eaten.append(b"x" * (1 << 20))
try:
    with multikernel.boot(2) as system:
        system.cores[1].run(eat)
except CoreDied as error:
    print("CoreDied", error.core, error.status, error)
"""


def test_a_core_that_the_host_killed_for_lack_of_memory() -> None:
    with hosts.control_group("memory", limit_in_bytes=200 * MIB) as within:
        done = hosts.python(EATS, within=within)
    assert (done.status, done.errors) == (0, ""), done
    assert done.said.startswith("CoreDied 1 -9 core 1 died (killed by signal 9"), done
    assert "for lack of memory: memory." in done.said
    assert "of the control group" in done.said
    assert "200 MiB" in done.said


BURNS = """
import multikernel
from multikernel.errors import CoreDied
def burn():
    while True:
        pass
try:
    with multikernel.boot(2) as system:
        system.cores[1].run(burn)
except CoreDied as error:
    print(error.core in (0, 1), error.status, error)
"""


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(("hard", "status"), [(3, -24), (1, -9)])
def test_a_core_that_has_used_up_its_time(hard: int, status: int) -> None:
    done = hosts.python(BURNS, before=lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, hard)))
    assert (done.status, done.errors) == (0, ""), done
    assert done.said.startswith(f"True {status} core "), done
    assert "RLIMIT_CPU is 1 s, and an idle core polls (ulimit -t unlimited)" in done.said


def test_a_limit_of_our_own_is_no_limit_of_a_system_that_runs() -> None:
    with multikernel.boot(2) as system:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (8, before[1]))
        try:
            with pytest.raises(BootFailed, match="RLIMIT_NOFILE is 8"):
                multikernel.boot(2)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert system.cores[1].run(abs, -3) == 3
