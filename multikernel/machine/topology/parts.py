"""A machine as boxes within boxes: packages, nodes, dies, shared caches, clusters, down to the
cores.

Guarantees: every online CPU is in exactly one core, every core in exactly one place; a box holds at
least two cores or is the only thing that says something (a package of one core). What consists of
the same CPUs is one box with several names. What lies across others (a node of half of two
packages) is no box, and is named in `across`. Idea: hwloc's tree of objects, with levels merged
that add no structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.topology.model import Topology

LEVELS = ("package", "node", "die", "L3", "cluster", "L2", "core")
"""From the outside in, where sizes do not decide."""


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a box. kind: of LEVELS. number: the kernel's, or None for what has none. size:
    bytes, of caches.
    """

    kind: str
    number: int | None = None
    size: int | None = None

    def __str__(self) -> str:
        words = [self.kind]
        if self.number is not None:
            words.append(str(self.number))
        if self.size is not None:
            words.append(amount(self.size))
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Part:
    """A box, or a core (without parts of its own). cpus: sorted. kind: of hybrid cores, as in
    Cpu.
    """

    names: tuple[Name, ...]
    cpus: tuple[int, ...]
    parts: tuple[Part, ...] = ()
    kind: str = ""

    @property
    def title(self) -> str:
        """All its names."""
        return " · ".join(map(str, self.names))

    def shape(self) -> object:
        """Equal for parts that look the same but for numbers."""
        names = tuple((name.kind, name.size) for name in self.names)
        return names, len(self.cpus), self.kind, tuple(part.shape() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Boxes:
    """A whole machine. across: what lies across boxes, in words."""

    parts: tuple[Part, ...]
    across: tuple[str, ...] = ()


@dataclass(slots=True)
class _Growing:
    names: list[Name]
    cpus: frozenset[int]
    inside: list[_Growing] = field(default_factory=list)


def amount(size: int) -> str:
    """Bytes for people: 512 KB, 32 MB."""
    for unit, shift in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.4g} {unit}"
    return f"{size} B"


def boxes(topology: Topology) -> Boxes:
    """The boxes of a machine."""
    cores = [frozenset(core) for core in topology.cores]
    core_of = {cpu: core for core in cores for cpu in core}
    root = _Growing([], frozenset(topology.online))
    across = []
    named = sorted(
        _named(topology), key=lambda one: (-len(one[1]), LEVELS.index(one[0].kind), min(one[1]))
    )
    for name, cpus in named:
        # What a single core has of its own is said of all cores at once.
        if name.kind in ("L2", "L3", "cluster") and cpus <= core_of[min(cpus)]:
            continue
        whole = all(core <= cpus for core in {core_of[cpu] for cpu in cpus})
        if not whole or not _insert(root, name, cpus):
            across.append(f"{name}: CPUs {format_cpu_list(cpus)}")
    kinds = {cpu.id: cpu.kind for cpu in topology.cpus}
    grown = tuple(_finished(one, kinds) for one in _ordered(root.inside))
    if root.names:
        return Boxes((Part(tuple(root.names), topology.online, grown),), tuple(across))
    return Boxes(grown, tuple(across))


def _named(topology: Topology) -> Iterator[tuple[Name, frozenset[int]]]:
    for package in topology.packages:
        yield Name("package", topology.cpu(package[0]).package), frozenset(package)
    for node in topology.nodes:
        if node.cpus and len(topology.nodes) > 1:
            yield Name("node", node.id), frozenset(node.cpus)
    if len(topology.dies) > len(topology.packages):
        for die in topology.dies:
            yield Name("die", topology.cpu(die[0]).die), frozenset(die)
    for cache in topology.caches:
        if cache.level in (2, 3):
            yield Name(f"L{cache.level}", size=cache.size), frozenset(cache.cpus)
    for cluster in topology.clusters:
        yield Name("cluster"), frozenset(cluster)
    for core in topology.cores:
        yield Name("core"), frozenset(core)


def _insert(around: _Growing, name: Name, cpus: frozenset[int]) -> bool:
    """Whether it fits into what is there; larger parts come first."""
    if cpus == around.cpus and name.kind != "core":
        # A cluster that is a second-level cache says nothing more, for it has no number either.
        if name.kind not in {one.kind for one in around.names}:
            around.names.append(name)
        return True
    for one in around.inside:
        if cpus <= one.cpus:
            return _insert(one, name, cpus)
        if cpus & one.cpus:
            return False
    around.inside.append(_Growing([name], cpus))
    return True


def _is_core(one: _Growing) -> bool:
    return one.names[0].kind == "core"


def _ordered(parts: list[_Growing]) -> list[_Growing]:
    return sorted(parts, key=lambda one: min(one.cpus))


def _finished(one: _Growing, kinds: dict[int, str]) -> Part:
    cpus = tuple(sorted(one.cpus))
    inside = tuple(_finished(part, kinds) for part in _ordered(one.inside))
    return Part(tuple(one.names), cpus, inside, kinds[cpus[0]] if _is_core(one) else "")
