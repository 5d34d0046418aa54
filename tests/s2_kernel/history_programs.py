"""Programs that record histories: what they asked, what was answered, and when by the time-stamp counter. Imported
on cores by name, so it imports nothing that a core would not.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from s2_kernel import capability_programs as programs
from s2_kernel.capability_programs import FRAME, PAGE, RAM, ROOT, Record
from s2_kernel.capability_system import Request
from s2_kernel.linearizability import Event

import multikernel
from multikernel.machine.clock import tsc_rate
from multikernel.native import _native
from multikernel.user.group import Group

SLOTS = range(1, 9)
"""Of every root CNode, those that the programs use. The last is core 0's, for the RAM that all is derived from."""
PAGES = 4


class Round(NamedTuple):
    """On one core: what it had, what it did, what it had then. By slot."""

    before: list[Record]
    events: list[Event]
    after: list[Record]


def looks() -> list[Record]:
    return [programs.look(slot) for slot in SLOTS]


def clear(cores: int) -> bool:
    """Core 0, at the start of a round: one RAM of a few pages, with a copy on every core. Whether that could be
    had: a kernel that has lost its books is shown by the rounds before.
    """
    memory = programs.look(SLOTS[-1]).reference
    word = programs.retype_word(1, RAM)
    done = [
        programs.here("CAP_REVOKE", memory)[0],
        programs.here("CAP_RETYPE", memory, ROOT, word, 0, PAGES * PAGE, 0)[0],
    ]
    for core in range(1, cores):
        word = programs.copy_word(1, 7, core)
        done.append(programs.here("CAP_COPY", programs.look(1).reference, ROOT, word)[0])
    return set(done) == {"ok"}


def some_request(rng: random.Random, core: int, cores: int) -> Request:
    """About what lies in one of the own slots just now, or lay there before."""
    one = programs.look(rng.choice(SLOTS[:-1]))
    if not one.type:
        one = programs.look(1)
    kind = rng.choices(("COPY", "MOVE", "RETYPE", "REVOKE", "DELETE"), (6, 4, 6, 1, 4))[0]
    index = rng.choice(SLOTS[:-1])
    if kind in ("COPY", "MOVE"):
        rights = rng.choice((7, 7, 7, 3)) & one.rights or 1
        return Request(kind, core, one.reference, ROOT, index, rights, rng.randrange(cores))
    if kind == "RETYPE":
        pages = rng.randint(1, 2)
        offset = rng.randrange(max(one.size // PAGE - pages, 0) + 1)
        kind_of = rng.choice((RAM, FRAME))
        return Request(
            kind, core, one.reference, ROOT, index, type=kind_of, offset=offset * PAGE, size=pages * PAGE
        )
    return Request(kind, core, one.reference)


def capabilities(group: Group, seed: int, rounds: int, operations: int) -> list[Round]:
    """On every core at once: that many random requests a round, all cores beginning together."""
    me, cores = multikernel.here().core, multikernel.here().cores
    rng = random.Random(seed)
    done: list[Round] = []
    for _ in range(rounds):
        ready = clear(cores) if me == 0 else True
        if not group.all_reduce([int(ready)], "min")[0]:
            break
        before, events = looks(), []
        group.barrier()
        for _ in range(operations):
            request = some_request(rng, me, cores)
            called = _native.tsc()
            verdict, words = programs.here(*request.call)  # type: ignore[arg-type]
            returned = _native.tsc()
            made = words[0] if verdict == "ok" and request.kind in ("COPY", "MOVE", "RETYPE") else None
            events.append(Event(me, request, (verdict, made), called, returned))
        group.barrier()
        done.append(Round(before, events, looks()))
        group.barrier()
    return done


def stamps(group: Group, turns: int) -> list[int]:
    """In each turn every core, one after the other in their numbers, reads the counter: barriers are in between."""
    mine = []
    for _ in range(turns):
        for core in group.cores:
            group.barrier()
            if core == group.core:
                mine.append(_native.tsc())
    return mine


def rate() -> tuple[float, float]:
    """This core's counter against the host's clock, in cycles per second; and by how much of that it may be wrong."""
    found = tsc_rate()
    return found.hz, found.error
