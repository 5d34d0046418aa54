"""A `Topology` from a tree of /sys: the live machine, or one somebody captured.

Guarantees: missing or garbled files (virtual machines without memory nodes, arm64 without cache
information, old kernels) make the fact absent, never an error: a CPU with no sibling list is a core
of its own, a machine with no package ids is one package, one without nodes is one node. What
contradicts itself is absent too: CPUs are siblings only if each lists the same ones, a CPU is in
one node, and a node that lists only CPUs of others is none (some firmware lists all of them in
each). `core_id` is not unique; it tells apart only those whom the kernel lists as siblings: the two
cores of an AMD module, which have a first-level cache each and share the rest, as a cluster.

Source: Documentation/ABI/stable/sysfs-devices-system-cpu and sysfs-devices-node of Linux;
cgroups(7), cpuset(7).
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from multikernel.errors import BadInput
from multikernel.machine import control_groups
from multikernel.machine.cpu_list import MAX_CPU_ID, Lists, parse_cpu_list, parse_cpu_mask
from multikernel.machine.topology.model import Cache, Cpu, Node, Topology
from multikernel.machine.tree import Tree

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
MASKS = ("_siblings", "_map", "cpumap")
"""How the names of files end that hold a mask of CPUs."""
CPUSETS = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
"""What a control group grants."""
KINDS = {"cpu_core": "performance", "cpu_atom": "efficiency", "cpu_lowpower": "low-power"}
"""Hybrid x86: sys/devices/DRIVER/cpus of performance-counter drivers lists the CPUs of a kind."""
MAX_NODES = 1024
"""Of more memory nodes, no distances are read: Linux knows no more."""
GPUS = "proc/driver/nvidia/gpus"
"""Of graphics processors whose memory is a node: GPUS/ADDRESS/numa_status says which."""

Cpus = tuple[int, ...]


@dataclass
class Reader:
    """Reads one tree; every accessor answers None for a file that is missing or does not parse.

    source, architecture: as in Topology. where: what to name when there is no machine in the tree.
    lists: those that were read of this tree before.
    """

    tree: Tree
    source: str
    architecture: str = ""
    where: str = ""
    lists: Lists = field(default_factory=Lists)
    _online: frozenset[int] = frozenset()
    _mates_of: dict[int, Cpus] = field(default_factory=dict)

    def read(self, allowed: Iterable[int] | None = None, online: Iterable[int] = ()) -> Topology:
        """Raises BadInput when there is no CPU at all. allowed: as in Topology.read; None: what
        the tree says. online: these, where no file says.
        """
        there = tuple(self._numbered(CPU, "cpu"))
        # CPU 0 often has no "online" file, because it cannot be taken offline: absent means online.
        numbers = (
            self._list(CPU, "online")
            or tuple(cpu for cpu in there if self._number(f"{CPU}/cpu{cpu}/online") != 0)
            or tuple(sorted(online))
        )
        if not numbers:
            hint = "name the directory that holds 'sys'"
            raise BadInput("no CPU found in the /sys tree", value=self.where, hint=hint)
        self._online = frozenset(numbers)
        cpuset = self.cpuset()
        if allowed is None:
            allowed = set(numbers if cpuset is None else cpuset) & set(self.affinity() or numbers)
        wanted = set(allowed)
        nodes = self._nodes(numbers)
        return Topology(
            cpus=tuple(self._cpus(numbers, nodes)),
            caches=self._caches(numbers),
            nodes=nodes,
            possible=self._list(CPU, "possible") or numbers,
            allowed=tuple(cpu for cpu in numbers if cpu in wanted),
            present=self._list(CPU, "present") or there or numbers,
            cpuset=cpuset,
            architecture=self.architecture,
            source=self.source,
        )

    def cpuset(self) -> Cpus | None:
        """What the control group of the process grants; without the file, what its parent does."""
        groups = control_groups.directories(self.tree.text, "cpuset")
        return next(filter(None, (self._list(group, *CPUSETS) for group in groups)), None)

    def affinity(self) -> Cpus | None:
        """The affinity mask of the process."""
        text = self.tree.text("proc/self/status") or ""
        match = re.search(r"^Cpus_allowed_list:\s*(\S+)$", text, re.MULTILINE)
        try:
            return self.lists.read(match[1]) if match else None
        except ValueError:
            return None

    def _number(self, path: str) -> int | None:
        """Not negative: by -1 firmware and kernel say that they do not know."""
        text = self.tree.text(path) or ""
        return int(text) if re.fullmatch("[0-9]{1,18}", text, re.ASCII) else None

    def _list(self, directory: str, *names: str) -> Cpus | None:
        """The first of these files, newer ones before older ones, that lists any CPU."""
        for name in names:
            parse = parse_cpu_mask if name.endswith(MASKS) else parse_cpu_list
            try:
                cpus = self.lists.read(self.tree.text(f"{directory}/{name}") or "", parse)
            except ValueError:
                continue
            if cpus:
                return cpus
        return None

    def _mates(self, directory: str, *names: str) -> Cpus:
        """The online CPUs of such a list, () for none; of one list found once."""
        listed = self._list(directory, *names) or ()
        if id(listed) not in self._mates_of:
            self._mates_of[id(listed)] = tuple(cpu for cpu in listed if cpu in self._online)
        return self._mates_of[id(listed)]

    def _numbered(self, directory: str, prefix: str) -> list[int]:
        """N of every entry `prefix`N in `directory`, sorted."""
        names = self.tree.names(directory)
        matches = (re.fullmatch(prefix + "([0-9]{1,9})", name, re.ASCII) for name in names)
        numbers = (int(match[1]) for match in matches if match)
        return sorted(number for number in numbers if number <= MAX_CPU_ID)

    def _cpus(self, numbers: Cpus, nodes: tuple[Node, ...]) -> Iterator[Cpu]:
        node_of = {cpu: node.id for node in nodes for cpu in node.cpus}
        kinds = {
            cpu: kind
            for driver, kind in KINDS.items()
            for cpu in self._list(f"sys/devices/{driver}", "cpus") or ()
        }
        modules = self._modules(numbers)
        for number in numbers:
            siblings, module = modules.get(number, ((number,), (number,)))
            directory = f"{CPU}/cpu{number}/topology"
            package = self._number(f"{directory}/physical_package_id")
            if package is None:
                older = ("core_siblings_list", "core_siblings")
                package = (self._list(directory, "package_cpus_list", *older) or (0,))[0]
            cluster = self._mates(directory, "cluster_cpus_list")
            if len(cluster) <= len(module) or not _holds(cluster, number):
                cluster = module
            yield Cpu(
                id=number,
                package=package,
                die=self._number(f"{directory}/die_id") or 0,
                node=node_of.get(number, nodes[0].id),
                siblings=siblings,
                capacity=self._number(f"{CPU}/cpu{number}/cpu_capacity"),
                kind=kinds.get(number, ""),
                # Kernels without an idea of clusters list the core, or the CPU alone.
                cluster=cluster[0] if len(cluster) > len(siblings) else None,
            )

    def _modules(self, numbers: Cpus) -> dict[int, tuple[Cpus, Cpus]]:
        """Of CPUs that all list the same ones as siblings: those of the core, and all of them."""
        listing: dict[Cpus, list[int]] = defaultdict(list)
        names = ("core_cpus_list", "thread_siblings_list", "thread_siblings")
        for number in numbers:
            listing[self._mates(f"{CPU}/cpu{number}/topology", *names)].append(number)
        found = {}
        for group, members in listing.items():
            if group != tuple(members):
                continue
            cores: dict[int | None, list[int]] = defaultdict(list)
            for number in group:
                cores[self._number(f"{CPU}/cpu{number}/topology/core_id")].append(number)
            for siblings in map(tuple, cores.values()):
                found.update(dict.fromkeys(siblings, (siblings, group)))
        return found

    def _caches(self, numbers: Cpus) -> tuple[Cache, ...]:
        caches: dict[tuple[int, Cpus], Cache] = {}
        for number in numbers:
            directory = f"{CPU}/cpu{number}/cache"
            for index in self._numbered(directory, "index"):
                entry = f"{directory}/index{index}"
                level = self._number(f"{entry}/level") or 0
                # Instruction caches carry no messages.
                if not 1 <= level <= 9 or self.tree.text(f"{entry}/type") == "Instruction":
                    continue
                cpus = self._mates(entry, "shared_cpu_list", "shared_cpu_map")
                if _holds(cpus, number):
                    line = self._number(f"{entry}/coherency_line_size")
                    caches[level, cpus] = Cache(level, cpus, self._size(f"{entry}/size"), line)
        return tuple(cache for _, cache in sorted(caches.items()))

    def _size(self, path: str) -> int | None:
        match = re.fullmatch("([0-9]{1,9})([KMG]?)", self.tree.text(path) or "", re.ASCII)
        return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]] if match else None

    def _nodes(self, numbers: Cpus) -> tuple[Node, ...]:
        # "distance" has one column an *online* node, not one a possible node.
        columns = self._list(NODE, "online") or tuple(self._numbered(NODE, "node"))
        gpus = (self.tree.text(f"{GPUS}/{name}/numa_status") for name in self.tree.names(GPUS))
        matches = (re.search(r"^Node:\s*([0-9]{1,9})$", text or "", re.MULTILINE) for text in gpus)
        of_gpus = {int(match[1]) for match in matches if match}
        left = set(numbers)
        nodes = []
        for number in columns:
            directory = f"{NODE}/node{number}"
            if not self.tree.names(directory):
                continue
            mates = self._mates(directory, "cpulist", "cpumap")
            cpus = tuple(cpu for cpu in mates if cpu in left)
            if mates and not cpus:
                continue
            left.difference_update(cpus)
            words = (self.tree.text(f"{directory}/distance") or "").split()
            known = len(words) == len(columns) <= MAX_NODES and all(
                re.fullmatch("[0-9]{1,9}", word) for word in words
            )
            distances = tuple(zip(columns, map(int, words), strict=True)) if known else ()
            nodes.append(Node(number, cpus, distances, "GPU" if number in of_gpus else ""))
        if not any(node.cpus for node in nodes):
            return (Node(id=0, cpus=numbers, distances=((0, 10),)),)
        there = {node.id for node in nodes}
        return tuple(
            replace(node, distances=tuple(one for one in node.distances if one[0] in there))
            for node in nodes
        )


def _holds(cpus: Cpus, number: int) -> bool:
    """Whether a sorted list names a CPU."""
    at = bisect_left(cpus, number)
    return at < len(cpus) and cpus[at] == number
