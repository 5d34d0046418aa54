"""Frames and pages: what a program holds of physical memory, and of its mapping.

Handles are plain data with a system's name in them. They may be pickled into programs, where they
act through the core's own driver, and come back as results. A handle from one system given to
another raises ForeignHandle.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Iterable
from typing import Any, Literal, SupportsIndex

from multikernel.errors import BadInput, ForeignHandle
from multikernel.hints import one_of
from multikernel.markup import element, table
from multikernel.native import _native
from multikernel.native._native import KINDS
from multikernel.runtime import local
from multikernel.runtime.plan import PAGE
from multikernel.user.access import Access, LocalAccess, core_number, core_numbers, handle_word
from multikernel.user.capability_outcome import capability_error
from multikernel.user.outcome import OK, error_of

Rights = Literal["read-write", "read-only"]
Protocol = Literal["two-phase", "one-phase"]


def _chosen(table: dict[str, int], value: str, what: str) -> int:
    if not isinstance(value, str) or value not in table:  # type: ignore[redundant-expr]
        raise BadInput(f"unknown {what}", value=value, hint=one_of(value, table))
    return table[value]


class _Handle:
    """Something of one system."""

    def __init__(self, system: str, access: Access | None) -> None:
        self._system = system
        self._access_given = access

    @property
    def _access(self) -> Access:
        if self._access_given is None:
            self._access_given = local_access(self._system)
        return self._access_given


_booted: weakref.WeakValueDictionary[str, Access] = weakref.WeakValueDictionary()
"""The ways into the systems that this process booted."""


def booted(system: str, access: Access) -> None:
    """Handles of that system that programs return act through `access`, for as long as it lives."""
    _booted[system] = access


def only_booted(where: str) -> Access:
    """The way into the only system that runs in this process. Raises BadInput."""
    running = []
    for access in list(_booted.values()):
        launched = getattr(access, "launched", None)
        if launched is None or not launched.closed:
            running.append(access)
    if len(running) == 1:
        return running[0]
    if not running:
        raise BadInput(
            "no system runs in this process", where=where, hint="boot() one, and keep it"
        )
    raise BadInput(
        "several systems run in this process",
        value=", ".join(access.plan.system for access in running),
        where=where,
        hint="system=… names one",
    )


def local_access(system: str) -> Access:
    """This process's way into a kernel: the own core's, or that of the process that booted it.
    Raises ForeignHandle.
    """
    if local.driver is None or local.plan is None:
        access = _booted.get(system)
        if access is None:
            raise ForeignHandle(
                "a handle is good only where its system was booted, and in programs on its cores",
                value=system,
            )
        return access
    if local.plan.system != system:
        raise ForeignHandle(
            "this handle belongs to another system",
            value=system,
            where=f"system {local.plan.system}",
        )
    return LocalAccess(local.driver, local.plan)


class Frame(_Handle):
    """A run of physical pages, good until it is freed.

    offset: in the memory segment, and size, in bytes; keeper: the core that handed it out, which
    takes part in every map of it; generation: how often a frame had begun at that offset.
    """

    def __init__(
        self,
        system: str,
        offset: int,
        size: int,
        keeper: int,
        generation: int,
        access: Access | None = None,
    ) -> None:
        super().__init__(system, access)
        self.offset = offset
        self.size = size
        self.keeper = keeper
        self.generation = generation

    def __reduce__(self) -> tuple[Any, ...]:
        return Frame, (self._system, self.offset, self.size, self.keeper, self.generation)

    @property
    def name(self) -> int:
        """Generation and keeper as they travel."""
        return self.generation | self.keeper << 32

    def __repr__(self) -> str:
        return f"<Frame {self.size} bytes at {self.offset:#x} of system {self._system}>"


class Page(_Handle):
    """A mapping of a frame at one address on some cores. From outside its methods run on core 0, in
    a program on the own core.

    address: virtual, the same on every core; size in bytes; cores: those it was mapped on.
    """

    def __init__(
        self,
        system: str,
        slot: int,
        generation: int,
        address: int,
        size: int,
        cores: tuple[int, ...],
        access: Access | None = None,
    ) -> None:
        super().__init__(system, access)
        self.slot = slot
        self.generation = generation
        self.address = address
        self.size = size
        self.cores = cores

    def __reduce__(self) -> tuple[Any, ...]:
        return Page, (self._system, self.slot, self.generation, self.address, self.size, self.cores)

    def __repr__(self) -> str:
        return (
            f"<Page {self.size} bytes at {self.address:#x} on cores {list(self.cores)} of system"
            f" {self._system}>"
        )

    def _repr_html_(self) -> str:
        facts = (
            ("address", f"{self.address:#x}"),
            ("size", f"{self.size:,} bytes"),
            ("mapped on cores", ", ".join(map(str, self.cores))),
            ("of system", self._system),
        )
        return element("div", element("b", "Page"), table(("", ""), facts))

    @property
    def handle(self) -> int:
        """Slot and generation as they travel."""
        return handle_word(self.slot, self.generation)

    def _within(self, offset: int, length: int) -> int:
        try:
            offset, length = operator.index(offset), operator.index(length)
        except TypeError:
            raise BadInput(
                "offset and length are whole numbers of bytes",
                value=f"{length!r} bytes at {offset!r}", where=repr(self),
            ) from None  # fmt: skip
        if offset < 0 or length < 0 or offset + length > self.size:
            raise BadInput(
                "outside the page", value=f"{length} bytes at {offset}", where=repr(self)
            )
        return self.address + offset

    def read(self, offset: int, length: int, *, core: SupportsIndex | None = None) -> bytes:
        """`length` bytes from `offset`, as that core sees them. Raises PageFault; waits while an
        unmap is undecided.
        """
        access = self._access
        address = self._within(offset, length)
        number = core_number(access.plan.cores, access.home if core is None else core, "read")
        return access.read(number, self.slot, self.generation, address, length)

    def write(self, offset: int, data: bytes, *, core: SupportsIndex | None = None) -> None:
        """The same for writing; not atomic beyond 24 bytes from outside. Raises PageFault, also on
        a read-only page.
        """
        try:
            data = bytes(memoryview(data))
        except TypeError:
            raise BadInput(
                "a page takes bytes", value=repr(data), where="write", hint="text.encode()"
            ) from None
        access = self._access
        address = self._within(offset, len(data))
        number = core_number(access.plan.cores, access.home if core is None else core, "write")
        access.write(number, self.slot, self.generation, address, data)

    def pin(self, core: SupportsIndex | None = None) -> None:
        """The page stays mapped on that core until unpinned as often: unmap and protect raise
        PagePinned. Raises NotMapped.
        """
        self._pinning("PIN", core)

    def unpin(self, core: SupportsIndex | None = None) -> None:
        """Takes one pin back. Raises NotMapped; BadInput when there is none."""
        self._pinning("UNPIN", core)

    def _pinning(self, kind: str, core: SupportsIndex | None) -> None:
        access = self._access
        where = core_number(access.plan.cores, access.home if core is None else core, kind.lower())
        verdict, named, _ = access.request(where, KINDS[kind], self.handle)
        if kind == "UNPIN" and verdict == _native.VERDICTS["BAD_REQUEST"]:
            raise BadInput(
                "there is no pin to take back", value=repr(self), where=f"unpin on core {where}"
            )
        if verdict != OK:
            raise error_of(verdict, named, kind.lower(), core=where, address=self.address)

    def view(self, *, writable: bool = True) -> memoryview:
        """The page's memory itself, for numpy and the like; only in a program on a core that holds
        it. Pins the page there until the last view is gone. Raises NotMapped.
        """
        access = self._access
        if not isinstance(access, LocalAccess):
            raise BadInput(
                "memory can be viewed only by a program on a core",
                hint="system.cores[k].run(function, page)",
            )
        verdict, exported = access.driver.export(
            self.slot, self.generation, self.address, self.size, writable
        )
        if exported is None:
            raise error_of(verdict, 0, "view", core=access.home, address=self.address)
        return memoryview(exported)


_OTHERS = {
    Frame: "system.allocate() gives one; a capability to a Frame is mapped by its own map()",
    Page: "map() gives one",
}


def own(handle: object, kind: type[Frame] | type[Page], system: str, where: str) -> None:
    """Raises BadInput unless it is such a handle, ForeignHandle unless it is that system's."""
    if not isinstance(handle, kind):
        raise BadInput(
            f"this is no {kind.__name__}", value=repr(handle), where=where, hint=_OTHERS[kind]
        )
    if handle._system != system:
        raise ForeignHandle(
            "this handle belongs to another system",
            value=repr(handle),
            where=f"{where} in system {system}",
        )


