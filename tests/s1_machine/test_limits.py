"""Limits, read from hosts written out: which is felt, what it leaves, and the sentence about it."""

import errno
import os
import resource
from collections.abc import Callable, Mapping

import pytest

from multikernel.errors import MultikernelError
from multikernel.machine import limits

MIB = 1 << 20
V1 = {"proc/self/cgroup": "7:pids:/a/b\n4:memory:/a/b"}
V2 = {"proc/self/cgroup": "0::/a/b"}
A, AB = "sys/fs/cgroup/a", "sys/fs/cgroup/a/b"
MEMORY_A, MEMORY_AB = "sys/fs/cgroup/memory/a", "sys/fs/cgroup/memory/a/b"
MACHINE = {
    "proc/meminfo": "MemTotal:  1024000 kB\nMemAvailable:   819200 kB\nSwapFree:   102400 kB\n"
    "HugePages_Total:       0"
}


def host(*files: Mapping[str, str]) -> Callable[[str], str | None]:
    return {name: text for some in files for name, text in some.items()}.get


@pytest.fixture(autouse=True)
def no_limits_of_our_own(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Soft limits by number, none unless a test sets it."""
    here: dict[int, int] = {}
    monkeypatch.setattr(limits, "soft", here.get)
    return here


@pytest.mark.parametrize(
    ("files", "left", "name"),
    [
        ({}, None, ""),
        (MACHINE, 900, "the machine's memory"),
        (MACHINE | V2, 900, "the machine's memory"),
        (MACHINE | V2 | {f"{AB}/memory.max": "max"}, 900, "the machine's memory"),
        (  # what is cached can be given up, and the machine's swap is the group's too
            MACHINE | V2 | {f"{AB}/memory.max": str(200 * MIB),
            f"{AB}/memory.current": str(150 * MIB),
            f"{AB}/memory.stat": f"anon 5\ninactive_file {30 * MIB}\nactive_file {10 * MIB}"},
            190, f"memory.max of the control group /{AB}",
        ),
        (
            MACHINE | V2 | {f"{AB}/memory.max": str(200 * MIB),
            f"{AB}/memory.swap.max": str(8 * MIB), f"{AB}/memory.swap.current": str(3 * MIB)},
            205, f"memory.max of the control group /{AB}",
        ),
        (  # the group around it is tighter, for what others in it have
            MACHINE | V2 | {f"{AB}/memory.max": str(200 * MIB), f"{A}/memory.max": str(300 * MIB),
            f"{A}/memory.current": str(290 * MIB), f"{A}/memory.swap.max": "0"},
            10, f"memory.max of the control group /{A}",
        ),
        (
            MACHINE | V1 | {f"{MEMORY_AB}/memory.limit_in_bytes": "9223372036854771712",
            f"{MEMORY_A}/memory.limit_in_bytes": str(100 * MIB),
            f"{MEMORY_A}/memory.usage_in_bytes": str(60 * MIB),
            f"{MEMORY_A}/memory.memsw.limit_in_bytes": str(100 * MIB),
            f"{MEMORY_A}/memory.memsw.usage_in_bytes": str(60 * MIB),
            f"{MEMORY_A}/memory.stat": f"inactive_file {MIB}\ntotal_inactive_file {2 * MIB}"},
            42, f"memory.limit_in_bytes of the control group /{MEMORY_A}",
        ),
        (V2 | {f"{AB}/memory.max": "²", "proc/meminfo": "MemAvailable: lots"}, None, ""),
        (V2 | {f"{AB}/memory.max": "4096", f"{AB}/memory.current": "999999"}, 0,
         f"memory.max of the control group /{AB}"),
    ],
)  # fmt: skip
def test_room_for_memory(files: Mapping[str, str], left: int | None, name: str) -> None:
    room = limits.memory_room(host(files))
    found = (None, "") if room is None else (room.left >> 20, room.name)
    assert found == (left, name)


@pytest.mark.parametrize(
    ("number", "call", "files", "own", "says"),
    [
        (errno.EAGAIN, "fork", V2 | {f"{A}/pids.max": "8", f"{A}/pids.current": "8"}, {},
         f"pids.max of the control group /{A} is 8, with 8 processes"),
        (errno.EAGAIN, "fork", V1 | {"sys/fs/cgroup/pids/a/b/pids.max": "max",
         "sys/fs/cgroup/pids/a/b/pids.current": "8"}, {resource.RLIMIT_NPROC: 77},
         "RLIMIT_NPROC is 77 processes and threads of this user (Resource temporarily"),
        (errno.EAGAIN, "fork", {"proc/sys/kernel/threads-max": "512"}, {}, "threads-max is 512"),
        (errno.EAGAIN, "timer_create", {}, {resource.RLIMIT_SIGPENDING: 3},
         "RLIMIT_SIGPENDING is 3 (Resource temporarily unavailable); ulimit -i"),
        (errno.EMFILE, "socketpair", {}, {resource.RLIMIT_NOFILE: 12},
         "RLIMIT_NOFILE is 12 (Too many open files); ulimit -n"),
        (errno.ENFILE, "pipe", {"proc/sys/fs/file-max": "99"}, {}, "fs.file-max is 99"),
        (errno.EFBIG, "ftruncate", {}, {resource.RLIMIT_FSIZE: 5 * MIB}, "RLIMIT_FSIZE is 5 MiB"),
        (errno.ENOMEM, "mmap", MACHINE, {resource.RLIMIT_AS: 5 * MIB}, "RLIMIT_AS is 5 MiB"),
        (errno.ENOMEM, "mmap", MACHINE, {resource.RLIMIT_DATA: 5 * MIB}, "RLIMIT_DATA is 5 MiB"),
        (errno.ENOMEM, "mmap", MACHINE | {"proc/sys/vm/overcommit_memory": "2"}, {},
         "vm.overcommit_memory is 2"),
        (errno.ENOMEM, "mmap", MACHINE, {}, "the machine's memory is 1000 MiB, 900 MiB of it left"),
        (errno.ENOMEM, "mmap", {}, {}, "the host refused mmap: Cannot allocate memory"),
        (errno.EPERM, "pidfd_open", {}, {}, "the host does not allow pidfd_open (Operation not"),
        (errno.ENOSYS, "memfd_create", {}, {}, "the host does not allow memfd_create (Function"),
        (errno.EACCES, "a new process", {}, {}, "refused a new process: Permission denied: /x"),
        (0, "bind", {}, {}, "the host refused bind: AF_UNIX path too long"),
    ],
)  # fmt: skip
def test_a_refused_call_in_one_sentence(
    number: int,
    call: str,
    files: Mapping[str, str],
    own: Mapping[int, int],
    says: str,
    no_limits_of_our_own: dict[int, int],
) -> None:
    no_limits_of_our_own.update(own)
    file = "/x" if number == errno.EACCES else None
    error = OSError(number, "as it is", file) if number else OSError("AF_UNIX path too long")
    said = str(limits.refusal(error, call, host(files)))
    assert says in said
    assert "\n" not in said


def test_an_error_within_a_call_is_named() -> None:
    with pytest.raises(MultikernelError, match="does not allow fork"), limits.naming("fork"):
        raise PermissionError(errno.EPERM, "no")
    with pytest.raises(ValueError, match="another"), limits.naming("fork"):
        raise ValueError("another")


@pytest.mark.parametrize(
    ("files", "killed"),
    [
        ({}, None),
        ({"proc/vmstat": "nr_free_pages 5\noom_kill 3\nballoon 1"}, 3),
        (V2 | {f"{AB}/memory.events": "max 9\noom 2\noom_kill 1", "proc/vmstat": "oom_kill 7"}, 1),
        (V1 | {f"{MEMORY_AB}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4"},
         4),
    ],
)  # fmt: skip
def test_kills_for_lack_of_memory(files: Mapping[str, str], killed: int | None) -> None:
    assert limits.killed_for_memory(host(files)) == killed
    assert limits.killed_since(killed, host(files)) == ""
    if killed is not None:
        assert "for lack of memory" in limits.killed_since(killed - 1, host(files))


@pytest.mark.parametrize(
    ("status", "limit", "seconds", "says"),
    [
        (-9, None, 99, ""),
        (-24, 5, 0, "RLIMIT_CPU is 5 s"),
        (-9, 5, 4.9, "RLIMIT_CPU is 5 s"),
        (-9, 5, 3, ""),
        (-11, 5, 6, ""),
        (1, 5, 6, ""),
    ],
)
def test_what_ended_a_process(
    status: int,
    limit: int | None,
    seconds: float,
    says: str,
    no_limits_of_our_own: dict[int, int],
) -> None:
    if limit is not None:
        no_limits_of_our_own[resource.RLIMIT_CPU] = limit
    ticks = round(seconds * os.sysconf("SC_CLK_TCK"))
    stat = {"proc/77/stat": f"77 (a) b) R {' '.join(['0'] * 10)} {ticks - 1} 1 0 0"}
    found = limits.cause_of_death(77, status, 3, host(stat, {"proc/vmstat": "oom_kill 3"}))
    assert found.startswith(says)
    assert bool(found) == bool(says)
    if status == -9 and not says:
        found = limits.cause_of_death(77, status, 2, host(stat, {"proc/vmstat": "oom_kill 3"}))
        assert "for lack of memory" in found
