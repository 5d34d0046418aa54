"""How a command reaches a running system: every supervisor listens on an abstract Unix socket named
by its pid and by chance.

Guarantees: nothing is left anywhere, whatever is killed: an abstract socket has no file and goes
with its process. Only its own user (and root) is answered, and the asker knows that the answer is
the supervisor's: both sides ask the host for the other's pid and user. Names are anybody's to take:
nobody can foresee one, and the asker tries all that may be the supervisor's. A supervisor without a
name is not inspected, and goes on all the same; an inspection ends after moments, or at once when a
core or the launcher ends. Who only claims to be a supervisor is held to the form, the length and
the time of an answer.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from multikernel.errors import BadInput, MultikernelError
from multikernel.runtime import wire

NAME = "mk-supervisor"
SECONDS = 5.0
"""How long an inspection may take, and how long the asker waits for each piece of the answer."""
_CREDENTIALS = struct.Struct("3i")


def _prefix(pid: int) -> str:
    return f"multikernel-inspect-{pid}-"


def _addresses(pid: int) -> list[str]:
    """All names there are that may be that supervisor's."""
    with open("/proc/net/unix", errors="replace") as table:
        fields = [line.split(None, 7) for line in table]
    names = {line[7].rstrip("\n") for line in fields if len(line) == 8}
    return sorted("\0" + name[1:] for name in names if name.startswith("@" + _prefix(pid)))


def _peer(connection: socket.socket) -> tuple[int, int]:
    """pid and user of the other side, as the host knows them."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(packed)
    return pid, user


class Listener:
    """The supervisor's end. look(deadline) inspects: it raises MultikernelError when it cannot."""

    def __init__(self, look: Callable[[float], dict[str, Any]]) -> None:
        self._look = look
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(OSError):  # without a name nobody comes
            self._socket.bind("\0" + _prefix(os.getpid()) + secrets.token_hex(8))
            self._socket.listen(8)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """To be polled."""
        return self._socket.fileno()

    def answer(self) -> None:
        """Answers one connection. Whatever the other side does, this returns."""
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1.0)
            if _peer(connection)[1] not in (os.getuid(), 0):
                wire.send_record(connection, {"error": "this system is another user's"})
                return
            try:
                record = self._look(time.monotonic() + SECONDS)
            except MultikernelError as error:
                record = {"error": str(error)}
            wire.send_record(connection, record)


class Running(NamedTuple):
    """A supervisor that runs here. pid; user: its number."""

    pid: int
    user: int


def found(root: Path = Path("/proc")) -> list[Running]:
    """All supervisors there are, of all users, by pid."""
    running = []
    for path in root.iterdir():
        if not path.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # gone meanwhile
            if (path / "comm").read_text().strip() == NAME:
                running.append(Running(int(path.name), path.stat().st_uid))
    return sorted(running)


def choose(pid: int | None) -> Running:
    """The one of that pid (the supervisor's or its launcher's), or the only one of this user.
    Raises BadInput, in one sentence.
    """
    everybody = found()
    mine = [one for one in everybody if one.user == os.getuid()] if os.getuid() else everybody
    if pid is not None:
        for one in everybody:
            if pid in (one.pid, _parent(one.pid)):
                if one not in mine:
                    raise BadInput(
                        "this system is another user's", value=pid, where=f"user {one.user}"
                    )
                return one
        raise BadInput("no system of that pid runs here", value=pid, hint=_hint(mine))
    if not mine:
        others = f"; {len(everybody)} of other users" if everybody else ""
        raise BadInput(
            f"no system of yours runs here{others}",
            hint="multikernel boot, or a program that calls boot()",
        )
    if len(mine) > 1:
        raise BadInput(
            f"{len(mine)} systems run here",
            hint="name one by its pid: " + ", ".join(str(one.pid) for one in mine),
        )
    return mine[0]


def fetch(running: Running) -> dict[str, Any]:
    """What that system looks like now. Raises MultikernelError."""
    where = f"supervisor {running.pid}"
    others = 0
    for address in _addresses(running.pid):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            # A name whose queue is full lets nobody wait.
            connection.setblocking(False)
            try:
                connection.connect(address)
                if _peer(connection) != running:
                    others += 1
                    continue
            except OSError:
                continue  # gone meanwhile, or not to be had
            return _answer(connection, where)
    if others:
        raise MultikernelError("somebody else answers in the system's name", where=where)
    raise MultikernelError("the system is just starting or ending", where=where, hint="try again")


def _answer(connection: socket.socket, where: str) -> dict[str, Any]:
    from multikernel.runtime import inspection_answer  # the supervisor needs none of it

    connection.settimeout(2 * SECONDS)
    try:
        received = wire.receive(
            connection, inspection_answer.MOST_BYTES, time.monotonic() + 2 * SECONDS
        )
    except wire.TooLong as error:
        raise inspection_answer.nonsense(error, where) from None
    except TimeoutError:
        raise MultikernelError(
            "the system does not answer", where=where, hint="is it stopped?"
        ) from None
    except OSError:
        received = None
    if received is None:
        raise MultikernelError("the system ended", where=where)
    data, descriptors = received
    for descriptor in descriptors:  # nobody asked for any
        os.close(descriptor)
    return inspection_answer.checked(data, where)


def _parent(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc", str(pid), "status").read_text().splitlines():
            if line.startswith("PPid:"):
                return int(line.split()[1])
    return None


def _hint(mine: list[Running]) -> str:
    return (
        "there are " + ", ".join(str(one.pid) for one in mine)
        if mine
        else "none of yours runs here"
    )
