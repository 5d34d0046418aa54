"""Channels between any two processes of this host, which nobody has to boot for.

    ours, theirs = channels.pair()
    process = multiprocessing.Process(target=serve, args=(theirs,))  # which does theirs.open()
    process.start()
    with ours.open() as end:
        end.send({"any": "object"})
        print(end.receive(timeout=1.0))

Guarantees: what channel.h guarantees of every form. A pair leaves nothing behind: its segment has
no name, and is gone with the last process that holds it. Each side is opened once, in one process,
and used by one thread at a time. A wait ends when something comes, when its time has passed, or
when nothing can come any more: the other side is closed, or its process has died, be it before it
opened its side. A receiver that has waited for some microseconds sleeps until it is woken.

What is sent: send_words and receive_words, seven 64-bit integers, the fastest; send_bytes and
receive_bytes, any length; send and receive, any object that can be pickled, arrays without being
pickled. Pickles run what the other side says: it must be trusted.

Forms: "used-ring", "epoch-ring", "call-line", a FIFO each way in shared memory; the same carried by
the host: "socket", "pipe"; and "calls", of requests and replies in words, the fastest there and
back. On an epoch ring a side that sends must also receive: see channel.h. The segment is backed by
the process that makes the pair: on a machine of several nodes, make it on the node of the side that
receives more.

Programs on cores use memory of the kernel's instead: a frame mapped on both, `make` on one of them,
then `attach` on each. C programs: include/multikernel/channel.h.

Idea: Barrelfish binds two domains by a frame that both map (usr/monitor's UMP binding). That a
receiver polls and then sleeps is the paper's section 4.6.
"""

from __future__ import annotations

import mmap
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from multikernel.errors import BadInput
from multikernel.native import _native
from multikernel.runtime import segments
from multikernel.user.channels.end import CallEnd, FifoEnd, Words
from multikernel.user.channels.side import End, Form, MemoryForm, Side
from multikernel.user.channels.waiting import wait
from multikernel.user.memory import Page

if TYPE_CHECKING:
    # known to the type checker alone: no requirement of the package
    from typing_extensions import Buffer

__all__ = [
    "C_HEADERS", "CallEnd", "End", "FifoEnd", "Form", "MemoryForm", "Side", "Words", "attach",
    "make", "page_bytes", "pair", "wait",
]  # fmt: skip

C_HEADERS = Path(_native.__file__).parents[1] / "include"
"""Where C programs find multikernel/channel.h."""
SLOTS = {"call-line": 32, "calls": 1, "socket": 0, "pipe": 0}
"""How many slots a form has by default, where that is not 64."""
ARENA = 256 << 10
"""Bytes a direction for what is longer than some words: it streams through them."""


def _slots(form: str, slots: int | None) -> int:
    return SLOTS.get(form, 64) if slots is None else slots


def _bytes(form: str, slots: int, arena: int = 0) -> int:
    try:
        return _native.channel_bytes(form, slots, arena)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            "no such channel", value=f"{form}, {slots} slots", where=str(error)
        ) from None


def pair(
    form: Form = "used-ring", slots: int | None = None, *, arena: int | None = None
) -> tuple[Side, Side]:
    """Two sides of a new channel, for two processes. slots: how many messages (calls) a direction
    may hold; arena: bytes a direction for long messages, whole pages; both only in shared memory.

    Raises BadInput, SegmentFull.
    """
    count = _slots(form, slots)
    if form in ("socket", "pipe", "calls"):
        arena = arena or 0
    size = _bytes(form, count, ARENA if arena is None else arena)
    memory = segments.create(size)
    made = [memory]
    try:
        segments.back(memory, 0, size)
        with mmap.mmap(memory, size) as mapped:
            _native.channel_create(mapped, form, count, ARENA if arena is None else arena)
        made.append(os.dup(memory))
        lifelines = socket.socketpair()
        made.extend(line.detach() for line in lifelines)
        made.extend(_carriers(form))
    except BaseException:
        for descriptor in made:
            os.close(descriptor)
        raise
    halves = made[0::2], made[1::2]
    one, other = (
        Side(form, number, size, tuple(half), maker=True) for number, half in enumerate(halves)
    )
    return one, other


def _carriers(form: Form) -> list[int]:
    """Further descriptors of both sides, by turns."""
    if form == "socket":
        return list(_native.socket_pair())
    if form == "pipe":
        (receive, send), (their_receive, their_send) = _native.pipe_pair()
        return [receive, their_receive, send, their_send]
    flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
    bells = os.eventfd(0, flags), os.eventfd(0, flags)
    return [bells[0], bells[1], os.dup(bells[1]), os.dup(bells[0])]


def page_bytes(form: MemoryForm = "used-ring", slots: int | None = None) -> int:
    """How large a frame must be for `make`."""
    return _bytes(form, _slots(form, slots))


def make(page: Page, form: MemoryForm = "used-ring", slots: int | None = None) -> None:
    """In a program on a core that holds the page: a new channel in it, over whatever it held.

    Raises BadInput, NotMapped.
    """
    count = _slots(form, slots)
    if page.size < _bytes(form, count):
        raise BadInput(
            "the page is too small for this channel",
            value=f"{form}, {count} slots",
            where=repr(page),
        )
    with page.view() as view:
        view[:] = bytes(len(view))
        _native.channel_create(view, form, count)


def attach(memory: Page | Buffer, form: MemoryForm = "used-ring", side: int = 0) -> End:
    """Opens side 0 or 1 of a channel that lies in a page, or in other shared memory.

    A page is attached in a program on a core, and stays pinned there until the end is closed.
    Raises ChannelMisused when there is no such channel, or that side was opened before.
    """
    buffer = memory.view() if isinstance(memory, Page) else memory
    if form == "calls":
        return CallEnd()._attach(buffer, side)
    return FifoEnd()._attach(buffer, form, side)
