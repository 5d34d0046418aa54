"""What the machine is made of: CPUs, and what they share (cores, caches, dies, packages, memory
nodes).

Guarantees: `Topology` is plain frozen data, whatever it was made from. `source` says what that was,
and is printed wherever the machine is. Only online CPUs have entries. Ids are the kernel's and
opaque: they have gaps, and die ids repeat in every package.

Source: Documentation/ABI/stable/sysfs-devices-system-cpu and sysfs-devices-node of Linux; hwloc for
what is asked.
"""

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from multikernel.errors import BadInput
from multikernel.machine import limits
from multikernel.machine.cpu_list import format_cpu_list

Relation = Literal["same", "smt", "l2", "cluster", "l3", "die", "package", "system"]
"""The closest thing two CPUs share, from nearest to farthest on most machines.

Which of two things is nearer is decided by how many CPUs share it (a cluster may be wider or
narrower than a second- or third-level cache); of two that are shared by the same CPUs, the one
named first here.
"""
Groups = tuple[tuple[int, ...], ...]
"""Each the tuple of its CPUs."""
LIVE = "live"


def capture_source(path: str | os.PathLike[str]) -> str:
    """The `source` of a machine that was captured into this file or directory."""
    name = os.fsencode(Path(path).resolve().name).decode("utf-8", "replace")
    return "capture " + "".join(one if one.isprintable() else "?" for one in name)[:120]


def closest(a: Mapping[int, Relation], b: Mapping[int, Relation]) -> Relation:
    """Of two CPUs, given what each of them shares (Topology.shared)."""
    return next((kind for place, kind in a.items() if place in b), "system")


@dataclass(frozen=True, slots=True)
class Cpu:
    """One online CPU (hardware thread). cluster: the lowest CPU of those that share more than a
    core and less than a die, as the firmware says.
    """

    id: int
    package: int = 0
    die: int = 0  # unique within its package only
    node: int = 0
    siblings: tuple[int, ...] = ()  # the CPUs of its core, itself included, sorted
    capacity: int | None = None  # relative speed, 1024 = the fastest
    kind: str = ""  # "performance", "efficiency" or "low-power" on hybrid x86 processors
    cluster: int | None = None


