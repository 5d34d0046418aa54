"""Programs that record histories: what they asked, what was answered, and when by the time-stamp
counter. Imported on cores by name, so it imports nothing that a core would not.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from s2_kernel import capability_programs as programs
from s2_kernel.capability_programs import CNODE, FRAME, PAGE, RAM, ROOT
from s2_kernel.capability_system import MAPPING, TOP, Copy, Object, Request
from s2_kernel.linearizability import Event

import multikernel
from multikernel.machine.host.clock import tsc_rate
from multikernel.native import _native
from multikernel.user.group import Group

SLOTS = range(1, 9)
"""Of every root CNode, those that the programs use. The last is core 0's, for the RAM that all is
derived from.
"""
PAGES = {False: 4, True: 8}
"""Of that RAM, without and with CNodes made of it."""
INNER = range(1, 4)
"""Of every other CNode."""
WIDTH = 256
"""Slots of a CNode."""


class Round(NamedTuple):
    """On one core: what it had, what it did, what it had then. By slot."""

    before: list[Copy]
    events: list[Event]
    after: list[Copy]


def looks(core: int, root: range = SLOTS) -> list[Copy]:
    """What it has, in those slots of the root CNode and in the CNodes that lie there."""
    found: list[Copy] = []
    cnodes = {(TOP, 0): root}
    while cnodes:
        (cnode, number), slots = cnodes.popitem()
        for slot in slots:
            words = programs.here("CAP_LOOK", number * WIDTH + slot)[1]
            one = programs.record(words)
            thing = Object(
                one.type, one.address, one.size, {CNODE: 1, MAPPING: words[3]}.get(one.type, 0)
            )
            if one.type:
                found.append(Copy(core, cnode, slot, thing, one.rights, one.reference))
            if one.type == CNODE and thing != cnode:
                cnodes[thing, words[3]] = INNER
    return list(dict.fromkeys(found))


def clear(cores: int, pages: int) -> bool:
    """Core 0, at the start of a round: one RAM of a few pages, with a copy on every core. Whether
    that could be had: a kernel that has lost its books is shown by the rounds before.
    """
    memory = programs.look(SLOTS[-1]).reference
    word = programs.retype_word(1, RAM)
    done = [
        programs.here("CAP_REVOKE", memory)[0],
        programs.here("CAP_RETYPE", memory, ROOT, word, 0, pages * PAGE)[0],
    ]
    for core in range(1, cores):
        word = programs.copy_word(1, 7, core)
        done.append(programs.here("CAP_COPY", programs.look(1).reference, ROOT, word)[0])
    return set(done) == {"ok"}


class Past:
    """What a core has had, by its names."""

    def __init__(self) -> None:
        self._copies: dict[int | None, Copy] = {}

    def gone(self, have: list[Copy], type: int | None = None) -> list[Copy]:
        """What is not among that any more, of the last that there were."""
        self._copies |= {copy.name: copy for copy in have}
        for name in list(self._copies)[:-PAST]:
            del self._copies[name]
        names = {copy.name for copy in have}
        return [
            copy
            for name, copy in self._copies.items()
            if name not in names and type in (None, copy.object.type)
        ]


PAST = 40
STALE = 0.2
"""So often a request is about what is gone, if anything is."""


def some_request(rng: random.Random, core: int, cores: int, cnodes: bool, past: Past) -> Request:
    """About what lies in one of the own slots just now, or lay there before."""
    have = [copy for copy in looks(core) if copy.place != (0, TOP, SLOTS[-1])]
    gone = past.gone(have)
    have = have or [Copy(core, TOP, 1, TOP, 7, programs.look(1).reference)]
    one = rng.choice(gone if gone and rng.random() < STALE else have)
    name, size = one.name or 0, max(one.object.size, 0)
    kind = rng.choices(("COPY", "MOVE", "RETYPE", "REVOKE", "DELETE"), (6, 4, 6, 1, 4))[0]
    index, to = rng.choice(SLOTS[:-1]), rng.randrange(cores)
    holders = [copy.name or 0 for copy in have if copy.object.type == CNODE]
    if rng.random() < STALE:
        holders += [copy.name or 0 for copy in past.gone(have, CNODE)]
    cnode = (
        rng.choice(holders) if holders and rng.random() < 0.5 and one.object.type != CNODE else ROOT
    )
    if cnode != ROOT:
        index, to = rng.choice(INNER), core
    if kind in ("COPY", "MOVE"):
        return Request(
            kind, core, name, cnode, index, rng.choice((7, 7, 7, 3)) & one.rights or 1, to
        )
    if kind == "RETYPE":
        new = rng.choice((RAM, FRAME, CNODE) if cnodes and size > 4 * PAGE else (RAM, FRAME))
        pages = 4 if new == CNODE else rng.randint(1, 2)
        cnode = ROOT if new == CNODE else cnode
        offset = PAGE * rng.randrange(max(size // PAGE - pages, 0) + 1)
        return Request(kind, core, name, cnode, index, type=new, offset=offset, size=pages * PAGE)
    return Request(kind, core, name)


def capabilities(
    group: Group, seed: int, rounds: int, operations: int, cnodes: bool
) -> list[Round]:
    """On every core at once: that many random requests a round, all cores beginning together."""
    me, cores = multikernel.here().core, multikernel.here().cores
    rng, past = random.Random(seed), Past()
    done: list[Round] = []
    for _ in range(rounds):
        ready = clear(cores, PAGES[cnodes]) if me == 0 else True
        if not group.all_reduce([int(ready)], "min")[0]:
            break
        before, events = looks(me), []
        group.barrier()
        for _ in range(operations):
            request = some_request(rng, me, cores, cnodes, past)
            called = _native.tsc()
            verdict, words = programs.here(*request.call)  # type: ignore[arg-type]
            returned = _native.tsc()
            made = (
                words[0] if verdict == "ok" and request.kind in ("COPY", "MOVE", "RETYPE") else None
            )
            events.append(Event(me, request, (verdict, made), called, returned))
        group.barrier()
        done.append(Round(before, events, looks(me)))
        group.barrier()
    return done


def stamps(group: Group, turns: int) -> list[int]:
    """In each turn every core, one after the other in their numbers, reads the counter: barriers
    are in between.
    """
    mine = []
    for _ in range(turns):
        for core in group.cores:
            group.barrier()
            if core == group.core:
                mine.append(_native.tsc())
    return mine


def rate() -> tuple[float, float]:
    """This core's counter against the host's clock, in cycles per second; and by how much of that
    it may be wrong.
    """
    found = tsc_rate()
    return found.hz, found.error
