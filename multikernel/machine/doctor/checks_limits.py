"""Checks of what the host lets a process do: the system calls that a kernel needs, and limits.

Guarantees: calls are tried on the live machine alone, with arguments that change nothing; limits
are read from files, and what is missing is no limit.

Source: proc(5), getrlimit(2), cgroups(7), seccomp(2).
"""

import ctypes
import errno
import os
import re
from collections.abc import Callable

from multikernel.machine import control_groups, limits
from multikernel.machine.doctor.evidence import (
    Answer,
    Check,
    Evidence,
    bad,
    check,
    good,
    matters,
    unknown,
    whole,
)

FORBIDDEN = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_PR_SET_PDEATHSIG, _NO_SIGNAL, _NO_CLOCK = 1, 999, 9999


def _pidfd_open() -> int:
    os.close(os.pidfd_open(os.getpid()))
    return 0


def _memfd_create() -> int:
    os.close(os.memfd_create("multikernel"))
    return 0


def _sched_setaffinity() -> int:
    os.sched_setaffinity(0, ())  # no CPU: refused with EINVAL, unless a filter is there first
    return 0


def _libc(name: str, *arguments: object) -> int:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        return 0
    ctypes.set_errno(0)
    function(*arguments)
    return ctypes.get_errno()


def _prctl() -> int:
    return _libc("prctl", _PR_SET_PDEATHSIG, _NO_SIGNAL, 0, 0, 0)


def _timer_create() -> int:
    return _libc("timer_create", _NO_CLOCK, None, ctypes.byref(ctypes.c_void_p()))


CALLS: dict[str, tuple[Callable[[], int], bool]] = {
    "pidfd_open": (_pidfd_open, False),
    "memfd_create": (_memfd_create, False),
    "prctl": (_prctl, True),
    "sched_setaffinity": (_sched_setaffinity, True),
    "timer_create": (_timer_create, True),
}
"""By name: a try that gives (or raises with) its errno, and whether nothing boots without it."""


def forbidden() -> list[str]:
    """Those of CALLS that this process may not make."""
    found = []
    for name, (attempt, _) in CALLS.items():
        try:
            number = attempt()
        except OSError as error:
            number = error.errno or 0
        if number in FORBIDDEN:
            found.append(name)
    return found


@check(
    "system-calls",
    "System calls",
    "A filter may forbid what a boot needs; some of it a kernel does without.",
)
def system_calls(look: Evidence) -> Answer:
    """Tries each; of a captured host it is only known whether there is a filter."""
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
MEMORY_NEEDED = 64 << 20


@check("limits", "Limits", "A limit that is too low ends a boot, or leaves less than the default.")
def limits_(look: Evidence) -> Answer:
    """Of the process, and of its control groups."""
    listed = look.text("proc/self/limits")
    if listed is None:
        return unknown()
    cores = len(look.allowed or look.online or (0,))
    tight, remedies = [], []
    for title, name, letter, enough in _OF_PROCESS:
        match = re.search(rf"^{title} +(\S+)", listed, re.MULTILINE)
        value = whole(match[1]) if match else None
        if value is not None and value < enough + cores:
            tight.append(f"{name} {value}")
            remedies.append(f"ulimit {letter} more")
    for group in control_groups.directories(look.text, "pids"):
        most, now = (look.integer(f"{group}/pids.{what}") for what in ("max", "current"))
        if most is not None and most - (now or 0) < cores + 2:
            tight.append(f"pids.max {most}")
            remedies.append("docker: --pids-limit")
    room = limits.memory_room(look.text)
    if room is not None and room.left < MEMORY_NEEDED:
        tight.append(str(room))
        remedies.append(room.remedy)
    if not tight:
        return good(f"none that a system of {cores} cores would feel")
    return matters("; ".join(tight), ", ".join(dict.fromkeys(remedies)))


CHECKS: tuple[Check, ...] = (system_calls, limits_)
