"""Retype and delete on all cores at once, as a program on every core that takes part.

Guarantees: every core is furnished once a boot with memory that it alone retypes (MEMORIES), and
leaves it as it found it. With a lock a region the cores' memories lie in regions that differ, up to
REGIONS cores, but for "common", which lies in one.
"""

from array import array
from dataclasses import dataclass
from typing import Literal

from multikernel.experiments.instrument.capability_loops import BATCH, ROOT, Furnishing
from multikernel.experiments.instrument.loops import PAGE, Report, Watch
from multikernel.native._native import IN_FLIGHT_MOST, PAGES_IN_FLIGHT

Memory = Literal["alone", "copied", "common"]
"""A core's own RAM, which no other knows; its own RAM, of which all others have copies; its part of
one RAM, made by core 0, of which all have copies.
"""
MEMORIES: tuple[Memory, ...] = ("alone", "copied", "common")
SLOTS: dict[Memory, int] = {"alone": 1, "copied": 2, "common": 3}
"""Where a core's root CNode has them."""
OTHERS = 4
"""From here on it has the copies of the other cores' RAM, by core."""
PAGES = PAGES_IN_FLIGHT * IN_FLIGHT_MOST
FRAMES = 256 - PAGES
"""From here on its Frames go."""
CORES_MOST = FRAMES - OTHERS
REGIONS = 16
EDGE_US = 100
"""How long cores work unrecorded before what counts: longer than the last takes to begin."""


def furnish() -> None:
    """On core 0 of a fresh system, once."""
    one = Furnishing()
    # RAM goes to the next region each time it is created: of one kind, one after the other.
    for slot in (SLOTS["alone"], SLOTS["copied"]):
        for core in one.cores:
            made = one.create(slot if core == one.me else OTHERS, PAGES)
            if core != one.me:
                one.copy(one.me, made, slot, core, move=True)
    for owner in one.cores:
        own = one.ask(owner, "CAP_LOOK", SLOTS["copied"])
        for core in one.cores:
            if core != owner:
                one.copy(owner, own, OTHERS + owner, core)
    common = one.create(SLOTS["common"], len(one.cores) * PAGES)
    for core in one.others:
        one.copy(one.me, common, SLOTS["common"], core)


def memory_for(cores: int) -> int:
    """Bytes of the RAM of so many cores."""
    return len(MEMORIES) * cores * PAGES * PAGE


@dataclass(frozen=True, slots=True)
class Work:
    """cores: the first so many retype; members: the first so many take part, those beyond `cores`
    only answering; base: of their meeting, larger by MEETINGS a member with each use.
    """

    memory: Memory
    in_flight: int
    cores: int
    members: int
    seconds: float
    base: int


MEETINGS = 2
COUNTED = ("operations", "began", "cycles", "cpu_ns", "wall_ns")


def at_once(work: Work, watch: Watch | None) -> Report:
    """Retype and delete for so many seconds, at least a batch, or only answer, on every member.
    Samples: times, cycles an operation. Counts: operations, when they began and in how many cycles
    they were done; of this core's time cpu_ns and wall_ns.
    """
    loop, counts = Furnishing(watch), array("Q", bytes(8 * len(COUNTED)))
    cycles_per_us = loop.plan.cycles_per_us
    ram = loop.ask(loop.me, "CAP_LOOK", SLOTS[work.memory])
    with loop.polling(loop.me), loop.watched():
        loop.probe(
            "at-once",
            f"retype and delete, memory {work.memory}, on core {loop.me} of {work.cores} at once",
            source=ram,
            offset=loop.me * PAGES * PAGE if work.memory == "common" else 0,
            cnode=ROOT, index=FRAMES, in_flight=work.in_flight if loop.me < work.cores else 0,
            cores=work.members, base=work.base, edge=EDGE_US * cycles_per_us,
            cycles=round(work.seconds * 1e6 * cycles_per_us), batch=BATCH,
            times=loop.samples("times"), results=counts,
        )  # fmt: skip
    loop.counts.update(zip(COUNTED, counts, strict=True))
    return loop.done()
