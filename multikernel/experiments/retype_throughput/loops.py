"""Retype and delete on all cores at once, as a program: what `retype-throughput` sends to every
core that takes part.

Guarantees: the instrument's. Every core is furnished once a boot with memory that it alone
retypes (MEMORIES), and leaves it as it found it; what it makes goes to its root CNode, whose slots
need no lock of a region of their own. In the shared kernel with a lock a region the cores' memories
lie in regions that differ, up to REGIONS cores, but for "common", which lies in one.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Literal

from multikernel.experiments.instrument.capability_loops import (
    BATCH,
    PAGE,
    ROOT,
    _ask,
    _copy,
    _create,
)
from multikernel.experiments.instrument.loops import (
    Report,
    Watch,
    _driver,
    _fine,
    _polling,
    _watched,
)
from multikernel.native._native import IN_FLIGHT_MOST, PAGES_IN_FLIGHT, Histogram
from multikernel.runtime import local

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
    driver = _driver()
    assert local.plan is not None
    cores = range(local.plan.cores)
    # RAM goes to the next region each time it is created: of one kind, one after the other.
    for slot in (SLOTS["alone"], SLOTS["copied"]):
        for core in cores:
            made = _create(driver, slot if core == driver.me else OTHERS, PAGES)
            if core != driver.me:
                _copy(driver, driver.me, made, slot, core, move=True)
    for owner in cores:
        own = _ask(driver, owner, "CAP_LOOK", SLOTS["copied"])
        for core in cores:
            if core != owner:
                _copy(driver, owner, own, OTHERS + owner, core)
    common = _create(driver, SLOTS["common"], len(cores) * PAGES)
    for core in cores:
        if core != driver.me:
            _copy(driver, driver.me, common, SLOTS["common"], core)


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
    driver, report, times = _driver(), Report(), Histogram()
    plan = local.plan
    assert plan is not None
    ram = _ask(driver, driver.me, "CAP_LOOK", SLOTS[work.memory])
    offset = driver.me * PAGES * PAGE if work.memory == "common" else 0
    in_flight = work.in_flight if driver.me < work.cores else 0
    edge, cycles = EDGE_US * plan.cycles_per_us, round(work.seconds * 1e6 * plan.cycles_per_us)

    def loop() -> None:
        counts = array("Q", bytes(8 * len(COUNTED)))
        verdict = driver.probe(
            "at-once", source=ram, offset=offset, cnode=ROOT, index=FRAMES, in_flight=in_flight,
            cores=work.members, base=work.base, edge=edge, cycles=cycles, batch=BATCH, times=times,
            results=counts,
        )  # fmt: skip
        _fine(
            verdict,
            f"retype and delete, memory {work.memory}, on core {driver.me} of {work.cores} at once",
        )
        report.counts.update(zip(COUNTED, counts, strict=True))

    with _polling(driver, (driver.me,)):
        _watched(watch, loop, report)
    report.keep(times=times)
    return report
