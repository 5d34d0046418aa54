"""Limits that the host sets to a process: which of them is felt, its value, and what helps.

Guarantees: it reads /proc, control groups and the process's own limits, and changes nothing; what a
host does not say is no limit, never an error. `naming` makes of a refused system call one sentence:
the call, the limit that was reached (or the filter that forbids it), and the remedy.

Source: getrlimit(2), cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst
of Linux.
"""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from multikernel.errors import MultikernelError
from multikernel.machine import control_groups
from multikernel.machine.control_groups import Text

NO_LIMIT = 1 << 60
"""From here on a number of bytes means "as much as there is": version 1 of control groups writes
such.
"""


class Limit(NamedTuple):
    """name: as the host calls it. value: in its own unit, as text. remedy: what raises it."""

    name: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value}"


class Room(NamedTuple):
    """Memory that may still be taken under a limit: left, limit in bytes."""

    left: int
    limit: int
    name: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name} of {mib(self.limit)} leaves {mib(self.left)}"


def live(name: str) -> str | None:
    """A file of this host by its name below the root; None if it cannot be read."""
    try:
        with open(f"/{name}", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def soft(limit: int) -> int | None:
    """This process's soft limit (resource.RLIMIT_…); None for no limit, or none that is said."""
    try:
        value = resource.getrlimit(limit)[0]
    except OSError:
        return None
    return None if value in (resource.RLIM_INFINITY, -1) else value


def mib(size: int) -> str:
    """Bytes in words."""
    return f"{size >> 20} MiB" if size >= 1 << 20 or not size else f"{size} bytes"


MORE_MAPPINGS = "sudo sysctl vm.max_map_count=N"


def of_mappings(text: Text = live) -> str:
    """What stands against one more mapping of a process, in words."""
    found = [f"vm.max_map_count is {text('proc/sys/vm/max_map_count') or 'unknown'}"]
    found += [str(limit) for limit in (_addresses(), _overcommitted(text)) if limit]
    return ", ".join(found)


# --- A call that was refused
# --------------------------------------------------------------------------------------------------


@contextmanager
def naming(call: str) -> Iterator[None]:
    """An OSError of the block is that call, refused: raises MultikernelError in its place."""
    try:
        yield
    except OSError as error:
        raise refusal(error, call) from error


def refusal(error: OSError, call: str, text: Text = live) -> MultikernelError:
    """The sentence for a call that the host has refused with that error."""
    number = error.errno or 0
    said = os.strerror(number) if number else str(error)
    if error.filename:
        said += f": {os.fsdecode(error.filename)}"
    if number in (errno.EPERM, errno.ENOSYS):
        return MultikernelError(
            f"the host does not allow {call}",
            where=said,
            hint=(
                "a system-call filter forbids it, or the kernel has none: use a newer container"
                " runtime, or allow it (docker: --security-opt seccomp=FILE)"
            ),
        )
    limit = felt(number, call, text)
    if limit is None:
        return MultikernelError(f"the host refused {call}", value=said)
    return MultikernelError(
        f"the host refused {call}", value=str(limit), where=said, hint=limit.remedy
    )


def felt(number: int, call: str, text: Text = live) -> Limit | None:
    """The limit that such an errno of such a call comes from; None where it comes from none."""
    match number:
        case errno.EAGAIN:
            return _signals() if call == "timer_create" else _processes(text)
        case errno.EMFILE:
            return _of_process("RLIMIT_NOFILE", "ulimit -n", "more", "fewer cores")
        case errno.ENFILE:
            most = text("proc/sys/fs/file-max") or "unknown"
            return Limit("fs.file-max", most, "sudo sysctl fs.file-max=N, or end other programs")
        case errno.EFBIG:
            return _of_process("RLIMIT_FSIZE", "ulimit -f", "unlimited", "less memory", 1)
        case errno.ENOMEM:
            return _addresses() or _overcommitted(text) or _of_memory(text)
        case _:
            return None


def _of_process(name: str, command: str, how: str, less: str, unit: int = 0) -> Limit | None:
    value = soft(getattr(resource, name))
    if value is None:
        return None
    return Limit(
        name,
        mib(value) if unit else str(value),
        f"{command} {how} (docker: --ulimit; systemd: Limit…=), or ask for {less}",
    )


def _signals() -> Limit | None:
    return _of_process("RLIMIT_SIGPENDING", "ulimit -i", "more", "fewer cores")


def _addresses() -> Limit | None:
    return _of_process("RLIMIT_AS", "ulimit -v", "unlimited", "fewer cores", 1) or _of_process(
        "RLIMIT_DATA", "ulimit -d", "unlimited", "fewer cores", 1
    )


def _overcommitted(text: Text) -> Limit | None:
    if text("proc/sys/vm/overcommit_memory") != "2":
        return None
    return Limit("vm.overcommit_memory", "2", "sudo sysctl vm.overcommit_memory=0, or fewer cores")


def _of_memory(text: Text) -> Limit | None:
    room = memory_room(text)
    if room is None:
        return None
    return Limit(room.name, f"{mib(room.limit)}, {mib(room.left)} of it left", room.remedy)


def _processes(text: Text) -> Limit | None:
    """Of the control groups the one that is full, else the user's, else the machine's."""
    for group in control_groups.directories(text, "pids"):
        most, now = (_whole(text(f"{group}/pids.{what}")) for what in ("max", "current"))
        if most is not None and now is not None and now >= most:
            return Limit(
                f"pids.max of the control group /{group}",
                f"{most}, with {now} processes and threads",
                "raise it (docker: --pids-limit; systemd: TasksMax=), or boot fewer cores",
            )
    value = soft(resource.RLIMIT_NPROC)
    if value is not None:
        return Limit(
            "RLIMIT_NPROC",
            f"{value} processes and threads of this user",
            "ulimit -u more, end other programs, or boot fewer cores",
        )
    most_of_all = text("proc/sys/kernel/threads-max")
    if most_of_all is None:
        return None
    return Limit("kernel.threads-max", most_of_all, "end other programs, or boot fewer cores")


# --- Memory
# --------------------------------------------------------------------------------------------------


def memory_room(text: Text = live) -> Room | None:
    """What may still be taken here, under the tightest limit: of the process's control group, of
    those around it, or the machine's. None where nothing says.
    """
    of_all = {
        name.rstrip(":"): amount << 10 for name, amount in _amounts(text("proc/meminfo")).items()
    }
    swap = of_all.get("SwapFree", 0)
    rooms = []
    for group in control_groups.directories(text, "memory"):
        room = _group_room(text, group, swap)
        if room is not None:
            rooms.append(room)
    if "MemAvailable" in of_all:
        left = of_all["MemAvailable"] + swap
        total = of_all.get("MemTotal", left)
        rooms.append(Room(left, total, "the machine's memory", "ask for less memory"))
    return min(rooms, key=lambda room: room.left, default=None)


def _group_room(text: Text, group: str, swap: int) -> Room | None:
    """Of one control group: what its limit leaves, with what can be given up for it, the files
    that it has cached and what may be swapped out.
    """
    name, usage, total = "memory.max", "memory.current", ""
    first_version = text(f"{group}/{name}") is None
    if first_version:
        name, usage, total = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
    limit, used = _whole(text(f"{group}/{name}")), _whole(text(f"{group}/{usage}")) or 0
    if limit is None or limit >= NO_LIMIT:
        return None
    stat = _amounts(text(f"{group}/memory.stat"))
    cached = sum(stat.get(f"{total}{kind}_file", 0) for kind in ("active", "inactive"))
    left = limit - used + cached + _group_swap(text, group, swap, limit, used, first_version)
    return Room(
        max(0, left),
        limit,
        f"{name} of the control group /{group}",
        "raise it (docker: --memory; Kubernetes: the memory limit; systemd: MemoryMax=), or ask"
        " for less memory",
    )


def _group_swap(
    text: Text, group: str, swap: int, limit: int, used: int, first_version: bool
) -> int:
    """How much of the host's free swap the group may have."""
    if first_version:
        both = _whole(text(f"{group}/memory.memsw.limit_in_bytes"))
        both_used = _whole(text(f"{group}/memory.memsw.usage_in_bytes"))
        if both is None or both_used is None:
            return swap
        return min(swap, max(0, (both - both_used) - (limit - used)))
    most, now = (_whole(text(f"{group}/memory.swap.{what}")) for what in ("max", "current"))
    return swap if most is None else min(swap, max(0, most - (now or 0)))


def killed_for_memory(text: Text = live) -> int | None:
    """How often the host has killed a process for lack of memory: in the process's control group,
    else on the whole machine. None where nothing says.
    """
    files = [
        f"{group}/{name}"
        for group in control_groups.directories(text, "memory")
        for name in ("memory.events", "memory.oom_control")
    ]
    for name in (*files, "proc/vmstat"):
        killed = _amounts(text(name)).get("oom_kill")
        if killed is not None:
            return killed
    return None


def cause_of_death(pid: int, status: int, killed_before: int | None, text: Text = live) -> str:
    """Which limit has ended a process (not yet reaped) with that status, and what helps; "" if none
    has. killed_before: killed_for_memory() at the beginning.
    """
    if status == -signal.SIGSYS:
        return "a system-call filter kills for a call (docker: --security-opt seccomp=FILE)"
    if status not in (-signal.SIGKILL, -signal.SIGXCPU):
        return ""
    most = soft(resource.RLIMIT_CPU)
    if most is not None and (status == -signal.SIGXCPU or _cpu_seconds(pid, text) >= 0.9 * most):
        return f"RLIMIT_CPU is {most} s, and an idle core polls (ulimit -t unlimited)"
    return killed_since(killed_before, text) if status == -signal.SIGKILL else ""


def _cpu_seconds(pid: int, text: Text) -> float:
    fields = (text(f"proc/{pid}/stat") or "").rpartition(")")[2].split()
    ticks = [_whole(field) or 0 for field in fields[11:13]]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def killed_since(before: int | None, text: Text = live) -> str:
    """Under which limit, where the host has killed for lack of memory more often than that; else
    nothing.
    """
    now = killed_for_memory(text)
    if before is None or now is None or now <= before:
        return ""
    limit = _of_memory(text)
    said = f": {limit}" if limit else ""
    return f"the host killed it for lack of memory{said} (raise that, or ask for less)"


def _amounts(text: str | None) -> dict[str, int]:
    """Lines of a name, a number, and perhaps its unit."""
    lines = [line.split() for line in (text or "").splitlines()]
    numbers = {words[0]: _whole(words[1]) for words in lines if len(words) in (2, 3)}
    return {name: number for name, number in numbers.items() if number is not None}


def _whole(word: str | None) -> int | None:
    """A number of up to 19 digits; None for anything else, such as "max"."""
    if word is None or not (word.isascii() and word.isdigit() and len(word) < 20):
        return None
    return int(word)
