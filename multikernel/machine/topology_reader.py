"""A `Topology` from a tree of /sys: the live machine, or one somebody captured.

Guarantees: missing or garbled files (virtual machines without memory nodes, arm64 without cache
information, old kernels) make the fact absent, never an error: a CPU with no sibling list is a core
of its own, a machine with no package ids is one package, one without nodes is one node. What
contradicts itself is absent too: CPUs are siblings only if each lists the same ones, and a CPU is
in one node. `core_id` is not read at all, because it is not unique.

Source: Documentation/ABI/stable/sysfs-devices-system-cpu and sysfs-devices-node of Linux;
cgroups(7), cpuset(7).
"""

import re
from collections.abc import Iterable

from multikernel.errors import BadInput
from multikernel.machine import control_groups
from multikernel.machine.topology import (
    MAX_CPU_ID,
    Cache,
    Cpu,
    Node,
    Topology,
    parse_cpu_list,
    parse_cpu_mask,
)
from multikernel.machine.tree import Tree

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
MASKS = ("_siblings", "_map", "cpumap")
"""How the names of files end that hold a mask of CPUs."""
KINDS = {"cpu_core": "performance", "cpu_atom": "efficiency", "cpu_lowpower": "low-power"}
"""Hybrid x86: the performance-counter drivers list the CPUs of each kind, in
sys/devices/DRIVER/cpus.
"""


