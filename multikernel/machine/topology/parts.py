"""A machine as boxes within boxes: packages, nodes, dies, shared caches, clusters, down to the
cores.

Guarantees: every online CPU is in exactly one core, every core in exactly one place; a box holds at
least two cores or is the only thing that says something (a package of one core). What consists of
the same CPUs is one box with several names. What lies across others (a node of half of two
packages) is no box, and is named in `across`. Idea: hwloc's tree of objects, with levels merged
that add no structure.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.topology.model import Topology

LEVELS = ("package", "node", "die", "L3", "cluster", "L2", "core")
"""From the outside in, where sizes do not decide."""


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a box."""

    kind: str  # of LEVELS
    number: int | None = None  # the kernel's, where it has one
    size: int | None = None  # of caches, in bytes

    def __str__(self) -> str:
        number = "" if self.number is None else f" {self.number}"
        return self.kind + number + ("" if self.size is None else f" {amount(self.size)}")


@dataclass(slots=True)
class Part:
    """A box, or a core (without parts of its own)."""

    names: list[Name]
    cpus: tuple[int, ...]  # sorted
    kind: str = ""  # of cores, as in Cpu
    parts: list[Part] = field(default_factory=list)

    @property
    def title(self) -> str:
        """All its names."""
        return " · ".join(map(str, self.names))

    def shape(self) -> object:
        """Equal for parts that look the same but for numbers."""
        names = [(name.kind, name.size) for name in self.names]
        return names, len(self.cpus), self.kind, [part.shape() for part in self.parts]


@dataclass(frozen=True, slots=True)
class Boxes:
    """A whole machine."""

    parts: list[Part]
    across: list[str]  # what lies across boxes, in words


def amount(size: int) -> str:
    """Bytes for people: 512 KB, 32 MB."""
    for unit, shift in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.4g} {unit}"
    return f"{size} B"


def boxes(topology: Topology) -> Boxes:
    """The boxes of a machine."""
    core_of = {cpu: core for core in topology.cores for cpu in core}
    machine = Part([], topology.online)
    innermost = dict.fromkeys(topology.online, machine)
    across = []
    # Larger ones first, so that what is there never lies inside of what comes.
    order = sorted(
        _named(topology), key=lambda one: (-len(one[1]), LEVELS.index(one[0].kind), one[1])
    )
    for name, cpus in order:
        cores = {core_of[cpu] for cpu in cpus}
        # What a single core has of its own is said of all cores at once.
        if name.kind in ("L2", "L3", "cluster") and len(cores) == 1:
            continue
        around = innermost[cpus[0]]
        divided = sum(map(len, cores)) > len(cpus)
        if divided or any(innermost[cpu] is not around for cpu in cpus):
            across.append(f"{name}: CPUs {format_cpu_list(cpus)}")
        elif cpus != around.cpus or name.kind == "core":
            kind = topology.cpu(cpus[0]).kind if name.kind == "core" else ""
            box = Part([name], cpus, kind)
            insort(around.parts, box, key=lambda one: one.cpus)
            innermost.update(dict.fromkeys(cpus, box))
        # A cluster that is a second-level cache says nothing more, for it has no number either.
        elif name.kind not in {one.kind for one in around.names}:
            around.names.append(name)
    return Boxes([machine] if machine.names else machine.parts, across)


def _named(topology: Topology) -> Iterator[tuple[Name, tuple[int, ...]]]:
    for package in topology.packages:
        yield Name("package", topology.cpu(package[0]).package), package
    for node in topology.nodes:
        if node.cpus and len(topology.nodes) > 1:
            yield Name("node", node.id), node.cpus
    if len(topology.dies) > len(topology.packages):
        for die in topology.dies:
            yield Name("die", topology.cpu(die[0]).die), die
    for cache in topology.caches:
        if cache.level in (2, 3):
            yield Name(f"L{cache.level}", size=cache.size), cache.cpus
    for cluster in topology.clusters:
        yield Name("cluster"), cluster
    for core in topology.cores:
        yield Name("core"), core
