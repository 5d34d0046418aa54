"""What the machine is made of: CPUs, and what they share (cores, caches, dies, packages, memory nodes).

Guarantees: `Topology` is plain frozen data, whatever it was made from; `Topology.read` makes it from the /sys
tree under any root. Missing or garbled files (virtual machines without memory nodes, arm64 without cache
information, old kernels) make the fact absent: a CPU with no sibling list is a core of its own, a machine
with no package ids is one package, one without nodes is one node. Only online CPUs have entries. Ids are the
kernel's and opaque: they have gaps, die ids repeat in every package, and `core_id` is not read at all,
because it is not unique.

Called by: cpus (placement), environment and caveats (the record), knowledge (facts). Other makers of a
`Topology` (invented machines, captures) call its constructor.
Source: Documentation/ABI/stable/sysfs-devices-system-cpu and sysfs-devices-node of Linux.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from multikernel.errors import BadInput

MAX_CPU_ID = 65535
"""Largest CPU number accepted in a list: Linux is built for at most 8192 (x86-64) today; the rest is a typing
error.
"""

Relation = Literal["same", "smt", "l2", "l3", "die", "package", "system"]
"""The closest thing two CPUs share, from nearest to farthest."""


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Read the kernel's list format, "0,2-3" → (0, 2, 3), in the order written; "" → ().

    Raises ValueError, with a sentence, on anything else: signs, reversed ranges, numbers above `MAX_CPU_ID`.
    """
    cpus: list[int] = []
    if not text.strip():
        return ()
    for part in text.strip().split(","):
        match = re.fullmatch(r"\s*([0-9]+)(?:-([0-9]+))?\s*", part, re.ASCII)
        if match is None:
            raise ValueError(f"{shown(part)} is neither a CPU number nor a range like 2-3")
        # Length first: int() of a very long digit string raises an error about something else.
        if any(len(number) > 9 or int(number) > MAX_CPU_ID for number in match.groups("0")):
            raise ValueError(f"{shown(part)} is beyond the largest CPU number, {MAX_CPU_ID}")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first:
            raise ValueError(f"the range {shown(part)} runs backwards")
        cpus.extend(range(first, last + 1))
    return tuple(cpus)


def format_cpu_list(cpus: Iterable[int]) -> str:
    """Write CPUs in the kernel's list format, sorted and without repeats: (3, 2, 0) → "0,2-3"; () → ""."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def shown(text: str) -> str:
    """The user's text as a message may quote it: on one line, and not longer than a line."""
    stripped = text.strip()
    return repr(stripped if len(stripped) <= 40 else stripped[:39] + "…")


