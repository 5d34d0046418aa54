"""A `Topology` from the /sys tree under any root: the live machine, or one somebody captured.

Guarantees: missing or garbled files (virtual machines without memory nodes, arm64 without cache information, old
kernels) make the fact absent, never an error: a CPU with no sibling list is a core of its own, a machine with no
package ids is one package, one without nodes is one node. `core_id` is not read at all, because it is not unique;
siblings are what lists of siblings say.

Called by: Topology.read.
Source: Documentation/ABI/stable/sysfs-devices-system-cpu and sysfs-devices-node of Linux; cgroups(7), cpuset(7).
"""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from multikernel.errors import BadInput
from multikernel.machine.topology import LIVE, Cache, Cpu, Node, Topology, parse_cpu_list


class Reader:
    """Reads one /sys tree; every accessor answers None for a file that is missing or does not parse."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.live = os.path.realpath(root) == "/"
        self.base = self.root / "sys/devices/system/cpu"
        self.node_base = self.root / "sys/devices/system/node"

    def read(self, allowed: Iterable[int] | None) -> Topology:
        """As Topology.read."""
        cpuset = self._cpuset()
        if allowed is None and self.live:
            allowed = os.sched_getaffinity(0)
        wanted = None if allowed is None else set(allowed)
        online = self._online(wanted if self.live else None)
        if not online:
            raise BadInput(
                "no CPU found in the /sys tree", value=self.root, hint="name the directory that holds 'sys'"
            )
        if wanted is None:
            wanted = set(online if cpuset is None else cpuset) & set(self._affinity() or online)
        nodes = self._nodes(online)
        node_of = {cpu: node.id for node in nodes for cpu in node.cpus}
        kinds = self._kinds()
        cpus = tuple(self._cpu(cpu, online, node_of.get(cpu, nodes[0].id), kinds) for cpu in online)
        possible = self._list(self.base / "possible") or online
        return Topology(
            cpus=cpus,
            caches=self._caches(online),
            nodes=nodes,
            possible=possible,
            allowed=tuple(cpu for cpu in online if cpu in wanted),
            present=self._list(self.base / "present") or tuple(self._numbered(self.base, "cpu")) or online,
            cpuset=cpuset,
            architecture=platform.machine() if self.live else "",
            source=LIVE if self.live else f"capture {self.root.resolve().name}",
        )

    def _cpuset(self) -> tuple[int, ...] | None:
        """What this process's control group grants. A group without the file has what its parent has."""
        for line in (self._text(self.root / "proc/self/cgroup") or "").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, group = rest.partition(":")
            if "cpuset" in controllers.split(","):
                mounts, names = ["cpuset"], ["cpuset.effective_cpus", "cpuset.cpus"]
            elif not controllers:
                mounts, names = ["", "unified"], ["cpuset.cpus.effective"]
            else:
                continue
            # A namespace shows groups above its root as "..": nothing of them is mounted here.
            parts = [part for part in PurePosixPath(group).parts if part not in ("/", "..", ".")]
            for mount in mounts:
                for depth in range(len(parts), -1, -1):
                    directory = self.root.joinpath("sys/fs/cgroup", mount, *parts[:depth])
                    found = self._list(*(directory / name for name in names))
                    if found:
                        return found
        return None

    def _affinity(self) -> tuple[int, ...] | None:
        """The affinity mask of the process that made the capture."""
        text = self._text(self.root / "proc/self/status") or ""
        match = re.search(r"^Cpus_allowed_list:\s*(\S+)$", text, re.MULTILINE)
        try:
            return parse_cpu_list(match[1]) if match else None
        except ValueError:
            return None

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
        core = tuple(sorted({cpu for cpu in siblings if cpu in online} | {number}))
        mates = tuple(cpu for cpu in self._list(directory / "cluster_cpus_list") or () if cpu in online)
        return Cpu(
            id=number,
            package=package,
            die=max(self._int(directory / "die_id") or 0, 0),
            node=node,
            siblings=core,
            capacity=self._int(self.base / f"cpu{number}/cpu_capacity"),
            kind=kinds.get(number, ""),
            # Kernels without an idea of clusters list the core, or the CPU alone.
            cluster=mates[0] if number in mates and len(mates) > len(core) else None,
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
