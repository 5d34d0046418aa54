"""The host's transports between two processes, made in pairs of sides and given to two cores.

Guarantees: each core gets its own sides and no others, over a Unix socket of this process that only
it may use; when they are given nobody else holds a descriptor of them. Idea: SCM_RIGHTS, as the
boot hands the kernel's segment to the cores.
"""

import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterable, Sequence

from multikernel.errors import ProtocolError
from multikernel.experiments.transport import loops
from multikernel.experiments.transport.loops import Ticket
from multikernel.native import _native
from multikernel.runtime import segments
from multikernel.system import System
from multikernel.user import channels

PATIENCE_SECONDS = 20
Both = tuple[Ticket, Ticket]


def _two(name: str, form: str, one: tuple[int, ...], other: tuple[int, ...]) -> Both:
    return Ticket(name, form, one), Ticket(name, form, other)


def pipes(name: str, blocking: bool) -> Both:
    flags = os.O_CLOEXEC | (0 if blocking else os.O_NONBLOCK)
    there, back = os.pipe2(flags), os.pipe2(flags)
    return _two(name, "bytes", (back[0], there[1]), (there[0], back[1]))


def sockets(name: str, blocking: bool, kind: socket.SocketKind) -> Both:
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    for end in (one, other):
        end.setblocking(blocking)
    return _two(name, "bytes", (one.detach(),), (other.detach(),))


def _memory() -> tuple[int, int]:
    size = _native.HOST_BYTES_OF_MEMORY
    descriptor = segments.create(size)
    segments.back(descriptor, 0, size)
    return descriptor, os.dup(descriptor)


def eventfds(name: str, blocking: bool) -> Both:
    flags = os.EFD_CLOEXEC | (0 if blocking else os.EFD_NONBLOCK)
    there, back = os.eventfd(0, flags), os.eventfd(0, flags)
    one, other = _memory()
    return _two(name, "eventfd", (one, back, there), (other, os.dup(there), os.dup(back)))


def futexes(name: str) -> Both:
    one, other = _memory()
    return _two(name, "futex", (one,), (other,))


def channel(name: str, form: channels.Form) -> Both:
    one, other = (
        Ticket(name, form, side=str(side), descriptors=side.detach())
        for side in channels.pair(form)
    )
    return one, other


def give(system: System, makers: Iterable[Callable[[], Both]]) -> None:
    """Makes all of them, for cores 0 and 1. Raises ProtocolError, OSError."""
    made: list[Both] = []
    try:
        made.extend(maker() for maker in makers)
        for core in (0, 1):
            _give(system, core, [both[core] for both in made])
    finally:
        for descriptor in {one for both in made for side in both for one in side.descriptors}:
            os.close(descriptor)


def _give(system: System, core: int, sides: Sequence[Ticket]) -> None:
    descriptors = [descriptor for side in sides for descriptor in side.descriptors]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        # No name in any file system, and none that could be guessed.
        listener.bind(b"\0multikernel-" + secrets.token_hex(16).encode())
        listener.listen(1)
        listener.settimeout(PATIENCE_SECONDS)
        task = system.cores[core].start(loops.take, listener.getsockname(), tuple(sides))
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            raise ProtocolError("a core does not come for its descriptors", value=core) from None
        with connection:
            size = struct.calcsize("3i")
            record = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            pid, _, _ = struct.unpack("3i", record)
            if pid != system.cores[core].pid:
                raise ProtocolError("somebody else came for a core's descriptors", value=pid)
            socket.send_fds(connection, [b"\n"], descriptors)
            task.result()
