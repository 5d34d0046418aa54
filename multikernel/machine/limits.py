"""Limits that the host sets to a process: which of them is felt, its value, and what helps.

Guarantees: it reads /proc, control groups and the process's own limits, and changes nothing; what a
host does not say is no limit, never an error. `naming` makes of a refused system call one sentence:
the call, the limit that was reached (or the filter that forbids it), and the remedy.

Source: getrlimit(2), cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst
of Linux.
"""

import errno
import os
import re
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from multikernel.errors import MultikernelError
from multikernel.machine import control_groups
from multikernel.machine.control_groups import Text

FILTERED = (errno.EPERM, errno.ENOSYS)
"""What a call says that a system-call filter forbids."""
NO_LIMIT = 1 << 60
"""From here on a number of bytes is none: version 1 of control groups writes such."""


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


def whole(text: str | None) -> int | None:
    """A whole number of up to 19 digits; None for anything else, such as "max"."""
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,19}", text, re.ASCII) else None


MORE_MAPPINGS = "sudo sysctl vm.max_map_count=N"


def of_mappings(text: Text = live) -> str:
    """What stands against one more mapping of a process, in words."""
    found = [f"vm.max_map_count is {text('proc/sys/vm/max_map_count') or 'unknown'}"]
    found += [str(limit) for limit in (_of_process("AS", "DATA"), _overcommitted(text)) if limit]
    return ", ".join(found)


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
    if number in FILTERED:
        why = "a system-call filter forbids it, or the kernel has none"
        how = "use a newer container runtime, or allow it (docker: --security-opt seccomp=FILE)"
        return MultikernelError(f"the host does not allow {call}", where=said, hint=f"{why}: {how}")
    what, limit = f"the host refused {call}", _felt(number, call, text)
    if limit is None:
        return MultikernelError(what, value=said)
    return MultikernelError(what, value=str(limit), where=said, hint=limit.remedy)


def _felt(number: int, call: str, text: Text) -> Limit | None:
    """The limit that such an errno of such a call comes from; None where it comes from none."""
    match number:
        case errno.EAGAIN:
            return _of_process("SIGPENDING") if call == "timer_create" else _processes(text)
        case errno.EMFILE:
            return _of_process("NOFILE")
        case errno.ENFILE:
            most = text("proc/sys/fs/file-max") or "unknown"
            return Limit("fs.file-max", most, "sudo sysctl fs.file-max=N, or end other programs")
        case errno.EFBIG:
            return _of_process("FSIZE")
        case errno.ENOMEM:
            return _of_process("AS", "DATA") or _overcommitted(text) or _of_memory(text)
        case _:
            return None


_ULIMIT = {
    "SIGPENDING": ("-i more", "fewer cores"),
    "NOFILE": ("-n more", "fewer cores"),
    "FSIZE": ("-f unlimited", "less memory"),
    "AS": ("-v unlimited", "fewer cores"),
    "DATA": ("-d unlimited", "fewer cores"),
}
"""What to give ulimit, or to ask for; unlimited are bytes."""


def _of_process(*names: str) -> Limit | None:
    """The first of these RLIMIT_… that is set."""
    for name in names:
        value, (option, less) = soft(getattr(resource, f"RLIMIT_{name}")), _ULIMIT[name]
        if value is not None:
            shown = mib(value) if "unlimited" in option else str(value)
            remedy = f"ulimit {option} (docker: --ulimit; systemd: Limit…=), or ask for {less}"
            return Limit(f"RLIMIT_{name}", shown, remedy)
    return None


def _overcommitted(text: Text) -> Limit | None:
    if text("proc/sys/vm/overcommit_memory") != "2":
        return None
    return Limit("vm.overcommit_memory", "2", "sudo sysctl vm.overcommit_memory=0, or fewer cores")


def _of_memory(text: Text) -> Limit | None:
    room = memory_room(text)
    return room and Limit(room.name, f"{mib(room.limit)}, {mib(room.left)} of it left", room.remedy)


