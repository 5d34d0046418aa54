"""The machine as far as a plan of pairs needs it: where each CPU lies, how two of them are related,
how far nodes are.

Guarantees: pure values, from what the machine declares; relations are those of `Topology`, fast
enough for a quarter of a million pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from multikernel.machine.topology.model import Relation, Topology, closest

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a CPU lies. Every id is unique on the machine; l3 is None where the machine does not
    say. shared: as of Topology.shared.
    """

    cpu: int
    core: int
    l3: int | None = None
    package: int = 0
    die: int = 0
    node: int = 0
    kind: str = ""
    shared: Mapping[int, Relation] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Map:
    """The CPUs to measure, and distances between nodes (absent: unknown)."""

    sites: tuple[Site, ...]
    distances: Mapping[Pair, int] = field(default_factory=dict)

    @property
    def by_cpu(self) -> dict[int, Site]:
        """Where each CPU lies."""
        return {site.cpu: site for site in self.sites}

    @property
    def nodes(self) -> tuple[int, ...]:
        """The memory nodes these CPUs belong to."""
        return tuple(sorted({site.node for site in self.sites}))


def map_of(topology: Topology, cpus: Iterable[int]) -> Map:
    """From what the machine declares. Raises BadInput for a CPU that is not online."""
    l3 = {cpu: number for number, group in enumerate(topology.l3) for cpu in group}
    dies: dict[Pair, int] = {}
    sites = []
    for cpu in map(topology.cpu, cpus):
        die = dies.setdefault((cpu.package, cpu.die), len(dies))
        sites.append(
            Site(
                cpu.id, min(cpu.siblings or (cpu.id,)), l3.get(cpu.id), cpu.package, die, cpu.node,
                cpu.kind, topology.shared(cpu.id),
            )
        )  # fmt: skip
    distances = {
        (node.id, other): distance for node in topology.nodes for other, distance in node.distances
    }
    return Map(tuple(sites), distances)


def relation(a: Site, b: Site) -> Relation:
    """The closest thing that two CPUs share."""
    return "same" if a.cpu == b.cpu else closest(a.shared, b.shared)
