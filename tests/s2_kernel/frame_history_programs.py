"""Programs that record histories of Frames: retyped from RAM, mapped on several cores, read and
written, copied and taken back by all cores at once. Imported on cores by name, so it imports
nothing that a core would not.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from s2_kernel import capability_programs as programs
from s2_kernel.capability_programs import FRAME, PAGE, RAM, ROOT
from s2_kernel.capability_system import MAPPING, TOP, Copy, Request
from s2_kernel.frame_system import READ_ONLY, READ_WRITE, Act, Page, Response
from s2_kernel.history_programs import SLOTS, STALE, Past, looks
from s2_kernel.linearizability import Event

import multikernel
from multikernel.native import _native
from multikernel.native._native import KINDS, PROTOCOLS, VERDICTS
from multikernel.runtime import local
from multikernel.user.group import Group

MEMORIES = SLOTS[-2:]
"""On core 0, the RAMs that all is derived from: of two regions, where there are regions."""
PAGES = 2
"""Of each of them."""
KEPT, ENTRY = 6, 40
"""Pages of a core that others learn of, and the bytes that describe one."""
OLD = 12
"""Pages that a core remembers when they are gone."""
NAMES = programs.NAMES | {
    number: name.lower().replace("_", "-") for name, number in VERDICTS.items()
}


class Round(NamedTuple):
    """On one core: what it had, what it did, what it had then, and what it could read."""

    before: list[Copy]
    events: list[Event]
    after: list[Copy]
    reads: list[tuple[Act, Response]]


class Board:
    """A page of no capability, mapped on all cores: where each publishes the pages that it has
    mapped.
    """

    def __init__(self, page: multikernel.Page, core: int, cores: int) -> None:
        self.page, self.core, self.cores = page, core, cores
        self.published = 0
        self.old: list[Page] = []
        """Of rounds before."""

    def clear(self) -> None:
        self.published = 0
        self.page.write(ENTRY * KEPT * self.core, bytes(ENTRY * KEPT))

    def tell(self, page: Page) -> None:
        words = struct.pack("<QQQQQ", *page, sum(page))
        self.page.write(ENTRY * (KEPT * self.core + self.published % KEPT), words)
        self.published += 1

    def round_ends(self) -> None:
        self.old = [*self.old, *self.known()][-OLD:]

    def known(self) -> list[Page]:
        """A page that is just being written there is left out: it doesn't add up."""
        words = struct.iter_unpack("<QQQQQ", self.page.read(0, ENTRY * KEPT * self.cores))
        return [Page(*one) for *one, total in words if total and sum(one) == total]


def clear(cores: int) -> bool:
    """Core 0, at the start of a round: nothing but two RAMs of a few pages, with a copy of each on
    every core.
    """
    done = [programs.here("CAP_REVOKE", programs.look(place).reference)[0] for place in MEMORIES]
    for index, place in enumerate(MEMORIES, 1):
        word = programs.retype_word(index, RAM)
        memory = programs.look(place).reference
        done.append(programs.here("CAP_RETYPE", memory, ROOT, word, 0, PAGES * PAGE)[0])
        for core in range(1, cores):
            word = programs.copy_word(index, 7, core)
            done.append(programs.here("CAP_COPY", programs.look(index).reference, ROOT, word)[0])
    return set(done) == {"ok"}


