"""A plain model of one core's capabilities: a dictionary of slots; every question is answered by
looking at all.

It says beforehand what an operation must answer. For deleting and revoking, which go by steps in an
order of their own, it says what must go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from multikernel.native import _native

PAGE = 4096
NULL, RAM, FRAME, CNODE, MAPPING = range(5)
READ, WRITE, GRANT = 1, 2, 4
COPIES, DESCENDANTS, ANCESTORS, DYING = 1, 2, 4, 8
REMOTE = COPIES | DESCENDANTS | ANCESTORS
LEVELS = 8

DERIVES = {RAM: {RAM, FRAME, CNODE}, FRAME: {MAPPING}}
FIXED = {CNODE: 4 * PAGE}
LEAVES_CORE = {RAM, FRAME}
RIGHTS = {RAM: 7, FRAME: 7, CNODE: 6, MAPPING: 3}

V = _native.CAPABILITY_VERDICTS
OK, MORE = V["ok"], V["more"]
Row = tuple[int, int, int, int, int, int, int, int, int]


@dataclass
class Held:
    """What a slot holds."""

    generation: int
    type: int
    address: int
    size: int
    about: int
    rights: int
    owner: int
    flags: int

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def object(self) -> tuple[int, int, int, int]:
        return self.address, self.size, self.type, self.about

    def overlaps(self, start: int, end: int) -> bool:
        return self.address < end and start < self.end

    def inside(self, other: Held) -> bool:
        return other.address <= self.address and self.end <= other.end


def below(inner: Held, outer: Held) -> bool:
    """Is inner derived from outer, perhaps by way of others?"""
    if inner.object == outer.object or not inner.inside(outer):
        return False
    if inner.type == MAPPING and outer.type == FRAME:
        return (inner.address, inner.size) == (outer.address, outer.size)
    return outer.type == RAM


def agree(one: Held, other: Held) -> bool:
    """May both exist? If they share a byte: as one object, as one derived from the other, as two
    Mappings.
    """
    if not one.overlaps(other.address, other.end) or one.object == other.object:
        return True
    if below(one, other) or below(other, one):
        return True
    return one.type == other.type == MAPPING and one.object[:2] == other.object[:2]


class Model:
    """One core's capabilities."""

    def __init__(self, cnodes: int, me: int, root_address: int, slots: int) -> None:
        self.me = me
        self.slots = slots
        self.locks: list[tuple[int, int, int]] = []
        self.free = set(range(1, cnodes))
        self.level = {0: 0}
        self.generation: dict[int, int] = {}
        self.held: dict[int, Held] = {}
        self.put(0, Held(0, CNODE, root_address, 4 * PAGE, 0, WRITE | GRANT, me, 0))

    # --- looking

    def rows(self) -> list[Row]:
        return [
            (slot, h.generation, h.type, h.address, h.size, h.about, h.rights, h.owner, h.flags)
            for slot, h in sorted(self.held.items())
        ]

    def sort_key(self, slot: int) -> tuple[int, ...]:
        h = self.held[slot]
        return h.address, -h.size, h.type, h.about, slot

    def order(self) -> list[int]:
        return sorted(self.held, key=self.sort_key)

    def copies(self, one: Held) -> set[int]:
        return {slot for slot, h in self.held.items() if h.object == one.object}

    def descendants(self, one: Held) -> set[int]:
        return {slot for slot, h in self.held.items() if below(h, one)}

    def any(self, reference: int) -> Held | None:
        held = self.held.get(reference & 0xFFFF_FFFF)
        return held if held and held.generation == reference >> 32 else None

    def find(self, reference: int) -> Held | None:
        held = self.any(reference)
        dying = {h.about for h in self.held.values() if h.type == CNODE and h.flags & DYING}
        if held and not held.flags & DYING and (reference & 0xFFFF_FFFF) // self.slots not in dying:
            return held
        return None

    def usable(self, reference: int, operation: int) -> Held | int:
        held = self.find(reference)
        if held is None:
            return V["stale"]
        return V["busy"] if self.inside_a_lock(held, operation) else held

    def inside_a_lock(self, held: Held, operation: int) -> bool:
        return any(
            a <= held.address and held.end <= end
            for a, end, other in self.locks
            if other != operation
        )

    def locked(self, start: int, end: int, operation: int) -> bool:
        return any(a < end and start < b for a, b, other in self.locks if other != operation)

    def place(self, cnode: int, index: int, count: int, operation: int) -> int | tuple[int]:
        """(first slot,), or a verdict."""
        held = self.usable(cnode, operation)
        if isinstance(held, int):
            return held
        if held.type != CNODE:
            return V["not-a-cnode"]
        if not held.rights & WRITE:
            return V["rights-exceeded"]
        if index >= self.slots or index + count > self.slots:
            return V["no-slots"]
        first = held.about * self.slots + index
        there = [self.held[slot] for slot in range(first, first + count) if slot in self.held]
        if not all(self.inside_a_lock(held, operation) for held in there):
            return V["slot-in-use"]
        return V["busy"] if there else (first,)

    def needs_agreement(self, held: Held, operation: int) -> bool:
        return not operation and held.owner == self.me and bool(held.flags & (COPIES | DESCENDANTS))

    # --- changing

    def put(self, slot: int, held: Held) -> int:
        self.generation[slot] = self.generation.get(slot, 0) + 1
        flags = held.flags & REMOTE
        self.held[slot] = replace(held, generation=self.generation[slot], flags=flags)
        return slot | self.generation[slot] << 32

    def drop(self, slots: Iterable[int]) -> None:
        for slot in slots:
            gone = self.held.pop(slot)
            if gone.type == CNODE and not self.copies(gone):
                self.free.add(gone.about)
                del self.level[gone.about]

    def create_ram(self, address: int, size: int, cnode: int, index: int) -> int:
        to = self.place(cnode, index, 1, 0)
        if isinstance(to, int):
            return to
        if not size or address % PAGE or size % PAGE or address + size >= 1 << 64:
            return V["bad-size"]
        if self.locked(address, address + size, 0):
            return V["busy"]
        if any(h.overlaps(address, address + size) for h in self.held.values()):
            return V["retype-conflict"]
        return self.put(to[0], Held(0, RAM, address, size, 0, 7, self.me, 0)) and OK

    def receive(
        self,
        kind: int,
        address: int,
        size: int,
        rights: int,
        owner: int,
        relations: int,
        cnode: int,
        index: int,
        operation: int,
    ) -> int:
        to = self.place(cnode, index, 1, operation)
        if isinstance(to, int):
            return to
        if kind not in LEAVES_CORE:
            return V["not-copyable"]
        if not size or address % PAGE or size % PAGE or FIXED.get(kind, size) != size:
            return V["bad-size"]
        new = Held(0, kind, address, size, 0, rights & RIGHTS[kind], owner, relations)
        if self.locked(address, address + size, operation):
            return V["busy"]
        if not all(agree(new, h) for h in self.held.values()):
            return V["retype-conflict"]
        for slot in self.copies(new):
            new = replace(new, owner=self.held[slot].owner, flags=self.held[slot].flags)
        return self.put(to[0], new) and OK

    def mint(self, source: int, rights: int | None, cnode: int, index: int, operation: int) -> int:
        held = self.usable(source, operation)
        if isinstance(held, int):
            return held
        to = self.place(cnode, index, 1, operation)
        if isinstance(to, int):
            return to
        if held.type == MAPPING:
            return V["not-copyable"]
        rights = held.rights if rights is None else rights
        if not held.rights & GRANT or rights & ~held.rights:
            return V["rights-exceeded"]
        if held.type == CNODE and self.level[to[0] // self.slots] >= self.level[held.about]:
            return V["cnode-cycle"]
        return self.put(to[0], replace(held, rights=rights)) and OK

    def retype(
        self,
        source: int,
        kind: int,
        offset: int,
        size: int,
        count: int,
        cnode: int,
        index: int,
        operation: int,
        *,
        about: int = 0,
        rights: int | None = None,
        learn: list[Row],
    ) -> int:
        """rights: it is a map, at the address `about`. learn: the real slots afterwards, to learn
        which CNode is which.
        """
        if kind == MAPPING and rights is None:
            return V["wrong-type"]
        held = self.usable(source, operation)
        if isinstance(held, int):
            return held
        to = self.place(cnode, index, count, operation)
        if isinstance(to, int):
            return to
        if kind not in DERIVES.get(held.type, ()):
            return V["wrong-type"]
        if (WRITE if rights is None else rights) & ~held.rights:
            return V["rights-exceeded"]
        elsewhere = held.flags & (COPIES | ANCESTORS) or held.owner != self.me
        new = Held(0, kind, held.address, held.size, about, held.rights & RIGHTS[kind], self.me, 0)
        new.flags = ANCESTORS if elsewhere else 0
        if rights is not None:
            if self.copies(new):
                return V["retype-conflict"]
            if self.locked(held.address, held.end, operation):
                return V["busy"]
            if rights & ~RIGHTS[MAPPING]:
                return V["rights-exceeded"]
            if about % PAGE or about + held.size >= 1 << 64:
                return V["bad-size"]
            made = [replace(new, rights=rights)]
        else:
            fits = size and size % PAGE == offset % PAGE == 0 and offset + size * count <= held.size
            whole = kind == held.type and size == held.size
            if not fits or not count or whole or FIXED.get(kind, size) != size:
                return V["bad-size"]
            if kind == CNODE and self.level[to[0] // self.slots] == LEVELS:
                return V["cnode-cycle"]
            if kind == CNODE and count > len(self.free):
                return V["no-cnodes"]
            start = held.address + offset
            if self.locked(start, start + size * count, operation):
                return V["busy"]
            if not operation and (held.owner != self.me or held.flags & (COPIES | DESCENDANTS)):
                return V["needs-agreement"]
            if any(
                self.held[slot].overlaps(start, start + size * count)
                for slot in self.descendants(held)
            ):
                return V["retype-conflict"]
            made = [replace(new, address=start + size * i, size=size) for i in range(count)]
        real = {row[0]: row for row in learn}
        for slot, one in enumerate(made, to[0]):
            if kind == CNODE:
                one.about = real[slot][5]
                self.free.remove(one.about)
                self.level[one.about] = self.level[to[0] // self.slots] + 1
            self.put(slot, one)
        return OK

    # --- deleting

    def doomed(self, slots: set[int]) -> set[int]:
        """What must go when those do: with the last copy of a Frame its Mappings, with a CNode's
        its contents.
        """
        while True:
            more = set(slots)
            for slot in slots:
                held = self.held[slot]
                if self.copies(held) <= slots:
                    if held.type == CNODE:
                        more |= {s for s in self.held if s // self.slots == held.about}
                    elif held.type != RAM:
                        more |= self.descendants(held)
            if more == slots:
                return slots
            slots = more

    def in_the_way(self, slot: int, operation: int) -> bool:
        held = self.held[slot]
        return self.locked(held.address, held.end, operation) or self.needs_agreement(
            held, operation
        )
