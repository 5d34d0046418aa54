"""What the tests of capabilities run on cores. Imported there by name, so it imports nothing that a
core would not.
"""

from __future__ import annotations

import random

import multikernel
from multikernel import CNODE, FRAME, Capability, Page, errors


def split(ram: Capability, count: int) -> list[Capability]:
    """Takes a copy of RAM to this core and makes Frames of it."""
    return ram.copy(multikernel.here().core).retype(FRAME, count)


def copy_to(capability: Capability, core: int) -> Capability:
    return capability.copy(core)


def refused(ram: Capability) -> str:
    """The name of what is raised for a second retype of the same memory."""
    try:
        ram.retype(FRAME)
    except errors.CapabilityError as error:
        return type(error).__name__
    return "nothing"


def revoke(capability: Capability) -> None:
    capability.revoke()


def own_ram(size: int) -> tuple[Capability, Capability]:
    """Memory that is this core's alone, and the CNode it is in."""
    here = multikernel.here()
    return here.ram(size).move(here.core), here.cnode


def unmap(page: Page) -> None:
    multikernel.here().unmap(page)


def churn(rams: list[Capability], frames: list[Capability], seed: int, rounds: int) -> list[Page]:
    """Random operations on Frames and their pages, with others at the same; every page there
    was.
    """
    rng, here = random.Random(seed), multikernel.here()
    have, pages = list(frames), []
    for _ in range(rounds):
        one = rng.choice(have)
        what = rng.choices(
            ("map", "unmap", "copy", "delete", "revoke", "retype"), (10, 6, 4, 3, 0.5, 3)
        )[0]
        try:
            if what == "map":
                cores = rng.sample(range(here.cores), rng.randint(1, here.cores))
                pages.append(one.map(cores, rng.choice(("read-write", "read-only"))))
            elif what == "unmap" and pages:
                here.unmap(rng.choice(pages), rng.choice(("two-phase", "one-phase")))
            elif what == "copy":
                have.append(one.copy(rng.randrange(here.cores)))
            elif what == "delete":
                one.delete()
            elif what == "revoke":
                one.revoke()
            elif what == "retype":
                have += rng.choice(rams).retype(FRAME, 1, 4096, offset=rng.randrange(16) * 4096)
        except (errors.CapabilityError, errors.NotMapped):
            continue
    return pages


def build_and_delete(seed: int, rounds: int) -> int:
    """Deletes CNodes with mapped Frames, a page of which is pinned here or elsewhere; how often
    that was refused.
    """
    rng, here = random.Random(seed), multikernel.here()
    ram, refusals = here.ram(64 * 4096).move(here.core), 0
    for _ in range(rounds):
        (cnode,) = ram.retype(CNODE)
        frames = ram.retype(FRAME, 4, 4096, offset=16384, to=cnode)
        outside = frames[0].copy()
        cores = [rng.sample(range(here.cores), rng.randint(1, here.cores)) for _ in range(6)]
        pages = [rng.choice(frames).map(some, to=rng.choice((cnode, None))) for some in cores]
        pinned = rng.randrange(len(pages))
        at = rng.choice(cores[pinned])
        pages[pinned].pin(at)
        refused = None
        try:
            cnode.delete()
        except errors.PagePinned as error:
            refused = error.core
        if refused is not None:  # else it is the Frame's that is outside too
            assert refused == at
            assert all(one.alive for one in (cnode, *frames))
            frames[1].map(to=cnode).write(0, b"open")
        pages[pinned].unpin(at)
        if refused is not None:
            cnode.delete()
            refusals += 1
        assert not any(one.alive for one in (cnode, *frames))
        outside.delete()
        ram.revoke()
    ram.delete()
    return refusals