class Reader:
    """Reads one tree; every accessor answers None for a file that is missing or does not parse.

    source, architecture: as in Topology. where: what to name when there is no machine in the tree.
    """

    def __init__(self, tree: Tree, *, source: str, architecture: str = "", where: str = "") -> None:
        self.tree = tree
        self.source = source
        self.architecture = architecture
        self.where = where

    def read(self, allowed: Iterable[int] | None = None, online: Iterable[int] = ()) -> Topology:
        """The machine. allowed: as in Topology.read; None: what the tree says. online: these, where
        no file says.

        Raises BadInput when there is no CPU at all.
        """
        numbers = self._online() or tuple(sorted(online))
        if not numbers:
            raise BadInput(
                "no CPU found in the /sys tree",
                value=self.where,
                hint="name the directory that holds 'sys'",
            )
        cpuset = self.cpuset()
        if allowed is None:
            allowed = set(numbers if cpuset is None else cpuset) & set(self.affinity() or numbers)
        wanted = set(allowed)
        nodes = self._nodes(numbers)
        return Topology(
            cpus=self._cpus(numbers, nodes),
            caches=self._caches(numbers),
            nodes=nodes,
            possible=self._list(f"{CPU}/possible") or numbers,
            allowed=tuple(cpu for cpu in numbers if cpu in wanted),
            present=self._list(f"{CPU}/present") or tuple(self._numbered(CPU, "cpu")) or numbers,
            cpuset=cpuset,
            architecture=self.architecture,
            source=self.source,
        )

    def cpuset(self) -> tuple[int, ...] | None:
        """What the control group of the process grants. A group without the file has what its
        parent has.
        """
        names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
        for directory in control_groups.directories(self.tree.text, "cpuset"):
            found = self._list(*(f"{directory}/{name}" for name in names))
            if found:
                return found
        return None

    def affinity(self) -> tuple[int, ...] | None:
        """The affinity mask of the process."""
        text = self.tree.text("proc/self/status") or ""
        match = re.search(r"^Cpus_allowed_list:\s*(\S+)$", text, re.MULTILINE)
        try:
            return tuple(sorted(set(parse_cpu_list(match[1])))) if match else None
        except ValueError:
            return None

    def _int(self, path: str) -> int | None:
        text = self.tree.text(path)
        return (
            int(text)
            if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII)
            else None
        )

    def _amount(self, path: str) -> int | None:
        """A number that cannot be negative."""
        number = self._int(path)
        return None if number is None or number < 0 else number

    def _list(self, *paths: str) -> tuple[int, ...] | None:
        """The first of `paths` that holds a non-empty CPU list, sorted: newer names first, older
        after.

        Masks are older than lists, and have their names without "_list" or with "map" for it.
        """
        for path in paths:
            parse = parse_cpu_mask if path.endswith(MASKS) else parse_cpu_list
            try:
                cpus = parse(self.tree.text(path) or "")
            except ValueError:
                continue
            if cpus:
                return tuple(sorted(set(cpus)))
        return None

    def _numbered(self, directory: str, prefix: str) -> list[int]:
        """N of every entry `prefix`N in `directory`, sorted; empty if there is no such
        directory.
        """
        matches = (
            re.fullmatch(prefix + r"([0-9]{1,9})", name, re.ASCII)
            for name in self.tree.names(directory)
        )
        numbers = (int(match[1]) for match in matches if match)
        return sorted(number for number in numbers if number <= MAX_CPU_ID)

    def _online(self) -> tuple[int, ...]:
        # CPU 0 often has no "online" file, because it cannot be taken offline: absent means online.
        return self._list(f"{CPU}/online") or tuple(
            number
            for number in self._numbered(CPU, "cpu")
            if self._int(f"{CPU}/cpu{number}/online") != 0
        )

    def _cpus(self, numbers: tuple[int, ...], nodes: tuple[Node, ...]) -> tuple[Cpu, ...]:
        online = frozenset(numbers)
        node_of = {cpu: node.id for node in nodes for cpu in node.cpus}
        kinds = {
            cpu: kind
            for driver, kind in KINDS.items()
            for cpu in self._list(f"sys/devices/{driver}/cpus") or ()
        }
        listed = {}
        for number in numbers:
            directory = f"{CPU}/cpu{number}/topology"
            names = ("core_cpus_list", "thread_siblings_list", "thread_siblings")
            found = self._list(*(f"{directory}/{name}" for name in names)) or ()
            listed[number] = tuple(sorted(online.intersection(found) | {number}))
        return tuple(
            self._cpu(
                number,
                online,
                node_of.get(number, nodes[0].id),
                listed[number]
                if all(listed[one] == listed[number] for one in listed[number])
                else (number,),
                kinds.get(number, ""),
            )
            for number in numbers
        )

    def _cpu(
        self, number: int, online: frozenset[int], node: int, siblings: tuple[int, ...], kind: str
    ) -> Cpu:
        directory = f"{CPU}/cpu{number}/topology"
        package = self._int(f"{directory}/physical_package_id")
        if package is None or package < 0:  # -1: the firmware does not say
            names = ("package_cpus_list", "core_siblings_list", "core_siblings")
            mates = self._list(*(f"{directory}/{name}" for name in names))
            package = min(mates) if mates else 0
        cluster = sorted(online.intersection(self._list(f"{directory}/cluster_cpus_list") or ()))
        return Cpu(
            id=number,
            package=package,
            die=max(self._int(f"{directory}/die_id") or 0, 0),
            node=node,
            siblings=siblings,
            capacity=self._amount(f"{CPU}/cpu{number}/cpu_capacity"),
            kind=kind,
            # Kernels without an idea of clusters list the core, or the CPU alone.
            cluster=cluster[0] if number in cluster and len(cluster) > len(siblings) else None,
        )

    def _caches(self, numbers: tuple[int, ...]) -> tuple[Cache, ...]:
        online = frozenset(numbers)
        caches: dict[tuple[int, tuple[int, ...]], Cache] = {}
        for number in numbers:
            directory = f"{CPU}/cpu{number}/cache"
            for index in self._numbered(directory, "index"):
                entry = f"{directory}/index{index}"
                level, shared = (
                    self._int(f"{entry}/level"),
                    self._list(f"{entry}/shared_cpu_list", f"{entry}/shared_cpu_map"),
                )
                if level is None or not 1 <= level <= 9 or shared is None:
                    continue
                # Instruction caches carry no messages.
                if self.tree.text(f"{entry}/type") == "Instruction":
                    continue
                cpus = tuple(cpu for cpu in shared if cpu in online)
                if number in cpus:
                    size, line = (
                        self._size(f"{entry}/size"),
                        self._amount(f"{entry}/coherency_line_size"),
                    )
                    caches[level, cpus] = Cache(level=level, cpus=cpus, size=size, line=line)
        return tuple(caches[key] for key in sorted(caches))

    def _size(self, path: str) -> int | None:
        match = re.fullmatch(r"([0-9]{1,9})([KMG]?)", self.tree.text(path) or "", re.ASCII)
        return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]] if match else None

    def _nodes(self, numbers: tuple[int, ...]) -> tuple[Node, ...]:
        # "distance" has one column an *online* node, not one a possible node.
        columns = self._list(f"{NODE}/online") or tuple(self._numbered(NODE, "node"))
        left = set(numbers)
        nodes = []
        for number in columns:
            directory = f"{NODE}/node{number}"
            if not self.tree.names(directory):
                continue
            words = (self.tree.text(f"{directory}/distance") or "").split()
            known = len(words) == len(columns) and all(
                re.fullmatch(r"[0-9]{1,9}", word) for word in words
            )
            mates = self._list(f"{directory}/cpulist", f"{directory}/cpumap") or ()
            cpus = tuple(cpu for cpu in mates if cpu in left)
            left.difference_update(cpus)
            distances = tuple(zip(columns, map(int, words), strict=True)) if known else ()
            nodes.append(Node(id=number, cpus=cpus, distances=distances))
        if not any(node.cpus for node in nodes):
            return (Node(id=0, cpus=numbers, distances=((0, 10),)),)
        return tuple(nodes)