def allocate(access: Access, system: str, size: int) -> Frame:
    """A frame of at least `size` bytes (whole pages), all zero. Raises BadInput, OutOfMemory."""
    if not isinstance(size, int) or size <= 0:  # type: ignore[redundant-expr]  # callers may be untyped
        raise BadInput("a frame has at least one byte", value=size, where="allocate")
    length = (size + PAGE - 1) // PAGE * PAGE
    if length >= 1 << 55:
        raise error_of(_native.VERDICTS["NO_MEMORY"], 0, "allocate", value=f"{size} bytes")
    verdict, named, words = access.allocate(length)
    if verdict != OK:
        wanted = f"{size} bytes of {access.plan.memory} in all"
        raise error_of(verdict, named, "allocate", value=wanted)
    return Frame(system, words[0], length, words[1] >> 32, words[1] & 0xFFFFFFFF, access)


def free(access: Access, frame: Frame) -> None:
    """Gives a frame back. Raises BadInput while it is mapped, DeadHandle when it was freed
    before.
    """
    verdict, named, _ = access.request(
        frame.keeper, KINDS["FREE"], frame.offset, frame.size, frame.generation
    )
    if verdict != OK:
        raise error_of(verdict, named, "free", value=repr(frame))


def holders(
    access: Access, cores: Iterable[SupportsIndex] | None
) -> tuple[tuple[int, ...], tuple[int, bytes]]:
    """The cores a page is to be mapped on (None: all), and the set of them as a map request names
    it (_native.cores_word). Raises BadInput.
    """
    count = access.plan.cores
    chosen = core_numbers(count, cores, "map")
    if not chosen:
        raise BadInput("a page is mapped on at least one core", value="[]", where="map cores")
    return chosen, _native.cores_word(sum(1 << one for one in chosen), count)


