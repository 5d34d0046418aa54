"""A replica of capabilities and its model, given the same operations in small numbers and compared
after each.

What deleting and revoking have done at the end of a step is read off the replica: it must lie
between what may go and what must.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

from s0_native.building import Shell
from s0_native.capability_model import (
    CNODE,
    COPIES,
    DERIVES,
    DESCENDANTS,
    DYING,
    FIXED,
    FRAME,
    GRANT,
    LEAVES_CORE,
    MAPPING,
    MORE,
    OK,
    PAGE,
    RAM,
    REMOTE,
    Held,
    Model,
    V,
    below,
)
from s0_native.capability_replicas import (
    CNODES,
    LOCKS,
    ME,
    ROOT_ADDRESS,
    SLOT_BITS,
    Replica,
    Revocation,
)


class World:
    """A replica and the model, given the same operations in small numbers, compared after each."""

    def __init__(self, shell: Shell, slot_bits: int = SLOT_BITS) -> None:
        self.real = Replica(shell, slot_bits=slot_bits)
        self.model = Model(CNODES, ME, ROOT_ADDRESS, 1 << slot_bits)
        self.references = [
            0,
            self.real.root,
            99 << 32 | 1,
            1 << 32 | CNODES << slot_bits,
            (1 << 64) - 1,
        ]
        self.revocations: list[Revocation] = []
        self.digests: dict[int, Any] = {}
        self.seen: dict[int, int] = dict.fromkeys(V.values(), 0)
        self.before = self.real.state()
        self.same()

    def same(self) -> None:
        rows = self.real.slots()
        assert rows == self.model.rows()
        assert self.real.order() == self.model.order()
        assert self.real.check() is None
        locks = self.real.locks()
        assert locks == sorted(self.model.locks)
        assert self.digests.setdefault(self.real.digest(), (rows, locks)) == (rows, locks)

    def settle(self, verdict: int, expected: int) -> None:
        """After an operation: the same verdict, and after an error the same bytes."""
        names = list(V)
        assert names[verdict] == names[expected]
        self.seen[verdict] += 1
        state = self.real.state()
        if verdict not in (OK, MORE):
            assert state == self.before
        self.before = state
        self.same()

    def keep(self, verdict: int, reference: int) -> None:
        if verdict == OK:
            self.references.append(reference)

    # --- choosing by number

    def reference(self, choice: int, *kinds: int) -> int:
        """One of eight has been seen at some time or is forged; the others are alive."""
        choice, odd = divmod(choice, 8)
        if odd == 7:
            return self.references[choice % len(self.references)]
        slots = [slot for slot, h in self.model.held.items() if not kinds or h.type in kinds]
        slots = slots or list(self.model.held)
        slot = slots[choice % len(slots)]
        return slot | self.model.held[slot].generation << 32

    def index(self, choice: int) -> int:
        slots = self.model.slots
        return (*range(12), slots - 2, slots - 1, slots)[choice % 15]

    # --- operations

    def create_ram(self, page: int, pages: int, cnode: int, index: int) -> None:
        size = (0, PAGE + 512)[-pages] if pages <= 0 else pages * PAGE
        numbers = page * PAGE, size, self.reference(cnode, CNODE), self.index(index)
        verdict, made = self.real.create_ram(*numbers)
        self.keep(verdict, made)
        self.settle(verdict, self.model.create_ram(*numbers))

    def receive(
        self,
        kind: int,
        page: int,
        pages: int,
        rights: int,
        owner: int,
        relations: int,
        cnode: int,
        index: int,
    ) -> None:
        size = FIXED.get(kind, pages * PAGE)
        place = self.reference(cnode, CNODE), self.index(index)
        numbers = kind, page * PAGE, size, rights, owner, relations & REMOTE, *place, 0
        verdict, made = self.real.receive(*numbers)
        self.keep(verdict, made)
        self.settle(verdict, self.model.receive(*numbers))

    def mint(self, source: int, rights: int, cnode: int, index: int, operation: int) -> None:
        """rights 8: a copy, with all of them."""
        held = self.reference(source)
        place = self.reference(cnode, CNODE), self.index(index)
        if rights == 8:
            verdict, made = self.real.copy(held, *place, operation)
        else:
            verdict, made = self.real.mint(held, rights, *place, operation)
        self.keep(verdict, made)
        self.settle(
            verdict, self.model.mint(held, None if rights == 8 else rights, *place, operation)
        )

    def retype(
        self,
        source: int,
        kind: int,
        page: int,
        pages: int,
        count: int,
        cnode: int,
        index: int,
        operation: int,
    ) -> None:
        sources = [one for one, derived in DERIVES.items() if kind in derived] if source % 5 else []
        held = self.reference(source, *sources)
        size = (0, 1000)[-pages] if pages <= 0 else FIXED.get(kind, pages * PAGE)
        numbers = (
            held,
            kind,
            page * PAGE,
            size,
            count,
            self.reference(cnode, CNODE),
            self.index(index),
        )
        numbers = *numbers, operation
        verdict, made = self.real.retype(*numbers)
        self.keep(verdict, made)
        self.settle(verdict, self.model.retype(*numbers, learn=self.real.slots()))

    def map(self, source: int, page: int, rights: int, cnode: int, index: int) -> None:
        held = self.reference(source, FRAME) if source % 4 else self.reference(source)
        address = page * PAGE if page >= 0 else 777
        place = self.reference(cnode, CNODE), self.index(index)
        verdict, made = self.real.map(held, address, rights, *place)
        self.keep(verdict, made)
        numbers = held, MAPPING, 0, 0, 1, *place, 0
        expected = self.model.retype(
            *numbers, about=address, rights=rights, learn=self.real.slots()
        )
        self.settle(verdict, expected)

    def went(
        self, verdict: int, done: int, slot: int, work: int, must: set[int], operation: int
    ) -> None:
        """After a step of deleting: only what may go went, and all that must."""
        model = self.model
        chain = {s for s, h in model.held.items() if h.type == CNODE and h.flags & DYING}
        may = model.doomed(must) | model.doomed(chain)
        rows = {row[0]: row for row in self.real.slots()}
        gone = set(model.held) - set(rows)
        dying = {s for s, row in rows.items() if row[8] & DYING and not model.held[s].flags & DYING}
        assert gone | dying <= may
        assert len(gone) <= done <= work
        for held in [model.held[s] for s in gone]:
            assert not model.locked(held.address, held.end, operation)
            assert not (model.copies(held) <= gone and model.needs_agreement(held, operation))
        blocked = {s for s in may if model.in_the_way(s, operation)}
        if verdict == OK:
            assert model.doomed(must) <= gone
        elif verdict == MORE:
            assert done == work or blocked
        else:
            assert not done
            assert slot in blocked
            held = model.held[slot]
            locked = model.locked(held.address, held.end, operation)
            assert locked or model.copies(held) == {slot}
            assert verdict == (V["busy"] if locked else V["needs-agreement"])
        model.drop(gone)
        for slot in dying:
            model.held[slot].flags |= DYING
        self.settle(verdict, verdict)

    def delete(self, choice: int, work: int, operation: int) -> None:
        reference = self.reference(choice)
        held = self.model.any(reference)
        verdict, done, slot = self.real.delete(reference, work, operation)
        if held is None or reference == self.real.root:
            self.settle(verdict, V["permanent"] if held else V["stale"])
        else:
            self.went(verdict, done, slot, work, {reference & 0xFFFF_FFFF}, operation)

    def revoke_begin(self, choice: int) -> None:
        reference = self.reference(choice)
        held = self.model.find(reference)
        verdict, revocation = self.real.revoke_begin(reference)
        if held is None:
            expected = V["stale"]
        elif self.model.locked(held.address, held.end, 0):
            expected = V["busy"]
        elif reference == self.real.root:
            expected = V["permanent"]
        elif not held.rights & GRANT:
            expected = V["rights-exceeded"]
        elif held.owner != ME or held.flags & (COPIES | DESCENDANTS):
            expected = V["needs-agreement"]
        else:
            expected = OK
            address, size, kind, about = held.object
            assert revocation == (reference, address, size, about, kind)
            self.revocations.append(revocation)
        self.settle(verdict, expected)

    def revoke_step(self, choice: int, work: int, operation: int, *, until: int = MORE) -> int:
        """Any revocation ever begun may go on, whatever was done meanwhile. `until` is for
        loops.
        """
        if not self.revocations:
            return OK
        revocation = self.revocations[choice % len(self.revocations)]
        keep, address, size, about, kind = revocation
        verdict, done, slot = self.real.revoke_step(revocation, work, operation)
        key = Held(0, kind, address, size, about, 0, 0, 0)
        kept = self.model.any(keep)
        spared = {keep & 0xFFFF_FFFF} if kept and kept.object == key.object else set()
        must = self.model.copies(key) | self.model.descendants(key)
        if not spared:  # others may have made something else of that memory: up to there
            behind = [
                s
                for s in self.model.order()
                if self.model.sort_key(s) >= (address, -size, kind, about, 0)
            ]
            must = set(itertools.takewhile(must.__contains__, behind))
        must -= spared
        self.went(verdict, done, slot, work, must, operation)
        return verdict

    def lock(self, page: int, pages: int, operation: int) -> None:
        start, end = page * PAGE, (page + pages) * PAGE
        verdict = self.real.lock(start, end - start, operation)
        if pages == 0:
            expected = V["bad-size"]
        elif len(self.model.locks) == LOCKS or self.model.locked(start, end, 0):
            expected = V["busy"]
        else:
            expected = OK
            self.model.locks.append((start, end, operation))
        self.settle(verdict, expected)

    def unlock(self, operation: int) -> None:
        self.real.unlock(operation)
        self.model.locks = [lock for lock in self.model.locks if lock[2] != operation]
        self.settle(OK, OK)

    def relate(self, choice: int, owner: int, relations: int) -> None:
        reference = self.reference(choice, *LEAVES_CORE) if choice % 3 else self.reference(choice)
        held = self.model.any(reference)
        verdict = self.real.relate(reference, owner, relations)
        expected = V["stale"]
        if held and held.type not in LEAVES_CORE:
            expected = V["not-copyable"]
        elif held:
            expected = OK
            key = replace(held)
            for other in self.model.held.values():
                if other.object == key.object:
                    other.owner = owner
                    other.flags = other.flags & DYING | relations & REMOTE
                elif below(key, other) and relations & (COPIES | DESCENDANTS):
                    other.flags |= DESCENDANTS
        self.settle(verdict, expected)

    def find_object(self, choice: int, kind: int) -> None:
        """By the range of something, as that or another type."""
        near = list(self.model.held.values())[choice % len(self.model.held)]
        verdict, slot = self.real.find_object(near.address, near.size, kind)
        copies = self.model.copies(replace(near, type=kind, about=0))
        found = min(copies, default=None)
        if found is None or self.model.held[found].flags & DYING:
            self.settle(verdict, V["stale"])
        else:
            assert slot == found
            self.settle(verdict, OK)

    def derived_elsewhere(self, page: int, pages: int) -> None:
        start, end = page * PAGE, (page + pages) * PAGE
        self.real.derived_elsewhere(start, end)
        for held in self.model.held.values():
            if held.type == RAM and held.address <= start and end <= held.end:
                held.flags |= DESCENDANTS
        self.settle(OK, OK)

    def conflict(self, page: int, pages: int, first: int, count: int) -> None:
        ram = Held(0, RAM, page * PAGE, pages * PAGE, 0, 0, 0, 0)
        start, end = ram.address + first * PAGE, ram.address + (first + count) * PAGE
        touched = [h for h in self.model.held.values() if h.overlaps(start, end)]
        clear = all(h.object == ram.object or below(ram, h) for h in touched)
        verdict = self.real.conflict(ram.address, ram.size, start, end)
        self.settle(verdict, OK if clear else V["retype-conflict"])

    # --- at random

    def furnish(self) -> None:
        """RAM of 64 pages, a CNode made of it and one in that: most interesting things need
        them.
        """
        self.create_ram(0, 64, 0, 1)
        ram = self.references[-1]
        for cnode, index, offset in ((self.real.root, 2, 0), (0, 3, 1)):
            into = cnode or self.references[-1]
            numbers = ram, CNODE, offset * 4 * PAGE, 4 * PAGE, 1, into, index, 0
            verdict, made = self.real.retype(*numbers)
            self.keep(verdict, made)
            self.settle(verdict, self.model.retype(*numbers, learn=self.real.slots()))

    def random_step(self, choose: random.Random) -> None:
        def n(limit: int, least: int = 0) -> int:
            return choose.randrange(least, limit)

        who = choose.choice((0, 0, 0, 0, 1, 2))
        big = n(1 << 16)
        steps: list[tuple[int, Any]] = [
            (2, lambda: self.create_ram(8 * n(8), n(20, -1), n(4096), n(15))),
            (2, lambda: self.receive(n(6), n(64), n(9, 1), n(8), n(4, 2), n(8), n(4096), n(15))),
            (4, lambda: self.mint(big, choose.choice((8, 8, n(8))), n(4096), n(15), who)),
            (
                8,
                lambda: self.retype(
                    big,
                    n(6),
                    n(8),
                    n(9, -1),
                    choose.choice((1, 1, 2, 3, 0, 300)),
                    n(4096),
                    n(15),
                    who,
                ),
            ),
            (3, lambda: self.map(big, n(4, -1), choose.choice((1, 3, n(8))), n(4096), n(15))),
            (4, lambda: self.delete(big, n(4), who)),
            (1, lambda: self.revoke_begin(big)),
            (3, lambda: self.revoke_step(big, n(5), who)),
            (1, lambda: self.lock(n(64), n(4), n(3, 1))),
            (3, lambda: self.unlock(n(3, 1))),
            (1, lambda: self.relate(big, n(5, 2), choose.choice((0, 0, n(8))))),
            (1, lambda: self.find_object(big, n(6))),
            (1, lambda: self.derived_elsewhere(n(64), n(8, 1)) if n(4) == 0 else None),
            (1, lambda: self.conflict(4 * n(16), n(9, 1), n(4), n(4, 1))),
        ]
        choose.choices([step for _, step in steps], [weight for weight, _ in steps])[0]()
