"""What the tests of pipelined operations run on cores. Imported there by name."""

from __future__ import annotations

import time
from collections.abc import Sequence

from s2_kernel.capability_programs import FRAME, NAMES, PAGE, ROOT, copy_word, here, retype_word

import multikernel
from multikernel.native._native import KINDS

PATIENCE_SECONDS = 20.0
Request = tuple[str, tuple[int, ...]]

_blocked: list[int] = []
"""Tickets of this core's operations that a test has left under way."""


def retypes(ram: int, first_index: int, pages: int) -> list[Request]:
    """Of every page of a RAM, one after the other, to a Frame of its own."""
    return [
        ("CAP_RETYPE", (ram, ROOT, retype_word(first_index + page, FRAME), page * PAGE, PAGE))
        for page in range(pages)
    ]


def begin(requests: Sequence[Request]) -> None:
    """Begins all of them, and leaves them under way."""
    driver = multikernel.here().driver
    _blocked.extend(driver.begin(KINDS[kind], words) for kind, words in requests)


def finish() -> list[str]:
    """How those ended, in the order they began."""
    driver = multikernel.here().driver
    ended: dict[int, str] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    while len(ended) < len(_blocked) and time.monotonic() < until:
        for ticket in _blocked:
            reply = None if ticket in ended else driver.done(ticket)
            if reply is not None:
                ended[ticket] = NAMES.get(reply[0], str(reply[0]))
    found = [ended.get(ticket, "under way") for ticket in _blocked]
    _blocked.clear()
    return found


def under_way() -> int:
    """How many of them are."""
    driver = multikernel.here().driver
    ended = [ticket for ticket in _blocked if driver.done(ticket) is not None]
    for ticket in ended:
        _blocked.remove(ticket)
    return len(_blocked)


def hand_on(frame: int, index: int, core: int, times: int) -> int:
    """Copies that to a core and deletes the copy there, time and again; how often it went."""
    driver = multikernel.here().driver
    for turn in range(times):
        verdict, words = here("CAP_COPY", frame, ROOT, copy_word(index, 7, core))
        if verdict != "ok" or driver.call(core, KINDS["CAP_DELETE"], (words[0],))[0]:
            return turn
    return times


def fly(ram: int, first_index: int, pages: int, in_flight: int, rounds: int) -> int:
    """Retypes every page and deletes what came of it, round after round, so many at a time; how
    many went.
    """
    driver, went = multikernel.here().driver, 0
    for _ in range(rounds):
        waiting, flying, made = retypes(ram, first_index, pages), [], []
        while waiting or flying:
            while waiting and len(flying) < in_flight:
                kind, words = waiting.pop()
                flying.append(driver.begin(KINDS[kind], words))
            ended = {
                ticket: reply for ticket in flying if (reply := driver.done(ticket)) is not None
            }
            flying = [ticket for ticket in flying if ticket not in ended]
            made += [words[0] for verdict, _, words in ended.values() if verdict == 0]
        went += len(made)
        for reference in made:
            here("CAP_DELETE", reference)
    return went
