"""Operations on capabilities as programs: what experiments on capabilities send to core 0.

Guarantees: the instrument's. A core is furnished once a boot with the memory and the CNodes that
the operations work on (SOURCES); every loop leaves them as it found them. The mapping database
alone is measured in a replica beside the core's own, on the same CPU.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import PAGE, Loop, Report, Watch, fine
from multikernel.native import _native
from multikernel.native._native import CAPABILITY_TYPES, Capabilities, Histogram

CNODE_BYTES = 1 << 14
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


class Furnishing(Loop):
    """A core that sees to it that there are capabilities. Every one raises ProtocolError."""

    def ask(self, core: int, kind: str, *words: int) -> int:
        """The reference that a request made, or whatever the first word of its reply is."""
        verdict, _, reply = self.call(core, kind, *words)
        if verdict >= _native.VERDICT_CAPABILITY_BASE:
            names = {number: name for name, number in _native.CAPABILITY_VERDICTS.items()}
            value = names[verdict - _native.VERDICT_CAPABILITY_BASE]
            raise ProtocolError("a core cannot be furnished", value=value, where=kind)
        fine(verdict, kind)
        return reply[0]

    def retype(self, core: int, ram: int, kind: str, slot: int, at: int, size: int) -> int:
        """To a slot of that core's root CNode."""
        word = slot | CAPABILITY_TYPES[kind] << 16 | 1 << 32
        return self.ask(core, "CAP_RETYPE", ram, ROOT, word, at, size)

    def copy(self, source: int, reference: int, slot: int, to: int, *, move: bool = False) -> int:
        """From one core to a slot of another's root CNode."""
        word = slot | RIGHTS << 16 | move << 24 | to << 32
        return self.ask(source, "CAP_COPY", reference, ROOT, word)

    def create(self, slot: int, pages: int) -> int:
        """RAM of this core's."""
        return self.ask(self.me, "CAP_CREATE", pages * PAGE, ROOT, slot)

    @property
    def others(self) -> list[int]:
        return [core for core in self.cores if core != self.me]


def furnish() -> None:
    """On core 0 of a fresh system, once."""
    global _furniture
    core = Furnishing()
    me, others = core.me, core.others
    sources = {name: core.create(1 + n, PAGES) for n, name in enumerate(SOURCES)}
    wide, room = core.create(8, DESCENDANTS_MOST), core.create(9, 8 * CNODE_BYTES // PAGE)
    cnode, *wide_cnodes = [
        core.retype(me, room, "CNode", 16 + n, n * CNODE_BYTES, CNODE_BYTES)
        for n in range(1 + DESCENDANTS_MOST // 256)
    ]
    for other in others:
        core.copy(me, sources["copied"], 1, other)
    copies = [core.copy(me, sources["derived"], 2, other) for other in others]
    core.retype(others[0], copies[0], "Frame", 8, (PAGES - 1) * PAGE, PAGE)
    theirs = core.copy(me, sources["foreign"], 9, 1, move=True)
    core.copy(1, theirs, 7, me)
    sources["foreign"] = core.ask(me, "CAP_LOOK", 7)
    _furniture = Furniture(sources, cnode, wide, tuple(wide_cnodes))


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
    assert _furniture is not None
    loop, furniture = Loop(watch), _furniture
    here = task.to == loop.me

    def revoke(count: int, into: Histogram) -> None:
        loop.probe(
            "revokes", f"revoke of {task.descendants} descendants", source=furniture.wide,
            each=furniture.wide_cnodes, pages=task.descendants, count=count, times=into,
        )  # fmt: skip

    def some(count: int, into: Histogram) -> None:
        loop.probe(
            "operations", f"{task.operation} of memory that is {task.source}", form=task.operation,
            source=furniture.sources[task.source], cnode=furniture.cnode, index=0,
            core=task.to, to_cnode=furniture.cnode if here else ROOT,
            to_index=BATCH if here else TO_INDEX,
            in_flight=task.in_flight, copies=task.copies, cores=task.spread,
            count=count, batch=task.batch, times=into,
        )  # fmt: skip

    if task.descendants:
        return loop.polled((loop.me,), revoke, 1, task.count)
    return loop.polled(loop.cores, some, max(2, task.batch), task.count)


_databases: dict[int, Capabilities] = {}


def database(capabilities: int, count: int, seed: int, watch: Watch | None) -> Report:
    """A local copy, retype and deletion among so many capabilities, picked at random, in a replica
    of its own that is filled at the first call. Samples: copy, retype, delete, cycles.
    """
    loop = Loop(watch)
    if capabilities not in _databases:
        _databases[capabilities] = Capabilities(Capabilities.cnodes_to_probe(capabilities))
        _databases[capabilities].probe_fill(capabilities)
    probe = _databases[capabilities].probe_operations
    probe(max(2, count // 8), seed, Histogram(), Histogram(), Histogram())
    with loop.watched():
        probe(count, seed + 1, *map(loop.samples, ("copy", "retype", "delete")))
    return loop.done()
