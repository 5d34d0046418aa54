"""Ways into the kernel: over a channel from the process that booted it, or by a system call from a
program on a core.

Both answer `request(core, kind, words…)`; `home` is the core that handles what names none: core 0
from outside, the own core from inside.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Protocol, SupportsIndex

from multikernel.errors import BadInput
from multikernel.native import _native
from multikernel.native._native import KINDS
from multikernel.runtime.launch import Launched, Reply
from multikernel.runtime.plan import Plan
from multikernel.user.outcome import OK, error_of

READ_BYTES, WRITE_BYTES = 48, 24
"""What one request carries."""


class Access(Protocol):
    """A way into one system."""

    plan: Plan

    @property
    def home(self) -> int:
        """The core that handles what names none."""
        ...

    def request(self, core: int, kind: int, *words: int, kept: bytes = b"") -> Reply:
        """One request, answered. kept: cores that it names (_native.cores_word)."""
        ...

    def allocate(self, length: int) -> Reply:
        """A frame of the home core's."""
        ...

    def read(self, core: int, slot: int, generation: int, address: int, length: int) -> bytes:
        """Bytes of a mapping, by the page table of that core. Raises PageFault."""
        ...

    def write(self, core: int, slot: int, generation: int, address: int, data: bytes) -> None:
        """The same for writing."""
        ...


def core_number(cores: int, core: SupportsIndex | object, where: str) -> int:
    """The number of a core, which may be given as a Core, of a system of so many. Raises
    BadInput.
    """
    try:
        number = operator.index(core)  # type: ignore[arg-type]  # callers may be untyped
    except TypeError:
        number = -1
    if not 0 <= number < cores:
        raise BadInput("no such core", value=core, where=where, hint=f"cores are 0 to {cores - 1}")
    return number


def core_numbers(count: int, cores: Iterable[SupportsIndex] | None, where: str) -> tuple[int, ...]:
    """The numbers of those cores of a system of so many, sorted; None: of all. Raises BadInput."""
    if cores is None:
        return tuple(range(count))
    try:
        named = list(cores)
    except TypeError:  # boot(cores=2) is a number, so some would write it here
        raise BadInput(
            "these are cores, not how many", value=repr(cores), where=f"{where} cores",
            hint="cores=[0, 1], or none for all",
        ) from None  # fmt: skip
    return tuple(sorted({core_number(count, one, where) for one in named}))


def handle_word(slot: int, generation: int) -> int:
    """Slot and generation as they travel."""
    return slot | generation << 32


def _read(access: Access, core: int, handle: int, address: int, length: int) -> bytes:
    parts = []
    for at in range(0, length, READ_BYTES):
        piece = min(READ_BYTES, length - at)
        verdict, named, words = access.request(core, KINDS["READ"], handle, address + at, piece)
        if verdict != OK:
            raise error_of(verdict, named, "read", core=core, address=address + at)
        parts.append(b"".join(word.to_bytes(8, "little") for word in words)[:piece])
    return b"".join(parts)


def _write(access: Access, core: int, handle: int, address: int, data: bytes) -> None:
    for at in range(0, len(data), WRITE_BYTES):
        piece = data[at : at + WRITE_BYTES]
        padded = piece.ljust(WRITE_BYTES, b"\0")
        words = [int.from_bytes(padded[i : i + 8], "little") for i in range(0, WRITE_BYTES, 8)]
        verdict, named, _ = access.request(
            core, KINDS["WRITE"], handle, address + at, len(piece), *words
        )
        if verdict != OK:
            raise error_of(verdict, named, "write", core=core, address=address + at)


class ClientAccess:
    """From the launching process."""

    home = 0

    def __init__(self, launched: Launched) -> None:
        self.launched = launched
        self.plan = launched.plan

    def request(self, core: int, kind: int, *words: int, kept: bytes = b"") -> Reply:
        """Over the request channel of that core."""
        core = core_number(self.plan.cores, core, "request")
        return self.launched.request(core, kind, *words, kept=kept)

    def allocate(self, length: int) -> Reply:
        """Of core 0."""
        return self.request(self.home, KINDS["ALLOCATE"], length)

    def read(self, core: int, slot: int, generation: int, address: int, length: int) -> bytes:
        """48 bytes a request."""
        self.launched.check()
        return _read(self, core, handle_word(slot, generation), address, length)

    def write(self, core: int, slot: int, generation: int, address: int, data: bytes) -> None:
        """24 bytes a request."""
        self.launched.check()
        _write(self, core, handle_word(slot, generation), address, data)


class LocalAccess:
    """From a program on a core: system calls for the own core, its call lines for the others."""

    def __init__(self, driver: _native.Driver, plan: Plan) -> None:
        self.driver = driver
        self.plan = plan
        self.home = driver.me

    def request(self, core: int, kind: int, *words: int, kept: bytes = b"") -> Reply:
        """A system call, or a call to another core's driver."""
        core = core_number(self.plan.cores, core, "request")
        if core == self.home:
            return self.driver.here(kind, words, kept)
        assert not kept  # what a core reads is its own program's, or the launcher's
        return self.driver.call(core, kind, words)

    def allocate(self, length: int) -> Reply:
        """A system call."""
        return self.driver.allocate(length)

    def read(self, core: int, slot: int, generation: int, address: int, length: int) -> bytes:
        """Directly through this core's page table, or by request."""
        if core != self.home:
            return _read(self, core, handle_word(slot, generation), address, length)
        data = self.driver.read(slot, generation, address, length)
        if data is None:
            raise error_of(_native.VERDICTS["FAULT"], 0, "read", core=core, address=address)
        return data

    def write(self, core: int, slot: int, generation: int, address: int, data: bytes) -> None:
        """Directly through this core's page table, or by request."""
        if core != self.home:
            _write(self, core, handle_word(slot, generation), address, data)
        elif not self.driver.write(slot, generation, address, data):
            raise error_of(_native.VERDICTS["FAULT"], 0, "write", core=core, address=address)