def some_request(
    rng: random.Random, core: int, cores: int, board: Board, past: Past
) -> Request | Act:
    have = [copy for copy in looks(core) if core or copy.index not in MEMORIES]
    gone = past.gone(have)
    stale = bool(gone) and rng.random() < STALE
    frames = [copy for copy in have if copy.object.type == FRAME]
    pages = board.old if board.old and rng.random() < STALE else board.known()
    # in the multikernel others do not know of it
    ours = [page for page in pages if page.holders >> core & 1]
    # A core's last Frame takes one page along, not one after another.
    mapped = {copy.object.address for copy in have if copy.object.type == MAPPING}
    free = [copy for copy in frames if copy.object.address not in mapped]
    if stale:
        have, frames, free = gone, past.gone(have, FRAME), past.gone(have, FRAME)
    index = rng.choice(SLOTS[: -len(MEMORIES)])
    kinds = {
        "READ": 6 * bool(pages),
        "WRITE": 5 * bool(pages),
        "UNMAP": 1.5 * bool(ours),
        "MAP": 8 * bool(free),
    }
    kinds |= {"RETYPE": 3, "COPY": 3, "MOVE": 1, "DELETE": 2.5, "REVOKE": 1.5}
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    if kind == "MAP":
        one = rng.choice(free)
        holders = rng.choice(
            [(1 << cores) - 1, (1 << cores) - 1, 1 << rng.randrange(cores), 1 << core]
        )
        rights = rng.choice([READ_WRITE, READ_WRITE, READ_ONLY])
        page = Page(0, 0, one.object.address, holders)
        return Act(kind, core, page, source=one.name or 0, index=index, rights=rights)
    if kind in ("READ", "WRITE", "UNMAP"):
        page = rng.choice(ours if kind == "UNMAP" else pages)
        return Act(kind, core, page, rng.randrange(256) if kind == "WRITE" else 0)
    whole = [copy for copy in have if copy.object.type == RAM]
    if kind == "RETYPE":
        one = _one_of(rng, whole or have, core)
        return Request(
            kind,
            core,
            one.name or 0,
            ROOT,
            index,
            type=FRAME,
            offset=PAGE * rng.randrange(PAGES),
            size=PAGE,
        )
    if kind in ("COPY", "MOVE"):
        one = _one_of(rng, frames if frames and rng.random() < 0.8 else have, core)
        return Request(
            kind,
            core,
            one.name or 0,
            ROOT,
            index,
            rng.choice((7, 7, 3)) & one.rights,
            rng.randrange(cores),
        )
    return Request(kind, core, _one_of(rng, have, core).name or 0)


def _one_of(rng: random.Random, have: list[Copy], core: int) -> Copy:
    """Without any: what is there no more."""
    return rng.choice(have) if have else Copy(core, TOP, 1, TOP, 7, programs.look(1).reference)


def ask(asked: Request | Act) -> Response:
    if isinstance(asked, Request):
        verdict, words = programs.here(*asked.call)  # type: ignore[arg-type]
        return (
            verdict,
            words[0] if verdict == "ok" and asked.kind in ("COPY", "MOVE", "RETYPE") else None,
            None,
        )
    driver = local.driver
    assert driver is not None
    slot, generation = asked.page.handle & 0xFFFFFFFF, asked.page.handle >> 32
    match asked.kind:
        case "READ":
            value = driver.read(slot, generation, asked.page.address, 1)
            return ("fault", None, None) if value is None else ("ok", value[0], None)
        case "WRITE":
            written = driver.write(slot, generation, asked.page.address, bytes([asked.value]))
            return "ok" if written else "fault", None, None
        case "UNMAP":
            number, _, _ = driver.here(KINDS["UNMAP"], (asked.page.handle, PROTOCOLS["two-phase"]))
            return NAMES[number], None, None
        case _:
            word = asked.index | asked.rights << 16
            number, _, words = driver.here(
                KINDS["CAP_MAP"], (asked.source, ROOT, word, asked.page.holders)
            )
            if NAMES[number] != "ok":
                return NAMES[number], None, None
            return "ok", words[3], asked.page._replace(handle=words[0], address=words[1])