def rights_number(rights: str) -> int:
    """As a map request names them. Raises BadInput."""
    return _chosen(_native.RIGHTS, rights, "rights")


def map_frame(
    access: Access, system: str, frame: Frame, cores: Iterable[SupportsIndex] | None, rights: str
) -> Page:
    """Maps a frame at one address on those cores (None: all). Raises BadInput, DeadHandle,
    OutOfSlots.
    """
    number = rights_number(rights)
    chosen, (word, kept) = holders(access, cores)
    verdict, named, words = access.request(
        access.home, KINDS["MAP"], frame.offset, frame.size, number, word, frame.name, kept=kept
    )
    if verdict != OK:
        raise error_of(verdict, named, "map", value=repr(frame))
    return Page(system, words[0] & 0xFFFFFFFF, words[0] >> 32, words[1], frame.size, chosen, access)


def unmap(access: Access, page: Page, protocol: str) -> None:
    """No core can read the page when this returns. Raises NotMapped, PagePinned, BadInput."""
    number = _chosen(_native.PROTOCOLS, protocol, "protocol")
    verdict, named, _ = access.request(access.home, KINDS["UNMAP"], page.handle, number)
    if verdict != OK:
        raise error_of(verdict, named, "unmap", core=access.home, address=page.address)


def protect(access: Access, page: Page, rights: str) -> None:
    """Changes what all cores may do with the page. Raises NotMapped, PagePinned, BadInput;
    RightsExceeded for what its Mapping, if there is one, does not allow.
    """
    number = _chosen(_native.RIGHTS, rights, "rights")
    verdict, named, _ = access.request(access.home, KINDS["PROTECT"], page.handle, number)
    if verdict >= _native.VERDICT_CAPABILITY_BASE:
        raise capability_error(verdict, named, "protect", access.home, page)
    if verdict != OK:
        raise error_of(verdict, named, "protect", core=access.home, address=page.address)
