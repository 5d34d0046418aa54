"""Checks of memory, and of what the host lets a process do: what the kernel moves, swaps, merges or
refuses under a measurement, the system calls that a boot needs, and limits.

Guarantees: on the live machine alone, the free space of /dev/shm is asked for, and system calls are
tried with arguments that change nothing.

Source: Documentation/admin-guide/sysctl/{vm,kernel}.rst and mm/transhuge.rst of Linux, proc(5),
tmpfs(5), getrlimit(2), cgroups(7), seccomp(2).
"""

import ctypes
import errno
import os
import re
from collections.abc import Callable

from multikernel.machine import control_groups
from multikernel.machine.doctor.evidence import Answer, Evidence, bad, check, good, matters, unknown
from multikernel.machine.limits import FILTERED, memory_room, whole

HUGE_PAGES = "sys/kernel/mm/transparent_hugepage"
MEMORY_NEEDED = 64 << 20
"""Free bytes, in /dev/shm too, below which the defaults of a few cores may not fit."""
SHM_COMFORTABLE = 256 << 20
LOCKED_ENOUGH = 16 << 20
"""A system's memory by default."""
MAPS_BY_DEFAULT = 65530
"""Linux's own vm.max_map_count."""
CAP_IPC_LOCK = 14


@check("Huge pages")
def thp(look: Evidence) -> Answer:
    """A mapping made of a huge page is split when one of its pages is unmapped, and background
    merging stops programs.
    """
    private, shared = (look.chosen(f"{HUGE_PAGES}/{name}") for name in ("enabled", "shmem_enabled"))
    if private is None:
        return unknown()
    value = private + (f", shared memory {shared}" if shared else "")
    if shared in ("always", "within_size", "force"):
        return bad(value, f"echo never | sudo tee /{HUGE_PAGES}/shmem_enabled")
    if private == "always":
        return matters(value, f"echo madvise | sudo tee /{HUGE_PAGES}/enabled")
    return good(value)


@check("NUMA balancing")
def numa_balancing(look: Evidence) -> Answer:
    """It unmaps pages to see who touches them: faults and flushes nobody asked for."""
    mode = look.integer("proc/sys/kernel/numa_balancing")
    if mode is None:
        return unknown()
    return bad(f"on ({mode})", "sudo sysctl kernel.numa_balancing=0") if mode else good("off")


@check("Swap")
def swap(look: Evidence) -> Answer:
    """A page that was swapped out costs milliseconds where a cache miss is measured."""
    listed = look.text("proc/swaps")
    if not listed:
        return unknown()
    areas = [line.split() for line in listed.splitlines()[1:]]
    used = [whole(words[3]) or 0 for words in areas if len(words) >= 5]
    if not used:
        return good("none")
    swappiness = look.integer("proc/sys/vm/swappiness")
    value = f"{sum(used) / 1024:.0f} MiB in use"
    value += "" if swappiness is None else f", swappiness {swappiness}"
    return (bad if sum(used) else matters)(value, "sudo swapoff -a")


@check("Locked memory")
def locked_memory(look: Evidence) -> Answer:
    """Memory that may not be locked may be moved or swapped out under a measurement."""
    said = look.found(r"^Max locked memory +(\S+)", "proc/self/limits")
    if said is None:
        return unknown()
    limit = whole(said)
    value = said if limit is None else f"{limit >> 10} KiB"
    if look.capable(CAP_IPC_LOCK):
        return good(f"{value}, from which this process is exempt")
    if said == "unlimited" or (limit is not None and limit >= LOCKED_ENOUGH):
        return good(value)
    if limit is None:
        return unknown(value)
    return matters(
        value,
        "ulimit -l unlimited (allowed by memlock in /etc/security/limits.conf; docker: --ulimit"
        " memlock=-1)",
    )


@check("/dev/shm")
def shm(look: Evidence) -> Answer:
    """A system's memory and channels live there, all of it set aside at boot."""
    if look.text("proc/self/mounts") is None:
        return unknown()
    kind, options = look.mount("/dev/shm") or ("", [])
    if kind not in ("tmpfs", "ramfs"):
        found = f"a {kind}" if kind else "not mounted"
        return _memory_files(look, found, "sudo mount -t tmpfs tmpfs /dev/shm")
    if "ro" in options:
        return _memory_files(look, "read-only", "sudo mount -o remount,rw /dev/shm")
    size, free = _space(look, options)
    if size is None:
        return unknown()
    value = f"{size >> 20} MiB" + ("" if free is None else f", {free >> 20} MiB free")
    remedy = "sudo mount -o remount,size=1g /dev/shm (docker: --shm-size=1g)"
    left = size if free is None else free
    if left <= MEMORY_NEEDED:
        return _memory_files(look, value, remedy)
    return matters(value, remedy) if left < SHM_COMFORTABLE else good(value)


def _memory_files(look: Evidence, found: str, remedy: str) -> Answer:
    """They take what does not fit into /dev/shm; a captured host is taken to have them."""
    if look.live and "memfd_create" in forbidden():
        return bad(f"{found}, and memory files (memfd_create) are forbidden", remedy)
    return matters(f"{found}: memory files (memfd_create) where it does not suffice", remedy)