class Player:
    """One core's part in a round."""

    def __init__(self, rng: random.Random, board: Board, past: Past) -> None:
        here = multikernel.here()
        self.me, self.cores = here.core, here.cores
        self.rng, self.board, self.past = rng, board, past
        self.events: list[Event] = []

    def do(self, asked: Request | Act) -> None:
        called = _native.tsc()
        response = ask(asked)
        self.events.append(Event(self.me, asked, response, called, _native.tsc()))
        if response[2] is not None:
            self.board.tell(response[2])

    # --- what core 0 prepares, and then all do at once

    def nothing(self) -> None:
        """Before anything."""

    def anything(self, operations: int) -> None:
        for _ in range(operations):
            self.do(some_request(self.rng, self.me, self.cores, self.board, self.past))

    def two_pages(self) -> None:
        """Of two Frames, mapped on all cores: in slots 3 and 5, their Mappings behind them."""
        for number, index in enumerate((3, 5)):
            ram, offset = programs.look(1).reference, PAGE * number
            self.do(Request("RETYPE", 0, ram, ROOT, index, type=FRAME, offset=offset, size=PAGE))
            frame = programs.look(index)
            page = Page(0, 0, frame.address, (1 << self.cores) - 1)
            self.do(Act("MAP", 0, page, source=frame.reference, index=index + 1, rights=READ_WRITE))

    def pages_in_use(self, uses: int) -> None:
        """Core 0 takes them back, by one revoke or one after the other; the others use both as fast
        as they can.
        """
        ram, frame, pages = (
            programs.look(1).reference,
            programs.look(3).reference,
            self.board.known(),
        )
        if not pages:  # none could be mapped: the history is to say why
            self.rest()
            return
        take = Act("UNMAP", 0, pages[0]), Request("DELETE", 0, frame), Request("REVOKE", 0, ram)
        use = [Act("READ", self.me, page) for page in pages] * 2 + [
            Act("WRITE", self.me, page) for page in pages
        ]
        asked = [
            act._replace(value=value)
            for value, act in enumerate(self.rng.choices(use, k=uses), 1 + self.me)
        ]
        self.rest()
        for act in asked if self.me else (self.rng.choice(take), take[-1]):
            self.do(act)

    def copies(self) -> None:
        """Of the first RAM, on all cores: more than a revoke takes at once."""
        for core in range(self.cores):
            for index in TAKEN:
                self.do(Request("COPY", 0, programs.look(1).reference, ROOT, index, 7, core))

    def slots_in_use(self, uses: int) -> None:
        """Core 0 takes those back; the others put copies of the second RAM, of another region,
        where they are.
        """
        first, second = programs.look(1).reference, programs.look(2).reference
        self.rest()
        if not self.me:
            self.do(Request("REVOKE", 0, first))
        for _ in range(uses if self.me else 0):
            to = self.rng.randrange(1, self.cores)
            self.do(Request("COPY", self.me, second, ROOT, self.rng.choice(TAKEN), 7, to))

    def rest(self) -> None:
        """So that core 0 does not always come first."""
        for _ in range(0 if self.me else self.rng.randrange(500)):
            pass


TAKEN = range(SLOTS[-1] + 1, SLOTS[-1] + 31)
"""Slots of each core's root CNode."""
USED = range(SLOTS[0], TAKEN[-1] + 1)
SCENARIOS: dict[str, tuple[Callable[[Player], None], Callable[[Player, int], None]]] = {
    "anything": (Player.nothing, Player.anything),
    "pages in use": (Player.two_pages, Player.pages_in_use),
    "slots in use": (Player.copies, Player.slots_in_use),
}


def play(
    group: Group, on: multikernel.Page, scenario: str, seed: int, rounds: int, operations: int
) -> list[Round]:
    """On every core at once, round after round: what core 0 prepares, then that many requests of
    all cores.
    """
    me, cores = multikernel.here().core, multikernel.here().cores
    rng, board, past = random.Random(seed), Board(on, me, cores), Past()
    prepare, act = SCENARIOS[scenario]
    done: list[Round] = []
    for _ in range(rounds):
        board.clear()
        ready = clear(cores) if me == 0 else True
        if not group.all_reduce([int(ready)], "min")[0]:
            break
        player, before = Player(rng, board, past), looks(me, USED)
        group.barrier()
        if me == 0:
            prepare(player)
        group.barrier()
        act(player, operations)
        group.barrier()
        reads = [(one, ask(one)) for one in (Act("READ", me, page) for page in board.known())]
        done.append(Round(before, player.events, looks(me, USED), reads))
        board.round_ends()
        group.barrier()
    return done
