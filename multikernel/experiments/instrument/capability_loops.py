"""Operations on capabilities as programs: what experiments on capabilities send to core 0.

Guarantees: the instrument's. A core is furnished once a boot with the memory and the CNodes that
the operations work on (SOURCES); every loop leaves them as it found them. The mapping database
alone is measured in a replica beside the core's own, on the same CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import (
    Report,
    Watch,
    _driver,
    _fine,
    _polled,
    _system,
    _watched,
)
from multikernel.native._native import (
    CAPABILITY_TYPES,
    CAPABILITY_VERDICTS,
    KINDS,
    VERDICT_CAPABILITY_BASE,
    Capabilities,
    Driver,
    Histogram,
)

PAGE, CNODE_BYTES = 4096, 1 << 14
ROOT = 1 << 32
"""Every core's root CNode."""
PAGES = 256
"""Of each RAM; the last page is what another core has made something of."""
BATCH = 128
"""Operations that are timed together, where a series is back-to-back."""
TO_INDEX = 64
"""Where copies begin in the root CNode of the core they go to."""
DESCENDANTS_MOST = 1024
RIGHTS = 7

Source = Literal["alone", "copied", "derived", "lent", "foreign"]
"""RAM that no other core knows; of which all others have copies; of which one of them has made a
Frame too; that no other core has, but Frames made of it have been elsewhere; and RAM that core 1
owns, of which this core has a copy.
"""
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True, slots=True)
class Furniture:
    """On core 0. cnode: for what is made here; wide: to be revoked, its children in wide_cnodes."""

    sources: dict[Source, int]
    cnode: int
    wide: int
    wide_cnodes: tuple[int, ...]


_furniture: Furniture | None = None


def _ask(driver: Driver, core: int, kind: str, *words: int) -> int:
    """The reference that a request about capabilities made, or whatever its first word is."""
    own, number = core == driver.me, KINDS[kind]
    verdict, _, reply = driver.here(number, words) if own else driver.call(core, number, words)
    if verdict >= VERDICT_CAPABILITY_BASE:
        names = {number: name for name, number in CAPABILITY_VERDICTS.items()}
        raise ProtocolError(
            "a core cannot be furnished", value=names[verdict - VERDICT_CAPABILITY_BASE], where=kind
        )
    _fine(verdict, kind)
    return reply[0]


def _retype(driver: Driver, core: int, ram: int, kind: str, slot: int, at: int, size: int) -> int:
    """To a slot of that core's root CNode."""
    word = slot | CAPABILITY_TYPES[kind] << 16 | 1 << 32
    return _ask(driver, core, "CAP_RETYPE", ram, ROOT, word, at, size)


def _copy(
    driver: Driver, source: int, reference: int, slot: int, to: int, *, move: bool = False
) -> int:
    """From one core to a slot of another's root CNode."""
    word = slot | RIGHTS << 16 | move << 24 | to << 32
    return _ask(driver, source, "CAP_COPY", reference, ROOT, word)


def _create(driver: Driver, slot: int, pages: int) -> int:
    """RAM of this core's."""
    return _ask(driver, driver.me, "CAP_CREATE", pages * PAGE, ROOT, slot)


def furnish() -> None:
    """On core 0 of a fresh system, once."""
    global _furniture
    driver = _driver()
    me, others = driver.me, [core for core in range(_system().cores) if core != driver.me]
    sources = {name: _create(driver, 1 + n, PAGES) for n, name in enumerate(SOURCES)}
    wide, room = _create(driver, 8, DESCENDANTS_MOST), _create(driver, 9, 8 * CNODE_BYTES // PAGE)
    count = 1 + DESCENDANTS_MOST // 256
    cnodes = [
        _retype(driver, me, room, "CNode", 16 + n, n * CNODE_BYTES, CNODE_BYTES)
        for n in range(count)
    ]
    for core in others:
        _copy(driver, me, sources["copied"], 1, core)
    copies = [_copy(driver, me, sources["derived"], 2, core) for core in others]
    _retype(driver, others[0], copies[0], "Frame", 8, (PAGES - 1) * PAGE, PAGE)
    theirs = _copy(driver, me, sources["foreign"], 9, 1, move=True)
    _copy(driver, 1, theirs, 7, me)
    sources["foreign"] = _ask(driver, me, "CAP_LOOK", 7)
    _furniture = Furniture(sources, cnodes[0], wide, tuple(cnodes[1:]))


@dataclass(frozen=True, slots=True)
class Task:
    """operation: retype, copy, revoke or delete; count of them, in batches of which each is timed
    once; source: what the memory is to other cores; to: the core that copies go to; copies: that
    there are beforehand, on `spread` cores from `to` on. descendants: so many are revoked, of RAM
    that no other core knows.
    """

    operation: str
    count: int
    batch: int = 1
    in_flight: int = 1
    source: Source = "copied"
    to: int = 1
    copies: int = 0
    spread: int = 1
    descendants: int = 0


def operate(task: Task, watch: Watch | None) -> Report:
    """Samples: times, cycles an operation."""
    driver = _driver()
    assert _furniture is not None
    furniture, here = _furniture, task.to == driver.me

    def revoke(count: int, into: Histogram) -> None:
        verdict = driver.probe(
            "revokes", source=furniture.wide, each=furniture.wide_cnodes,
            pages=task.descendants, count=count, times=into,
        )  # fmt: skip
        _fine(verdict, f"revoke of {task.descendants} descendants")

    def some(count: int, into: Histogram) -> None:
        verdict = driver.probe(
            "operations", form=task.operation,
            source=furniture.sources[task.source], cnode=furniture.cnode, index=0,
            core=task.to, to_cnode=furniture.cnode if here else ROOT,
            to_index=BATCH if here else TO_INDEX,
            in_flight=task.in_flight, copies=task.copies, cores=task.spread,
            count=count, batch=task.batch, times=into,
        )  # fmt: skip
        _fine(verdict, f"{task.operation} of memory that is {task.source}")

    if task.descendants:
        return _polled(driver, (driver.me,), revoke, 1, task.count, watch)
    cores = range(_system().cores)
    return _polled(driver, cores, some, max(2, task.batch), task.count, watch)


_databases: dict[int, Capabilities] = {}


def database(capabilities: int, count: int, seed: int, watch: Watch | None) -> Report:
    """A local copy, retype and deletion among so many capabilities, picked at random, in a replica
    of its own that is filled at the first call. Samples: copy, retype, delete, cycles.
    """
    _driver()
    times = {name: Histogram() for name in ("copy", "retype", "delete")}
    if capabilities not in _databases:
        _databases[capabilities] = Capabilities(Capabilities.cnodes_to_probe(capabilities))
        _databases[capabilities].probe_fill(capabilities)
    probe = _databases[capabilities].probe_operations
    probe(max(2, count // 8), seed, Histogram(), Histogram(), Histogram())
    return _watched(watch, lambda: probe(count, seed + 1, *times.values()), Report(), times)
