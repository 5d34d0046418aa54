"""The ends of channels: what `Side.open` and `attach` give.

Guarantees: what channel.h guarantees of every form. What is below the fast path, in Python: how an
end is iterated over, and awaited. An end waits without a thread of its own: its descriptor is rung
by the other side, and only when this one sleeps (bell.h).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from multikernel.errors import ChannelClosed, WrongForm
from multikernel.native import _native

Words = tuple[int, int, int, int, int, int, int]


def _set(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _refuse(end: FifoEnd | CallEnd, name: str, other: type, hint: str) -> None:
    """Of an attribute that the end has not; raises AttributeError, and says which form has it."""
    if name in vars(other) or any(name in vars(base) for base in other.__mro__[1:-1]):
        raise WrongForm(f"a {end.form} channel has no {name}", value=repr(end), hint=hint)
    raise AttributeError(f"{type(end).__name__!r} object has no attribute {name!r}")


async def _something(end: FifoEnd | CallEnd) -> None:
    """Returns when the end has something, or will have nothing more."""
    loop = asyncio.get_running_loop()
    descriptor = end.fileno()
    while not end.poll():
        readable = loop.create_future()
        loop.add_reader(descriptor, _set, readable)
        try:
            await readable
        finally:
            loop.remove_reader(descriptor)


class FifoEnd(_native.ChannelEnd):
    """An end of a FIFO each way; see ChannelEnd, whose methods it has.

    `for message in end` goes on until the other side closes: objects, or where that sends words,
    tuples of seven. `async for` does the same.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        _refuse(self, name, CallEnd, 'channels.pair("calls") makes a channel for calls')

    def _next(self) -> Any:
        return self.receive() if self.carries_frames() else self.receive_words()

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                message = self._next()
            except ChannelClosed:
                return
            yield message

    async def receive_async(self) -> Any:
        """The next object, as by receive(), without blocking the event loop. For a deadline:
        asyncio.wait_for.
        """
        await _something(self)
        return self.receive()

    async def receive_bytes_async(self) -> bytes:
        """The next send_bytes' bytes, in the same way."""
        await _something(self)
        return self.receive_bytes()

    async def receive_words_async(self) -> Words:
        """The next seven words, in the same way."""
        await _something(self)
        return self.receive_words()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            await _something(self)
            try:
                message = self._next()
            except ChannelClosed:
                return
            yield message


class CallEnd(_native.CallEnd):
    """An end of a calls channel; see its base, whose methods it has.

    `for request in end` goes on until the other side closes; each is to be answered by reply.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        _refuse(self, name, FifoEnd, "channels.pair() makes a channel that has")

    def __iter__(self) -> Iterator[Words]:
        while True:
            try:
                request = self.receive_words()
            except ChannelClosed:
                return
            yield request

    async def receive_words_async(self) -> Words:
        """The next request, without blocking the event loop."""
        await _something(self)
        return self.receive_words()
