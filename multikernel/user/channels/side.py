"""One side of a pair of channels, on its way from the process that made it to the one that opens
it.

Guarantees: whoever is given a side is written down in the channel, so that a process that dies
before it opens its side is missed: one that multiprocessing starts, in every way it has, one that
is forked, and one that is started with the descriptors and the text of a side. What it takes from
whom is in native/channel/holders.h.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import weakref
from collections.abc import Iterator
from multiprocessing import reduction, util
from multiprocessing.context import get_spawning_popen
from typing import Any, Literal, get_args

from multikernel.errors import ChannelMisused
from multikernel.native import _native
from multikernel.user.channels.end import CallEnd, FifoEnd

MemoryForm = Literal["epoch-ring", "used-ring", "call-line", "calls"]
Form = Literal["epoch-ring", "used-ring", "call-line", "calls", "socket", "pipe"]
End = FifoEnd | CallEnd


class Side:
    """One side of a pair, not yet opened: hand it to another process, or open it here.

    form; number: 0 or 1; size: of its memory in bytes; descriptors: of this process, as
    native/channel/side.h has them.
    """

    __slots__ = ("__weakref__", "descriptors", "form", "maker", "number", "size")

    def __init__(
        self,
        form: Form,
        number: int,
        size: int,
        descriptors: tuple[int, ...],
        *,
        maker: bool = False,
    ) -> None:
        self.form: Form = form
        self.number = number
        self.size = size
        self.descriptors = descriptors
        self.maker = maker
        """This process made the pair."""
        _sides.add(self)

    def open(self) -> End:
        """This side's end, in this process. Takes the descriptors: once. Raises ChannelMisused."""
        if not self.descriptors:
            raise ChannelMisused(
                "this side was opened or closed here before",
                value=self._name,
                where="open",
                hint="each side is opened once; make another pair",
            )
        self._check()
        descriptors, self.descriptors = self.descriptors, ()
        _sides.discard(self)
        if self.form == "calls":
            return CallEnd()._take(self.number, self.size, descriptors)
        return FifoEnd()._take(self.form, self.number, self.size, descriptors)

    def detach(self) -> tuple[int, ...]:
        """Its descriptors, which are the caller's to close or to send on from here on: with the
        text of before, str(side), another process makes a side of them (Side.parse).
        """
        descriptors, self.descriptors = self.descriptors, ()
        _sides.discard(self)
        return descriptors

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Gives this side up without opening it here, as a parent does with what it has handed to a
        child. So does losing the last reference to it. Idempotent.
        """
        descriptors, self.descriptors = self.descriptors, ()
        _sides.discard(self)
        if descriptors and not self.maker:
            self._write_down(descriptors, holds=False)
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _check(self) -> None:
        for descriptor in self.descriptors:
            try:
                os.fstat(descriptor)
            except OSError:
                raise ChannelMisused(
                    "a descriptor of this side is not in this process",
                    value=descriptor,
                    where=self._name,
                    hint="start the program with pass_fds=side.descriptors",
                ) from None

    def _write_down(self, descriptors: tuple[int, ...], *, holds: bool) -> None:
        """This process may open the side; or it had it, and will not."""
        bell = descriptors[3] if self.form in get_args(MemoryForm) else -1
        with contextlib.suppress(OSError), _header(descriptors) as memory:
            _native.channel_holds(memory, self.number, os.getpid(), bell, holds)

    @property
    def _name(self) -> str:
        return f"side {self.number} of a {self.form} channel"

    def __repr__(self) -> str:
        state = f"descriptors {self.descriptors}" if self.descriptors else "opened or closed"
        return f"<{self._name}, {state}>"

    def __str__(self) -> str:
        """For the arguments of a program that is started with pass_fds=side.descriptors."""
        return ":".join([self.form, str(self.number), str(self.size), *map(str, self.descriptors)])

    @staticmethod
    def parse(text: str, descriptors: tuple[int, ...] | None = None) -> Side:
        """The inverse of str, in the started program; descriptors: where they have come with other
        numbers. Raises ChannelMisused.
        """
        if descriptors is not None:
            text = ":".join([*text.split(":")[:3], *map(str, descriptors)])
        try:
            form, number, size, own = _native.channel_parse(text)
        except ValueError as error:
            raise ChannelMisused(
                str(error),
                value=text,
                where="Side.parse",
                hint="give the program str(side), and pass_fds=side.descriptors",
            ) from None
        return Side(form, number, size, own)  # type: ignore[arg-type]  # one of its names

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.descriptors:
            raise ChannelMisused(
                "a side that was opened or closed cannot be handed on", value=self._name
            )
        # multiprocessing carries descriptors: at the start of a process and over its own
        # connections.
        popen = get_spawning_popen()
        if popen is not None:
            _handed.append((weakref.ref(popen), self.number, _header(self.descriptors)))
        carried = tuple(reduction.DupFd(descriptor) for descriptor in self.descriptors)
        return _arrived, (self.form, self.number, self.size, carried)


_sides: weakref.WeakSet[Side] = weakref.WeakSet()
"""Those of this process that are neither opened nor closed."""
_handed: list[tuple[weakref.ref[Any], int, mmap.mmap]] = []
"""To a process that is being spawned, whose number is not known yet."""


def _header(descriptors: tuple[int, ...]) -> mmap.mmap:
    return mmap.mmap(descriptors[0], mmap.PAGESIZE)


def _arrived(form: Form, number: int, size: int, carried: tuple[Any, ...]) -> Side:
    side = Side(form, number, size, tuple(descriptor.detach() for descriptor in carried))
    side._write_down(side.descriptors, holds=True)
    return side


def _note_spawned() -> None:
    """Before a wait asks whether the other side's process is there."""
    for entry in list(_handed):
        popen, number, memory = entry
        started = popen()
        pid = getattr(started, "pid", None)
        if started is not None and pid is None:
            continue
        if pid is not None:
            _native.channel_holds(memory, number, pid, -1, True)
        _handed.remove(entry)
        memory.close()


def _forked() -> None:
    """In a child: whatever its parent could have opened it can open too."""
    _native.channels_forked()
    for side in list(_sides):
        side.maker = False
        side._write_down(side.descriptors, holds=True)


def _refine(_: object) -> None:
    """In a child of multiprocessing: are sides among what it was started with, it has been given
    those, and the others were only there.
    """
    process: Any = multiprocessing.current_process()
    given = set(_sides_in((getattr(process, "_args", ()), getattr(process, "_kwargs", {}))))
    if not given:
        return
    for side in set(_sides) - given:
        with contextlib.suppress(OSError), _header(side.descriptors) as memory:
            _native.channel_not_for(memory, side.number, os.getpid())


def _sides_in(value: object, depth: int = 4) -> Iterator[Side]:
    if isinstance(value, Side):
        yield value
    elif depth and isinstance(value, dict):
        for one in value.values():
            yield from _sides_in(one, depth - 1)
    elif depth and isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from _sides_in(one, depth - 1)
    elif depth and hasattr(value, "__dict__"):
        yield from _sides_in(vars(value), depth - 1)


os.register_at_fork(after_in_child=_forked)
util.register_after_fork(_forked, _refine)
_native.channels_before_asking(_note_spawned)

assert set(get_args(MemoryForm)) < set(get_args(Form))
