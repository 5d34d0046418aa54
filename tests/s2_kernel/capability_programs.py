"""What the tests of capabilities run on cores. Imported there by name, so it imports nothing that a
core would not.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

import multikernel
from multikernel.native._native import (
    CAPABILITY_TYPES,
    CAPABILITY_VERDICTS,
    KINDS,
    VERDICT_CAPABILITY_BASE,
)

PAGE = 4096
ROOT = 1 << 32
SLOTS = 32
"""Of every root CNode, those that the programs use."""
NAMES = {VERDICT_CAPABILITY_BASE + number: name for name, number in CAPABILITY_VERDICTS.items()} | {
    0: "ok"
}
RAM, FRAME, CNODE = (CAPABILITY_TYPES[name] for name in ("RAM", "Frame", "CNode"))


class Record(NamedTuple):
    """A capability as KIND_CAP_LOOK shows it."""

    reference: int
    address: int
    size: int
    owner: int
    type: int
    rights: int
    flags: int

    @property
    def end(self) -> int:
        return self.address + self.size


def record(words: tuple[int, ...]) -> Record:
    """From a reply's words."""
    reference, address, size, _, more = words[:5]
    return Record(
        reference,
        address,
        size,
        more & 0xFFFF,
        more >> 16 & 0xFF,
        more >> 24 & 0xFF,
        more >> 32 & 0xFF,
    )


def copy_word(index: int, rights: int, core: int, move: bool = False) -> int:
    return index | rights << 16 | move << 24 | core << 32


def retype_word(index: int, kind: int, count: int = 1) -> int:
    return index | kind << 16 | count << 32


def here(kind: str, *words: int) -> tuple[str, tuple[int, ...]]:
    """A system call about capabilities: the verdict's name, and the words."""
    verdict, _, reply = multikernel.here().driver.here(KINDS[kind], words)
    return NAMES.get(verdict, str(verdict)), reply


def look(slot: int) -> Record:
    return record(here("CAP_LOOK", slot)[1])


def churn(seed: int, rounds: int, cnodes: bool) -> Counter[str]:
    """Random operations on whatever this core has; how often each ended how."""
    rng = random.Random(seed)
    cores, kinds = multikernel.here().cores, (RAM, RAM, FRAME, FRAME, *((CNODE,) if cnodes else ()))
    outcomes: Counter[str] = Counter()
    for _ in range(rounds):
        have = [one for one in map(look, range(1, SLOTS)) if one.type]
        if not have:
            here("CAP_DIGEST")  # lets others get on
            continue
        one, index = rng.choice(have), rng.randrange(1, SLOTS)
        what = rng.choices(("COPY", "MOVE", "RETYPE", "REVOKE", "DELETE"), (8, 3, 8, 0.3, 2))[0]
        if what in ("COPY", "MOVE"):
            word = copy_word(index, one.rights, rng.randrange(cores), what == "MOVE")
            verdict, _ = here("CAP_COPY", one.reference, ROOT, word)
        elif what == "RETYPE":
            kind = rng.choice(kinds)
            pages = 4 if kind == CNODE else rng.randint(1, 8)
            offset = rng.randrange(max(one.size // PAGE, 1))
            word = retype_word(index, kind)
            verdict, _ = here("CAP_RETYPE", one.reference, ROOT, word, offset * PAGE, pages * PAGE)
        else:
            verdict, _ = here(f"CAP_{what}", one.reference)
        outcomes[f"{what} {verdict}"] += 1
    return outcomes


def retype_all(index: int, kind: int, pages: int) -> list[str]:
    """Tries to make something of every page of the RAM in a slot."""
    outcomes = []
    for page in range(pages):
        source = look(index).reference
        word = retype_word(index + 1 + page, kind)
        outcomes.append(here("CAP_RETYPE", source, ROOT, word, page * PAGE, PAGE)[0])
    return outcomes


def split_and_revoke(index: int, pages: int, rounds: int) -> Counter[str]:
    """Makes a Frame of every page of the RAM in a slot and takes them back, again and again."""
    outcomes: Counter[str] = Counter()
    for _ in range(rounds):
        outcomes.update(retype_all(index, FRAME, pages))
        outcomes[here("CAP_REVOKE", look(index).reference)[0]] += 1
    return outcomes


def split_until_revoked(index: int, first: int, pages: int) -> int:
    """Makes Frames of those pages of the RAM in a slot and deletes some, until the RAM is gone; how
    many it made.
    """
    source, made = look(index).reference, 0
    while True:
        for page in range(pages):
            word = retype_word(index + 1 + page, FRAME)
            verdict, _ = here("CAP_RETYPE", source, ROOT, word, (first + page) * PAGE, PAGE)
            if verdict == "stale":
                return made
            made += verdict == "ok"
        for page in range(0, pages, 7):
            here("CAP_DELETE", look(index + 1 + page).reference)
