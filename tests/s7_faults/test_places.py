"""Odd places to run: where /dev/shm does not serve, where nobody is at home, where standard streams
are closed.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from s7_faults import hosts

from multikernel.runtime import segments

SCRIPT = Path(sys.executable).parent / "multikernel"
SHM = {
    "read-only": ["mount -t tmpfs -o ro none /dev/shm"],
    "too small": ["mount -t tmpfs -o size=8m none /dev/shm"],
    "missing": ["mount -t tmpfs none /dev", "mknod /dev/null c 1 3", "mknod /dev/urandom c 1 9"],
    "a file": ["mount --bind /dev/null /dev/shm 2>/dev/null || mount -t tmpfs -o ro none /dev/shm"],
    "without a limit": ["mount -t tmpfs -o size=0 none /dev/shm"],
}


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("what", SHM)
def test_memory_files_stand_in_for_shared_memory(what: str, kernel: str) -> None:
    done = hosts.python(hosts.use(kernel=kernel), within=hosts.mounts(*SHM[what]))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_shared_memory_is_the_usual_way() -> None:
    descriptor = segments.create(4096)
    try:
        assert os.readlink(f"/proc/self/fd/{descriptor}").startswith("/dev/shm/")
    finally:
        os.close(descriptor)


def test_a_memory_file_is_as_good_as_a_segment() -> None:
    descriptor = segments.create(8192, beside=1 << 50)
    try:
        assert os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:multikernel")
        hosts.is_private_and_backs(descriptor)
    finally:
        os.close(descriptor)


def test_neither_shared_memory_nor_memory_files() -> None:
    within = hosts.mounts(*SHM["read-only"])
    done = hosts.python(hosts.use(), within=within, before=hosts.forbids("memfd_create"))
    hosts.one_sentence(done, "SegmentFull", "/dev/shm", "remount")


def test_executable_memory_files_may_be_forbidden() -> None:
    within = hosts.mounts(*SHM["read-only"])
    within[1:1] = ["--pid", "--fork", "--mount-proc"]
    within[within.index("-c") + 1] = "echo 2 >/proc/sys/vm/memfd_noexec && " + within[-2]
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no vm.memfd_noexec here")
    done = hosts.python(hosts.use(), within=within)
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_cpus_that_are_named_are_taken_whatever_mask_was_inherited() -> None:
    mask = sorted(os.sched_getaffinity(0))
    if len(mask) < 2:
        pytest.skip("needs two CPUs")
    one, two = mask[:2]
    program = (
        "import os, multikernel\n"
        f"os.sched_setaffinity(0, {{{one}}})\n"
        "def where(): import os; return os.sched_getaffinity(0)\n"
        f"for cores in ([{one}, {two}], '{one},{two}', 2, None):\n"
        "    with multikernel.boot(cores) as system:\n"
        "        print([core.run(where) for core in system.cores])\n"
        "print(os.sched_getaffinity(0))\n"
    )
    done = hosts.python(program)
    assert (done.status, done.errors) == (0, "")
    assert done.said.splitlines() == [
        f"[{{{one}}}, {{{two}}}]", f"[{{{one}}}, {{{two}}}]", f"[{{{one}}}, {{{one}}}]",
        f"[{{{one}}}]", f"{{{one}}}",
    ]  # fmt: skip


def test_a_boot_says_which_cpus_are_to_be_named() -> None:
    mask = sorted(os.sched_getaffinity(0))
    if len(mask) < 2:
        pytest.skip("needs two CPUs")
    process = subprocess.Popen(
        [SCRIPT, "boot", "--cores", "1"],
        preexec_fn=lambda: os.sched_setaffinity(0, {mask[0]}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    process.terminate()
    process.communicate()
    assert "outside of the inherited mask (isolated, or taskset): --cores takes them" in said


OPENED = """
import multikernel, os, sys
def work(path):
    with open(path, "w") as file:
        print("to nobody")
        sys.stderr.write("to nobody either")
        sys.stdout.flush()
        file.write("kept")
    return sorted(os.readlink(f"/proc/self/fd/{{n}}") for n in (0, 1, 2))
with multikernel.boot(2) as system:
    for core in system.cores:
        said = core.run(work, {path!r})
with open({path!r} + "-said", "w") as file:
    file.write(repr(said))
