"""Pickling that hears signals: Python's picklers are C and take seconds for what is large, but call
the file they write to or read from every 64 KiB. Where that is Python, Ctrl-C is heard there, and
on a core a cancellation.

cloudpickle, so that functions of a notebook or a script's main module travel by value.
"""

from __future__ import annotations

import pickle
from typing import Any

PIECE = 8 << 20
"""Bytes moved at a time, a few milliseconds."""
SMALL = 1 << 20
"""Up to here it is over before anybody notices."""


class _Out:
    """A file to write to."""

    def __init__(self, start: bytes) -> None:
        self.data = bytearray(start)

    def write(self, data: Any) -> int:
        """Bytes, or what has a buffer of them."""
        view = memoryview(data).cast("B")
        for at in range(0, len(view), PIECE):
            self.data += view[at : at + PIECE]
        return len(view)


class _In:
    """A file to read from."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int) -> bytes:
        """At most that many bytes."""
        data = bytes(self._data[self._at : self._at + size])
        self._at += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fills the buffer as far as there is something."""
        size = min(len(buffer), len(self._data) - self._at)
        for at in range(0, size, PIECE):
            end = min(size, at + PIECE)
            buffer[at:end] = self._data[self._at + at : self._at + end]
        self._at += size
        return size

    def readline(self) -> bytes:
        """For opcodes that end with their line."""
        line = bytearray()
        while not line.endswith(b"\n") and (one := self.read(1)):
            line += one
        return bytes(line)


def dumps(value: object, start: bytes = b"") -> bytearray:
    """The pickle, behind `start`. Raises what cloudpickle raises."""
    import cloudpickle

    out = _Out(start)
    cloudpickle.Pickler(out).dump(value)
    return out.data


def loads(data: bytes | bytearray | memoryview) -> Any:
    """The value. Raises what pickle raises."""
    if len(data) <= SMALL:
        return pickle.loads(data)
    return pickle.Unpickler(_In(memoryview(data))).load()