def _space(look: Evidence, options: list[str]) -> tuple[int | None, int | None]:
    """Size and free bytes of /dev/shm."""
    if look.live:
        try:
            space = os.statvfs("/dev/shm")
        except OSError:
            return None, None
        # A tmpfs without a limit reports 0 blocks: then memory is the limit.
        if space.f_blocks:
            return space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    for option in options:
        if match := re.fullmatch(r"size=([0-9]{1,15})([kmg]?)", option):
            return int(match[1]) << 10 * " kmg".index(match[2] or " "), None
    # Not shown: half of the memory, which is what a tmpfs gets by itself.
    total = look.found(r"^MemTotal: +([0-9]{1,15}) kB", "proc/meminfo")
    return (int(total) << 9 if total else None), None


@check("Mappings")
def map_count(look: Evidence) -> Answer:
    """Every mapped page is a mapping of its own on every core, and this is the limit of them."""
    limit = look.integer("proc/sys/vm/max_map_count")
    if limit is None:
        return unknown()
    if limit >= MAPS_BY_DEFAULT:
        return good(str(limit))
    return matters(str(limit), f"sudo sysctl vm.max_map_count={MAPS_BY_DEFAULT}")


def _libc(name: str, *arguments: object) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is not None:
        ctypes.set_errno(0)
        function(*arguments)
        raise OSError(ctypes.get_errno(), name)


# PR_SET_PDEATHSIG is 1. No signal 999, no clock 9999, no CPU: refused with EINVAL, unless a filter
# is there first.
CALLS: dict[str, tuple[Callable[[], object], bool]] = {
    "pidfd_open": (lambda: os.close(os.pidfd_open(os.getpid())), False),
    "memfd_create": (lambda: os.close(os.memfd_create("multikernel")), False),
    "prctl": (lambda: _libc("prctl", 1, 999, 0, 0, 0), True),
    "sched_setaffinity": (lambda: os.sched_setaffinity(0, ()), True),
    "timer_create": (
        lambda: _libc("timer_create", 9999, None, ctypes.byref(ctypes.c_void_p())), True,
    ),
}  # fmt: skip
"""By name: a try, and whether nothing boots without it."""


def forbidden() -> list[str]:
    """Those of CALLS that this process may not make."""
    found = []
    for name, (attempt, _) in CALLS.items():
        try:
            attempt()
        except OSError as error:
            if error.errno in (errno.EACCES, *FILTERED):
                found.append(name)
    return found


@check("System calls")
def system_calls(look: Evidence) -> Answer:
    """A filter may forbid what a boot needs; some of it a kernel does without."""
    if not look.live:
        no_filter = look.status("Seccomp") == "0"
        return good("no filter") if no_filter else unknown("tried on the host itself only")
    names = forbidden()
    if not names:
        return good(f"all {len(CALLS)} that are needed may be made")
    remedy = "use a newer container runtime, or allow them (docker: --security-opt seccomp=FILE)"
    needed = [name for name in names if CALLS[name][1]]
    if needed:
        return bad(f"forbidden: {', '.join(names)}; nothing boots without {needed[0]}", remedy)
    return matters(f"forbidden, and done without: {', '.join(names)}", remedy)


_OF_PROCESS = (
    ("Max processes", "RLIMIT_NPROC", "-u", 64),
    ("Max open files", "RLIMIT_NOFILE", "-n", 128),
    ("Max pending signals", "RLIMIT_SIGPENDING", "-i", 64),
    ("Max address space", "RLIMIT_AS", "-v", 1 << 37),
    ("Max file size", "RLIMIT_FSIZE", "-f", 64 << 20),
)
"""As /proc/self/limits calls it, as getrlimit does, ulimit's letter, and below what it is felt by a
few cores with their default memory. Twice the range of addresses: half of the limit is taken.
"""


@check("Limits")
def limits(look: Evidence) -> Answer:
    """A limit that is too low ends a boot, or leaves less than the default."""
    if look.text("proc/self/limits") is None:
        return unknown()
    cores = len(look.usable) or 1
    tight: dict[str, str] = {}  # and what helps
    for title, name, letter, enough in _OF_PROCESS:
        value = whole(look.found(rf"^{title} +(\S+)", "proc/self/limits"))
        if value is not None and value < enough + cores:
            tight[f"{name} {value}"] = f"ulimit {letter} more"
    for group in control_groups.directories(look.text, "pids"):
        most, now = (look.integer(f"{group}/pids.{what}") for what in ("max", "current"))
        if most is not None and most - (now or 0) < cores + 2:
            tight[f"pids.max {most}"] = "docker: --pids-limit"
    room = memory_room(look.text)
    if room is not None and room.left < MEMORY_NEEDED:
        tight[str(room)] = room.remedy
    if not tight:
        return good(f"none that a system of {cores} cores would feel")
    return matters("; ".join(tight), ", ".join(dict.fromkeys(tight.values())))
