"""Machines nobody has here: from a sentence such as "8x4", or one of the paper's four by name.

Guarantees: the same text gives the same machine; its `source` begins with "invented", so that
nobody takes it for a measured one. What cannot be built is refused in one sentence that says what
to try. The numbering is Linux's: CPUs 0 … n-1 are the first hardware threads of the n cores,
package by package, then come the second threads.

The grammar:

- "8x4" is 8 packages of 4 cores, "2x4x2" 2 packages of 4 cores of 2 threads.
- Words, from the outside in: "2 packages, 3 dies, 8 cores, smt 2" is 3 dies in each package, 8
  cores in each die, 2 threads in each core. Between packages and cores may stand, in any order,
  "nodes", "dies", "l3", "clusters" and "l2": each says how many there are of them in what was named
  before it. "0 l3" is a machine without any.
- What is not named: one package; in each package one memory node; one third-level cache in each die
  if dies are named, else in each package; in each core a second-level cache of its own.

Distances are derived, not read: 10 at home, 12 between nodes of one package, 20 between packages;
where links are known, 10 and 6 more for each link on the shortest way.

Idea: hwloc's synthetic topologies; the machines: SOSP'09 §4.1.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import shown
from multikernel.machine.topology.model import Cache, Cpu, Node, Topology

MAX_CPUS = 4096
"""Largest machine that is invented: sixteen times the largest of two sockets today."""
HOME, BESIDE, AWAY, HOP = 10, 12, 20, 6
"""Distances in the firmware's units: own node, other node of the package, other package, each link
on the way.
"""
WAYS = "say for example 8x4, 2x4x2 or '2 packages, 3 dies, 8 cores, smt 2'"

_WORDS = {
    **dict.fromkeys(("package", "packages", "socket", "sockets"), "package"),
    **dict.fromkeys(("node", "nodes"), "node"),
    **dict.fromkeys(("die", "dies"), "die"),
    **dict.fromkeys(("cluster", "clusters"), "cluster"),
    **dict.fromkeys(("core", "cores"), "core"),
    **dict.fromkeys(("smt", "thread", "threads"), "thread"),
    "l2": "l2",
    "l3": "l3",
}
_PLURAL = {
    "package": "packages",
    "node": "nodes",
    "die": "dies",
    "cluster": "clusters",
    "core": "cores",
}
_OUTERMOST, _INNERMOST = ("package",), ("core", "thread")
_MAY_BE_NONE = ("l2", "l3")


@dataclass(frozen=True, slots=True)
class Preset:
    """A machine of the paper. text: its shape, in words. sizes: of caches, in bytes, by level. bus:
    packages reach all memory in one place. links: pairs of packages that are wired to each other.
    """

    text: str
    title: str
    sizes: Mapping[int, int]
    links: tuple[tuple[int, int], ...] = ()
    bus: bool = field(default=False)


PRESETS: Mapping[str, Preset] = {
    "2x4-intel": Preset(
        "2 packages, 2 dies, 1 l2, 0 l3, 2 cores",
        "2×4-core Intel Xeon X5355, 2.66 GHz",
        {2: 4 << 20},
        bus=True,
    ),
    "2x2-amd": Preset(
        "2 packages, 0 l3, 2 cores", "2×2-core AMD Opteron 2220, 2.8 GHz", {2: 1 << 20}, ((0, 1),)
    ),
    "4x4-amd": Preset(
        "4 packages, 4 cores",
        "4×4-core AMD Opteron 8380, 2.5 GHz",
        {2: 512 << 10, 3: 6 << 20},
        ((0, 1), (0, 3), (1, 2), (2, 3)),
    ),
    "8x4-amd": Preset(
        "8 packages, 4 cores",
        "8×4-core AMD Opteron 8350, 2.0 GHz",
        {2: 512 << 10, 3: 2 << 20},
        (
            (0, 1), (0, 4), (0, 7), (1, 2), (1, 6), (2, 3), (2, 4), (3, 4), (3, 5), (4, 5), (5, 6),
            (6, 7),
        ),
    ),
}  # fmt: skip
"""The machines of the paper's §4.1. The links of 8x4-amd are drawn by hand there, and one of them
is doubtful.
"""


def from_string(text: str, *, where: str = "--machine") -> Topology:
    """The machine that a sentence describes, or the preset of that name. where: to name in errors.
    Raises BadInput.
    """
    name = " ".join(text.lower().split())
    preset = PRESETS.get(name)
    if preset is None:
        return _built(_shape(text, where), f"invented: {name}", text, where)
    machine = _built(_shape(preset.text, where), f"invented: {name}, {preset.title}", text, where)
    caches = (
        replace(cache, size=preset.sizes.get(cache.level), line=64) for cache in machine.caches
    )
    return replace(
        machine,
        caches=tuple(caches),
        nodes=(Node(0, machine.online, ((0, HOME),)),)
        if preset.bus
        else _wired(machine.nodes, preset.links),
        cpus=tuple(replace(cpu, node=0) for cpu in machine.cpus) if preset.bus else machine.cpus,
        links=preset.links,
        architecture="x86_64",
    )


def hops(links: Iterable[tuple[int, int]], start: int) -> dict[int, int]:
    """How many links the shortest way from a package takes, for every package that can be
    reached.
    """
    beside: dict[int, set[int]] = defaultdict(set)
    for a, b in links:
        beside[a].add(b)
        beside[b].add(a)
    found, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for next_ in sorted(beside[here] - found.keys()):
            found[next_] = found[here] + 1
            queue.append(next_)
    return found


# --- Reading
# --------------------------------------------------------------------------------------------------


def _shape(text: str, where: str) -> list[tuple[str, int]]:
    """Levels from the outside in, and how many of each there are in the one before."""
    numbers = re.fullmatch(r"\s*([0-9]+(?:\s*[x×]\s*[0-9]+)+)\s*", text.lower(), re.ASCII)
    if numbers:
        counts = [_count(part, text, where) for part in re.split("[x×]", numbers[1])]
        if len(counts) > 3:
            raise BadInput(
                "more than packages, cores and threads in one product",
                value=shown(text),
                where=where,
                hint="name the levels: '2 packages, 2 dies, 4 cores, smt 2'",
            )
        return _checked(list(zip(("package", "core", "thread"), counts, strict=False)), text, where)
    levels = []
    for phrase in text.lower().split(","):
        words = phrase.split()
        numeric = [word for word in words if re.fullmatch("[0-9]+", word, re.ASCII)]
        named = [_WORDS[word] for word in words if word in _WORDS]
        if len(words) != 2 or len(numeric) != 1 or len(named) != 1:
            raise BadInput(
                "cannot read this part of the machine",
                value=shown(phrase),
                where=where,
                hint=WAYS + "; levels are packages, nodes, dies, l3, clusters, l2, cores, smt",
            )
        levels.append((named[0], _count(numeric[0], text, where)))
    return _checked(levels, text, where)


def _count(digits: str, text: str, where: str) -> int:
    if len(digits) > 6:  # int() of a very long digit string raises an error about something else
        raise _too_large(text, where)
    return int(digits)


def _too_large(text: str, where: str) -> BadInput:
    return BadInput(
        "too large a machine",
        value=shown(text),
        where=where,
        hint=f"at most {MAX_CPUS} CPUs are invented",
    )


def _checked(levels: list[tuple[str, int]], text: str, where: str) -> list[tuple[str, int]]:
    """Each level once, in an order that can be built, at least one of each; packages and cores
    added if missing.
    """
    names = [name for name, _ in levels]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise BadInput(
            f"{_PLURAL.get(twice, twice)} are named twice",
            value=shown(text),
            where=where,
            hint=WAYS,
        )
    none = next((name for name, count in levels if count == 0 and name not in _MAY_BE_NONE), None)
    if none:
        raise BadInput(
            f"a machine needs {_PLURAL.get(none, 'threads')}",
            value=shown(text),
            where=where,
            hint=WAYS,
        )
    if "package" not in names:
        levels = [("package", 1), *levels]
    if "core" not in names:
        cut = len(levels) - (levels[-1][0] == "thread")
        levels = [*levels[:cut], ("core", 1), *levels[cut:]]
    names = [name for name, _ in levels]
    inner = [name for name in names if name in _INNERMOST]
    if names[0] not in _OUTERMOST or tuple(names[-len(inner) :]) != _INNERMOST[: len(inner)]:
        raise BadInput(
            "levels are named from the outside in: packages first, cores and smt last",
            value=shown(text),
            where=where,
            hint=WAYS,
        )
    total = 1
    for _, count in levels:
        total *= max(count, 1)
    if total > MAX_CPUS:
        raise _too_large(text, where)
    return levels


# --- Building
# --------------------------------------------------------------------------------------------------


def _built(levels: list[tuple[str, int]], source: str, text: str, where: str) -> Topology:
    absent = {name for name, count in levels if count == 0}
    levels = [level for level in levels if level[0] not in absent]
    names = [name for name, _ in levels]
    threads = dict(levels).get("thread", 1)
    spaces = [range(count) for name, count in levels if name != "thread"]
    cores = list(product(*spaces))

    # A place is a path from the outside in; cut behind a level, it names one thing of that level.
    def thing(level: str) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
        depth = names.index(level) + 1
        return lambda place: place[:depth]

    def cpus_by(level: str) -> list[tuple[int, ...]]:
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for core, place in enumerate(cores):
            groups[thing(level)(place)] += [core + one * len(cores) for one in range(threads)]
        return [tuple(sorted(group)) for group in groups.values()]

    caches = [Cache(level=2, cpus=group) for group in cpus_by("l2" if "l2" in names else "core")]
    if "l2" in absent:
        caches = []
    if "l3" not in absent:
        around = next(name for name in ("l3", "die", "package") if name in names)
        caches += [Cache(level=3, cpus=group) for group in cpus_by(around)]
    node_groups = cpus_by("node" if "node" in names else "package")
    node_of = {cpu: node for node, group in enumerate(node_groups) for cpu in group}
    cluster_of = {
        cpu: group[0]
        for group in (cpus_by("cluster") if "cluster" in names else ())
        for cpu in group
    }
    dies: dict[int, dict[tuple[int, ...], int]] = defaultdict(dict)
    cpus = []
    for core, place in enumerate(cores):
        siblings = tuple(core + one * len(cores) for one in range(threads))
        die = 0
        if "die" in names:
            inside = dies[place[0]]
            die = inside.setdefault(thing("die")(place), len(inside))
        cpus += [
            Cpu(cpu, place[0], die, node_of[cpu], siblings, cluster=cluster_of.get(cpu))
            for cpu in siblings
        ]
    cpus.sort(key=lambda cpu: cpu.id)
    package_of = {cpu.id: cpu.package for cpu in cpus}
    homes = [package_of[group[0]] for group in node_groups]
    numbers = tuple(range(len(cpus)))
    return Topology(
        cpus=tuple(cpus),
        caches=tuple(sorted(caches, key=lambda cache: (cache.level, cache.cpus))),
        nodes=tuple(
            Node(
                node,
                group,
                tuple((other, _apart(node, other, homes)) for other in range(len(homes))),
            )
            for node, group in enumerate(node_groups)
        ),
        possible=numbers,
        allowed=numbers,
        present=numbers,
        source=source,
    )


def _apart(a: int, b: int, homes: list[int]) -> int:
    return HOME if a == b else BESIDE if homes[a] == homes[b] else AWAY


def _wired(nodes: tuple[Node, ...], links: tuple[tuple[int, int], ...]) -> tuple[Node, ...]:
    """The same nodes, as far apart as the links say; node and package numbers are the same in the
    presets.
    """
    return tuple(
        replace(
            node,
            distances=tuple(
                (other, HOME + HOP * far) for other, far in sorted(hops(links, node.id).items())
            ),
        )
        for node in nodes
    )
