"""A program that records histories of pages: what a core asked, the answer, and when by the
time-stamp counter. Imported on cores by name, so it imports nothing that a core would not.
"""

from __future__ import annotations

import random
import struct
from typing import NamedTuple

from s2_kernel.linearizability import Event
from s2_kernel.programs import attempt

import multikernel
from multikernel import Frame, Page
from multikernel.native import _native
from multikernel.user.group import Group

PAGE = 4096
STALE = 0.2
"""So often an act is on a page of an earlier round, whose handle leads nowhere."""
AGO, SLOTS = 3, 6
"""Which round that is: when its slots, of so many, come to be used again."""


class Act(NamedTuple):
    """On one page. value: what is written, or the rights."""

    kind: str
    core: int
    page: int
    value: bytes | str = ""


def shared_pages(group: Group, frames: list[Frame]) -> list[Page]:
    """New mappings on all cores, of frames that hold zeros, made by the root and sent to the
    others.
    """
    here = multikernel.here()
    if here.core == group.root:
        pages = [here.map(frame) for frame in frames]
        for page in pages:
            page.write(0, bytes(1))
            group.broadcast(struct.pack("<IIQ", page.slot, page.generation, page.address))
        return pages
    sent = [struct.unpack("<IIQ", group.receive() or b"") for _ in frames]
    return [
        Page(frames[0]._system, slot, generation, address, PAGE, group.cores)
        for slot, generation, address in sent
    ]


def some_act(
    rng: random.Random, core: int, pages: int, old: int, pinned: list[int], pins: bool
) -> Act:
    """old: the last of those pages."""
    page = rng.randrange(pages - old)
    if old and rng.random() < STALE:
        page = rng.randrange(pages - old, pages)
    kinds = (
        ["read"] * 5
        + ["write"] * 3
        + ["protect"] * 2
        + ["unmap"]
        + (["pin", "unpin"] if pins else [])
    )
    kind = rng.choice(kinds)
    if kind == "unpin" and not pinned[page]:
        kind = "read"
    if kind == "write":
        return Act(kind, core, page, bytes([rng.randrange(1, 256)]))
    if kind == "protect":
        return Act(kind, core, page, rng.choice(["read-only", "read-write"]))
    return Act(kind, core, page)


def histories(
    group: Group, frames: list[Frame], seed: int, rounds: int, acts: int, protocol: str, pins: bool
) -> list[list[Event]]:
    """On every core at once: that many random acts a round, all cores beginning together. Pages
    are counted from the round's own on.
    """
    here = multikernel.here()
    rng = random.Random(seed)
    done: list[list[Event]] = []
    past: list[list[Page]] = [[]] * AGO
    for _ in range(rounds):
        old = past[-AGO]
        pages = shared_pages(group, frames) + old
        pinned = [0] * len(pages)
        events: list[Event] = []

        def do(act: Act, pages: list[Page] = pages, events: list[Event] = events) -> str:
            page = pages[act.page]
            doing = {
                "read": lambda: page.read(0, 1),
                "write": lambda: page.write(0, act.value),  # type: ignore[arg-type]
                "protect": lambda: here.protect(page, act.value),  # type: ignore[arg-type]
                "unmap": lambda: here.unmap(page, protocol),  # type: ignore[arg-type]
                "pin": page.pin,
                "unpin": page.unpin,
            }[act.kind]
            called = _native.tsc()
            outcome = attempt(doing)
            returned = _native.tsc()
            events.append(Event(here.core, act, outcome, called, returned))
            return outcome[0]

        group.barrier()
        for _ in range(acts):
            act = some_act(rng, here.core, len(pages), len(old), pinned, pins)
            if do(act) == "ok" and act.kind in ("pin", "unpin"):
                pinned[act.page] += 1 if act.kind == "pin" else -1
        for index, count in enumerate(pinned):
            for _ in range(count):
                do(Act("unpin", here.core, index))
        done.append(events)
        group.barrier()
        past.append(pages[: len(frames)])
        if here.core == group.root:
            for page in past[-1]:
                attempt(here.unmap, page)
    return done
