"""Capabilities as programs see them: handles to memory that has a type, rights and an owner.

    ram = system.ram(64 << 10)                 # untyped memory, on core 0
    frames = ram.retype(FRAME, 4)              # four Frames of 16 KiB
    there = frames[0].copy(1)                  # another capability to the same memory, on core 1
    reader = frames[0].mint(READ | GRANT)      # one that allows less
    ram.revoke()                               # all of that is gone again, on every core

A capability lies in a slot of a CNode of one core, and operations on it run on that core; where
other cores have a say, the monitors agree. A handle names slot and generation, so one that outlived
its capability raises RevokedCapability, also when slot or memory are in other use by now.
Handles are plain data: they may be pickled into programs and back.

`System.allocate` and `map` hand out other memory: physical pages by their place, without types or
rights.

Source: paper section 4.7; Barrelfish include/barrelfish/capabilities.h (cap_copy, cap_mint,
cap_retype, cap_delete, cap_revoke).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag, StrEnum
from typing import Any, SupportsIndex

from multikernel.errors import BadInput, BadSize, ForeignHandle
from multikernel.hints import one_of
from multikernel.native._native import (
    CAPABILITY_ANY_SLOT,
    CAPABILITY_ROOT,
    CAPABILITY_TYPES,
    CAPABILITY_VERDICTS,
    KINDS,
    VERDICT_CAPABILITY_BASE,
    capability_rule_table,
)
from multikernel.user.access import Access, core_number
from multikernel.user.capability_outcome import capability_error
from multikernel.user.memory import Page, Rights, _Handle, holders, rights_number
from multikernel.user.outcome import NOBODY, OK


class CapabilityType(StrEnum):
    """What memory may be used as."""

    RAM = "RAM"
    FRAME = "Frame"
    CNODE = "CNode"
    MAPPING = "Mapping"


class CapabilityRights(IntFlag):
    """What a capability allows. WRITE: of a Frame to store, of RAM to derive, of a CNode to fill
    it; GRANT: to copy, move and revoke.
    """

    READ = 1
    WRITE = 2
    GRANT = 4


RAM, FRAME, CNODE, MAPPING = (
    CapabilityType.RAM,
    CapabilityType.FRAME,
    CapabilityType.CNODE,
    CapabilityType.MAPPING,
)
READ, WRITE, GRANT = CapabilityRights.READ, CapabilityRights.WRITE, CapabilityRights.GRANT

_RULES = {name: (rights, size) for name, _, rights, _, _, size in capability_rule_table()}
_BY_NUMBER = {number: name for name, number in CAPABILITY_TYPES.items()}
_STALE = VERDICT_CAPABILITY_BASE + CAPABILITY_VERDICTS["stale"]
_NOT_A_CNODE = VERDICT_CAPABILITY_BASE + CAPABILITY_VERDICTS["not-a-cnode"]
_BAD_SIZE = VERDICT_CAPABILITY_BASE + CAPABILITY_VERDICTS["bad-size"]
_NO_REFERENCE = 0
"""Generations begin at 1, so this names no capability."""


def _number(value: object, what: str, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadInput(f"{what} is a whole number", value=value, where=where)
    if not 0 <= value < 1 << 63:
        raise BadSize(
            f"{what} is neither negative nor beyond every address", value=value, where=where
        )
    return value


def type_of(kind: CapabilityType | str) -> CapabilityType:
    """By its name, as the table of derivations writes it. Raises BadInput."""
    try:
        return CapabilityType(kind)
    except ValueError:
        raise BadInput(
            "no such type of capability",
            value=str(kind),
            hint=one_of(kind, [one.name for one in CapabilityType]),
        ) from None


class Capability(_Handle):
    """One capability. core: where it lies; reference: its slot there (low half) and generation;
    type, address and size in bytes: the memory it names; rights.
    """

    def __init__(
        self,
        system: str,
        core: int,
        reference: int,
        kind: CapabilityType | str,
        address: int,
        size: int,
        rights: int,
        access: Access | None = None,
    ) -> None:
        super().__init__(system, access)
        self.core = core
        self.reference = reference
        self.type = CapabilityType(kind)
        self.address = address
        self.size = size
        self.rights = CapabilityRights(rights)

    def __reduce__(self) -> tuple[Any, ...]:
        return Capability, (
            self._system,
            self.core,
            self.reference,
            str(self.type),
            self.address,
            self.size,
            int(self.rights),
        )

    def __repr__(self) -> str:
        return (
            f"<{self.type} capability: {self.size} bytes at {self.address:#x},"
            f" {_rights_text(self.rights)}, in slot {self.slot} of core {self.core}>"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Capability) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, int, int]:
        return self._system, self.core, self.reference

    @property
    def slot(self) -> int:
        """The number of its slot among all slots of its core."""
        return self.reference & 0xFFFFFFFF

    @property
    def owner(self) -> int:
        """The core that orders operations on the object, as its own core knows it now; in the
        shared kernel each core does so itself. Raises RevokedCapability.
        """
        return self._look()[4] & 0xFFFF

    @property
    def alive(self) -> bool:
        """Whether the slot still holds what this handle names."""
        words = self._request("look", "CAP_LOOK", self.slot)
        return words[0] == self.reference and bool(words[4] >> 16 & 0xFF)

    # --- operations ---

    def retype(
        self,
        kind: CapabilityType | str,
        count: int = 1,
        size: int | None = None,
        *,
        offset: int = 0,
        to: Capability | None = None,
        slot: int | None = None,
    ) -> list[Capability]:
        """Makes `count` objects of that type of its memory, one behind the other from `offset` on,
        and returns capabilities to them.

        size: of each, in bytes; by default the type's own, or what is left divided by count. to: a
        CNode of the same core, by default its root; slot: the first of the slots there, by default
        the first that are free. Raises RetypeConflict where a part of that memory is something
        already on any core, WrongType, BadSize, RightsExceeded, SlotInUse, CNodeFull, OutOfCNodes,
        CNodeCycle, RevokedCapability.
        """
        wanted = type_of(kind)
        many, offset = (
            _number(count, "the count", "retype"),
            _number(offset, "the offset", "retype"),
        )
        rights, fixed = _RULES[wanted]
        if size is None:
            size = fixed or max(0, self.size - offset) // max(many, 1)
        size = _number(size, "the size", "retype")
        if many >= 1 << 32:
            raise BadSize("so many objects no memory holds", value=count, where="retype")
        cnode, index = place_of(self._system, self.core, to, slot)
        word = index | CAPABILITY_TYPES[wanted] << 16 | many << 32
        words = self._request(
            f"retype to {many} {wanted} of {size} bytes at {offset}{_place_text(slot)}",
            "CAP_RETYPE", self.reference, cnode, word, offset, size, to=to,
        )  # fmt: skip
        first = self.address + offset
        return [
            self._made(words[0], i, wanted, first + i * size, size, self.rights & rights)
            for i in range(many)
        ]

    def copy(
        self,
        core: SupportsIndex | None = None,
        *,
        rights: CapabilityRights | int | None = None,
        to: Capability | None = None,
        slot: int | None = None,
    ) -> Capability:
        """Another capability to the same memory, on that core (by default its own) and with those
        rights (by default the same).

        to: a CNode there, by default its root; slot: in it, by default the first that is free.
        Raises RightsExceeded without grant or for rights that it lacks, NotCopyable,
        RetypeConflict, SlotInUse, CNodeFull, CNodeCycle, RevokedCapability.
        """
        return self._handed("copy", core, self.rights if rights is None else rights, to, slot)

    def mint(
        self,
        rights: CapabilityRights | int,
        core: SupportsIndex | None = None,
        *,
        to: Capability | None = None,
        slot: int | None = None,
    ) -> Capability:
        """A copy with those rights alone. See copy."""
        return self._handed("mint", core, rights, to, slot)

    def move(
        self,
        core: SupportsIndex | None = None,
        *,
        to: Capability | None = None,
        slot: int | None = None,
    ) -> Capability:
        """The same capability in another place: this handle names nothing any more, the one
        returned does. See copy.
        """
        return self._handed("move", core, self.rights, to, slot)

    def map(
        self,
        cores: Iterable[SupportsIndex] | None = None,
        rights: Rights = "read-write",
        *,
        to: Capability | None = None,
        slot: int | None = None,
    ) -> Page:
        """Maps a Frame at one address on those cores, by default on all, and records it as a
        Mapping in a CNode of this core.

        The page goes as any does, by unmap, and the Mapping with it; and it goes when the last
        Frame here does, when the Mapping is deleted, or when what the Frame came from is revoked:
        then no core can read it when that returns. Raises WrongType, RightsExceeded,
        RevokedCapability, OutOfSlots, BadInput.
        """
        number = rights_number(rights)
        cnode, index = place_of(self._system, self.core, to, slot)
        chosen, (word, kept) = holders(self._access, cores)
        what = f"map {rights}{_place_text(slot)}"
        words = self._request(
            what, "CAP_MAP", self.reference, cnode, index | number << 16, word, to=to, kept=kept
        )
        handle = words[0]
        return Page(
            self._system,
            handle & 0xFFFFFFFF,
            handle >> 32,
            words[1],
            self.size,
            chosen,
            self._access_given,
        )

    def revoke(self) -> None:
        """Deletes all other capabilities to its memory, on every core: copies, and what was
        derived. Pages of it are unmapped first; afterwards this core owns it. Raises RightsExceeded
        without grant, RevokedCapability; PagePinned, and then nothing has changed; CapabilityBusy
        where a CNode in it holds what is mapped and is other memory, if others have to agree.
        """
        self._request("revoke", "CAP_REVOKE", self.reference)

    def delete(self) -> None:
        """Deletes this one capability: with the last one on a core its pages are unmapped, and a
        CNode's last takes along what is in it. Raises PagePinned, which names the core of a pin on
        any page that would go: then nothing has changed; PermanentCapability, RevokedCapability.
        """
        self._request("delete", "CAP_DELETE", self.reference)

    # --- inside ---

    def _look(self) -> tuple[int, ...]:
        words = self._request("look", "CAP_LOOK", self.slot)
        if words[0] != self.reference or not words[4] >> 16 & 0xFF:
            raise capability_error(_STALE, NOBODY, "look", self.core, self)
        return words

    def _request(
        self, doing: str, kind: str, *words: int, to: Capability | None = None, kept: bytes = b""
    ) -> tuple[int, ...]:
        """to: the CNode that words name, if they do: it may be the one that is gone, or is none."""
        verdict, named, reply = self._access.request(self.core, KINDS[kind], *words, kept=kept)
        if verdict == OK:
            return reply
        about = self
        if to is not None and (
            verdict == _NOT_A_CNODE or (verdict == _STALE and self.alive and not to.alive)
        ):
            about, doing = to, f"into it: {doing}"
        raise capability_error(verdict, named, doing, self.core, about)

    def _made(
        self, first: int, i: int, kind: CapabilityType, address: int, size: int, rights: int
    ) -> Capability:
        """The handle of the i-th object made. The generations of the slots behind the first one are
        looked up; if somebody was quicker and took one of them away, its handle names nothing.
        """
        reference = first
        if i:
            words = self._request("look", "CAP_LOOK", (first & 0xFFFFFFFF) + i)
            found = (words[1], words[2], _BY_NUMBER.get(words[4] >> 16 & 0xFF))
            reference = words[0] if found == (address, size, kind) else _NO_REFERENCE
        return Capability(
            self._system, self.core, reference, kind, address, size, rights, self._access_given
        )

    def _handed(
        self,
        doing: str,
        core: SupportsIndex | None,
        rights: int,
        to: Capability | None,
        slot: int | None,
    ) -> Capability:
        target = self.core
        if core is not None:
            target = core_number(self._access.plan.cores, core, doing)
        elif isinstance(to, Capability):
            target = to.core
        cnode, index = place_of(self._system, target, to, slot)
        if not isinstance(rights, int) or not 0 <= rights < 256:  # type: ignore[redundant-expr]
            raise BadInput(
                "no such rights", value=repr(rights), where=doing, hint="READ | WRITE | GRANT"
            )
        word = index | int(rights) << 16 | (doing == "move") << 24 | target << 32
        what = doing if target == self.core else f"{doing} to core {target}"
        if rights != self.rights:
            what += f" with {_rights_text(rights)}"
        words = self._request(
            what + _place_text(slot), "CAP_COPY", self.reference, cnode, word, to=to
        )
        return Capability(
            self._system,
            target,
            words[0],
            self.type,
            self.address,
            self.size,
            rights,
            self._access_given,
        )


def _rights_text(rights: int) -> str:
    names = [right.name.lower() for right in CapabilityRights if right & rights and right.name]
    unknown = rights & ~int(READ | WRITE | GRANT)
    return "+".join(names + [f"{unknown:#x}"] * bool(unknown)) or "no rights"


def _place_text(slot: int | None) -> str:
    return "" if slot is None else f", slot {slot},"


def place_of(system: str, core: int, to: Capability | None, slot: int | None) -> tuple[int, int]:
    """A CNode of that core, and an index in it, as they travel; by default the root and the first
    free slots. Raises BadInput, ForeignHandle.
    """
    if to is not None and not isinstance(to, Capability):
        raise BadInput(
            "the destination is no CNode", value=repr(to), where="to", hint="a capability to one"
        )
    if to is not None and to._system != system:
        raise ForeignHandle("this capability belongs to another system", value=repr(to), where="to")
    if to is not None and to.core != core:
        raise BadInput(
            f"the CNode lies on core {to.core}, and this goes to core {core}",
            value=repr(to),
            where="to",
        )
    if slot is None:
        slot = CAPABILITY_ANY_SLOT
    elif not isinstance(slot, int) or not 0 <= slot < CAPABILITY_ANY_SLOT:  # type: ignore[redundant-expr]
        raise BadInput("no such slot in any CNode", value=slot, where="slot", hint="0 to 255")
    return CAPABILITY_ROOT if to is None else to.reference, slot


def ram_of(
    access: Access, system: str, size: int, to: Capability | None = None, slot: int | None = None
) -> Capability:
    """Untyped memory of exactly that many bytes, in whole pages, on core 0. Raises BadSize,
    OutOfMemory, CNodeFull, SlotInUse.
    """
    size = _number(size, "the size", "ram")
    cnode, index = place_of(system, 0, to, slot)
    verdict, named, words = access.request(0, KINDS["CAP_CREATE"], size, cnode, index)
    if verdict == _BAD_SIZE:
        raise BadSize(
            "RAM comes in whole pages",
            value=f"{size} bytes",
            where="ram on core 0",
            hint="a multiple of 4096",
        )
    if verdict != OK:
        value = f"{size} bytes of {access.plan.memory} in all"
        raise capability_error(verdict, named, f"ram{_place_text(slot)}", 0, value)
    rights = CapabilityRights.READ | CapabilityRights.WRITE | CapabilityRights.GRANT
    return Capability(system, 0, words[0], RAM, words[1], size, rights, access)


def root_of(access: Access, system: str, core: int) -> Capability:
    """A core's root CNode. Raises BadInput."""
    core = core_number(access.plan.cores, core, "root")
    verdict, named, words = access.request(core, KINDS["CAP_LOOK"], CAPABILITY_ROOT & 0xFFFFFFFF)
    if verdict != OK:
        raise capability_error(verdict, named, "look at the root CNode", core, core)
    return Capability(
        system, core, words[0], CNODE, words[1], words[2], words[4] >> 24 & 0xFF, access
    )