def _processes(text: Text) -> Limit | None:
    """Of the control groups the one that is full, else the user's, else the machine's."""
    for group in control_groups.directories(text, "pids"):
        most, now = (whole(text(f"{group}/pids.{what}")) for what in ("max", "current"))
        if most is not None and now is not None and now >= most:
            return Limit(
                f"pids.max of the control group /{group}",
                f"{most}, with {now} processes and threads",
                "raise it (docker: --pids-limit; systemd: TasksMax=), or boot fewer cores",
            )
    remedy = "end other programs, or boot fewer cores"
    value = soft(resource.RLIMIT_NPROC)
    if value is not None:
        shown = f"{value} processes and threads of this user"
        return Limit("RLIMIT_NPROC", shown, f"ulimit -u more, {remedy}")
    of_all = text("proc/sys/kernel/threads-max")
    return None if of_all is None else Limit("kernel.threads-max", of_all, remedy)


def memory_room(text: Text = live) -> Room | None:
    """What may still be taken here, under the tightest limit: of the process's control group, of
    those around it, or the machine's. None where nothing says.
    """
    of_all = {name.rstrip(":"): kib << 10 for name, kib in _amounts(text("proc/meminfo")).items()}
    swap = of_all.get("SwapFree", 0)
    groups = control_groups.directories(text, "memory")
    rooms = [room for group in groups if (room := _group_room(text, group, swap)) is not None]
    if "MemAvailable" in of_all:
        left = of_all["MemAvailable"] + swap
        total = of_all.get("MemTotal", left)
        rooms.append(Room(left, total, "the machine's memory", "ask for less memory"))
    return min(rooms, key=lambda room: room.left, default=None)


def _group_room(text: Text, group: str, swap: int) -> Room | None:
    """Of one control group: what its limit leaves, with what can be given up for it, the files
    that it has cached and what may be swapped out. swap: what the host has of it.
    """
    name, usage, total = "memory.max", "memory.current", ""
    if first_version := text(f"{group}/{name}") is None:
        name, usage, total = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
    limit, used = whole(text(f"{group}/{name}")), whole(text(f"{group}/{usage}")) or 0
    if limit is None or limit >= NO_LIMIT:
        return None
    stat = _amounts(text(f"{group}/memory.stat"))
    cached = sum(stat.get(f"{total}{kind}_file", 0) for kind in ("active", "inactive"))
    if first_version:
        both, both_used = (
            whole(text(f"{group}/memory.memsw.{what}_in_bytes")) for what in ("limit", "usage")
        )
        if both is not None and both_used is not None:
            swap = min(swap, max(0, (both - both_used) - (limit - used)))
    else:
        most, now = (whole(text(f"{group}/memory.swap.{what}")) for what in ("max", "current"))
        if most is not None:
            swap = min(swap, max(0, most - (now or 0)))
    return Room(
        max(0, limit - used + cached + swap),
        limit,
        f"{name} of the control group /{group}",
        "raise it (docker: --memory; Kubernetes: the memory limit; systemd: MemoryMax=), or ask"
        " for less memory",
    )


def killed_for_memory(text: Text = live) -> int | None:
    """How often the host has killed a process for lack of memory: in the process's control group,
    else on the whole machine. None where nothing says.
    """
    groups = control_groups.directories(text, "memory")
    files = [f"{group}/memory.{name}" for group in groups for name in ("events", "oom_control")]
    counts = (_amounts(text(name)).get("oom_kill") for name in (*files, "proc/vmstat"))
    return next((killed for killed in counts if killed is not None), None)


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
    return sum(whole(field) or 0 for field in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def killed_since(before: int | None, text: Text = live) -> str:
    """Under which limit, where the host has killed for lack of memory more often than that."""
    now = killed_for_memory(text)
    if before is None or now is None or now <= before:
        return ""
    limit = _of_memory(text)
    said = f": {limit}" if limit else ""
    return f"the host killed it for lack of memory{said} (raise that, or ask for less)"


def _amounts(text: str | None) -> dict[str, int]:
    """Lines of a name, a number, and perhaps its unit."""
    lines = re.findall(r"^(\S+)[ \t]+([0-9]{1,19})(?:[ \t]+\S+)?$", text or "", re.MULTILINE)
    return {name: int(number) for name, number in lines}