@dataclass(frozen=True, slots=True)
class Cache:
    """One data or unified cache. Sizes in bytes, None where unknown."""

    level: int
    cpus: tuple[int, ...]  # that share it, sorted
    size: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One memory node. distances: (node id, distance) for every online node, in the firmware's
    units (10 = local); empty if unknown.
    """

    id: int
    cpus: tuple[int, ...]  # empty for memory without processors
    distances: tuple[tuple[int, int], ...] = ()
    device: str = ""  # "GPU": whose memory this is, where it is not the machine's own

    def distance(self, node: int) -> int | None:
        """From this node to `node`, None where unknown."""
        return dict(self.distances).get(node)


@dataclass(frozen=True)
class Topology:
    """A machine; everything is sorted. source: where all this comes from: "live", "capture NAME",
    "invented: 8x4", "" if the maker did not say.
    """

    cpus: tuple[Cpu, ...]
    caches: tuple[Cache, ...]
    nodes: tuple[Node, ...]
    possible: tuple[int, ...]  # CPUs the kernel has room for
    allowed: tuple[int, ...]  # online CPUs this process may run on: affinity mask, control groups
    present: tuple[int, ...] = ()  # CPUs that are there, online or not; empty: unknown
    cpuset: tuple[int, ...] | None = None  # what the control group grants, online or not, if any
    links: tuple[tuple[int, int], ...] = ()  # packages wired to each other, where that is known
    architecture: str = ""  # as uname says ("x86_64")
    source: str = ""

    @classmethod
    def read(
        cls, root: str | os.PathLike[str] = "/", allowed: Iterable[int] | None = None
    ) -> "Topology":
        """Read the /sys tree under `root`. Raises BadInput when it shows no CPU at all.

        allowed: CPUs the caller may use, as far as they are online. By default the affinity mask of
        this process for the live machine ("/"); for any other root what the tree itself says
        (control group, status of the process), else all online CPUs.
        """
        # The reader makes topologies, so it imports this file.
        from multikernel.machine.topology.reader import Reader
        from multikernel.machine.tree import Directory

        tree = Directory(root)
        if os.path.realpath(root) == "/":
            with limits.naming("sched_getaffinity"):
                mask = os.sched_getaffinity(0)
            reader = Reader(tree, source=LIVE, architecture=platform.machine(), where=str(root))
            return reader.read(mask if allowed is None else allowed, online=mask)
        return Reader(tree, source=capture_source(root), where=str(root)).read(allowed)

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "") -> "Topology":
        """The machine that `to_json` wrote. where: the file to name in errors. Raises BadInput."""
        from multikernel.machine.topology.document import decoded

        return decoded(text, where)

    def to_json(self) -> str:
        """All of it as JSON text, schema multikernel-topology/1."""
        from multikernel.machine.topology.document import encoded

        return encoded(self)

    @property
    def online(self) -> tuple[int, ...]:
        """Numbers of the online CPUs."""
        return tuple(cpu.id for cpu in self.cpus)

    @property
    def offline(self) -> tuple[int, ...]:
        """CPUs that are there and switched off; what they share the kernel does not say."""
        return tuple(cpu for cpu in self.present or self.possible if cpu not in self._by_number)

    @property
    def disallowed(self) -> tuple[int, ...]:
        """Online CPUs that this process may not run on."""
        return tuple(sorted({*self.online} - {*self.allowed}))

    @property
    def granted(self) -> tuple[int, ...]:
        """Online CPUs that the control group grants: a process may widen its mask to these."""
        if self.cpuset is None:
            return self.online
        return tuple(sorted({*self.online} & {*self.cpuset, *self.allowed}))

    @property
    def unplaced(self) -> tuple[int, ...]:
        """Online CPUs that no memory node lists; which node they are near is assumed."""
        return tuple(sorted({*self.online}.difference(*(node.cpus for node in self.nodes))))

    @property
    def invented(self) -> bool:
        """Whether nobody has this machine: wherever it appears, that must be said."""
        return self.source.startswith("invented")

    # Groups of CPUs, in order of their first CPU.

    @property
    def cores(self) -> Groups:
        """Physical cores."""
        return self._groups(lambda cpu: min(cpu.siblings, default=cpu.id))

    @property
    def clusters(self) -> Groups:
        """Empty where the machine has none or does not say; so are l2 and l3."""
        return self._groups(lambda cpu: cpu.cluster)

    @property
    def dies(self) -> Groups:
        """In packages: their numbers repeat."""
        return self._groups(lambda cpu: (cpu.package, cpu.die))

    @property
    def packages(self) -> Groups:
        """Sockets."""
        return self._groups(lambda cpu: cpu.package)

    @property
    def l2(self) -> Groups:
        """CPUs that share a second-level cache."""
        return tuple(cache.cpus for cache in self.caches if cache.level == 2)

    @property
    def l3(self) -> Groups:
        """CPUs that share a third-level cache."""
        return tuple(cache.cpus for cache in self.caches if cache.level == 3)

    def cpu(self, number: int) -> Cpu:
        """The online CPU of that number; raises BadInput if there is none."""
        found = self._by_number.get(number)
        if found is None:
            hint = f"online are {format_cpu_list(self.online)}"
            raise BadInput("no such online CPU", value=number, hint=hint)
        return found

    def relation(self, a: int, b: int) -> Relation:
        """The closest thing that two CPUs share; raises BadInput for one that is not online."""
        return "same" if a == b else closest(self.shared(a), self.shared(b))

    def shared(self, number: int) -> Mapping[int, Relation]:
        """What an online CPU shares, the closest first: places in `groups`, and of what kind they
        are. Raises BadInput. Files that contradict each other put a CPU into two groups of one
        kind.
        """
        return self._shared[self.cpu(number).id]

    @cached_property
    def groups(self) -> tuple[tuple[Relation, tuple[int, ...]], ...]:
        """All that CPUs share: of what kind it is, and by which CPUs. From the fewest CPUs to the
        most; of equals the kind comes first that Relation names first.
        """
        levels: dict[Relation, Groups] = {
            "smt": self.cores,
            "l2": self.l2,
            "cluster": self.clusters,
            "l3": self.l3,
            "die": self.dies,
            "package": self.packages,
        }
        found = [(name, group) for name, many in levels.items() for group in many]
        return tuple(sorted(found, key=lambda one: len(one[1])))

    @cached_property
    def _by_number(self) -> dict[int, Cpu]:
        return {cpu.id: cpu for cpu in self.cpus}

    @cached_property
    def _shared(self) -> dict[int, dict[int, Relation]]:
        found: dict[int, dict[int, Relation]] = {cpu.id: {} for cpu in self.cpus}
        for place, (name, group) in enumerate(self.groups):
            for cpu in group:
                found[cpu][place] = name
        return found

    def summary(self) -> dict[str, Any]:
        """As a result document records it: counts, and CPU lists in the kernel's format."""
        listed = format_cpu_list
        kinds = sorted({cpu.kind for cpu in self.cpus} - {""})
        return {
            "packages": len(self.packages),
            "dies": len(self.dies),
            "cores": len(self.cores),
            "cpus": len(self.cpus),
            "threads_per_core": max(map(len, self.cores)),
            "source": self.source,
            "online": listed(self.online),
            "offline": listed(self.offline),
            "possible": listed(self.possible),
            "allowed": listed(self.allowed),
            "siblings": [listed(core) for core in self.cores if len(core) > 1],
            "clusters": list(map(listed, self.clusters)),
            "l2": list(map(listed, self.l2)),
            "l3": list(map(listed, self.l3)),
            "nodes": [
                {
                    "id": node.id,
                    "cpus": listed(node.cpus),
                    "distances": [d for _, d in node.distances],
                }
                for node in self.nodes
            ],
            "kinds": {
                kind: listed(cpu.id for cpu in self.cpus if cpu.kind == kind) for kind in kinds
            },
        }

    def _groups(self, key: Callable[[Cpu], Hashable]) -> Groups:
        """By key; None belongs to no group."""
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for cpu in self.cpus:
            groups[key(cpu)].append(cpu.id)
        return tuple(tuple(group) for value, group in groups.items() if value is not None)
