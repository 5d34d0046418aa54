"""Where the cores of a system stand: core i runs on CPU cpus[i] of a topology.

Guarantees: cores are numbered 0 … n-1; several may share a CPU. Answers are numpy arrays over the
cores, so that 512 cores cost milliseconds. What the machine does not say divides no cores.

The placement comes from machine.cpus.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from multikernel.errors import BadInput
from multikernel.machine.host.cpus import resolve
from multikernel.machine.topology.model import Cpu, Relation, Topology

RELATIONS: tuple[Relation, ...] = get_args(Relation)
"""From nearest to farthest."""
SYSTEM = RELATIONS.index("system")

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Site:
    """A topology, and for each core the CPU it runs on. Raises BadInput for no core, or a CPU that
    is not online.
    """

    topology: Topology
    cpus: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.cpus:
            raise BadInput("a site needs at least one core")
        for cpu in set(self.cpus):
            self.topology.cpu(cpu)

    @classmethod
    def of(cls, topology: Topology, cores: str | int | Sequence[int] | None = None) -> "Site":
        """Cores placed as `boot` places them: cores as in machine.cpus, None for one on every
        allowed CPU.
        """
        return cls(topology, resolve(cores, topology).cpus)

    @property
    def n(self) -> int:
        """Number of cores."""
        return len(self.cpus)

    @property
    def cores(self) -> range:
        """All cores."""
        return range(self.n)

    @cached_property
    def package(self) -> Labels:
        """By core, the number of its package, counted from 0 in the order of the first CPUs."""
        return self._numbered(lambda cpu: cpu.package)

    @cached_property
    def node(self) -> Labels:
        """By core, the id of its memory node."""
        return np.array([self._entries[cpu].node for cpu in self.cpus], dtype=np.int64)

    @cached_property
    def die(self) -> Labels:
        """By core, the number of its die, unique on the machine."""
        return self._numbered(lambda cpu: (cpu.package, cpu.die))

    @cached_property
    def l3(self) -> Labels:
        """By core, the number of its third-level cache; cores without one that is known each get
        their own.
        """
        cache = {cpu: number for number, group in enumerate(self.topology.l3) for cpu in group}
        return np.array([cache.get(cpu, -1 - cpu) for cpu in self.cpus], dtype=np.int64)

    @cached_property
    def group(self) -> Labels:
        """By core, the number of its group, for trees that cross between groups once.

        Groups are the coarsest of packages, memory nodes, dies and third-level caches that divide
        the cores at all, as the paper's packages do; one group if none does.
        """
        dividing = [
            (len(groups), labels)
            for labels in (self.package, self.node, self.die, self.l3)
            if 1 < len(groups := np.unique(labels)) < len(set(self.cpus))
        ]
        if not dividing:
            return np.zeros(self.n, dtype=np.int64)
        _, coarsest = min(dividing, key=lambda one: one[0])
        return np.searchsorted(np.unique(coarsest), coarsest)

    @cached_property
    def relation(self) -> NDArray[np.int8]:
        """By pair of cores, the index in `RELATIONS` of the closest thing their CPUs share."""
        cores_on: dict[int, list[int]] = {}
        for core, cpu in enumerate(self.cpus):
            cores_on.setdefault(cpu, []).append(core)
        found = np.full((self.n, self.n), SYSTEM, dtype=np.int8)
        # From wide to narrow: what is narrower overwrites.
        for kind, group in reversed(self.topology.groups):
            here = [core for cpu in group for core in cores_on.get(cpu, ())]
            found[np.ix_(here, here)] = RELATIONS.index(kind)
        for here in cores_on.values():
            found[np.ix_(here, here)] = RELATIONS.index("same")
        return found

    @cached_property
    def distance(self) -> Labels:
        """By pair of cores, the firmware's distance of their memory nodes (10 = the same node); 0
        where unknown.
        """
        ids = sorted({node.id for node in self.topology.nodes} | set(self.node.tolist()))
        table = np.zeros((len(ids), len(ids)), dtype=np.int64)
        for node in self.topology.nodes:
            for other, distance in node.distances:
                if other in ids:
                    table[ids.index(node.id), ids.index(other)] = distance
        place = np.searchsorted(np.array(ids), self.node)
        between: Labels = table[np.ix_(place, place)]
        return between

    @cached_property
    def _entries(self) -> dict[int, Cpu]:
        return {cpu.id: cpu for cpu in self.topology.cpus}

    def _numbered(self, key: Callable[[Cpu], Any]) -> Labels:
        numbers: dict[Any, int] = {}
        for cpu in self.topology.cpus:
            numbers.setdefault(key(cpu), len(numbers))
        return np.array([numbers[key(self._entries[cpu])] for cpu in self.cpus], dtype=np.int64)