"""


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_what_programs_open_is_no_standard_stream(closed: str, tmp_path: Path) -> None:
    path = tmp_path / "written"
    program = OPENED.format(path=str(path))
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert path.read_text() == "kept"
    assert "socket" not in (tmp_path / "written-said").read_text()


BLOCKED = """
import multikernel, os, signal, time
from multikernel.errors import CoreDied, PageFault
def busy(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
with multikernel.boot(2, kernel={kernel!r}) as system:
    page = system.map(system.allocate(4096))
    task = system.cores[1].start(busy, 0.2)
    system.unmap(page)
    task.result()
    try:
        page.read(0, 1, core=1)
    except PageFault:
        print("fault")
    os.kill(system.cores[1].pid, signal.SIGKILL)
    try:
        while True:
            system.cores[0].counters()
            time.sleep(0.01)
    except CoreDied as error:
        print(error.core, error.status)
"""


def block_all() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())


def test_whoever_started_us_has_blocked_all_signals(kernel: str) -> None:
    done = hosts.python(BLOCKED.format(kernel=kernel), before=block_all)
    assert (done.status, done.said, done.errors) == (0, "fault\n1 -9\n", "")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "commands",
    [
        ["mount -t tmpfs none /proc"],
        ["mount -t proc -o hidepid=2 proc /proc"],
        ["mount -t tmpfs none /sys"],
        ["mount -t tmpfs -o ro none /tmp", "mount -t tmpfs -o ro none /dev/shm"],
    ],
)
def test_little_of_the_host_is_to_be_seen(commands: list[str], kernel: str) -> None:
    if "/tmp" in commands[0] and Path(sys.executable).is_relative_to("/tmp"):
        pytest.skip("this checkout lies in /tmp itself")
    done = hosts.python(hosts.use(3, kernel=kernel), within=hosts.mounts(*commands))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_a_missing_device_is_named() -> None:
    done = hosts.python(hosts.use(), within=hosts.mounts("mount -t tmpfs none /dev"))
    assert (done.status, done.errors) == (0, ""), done
    assert "No such file or directory: /dev/null" in done.said


def test_an_environment_that_asks_interpreters_to_stay() -> None:
    done = hosts.python(hosts.use(), PYTHONINSPECT="1")
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_a_mask_for_new_files_that_allows_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    allows_nothing = functools.partial(os.umask, 0o777)
    done = hosts.python(hosts.use(3), before=allows_nothing, XDG_CACHE_HOME=str(cache))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_the_working_directory_is_gone(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = hosts.python(f"import os; os.rmdir({str(here)!r})\n" + hosts.use(), cwd=str(here))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


SHRINKS = """
import multikernel, os, sys
path, cpus = sys.stdin.readline().split()
one = cpus.partition(",")[0]
def share(text):
    with open(path, "w") as file:
        file.write(text)
with multikernel.boot(cpus) as system:
    share(one)
    page = system.map(system.allocate(4096))
    system.cores[1].write(page, 0, b"x")
    system.unmap(page)
    print(system.cores[1].run(abs, -3))
    try:
        multikernel.boot(cpus)
    except multikernel.errors.BadInput as error:
        print(error)
    with multikernel.boot(2) as other:
        print([core.cpu for core in other.cores])
    share(cpus)
"""


def test_the_cpus_granted_become_fewer_while_a_system_runs() -> None:
    mask = sorted(os.sched_getaffinity(0))
    if len(mask) < 2:
        pytest.skip("needs two CPUs")
    cpus = f"{mask[0]},{mask[1]}"
    if not Path("/sys/fs/cgroup/cpuset/cpuset.mems").exists():
        pytest.skip("no cpusets of version 1 here")
    mems = Path("/sys/fs/cgroup/cpuset/cpuset.mems").read_text().strip()
    with hosts.control_group("cpuset", mems=mems, cpus=cpus) as within:
        path = within[2].split(">", 1)[1].split("/cgroup.procs")[0] + "/cpuset.cpus"
        done = hosts.python(SHRINKS, within=within, given=f"{path} {cpus}\n")
    assert (done.status, done.errors) == (0, ""), done
    worked, refused, placed = done.said.splitlines()
    assert worked == "3"
    assert f"CPU is not allowed for this process: {mask[1]} " in refused
    assert "the control group's cpuset keeps it out" in refused
    assert placed == f"[{mask[0]}, {mask[0]}]"
