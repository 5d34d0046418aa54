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
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from math import prod
from operator import mul

from multikernel.errors import BadInput
from multikernel.hints import one_of
from multikernel.machine.cpu_list import shown
from multikernel.machine.topology.model import Cache, Cpu, Node, Topology

MAX_CPUS = 4096
"""Largest machine that is invented: sixteen times the largest of two sockets today."""
HOME, BESIDE, AWAY, HOP = 10, 12, 20, 6
"""Distances: own node, other node of the package, other package, each link on the way."""

_LEVELS = ("package", "node", "die", "l3", "cluster", "l2", "core", "thread")
_WORDS = {
    **dict(zip(_LEVELS, _LEVELS, strict=True)),
    **{f"{name}s": name for name in _LEVELS if name not in ("l2", "l3")},
    "socket": "package",
    "sockets": "package",
    "smt": "thread",
}


@dataclass(frozen=True, slots=True)
class Preset:
    """A machine of the paper."""

    text: str  # its shape
    title: str
    sizes: Mapping[int, int]  # of caches, in bytes, by level
    # Packages that are wired to each other; without any, a bus leads from all to all memory.
    links: tuple[tuple[int, int], ...] = ()


PRESETS: Mapping[str, Preset] = {
    "2x4-intel": Preset(
        "2 packages, 2 dies, 1 l2, 0 l3, 2 cores",
        "2×4-core Intel Xeon X5355, 2.66 GHz",
        {2: 4 << 20},
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
"""The machines of the paper's §4.1. Links of 8x4-amd are drawn by hand there, one is doubtful."""


def ways(text: str) -> str:
    """How to name a machine: a hint for who has named none by this text."""
    return f"{one_of(text, PRESETS)}, or 8x4, 2x4x2, '2 packages, 3 dies, 8 cores, smt 2'"


def from_string(text: str, *, where: str = "machine") -> Topology:
    """The machine of a sentence, or preset. where: to name in errors. Raises BadInput."""
    name = " ".join(text.lower().split())
    refused = partial(BadInput, value=shown(text), where=where, hint=ways(name))
    preset = PRESETS.get(name)
    if preset is None:
        return _built(_levels(text, refused), f"invented: {name}")
    machine = _built(_levels(preset.text, refused), f"invented: {name}, {preset.title}")
    sized = [replace(one, size=preset.sizes[one.level], line=64) for one in machine.caches]
    machine = replace(machine, caches=tuple(sized), links=preset.links, architecture="x86_64")
    if not preset.links:
        cpus = tuple(replace(cpu, node=0) for cpu in machine.cpus)
        return replace(machine, cpus=cpus, nodes=(Node(0, machine.online, ((0, HOME),)),))
    # Each package of these machines is one node, of the same number.
    far = [sorted(hops(preset.links, node.id).items()) for node in machine.nodes]
    nodes = [
        replace(node, distances=tuple((other, HOME + HOP * links) for other, links in row))
        for node, row in zip(machine.nodes, far, strict=True)
    ]
    return replace(machine, nodes=tuple(nodes))


def hops(links: Iterable[tuple[int, int]], start: int) -> dict[int, int]:
    """By package that can be reached from this one: how many links the shortest way takes."""
    beside: dict[int, set[int]] = defaultdict(set)
    for a, b in links:
        beside[a].add(b)
        beside[b].add(a)
    found, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for next_ in beside[here] - found.keys():
            found[next_] = found[here] + 1
            queue.append(next_)
    return found


def _levels(text: str, refused: Callable[..., BadInput]) -> dict[str, int]:
    """By level, packages, cores and threads included: how many there are in the one before."""
    text = text.lower()
    if re.fullmatch(r"\s*[0-9]+(\s*[x×]\s*[0-9]+)+\s*", text, re.ASCII):
        counts = re.split("[x×]", text)
        if len(counts) > 3:
            raise refused(
                "more than packages, cores and threads in one product",
                hint="name the levels: '2 packages, 2 dies, 4 cores, smt 2'",
            )
        text = ",".join(map(" ".join, zip(counts, ("package", "core", "thread"), strict=False)))
    too_large = refused("too large a machine", hint=f"at most {MAX_CPUS} CPUs are invented")
    levels: dict[str, int] = {}
    for phrase in text.split(","):
        match sorted(phrase.split()):  # digits come before letters
            case [digits, word] if re.fullmatch("[0-9]+", digits) and word in _WORDS:
                name = _WORDS[word]
            case _:
                raise refused(
                    "cannot read this part of the machine",
                    value=shown(phrase),
                    hint=f"{ways(text)}; levels are packages, nodes, dies, l3, clusters, l2, cores,"
                    " smt",
                )
        if name in levels:
            raise refused(f"the level {name} is named twice")
        if len(digits) > 6:  # int() of a very long digit string raises an error
            raise too_large
        levels[name] = int(digits)
        if levels[name] == 0 and name not in ("l2", "l3"):
            raise refused(f"a machine has at least one {name}")
    between = [name for name in levels if name not in ("package", "core", "thread")]
    order = ("package", *between, "core", "thread")
    if [name for name in order if name in levels] != list(levels):
        raise refused("levels are named from the outside in: packages first, cores and smt last")
    if prod(max(many, 1) for many in levels.values()) > MAX_CPUS:
        raise too_large
    return {name: levels.get(name, 1) for name in order}


def _built(levels: dict[str, int], source: str) -> Topology:
    there = {name: many for name, many in levels.items() if many}
    count = dict(zip(there, accumulate(there.values(), mul), strict=True))
    for name, like in (("node", "package"), ("die", "package"), ("l3", "die"), ("l2", "core")):
        if name not in levels:
            count[name] = count[like]
    packages, nodes, dies, cores = (count[name] for name in ("package", "node", "die", "core"))
    threads = levels["thread"]

    def groups(name: str) -> list[tuple[int, ...]]:
        size = cores // count[name]
        return [
            tuple(thread * cores + first + one for thread in range(threads) for one in range(size))
            for first in range(0, cores, size)
        ]

    def cpu(number: int) -> Cpu:
        core = number % cores
        return Cpu(
            number,
            package=core * packages // cores,
            die=core * dies // cores % (dies // packages),
            node=core * nodes // cores,
            siblings=tuple(range(core, cores * threads, cores)),
            cluster=core - core % (cores // count["cluster"]) if "cluster" in count else None,
        )

    def apart(a: int, b: int) -> int:
        beside = a * packages // nodes == b * packages // nodes
        return HOME if a == b else BESIDE if beside else AWAY

    numbers = tuple(range(cores * threads))
    caches = ((2, "l2"), (3, "l3"))
    return Topology(
        cpus=tuple(map(cpu, numbers)),
        caches=tuple(
            Cache(level, cpus) for level, name in caches if name in count for cpus in groups(name)
        ),
        nodes=tuple(
            Node(node, cpus, tuple((other, apart(node, other)) for other in range(nodes)))
            for node, cpus in enumerate(groups("node"))
        ),
        possible=numbers,
        allowed=numbers,
        present=numbers,
        source=source,
    )
