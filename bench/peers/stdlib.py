"""What Python and Linux bring along: pipes, sockets, queues, and the spin over shared memory that
people write first.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import socket
from functools import partial
from multiprocessing import reduction
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from .peer import MESSAGE, End, Peer, Place, ProcessPeer

SIZE = len(MESSAGE)


def _close(*things: Any) -> None:
    for thing in things:
        thing.close()


class Pipe(ProcessPeer):
    """multiprocessing.Pipe, as bytes."""

    key, name, group = "mp-pipe", "multiprocessing.Pipe", "stdlib"

    def sides(self, place: Place) -> tuple[Any, Any]:
        """A connection each."""
        return multiprocessing.Pipe()

    def give_up(self, sides: tuple[Any, Any]) -> None:
        """Both connections."""
        _close(*sides)

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        return End(side.send_bytes, side.recv_bytes, close=side.close)


class Queue(ProcessPeer):
    """multiprocessing.Queue, one each way."""

    key, name, group = "mp-queue", "multiprocessing.Queue", "stdlib"

    def sides(self, place: Place) -> tuple[Any, Any]:
        """(out, in) of each."""
        context = multiprocessing.get_context("spawn")
        one, other = context.Queue(), context.Queue()
        return (one, other), (other, one)

    def give_up(self, sides: tuple[Any, Any]) -> None:
        """Both queues, as far as this process holds them."""
        _close(*sides[0])

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        out, back = side
        return End(out.put, back.get, close=partial(_close, out, back))


class Descriptors:
    """Descriptors on their way to a child process."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, tuple(reduction.DupFd(number) for number in self.numbers)

    def close(self) -> None:
        """All of them."""
        for number in self.numbers:
            os.close(number)


def _arrived(*carried: Any) -> Descriptors:
    return Descriptors(*(one.detach() for one in carried))


class OsPipe(ProcessPeer):
    """os.pipe, one each way."""

    key, name, group = "os-pipe", "os.pipe", "stdlib"

    def sides(self, place: Place) -> tuple[Any, Any]:
        """(receive, send) of each."""
        one, other = os.pipe(), os.pipe()
        return Descriptors(one[0], other[1]), Descriptors(other[0], one[1])

    def give_up(self, sides: tuple[Any, Any]) -> None:
        """All four descriptors."""
        _close(*sides)

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        receive, send = side.numbers
        return End(partial(os.write, send), partial(os.read, receive, SIZE), close=side.close)


class UnixSocket(ProcessPeer):
    """A pair of Unix sockets that keep messages apart."""

    key, name, group = "unix-socket", "Unix socket pair (SEQPACKET)", "stdlib"

    def sides(self, place: Place) -> tuple[Any, Any]:
        """A socket each."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def give_up(self, sides: tuple[Any, Any]) -> None:
        """Both sockets."""
        _close(*sides)

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        return End(side.send, partial(side.recv, SIZE), close=side.close)


SLOTS = 64
DIRECTION = (SLOTS + 2) * SIZE
"""Bytes of one: slots, then a line with how many were sent and one with how many were received."""


class NaiveSpin(ProcessPeer):
    """Slots, and two counters that both sides look at until they change: nothing but memoryviews of
    shared_memory.
    """

    key, name, group = "shared-memory", "shared_memory, memoryview spin", "stdlib"

    def missing(self) -> str | None:
        """It has no fences."""
        if platform.machine() not in ("x86_64", "AMD64"):
            return "plain stores of Python arrive in order on x86-64 only"
        return None

    def sides(self, place: Place) -> tuple[Any, Any]:
        """The memory."""
        memory = SharedMemory(create=True, size=2 * DIRECTION)
        return memory, memory

    def clean(self, place: Place, sides: tuple[Any, Any]) -> None:
        """Its name goes too."""
        sides[0].close()
        sides[0].unlink()

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        data = side.buf
        words = data.cast("Q")
        out, back = (0, DIRECTION) if role == 0 else (DIRECTION, 0)
        sent_at, taken_at = (out + SLOTS * SIZE) // 8, (out + (SLOTS + 1) * SIZE) // 8
        arrived_at, got_at = (back + SLOTS * SIZE) // 8, (back + (SLOTS + 1) * SIZE) // 8
        sent, got = 0, 0

        def send(message: bytes) -> None:
            nonlocal sent
            while sent - words[taken_at] >= SLOTS:
                pass
            at = out + sent % SLOTS * SIZE
            data[at : at + SIZE] = message
            sent += 1
            words[sent_at] = sent

        def receive() -> bytes:
            nonlocal got
            while words[arrived_at] == got:
                pass
            at = back + got % SLOTS * SIZE
            message = bytes(data[at : at + SIZE])
            got += 1
            words[got_at] = got
            return message

        def close() -> None:
            words.release()
            side.close()

        return End(send, receive, close=close)


def peers() -> list[Peer]:
    """All of this group."""
    return [NaiveSpin(), OsPipe(), UnixSocket(), Pipe(), Queue()]