@dataclass(frozen=True, slots=True)
class Cpu:
    """One online CPU (hardware thread).

    siblings: the CPUs of the same physical core, itself included, sorted. die: unique within its package
    only. capacity: the kernel's relative speed (1024 = the fastest), None where it says nothing. kind:
    "performance" or "efficiency" on hybrid x86 processors, "" elsewhere.
    """

    id: int
    package: int = 0
    die: int = 0
    node: int = 0
    siblings: tuple[int, ...] = ()
    capacity: int | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Cache:
    """One data or unified cache and the CPUs that share it (sorted). Sizes in bytes, None where unknown."""

    level: int
    cpus: tuple[int, ...]
    size: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One memory node; cpus is empty for memory without processors.

    distances: (node id, distance) for every online node, in the firmware's units (10 = local); empty if
    unknown.
    """

    id: int
    cpus: tuple[int, ...]
    distances: tuple[tuple[int, int], ...] = ()

    def distance(self, node: int) -> int | None:
        """Firmware distance from this node to `node` (10 = local), None where unknown."""
        return dict(self.distances).get(node)


@dataclass(frozen=True, slots=True)
class Topology:
    """A machine. cpus, caches and nodes are sorted; online, possible and allowed are sorted CPU numbers.

    `allowed` are the online CPUs this process may run on (affinity mask, control groups).
    """

    cpus: tuple[Cpu, ...]
    caches: tuple[Cache, ...]
    nodes: tuple[Node, ...]
    possible: tuple[int, ...]
    allowed: tuple[int, ...]

    @classmethod
    def read(cls, root: str | os.PathLike[str] = "/", allowed: Iterable[int] | None = None) -> "Topology":
        """Read the /sys tree under `root`.

        allowed: CPUs the caller may use; by default the affinity mask of this process for the live machine
        ("/"), and all online CPUs for any other root, which knows nothing of this process. CPUs that are not
        online are left out of it. Raises BadInput when the tree shows no CPU at all.
        """
        return _Reader(Path(root)).read(allowed)

    @property
    def online(self) -> tuple[int, ...]:
        """Numbers of the online CPUs."""
        return tuple(cpu.id for cpu in self.cpus)

    @property
    def cores(self) -> tuple[tuple[int, ...], ...]:
        """Physical cores, each the tuple of its CPUs."""
        return self._groups(lambda cpu: min(cpu.siblings, default=cpu.id))

    @property
    def dies(self) -> tuple[tuple[int, ...], ...]:
        """Dies, each the tuple of its CPUs."""
        return self._groups(lambda cpu: (cpu.package, cpu.die))

    @property
    def packages(self) -> tuple[tuple[int, ...], ...]:
        """Packages (sockets), each the tuple of its CPUs."""
        return self._groups(lambda cpu: cpu.package)

    @property
    def l2(self) -> tuple[tuple[int, ...], ...]:
        """Groups of CPUs that share a second-level cache; empty where the machine does not say."""
        return tuple(cache.cpus for cache in self.caches if cache.level == 2)

    @property
    def l3(self) -> tuple[tuple[int, ...], ...]:
        """Groups of CPUs that share a third-level cache; empty where there is none or the machine does not say."""
        return tuple(cache.cpus for cache in self.caches if cache.level == 3)

    def cpu(self, number: int) -> Cpu:
        """The online CPU of that number; raises BadInput if there is none."""
        for cpu in self.cpus:
            if cpu.id == number:
                return cpu
        raise BadInput("no such online CPU", value=number, hint=f"online are {format_cpu_list(self.online)}")

    def relation(self, a: int, b: int) -> Relation:
        """The closest thing that online CPUs `a` and `b` share; raises BadInput for a CPU that is not online."""
        one, other = self.cpu(a), self.cpu(b)
        if a == b:
            return "same"
        if b in one.siblings:
            return "smt"
        if any(a in group and b in group for group in self.l2):
            return "l2"
        if any(a in group and b in group for group in self.l3):
            return "l3"
        if one.package != other.package:
            return "system"
        return "die" if one.die == other.die else "package"

    def summary(self) -> dict[str, Any]:
        """The topology as a result document records it: counts, and CPU lists in the kernel's format."""
        kinds = {cpu.kind for cpu in self.cpus if cpu.kind}
        return {
            "packages": len(self.packages),
            "dies": len(self.dies),
            "cores": len(self.cores),
            "cpus": len(self.cpus),
            "threads_per_core": max(len(core) for core in self.cores),
            "online": format_cpu_list(self.online),
            "possible": format_cpu_list(self.possible),
            "allowed": format_cpu_list(self.allowed),
            "siblings": [format_cpu_list(core) for core in self.cores if len(core) > 1],
            "l2": [format_cpu_list(group) for group in self.l2],
            "l3": [format_cpu_list(group) for group in self.l3],
            "nodes": [
                {
                    "id": node.id,
                    "cpus": format_cpu_list(node.cpus),
                    "distances": [d for _, d in node.distances],
                }
                for node in self.nodes
            ],
            "kinds": {
                kind: format_cpu_list(cpu.id for cpu in self.cpus if cpu.kind == kind)
                for kind in sorted(kinds)
            },
        }

    def _groups(self, key: Callable[[Cpu], Any]) -> tuple[tuple[int, ...], ...]:
        """CPUs grouped by `key`, groups in order of their first CPU."""
        groups: dict[Any, list[int]] = {}
        for cpu in self.cpus:
            groups.setdefault(key(cpu), []).append(cpu.id)
        return tuple(tuple(group) for group in groups.values())


