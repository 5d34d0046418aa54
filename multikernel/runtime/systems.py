"""The systems that this user runs, whoever booted them; and how one is ended from outside.

Guarantees: only processes of this very user are listed and ended, and only what is the supervisor
of a system: it leads a session, and runs our module. What is ended is gone when that returns: the
supervisor, the cores, and what their programs left in the session. A launcher is ended with its
system if it is a command of ours (`multikernel boot`); any other learns of the end by SystemClosed
at its next call.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

import psutil

from multikernel.errors import BadInput, MultikernelError
from multikernel.runtime import child, leftovers

ASKED_SECONDS = 5.0
"""How long a system may take to end by itself, once it was asked to."""
KILLED_SECONDS = 5.0
COMMAND = "multikernel"


@dataclass(frozen=True)
class RunningSystem:
    """pid: of its supervisor; launcher: of the process that booted it; started: in seconds since
    the epoch; cores: None where a system of another version does not say; command: the launcher's.
    """

    pid: int
    launcher: int
    started: float
    kernel: str
    cores: int | None
    system: str
    command: tuple[str, ...]


def found() -> list[RunningSystem]:
    """Those of this user, the oldest first."""
    systems = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # it ended meanwhile
            if (one := _system_of(process)) is not None:
                systems.append(one)
    return sorted(systems, key=lambda one: (one.started, one.pid))


def _system_of(process: psutil.Process) -> RunningSystem | None:
    user = process.uids()
    if {user.real, user.effective, user.saved} != {os.getuid()}:
        return None
    words = process.cmdline()
    ours = child.command(child.SUPERVISOR)
    # A core has its supervisor's command line, and so has what a program there forks.
    if words[1 : len(ours)] != ours[1:] or os.getsid(process.pid) != process.pid:
        return None
    if process.name().startswith("mk-core-") or process.status() == psutil.STATUS_ZOMBIE:
        return None
    kernel, cores, system, *_ = *words[len(ours) + 2 :], "?", "?", "?"
    launcher = process.ppid()
    command: list[str] = []
    with contextlib.suppress(psutil.Error):
        command = psutil.Process(launcher).cmdline()
    return RunningSystem(
        process.pid, launcher, process.create_time(), kernel,
        int(cores) if cores.isdecimal() else None, system, tuple(command),
    )  # fmt: skip


def choose(pid: int | None) -> RunningSystem:
    """The one of that pid, be it the supervisor's or its launcher's, or the only one. Raises
    BadInput.
    """
    mine = found()
    listed = ", ".join(str(one.pid) for one in mine)
    there = f"there are {listed}" if mine else "no system of yours runs here"
    if pid is None:
        if len(mine) == 1:
            return mine[0]
        if not mine:
            raise BadInput("no system of yours runs here", hint="multikernel ps lists them")
        raise BadInput(
            f"{len(mine)} systems of yours run here", hint=f"name one by its pid: {listed}"
        )
    named = [one for one in mine if pid in (one.pid, one.launcher)]
    if len(named) > 1:
        pids = ", ".join(str(one.pid) for one in named)
        raise BadInput(
            f"this process runs {len(named)} systems",
            value=pid,
            hint=f"name one by its pid: {pids}",
        )
    if named:
        return named[0]
    try:
        user = psutil.Process(pid).uids().real
    except (psutil.Error, ValueError):
        raise BadInput("no process of that pid runs here", value=pid, hint=there) from None
    if user != os.getuid():
        raise BadInput("this process is another user's", value=pid, where=f"user {user}")
    raise BadInput("this process is no system", value=pid, hint=there)


def stop(system: RunningSystem) -> None:
    """Ends it: asks first, kills what does not end. Raises MultikernelError if something is
    left.
    """
    supervisor, family = _family(system)
    if supervisor is None:
        return
    asked = supervisor
    if _is_ours(system.command):
        with contextlib.suppress(psutil.Error):
            asked = psutil.Process(system.launcher)
    with contextlib.suppress(psutil.Error):
        asked.terminate()
    if not _gone(family, ASKED_SECONDS):
        family |= _family(system)[1]
        for process in (supervisor, *family):
            with contextlib.suppress(psutil.Error):
                process.kill()
    if not _gone(family, KILLED_SECONDS):
        left = sorted(process.pid for process in family if _lives(process))
        raise MultikernelError(
            "processes of the system do not end", value=", ".join(map(str, left)),
            where=f"supervisor {system.pid}", hint="does a debugger hold them?",
        )  # fmt: skip


def _family(system: RunningSystem) -> tuple[psutil.Process | None, set[psutil.Process]]:
    """The supervisor, None if it has ended, and with it all processes of the system now."""
    try:
        supervisor = psutil.Process(system.pid)
        if supervisor.create_time() != system.started:
            return None, set()
        return supervisor, {supervisor, *leftovers.members(system.pid)}
    except psutil.Error:
        return None, set()


def _is_ours(command: tuple[str, ...]) -> bool:
    """Whether that is the command line `multikernel …`: python with options, and then the command
    or its module.
    """
    words = list(command[1:])
    while words and words[0].startswith("-") and words[0] != "-m":
        words.pop(0)
    if words[:1] == ["-m"]:
        return words[1:2] == [COMMAND]
    return bool(words) and os.path.basename(words[0]) == COMMAND


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _gone(family: set[psutil.Process], seconds: float) -> bool:
    """Whether all of them have ended in time."""
    deadline = time.monotonic() + seconds
    while any(map(_lives, family)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
