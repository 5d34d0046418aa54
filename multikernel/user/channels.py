"""Channels between any two processes: one message a cache line, from Python.

    ours, theirs = channels.pair("calls")
    process = multiprocessing.Process(target=serve, args=(theirs,))  # which does theirs.open()
    end = ours.open()
    end.call((1, 2, 3))  # raises ChannelClosed when nobody is there

Guarantees: what channel.h guarantees of every form. A pair leaves nothing behind: its segment has
no name, and is gone with the last process that holds it. Each side is opened once, in one process,
by one thread at a time; a call waits until it is done or the other side is closed or gone, or for
as long as `end.timeout` says.

Forms: "calls" (requests and replies, the fastest there and back); a FIFO each way in shared memory:
"used-ring", "epoch-ring", "call-line"; the same carried by the host: "socket", "pipe". On an epoch
ring a side that sends must also receive: see channel.h. The segment is backed by the process that
makes the pair: on a machine of several nodes, make it on the node of the side that receives more.

Programs on cores use memory of the kernel's instead: a frame mapped on both, `make` on one of them,
then `attach` on each.

Idea: Barrelfish binds two domains by a frame that both map (usr/monitor's UMP binding).
"""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any, Literal, get_args

from multikernel.errors import BadInput
from multikernel.native import _native
from multikernel.runtime import segments
from multikernel.user.memory import Page

if TYPE_CHECKING:
    # known to the type checker alone: no requirement of the package
    from typing_extensions import Buffer

MemoryForm = Literal["epoch-ring", "used-ring", "call-line", "calls"]
Form = Literal["epoch-ring", "used-ring", "call-line", "calls", "socket", "pipe"]
End = _native.ChannelEnd | _native.CallEnd
SLOTS = {"call-line": 32, "calls": 1}
"""How many slots a form has by default, where that is not 64."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a pair, not yet opened: hand it to a child process, or open it here."""

    form: Form
    number: int
    size: int
    descriptors: tuple[int, ...]

    def open(self) -> End:
        """This side's end, in this process. Takes the descriptors: once. Raises BadInput,
        ValueError.
        """
        if self.form == "socket":
            return _native.ChannelEnd.socket(*self.descriptors)
        if self.form == "pipe":
            receive, send = self.descriptors
            return _native.ChannelEnd.pipe(receive, send)
        (descriptor,) = self.descriptors
        try:
            memory = mmap.mmap(descriptor, self.size)
        finally:
            os.close(descriptor)
        return attach(memory, self.form, self.number)

    def close(self) -> None:
        """Gives this side up without opening it here, as a parent does with what it has handed to a
        child.
        """
        for descriptor in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def __str__(self) -> str:
        """For the arguments of a program that is started with pass_fds=side.descriptors."""
        return ":".join([self.form, str(self.number), str(self.size), *map(str, self.descriptors)])

    @staticmethod
    def parse(text: str) -> Side:
        """The inverse of str, in the started program. Raises BadInput."""
        form, *numbers = text.split(":")
        if (
            form not in get_args(Form)
            or len(numbers) < 3
            or not all(part.isdigit() for part in numbers)
        ):
            raise BadInput("this is no side of a channel", value=text)
        number, size, *descriptors = map(int, numbers)
        return Side(form, number, size, tuple(descriptors))  # type: ignore[arg-type] # checked above

    def __reduce__(self) -> tuple[Any, ...]:
        # multiprocessing carries descriptors: at the start of a process and over its own
        # connections.
        carried = tuple(reduction.DupFd(descriptor) for descriptor in self.descriptors)
        return _arrived, (self.form, self.number, self.size, carried)


def _arrived(form: Form, number: int, size: int, carried: tuple[Any, ...]) -> Side:
    return Side(form, number, size, tuple(descriptor.detach() for descriptor in carried))


def _slots(form: str, slots: int | None) -> int:
    return SLOTS.get(form, 64) if slots is None else slots


def _bytes(form: str, slots: int) -> int:
    try:
        return _native.channel_bytes(form, slots)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            "no such channel", value=f"{form}, {slots} slots", where=str(error)
        ) from None


def pair(form: Form = "used-ring", slots: int | None = None) -> tuple[Side, Side]:
    """Two sides of a new channel. slots: how many messages (calls) a direction may hold; only in
    shared memory.

    Raises BadInput, SegmentFull.
    """
    if form == "socket":
        one, other = _native.socket_pair()
        return Side(form, 0, 0, (one,)), Side(form, 1, 0, (other,))
    if form == "pipe":
        ends = _native.pipe_pair()
        return Side(form, 0, 0, ends[0]), Side(form, 1, 0, ends[1])
    count = _slots(form, slots)
    size = _bytes(form, count)
    descriptor = segments.create(size)
    try:
        segments.back(descriptor, 0, size)
        with mmap.mmap(descriptor, size) as memory:
            _native.channel_create(memory, form, count)
        return Side(form, 0, size, (descriptor,)), Side(form, 1, size, (os.dup(descriptor),))
    except BaseException:
        os.close(descriptor)
        raise


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
    Raises ValueError when there is no such channel, or that side was opened before.
    """
    buffer = memory.view() if isinstance(memory, Page) else memory
    if form == "calls":
        return _native.CallEnd.attach(buffer, side)
    return _native.ChannelEnd.attach(buffer, form, side)