class _Reader:
    """Reads one /sys tree; every accessor answers None for a file that is missing or does not parse."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / "sys/devices/system/cpu"
        self.node_base = root / "sys/devices/system/node"

    def read(self, allowed: Iterable[int] | None) -> Topology:
        live = os.path.realpath(self.root) == "/"
        if allowed is None and live:
            allowed = os.sched_getaffinity(0)
        wanted = None if allowed is None else set(allowed)
        online = self._online(wanted if live else None)
        if not online:
            raise BadInput(
                "no CPU found in the /sys tree", value=self.root, hint="name the directory that holds 'sys'"
            )
        nodes = self._nodes(online)
        node_of = {cpu: node.id for node in nodes for cpu in node.cpus}
        kinds = self._kinds()
        return Topology(
            cpus=tuple(self._cpu(cpu, online, node_of.get(cpu, nodes[0].id), kinds) for cpu in online),
            caches=self._caches(online),
            nodes=nodes,
            possible=self._list(self.base / "possible") or online,
            allowed=online if wanted is None else tuple(cpu for cpu in online if cpu in wanted),
        )

    def _text(self, path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def _int(self, path: Path) -> int | None:
        text = self._text(path)
        return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) else None

    def _list(self, *paths: Path) -> tuple[int, ...] | None:
        """The first of `paths` that holds a non-empty CPU list, sorted: newer names first, older after."""
        for path in paths:
            try:
                cpus = parse_cpu_list(self._text(path) or "")
            except ValueError:
                continue
            if cpus:
                return tuple(sorted(set(cpus)))
        return None

    def _online(self, fallback: set[int] | None) -> tuple[int, ...]:
        listed = self._list(self.base / "online")
        if listed is None:
            # CPU 0 often has no "online" file, because it cannot be taken offline: absent means online.
            listed = tuple(
                number
                for number in self._numbered(self.base, "cpu")
                if self._int(self.base / f"cpu{number}/online") != 0
            )
        return listed or tuple(sorted(fallback or ()))

    def _numbered(self, directory: Path, prefix: str) -> list[int]:
        """N of every entry `prefix`N in `directory`, sorted; empty if there is no such directory."""
        try:
            names = os.listdir(directory)
        except OSError:
            return []
        matches = (re.fullmatch(prefix + r"([0-9]{1,9})", name, re.ASCII) for name in names)
        return sorted(int(match[1]) for match in matches if match)

    def _cpu(self, number: int, online: tuple[int, ...], node: int, kinds: dict[int, str]) -> Cpu:
        directory = self.base / f"cpu{number}/topology"
        siblings = self._list(directory / "core_cpus_list", directory / "thread_siblings_list") or ()
        package = self._int(directory / "physical_package_id")
        if package is None or package < 0:  # -1: the firmware does not say
            mates = self._list(directory / "package_cpus_list", directory / "core_siblings_list")
            package = min(mates) if mates else 0
        return Cpu(
            id=number,
            package=package,
            die=max(self._int(directory / "die_id") or 0, 0),
            node=node,
            siblings=tuple(sorted({cpu for cpu in siblings if cpu in online} | {number})),
            capacity=self._int(self.base / f"cpu{number}/cpu_capacity"),
            kind=kinds.get(number, ""),
        )

    def _kinds(self) -> dict[int, str]:
        """Hybrid x86: the performance-counter drivers list the CPUs of each kind."""
        kinds: dict[int, str] = {}
        for driver, kind in (
            ("cpu_core", "performance"),
            ("cpu_atom", "efficiency"),
            ("cpu_lowpower", "low-power"),
        ):
            for cpu in self._list(self.root / f"sys/devices/{driver}/cpus") or ():
                kinds[cpu] = kind
        return kinds

    def _caches(self, online: tuple[int, ...]) -> tuple[Cache, ...]:
        caches: dict[tuple[int, tuple[int, ...]], Cache] = {}
        for number in online:
            directory = self.base / f"cpu{number}/cache"
            for index in self._numbered(directory, "index"):
                entry = directory / f"index{index}"
                level, shared = self._int(entry / "level"), self._list(entry / "shared_cpu_list")
                if level is None or shared is None or self._text(entry / "type") == "Instruction":
                    continue
                cpus = tuple(cpu for cpu in shared if cpu in online)
                if number in cpus:
                    size, line = self._size(entry / "size"), self._int(entry / "coherency_line_size")
                    caches[level, cpus] = Cache(level=level, cpus=cpus, size=size, line=line)
        return tuple(caches[key] for key in sorted(caches))

    def _size(self, path: Path) -> int | None:
        match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", self._text(path) or "", re.ASCII)
        return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]] if match else None

    def _nodes(self, online: tuple[int, ...]) -> tuple[Node, ...]:
        # "distance" has one column an *online* node, not one a possible node.
        columns = self._list(self.node_base / "online") or tuple(self._numbered(self.node_base, "node"))
        nodes = []
        for number in columns:
            directory = self.node_base / f"node{number}"
            if not directory.is_dir():
                continue
            words = (self._text(directory / "distance") or "").split()
            known = len(words) == len(columns) and all(re.fullmatch(r"[0-9]{1,9}", word) for word in words)
            nodes.append(
                Node(
                    id=number,
                    cpus=tuple(cpu for cpu in self._list(directory / "cpulist") or () if cpu in online),
                    distances=tuple(zip(columns, map(int, words), strict=True)) if known else (),
                )
            )
        if not any(node.cpus for node in nodes):
            return (Node(id=0, cpus=online, distances=((0, 10),)),)
        return tuple(nodes)
