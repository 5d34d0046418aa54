"""The machine as far as a plan of pairs needs it: where each CPU lies, how two of them are related,
how far nodes are.

Guarantees: pure values, from what the machine declares or a test invents; relations are those of
`Topology.relation`, fast enough for a quarter of a million pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from multikernel.machine.topology import Relation, Topology

Pair = tuple[int, int]

RELATIONS: Mapping[str, str] = {
    "smt": "hardware threads of one core",
    "l2": "CPUs that share a second-level cache",
    "l3": "CPUs that share a third-level cache",
    "die": "CPUs of one die",
    "package": "CPUs of one package",
    "system": "CPUs of different packages",
}
"""What the groups are called, from nearest to farthest."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a CPU lies. Every id is unique on the machine; l2 and l3 are None where the machine
    does not say.
    """

    cpu: int
    core: int
    l2: int | None = None
    l3: int | None = None
    package: int = 0
    die: int = 0
    node: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Map:
    """The CPUs to measure, and distances between nodes (absent: unknown)."""

    sites: tuple[Site, ...]
    distances: Mapping[Pair, int] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[int, ...]:
        """The memory nodes these CPUs belong to."""
        return tuple(sorted({site.node for site in self.sites}))


def map_of(topology: Topology, cpus: Iterable[int]) -> Map:
    """From what the machine declares. Raises BadInput for a CPU that is not online."""
    l2 = {cpu: number for number, group in enumerate(topology.l2) for cpu in group}
    l3 = {cpu: number for number, group in enumerate(topology.l3) for cpu in group}
    dies: dict[Pair, int] = {}
    sites = []
    for cpu in map(topology.cpu, cpus):
        die = dies.setdefault((cpu.package, cpu.die), len(dies))
        sites.append(
            Site(
                cpu.id, min(cpu.siblings or (cpu.id,)), l2.get(cpu.id), l3.get(cpu.id), cpu.package,
                die, cpu.node,
                cpu.kind,
            )
        )  # fmt: skip
    distances = {
        (node.id, other): distance for node in topology.nodes for other, distance in node.distances
    }
    return Map(tuple(sites), distances)


def relation(a: Site, b: Site) -> Relation:
    """The closest thing that two CPUs share; as Topology.relation, for a quarter of a million
    pairs.
    """
    if a.cpu == b.cpu:
        return "same"
    if a.core == b.core:
        return "smt"
    if a.l2 is not None and a.l2 == b.l2:
        return "l2"
    if a.l3 is not None and a.l3 == b.l3:
        return "l3"
    if a.package != b.package:
        return "system"
    return "die" if a.die == b.die else "package"
