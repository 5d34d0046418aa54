"""A machine drawn in letters: boxes within boxes, cores with their threads in brackets, and what
must be said of it.

Guarantees: no line is wider than asked for (but never narrower than NARROWEST); every online CPU is
shown, or stands for others like it and says for which.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby, zip_longest

from multikernel import columns
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.topology.measured_levels import Comparison
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.parts import Part, amount, boxes
from multikernel.report.say.wording import counted, grouped

NARROWEST = 40
COLLAPSE_CPUS, COLLAPSE_ALIKE = 64, 3
"""On machines of more CPUs, the first stands for so many or more that look the same and lie beside
each other.
"""
MOST_NODES = 16
"""Of more nodes, distances are said in a line instead of a table."""
KIND_MARKS = {"performance": "p", "efficiency": "e", "low-power": "l"}
_ASCII = str.maketrans("┌┐└┘─│·…×–", "++++-|,~x-")


def drawn(topology: Topology, width: int = 100) -> list[str]:
    width = max(width, NARROWEST)
    found = boxes(topology)
    barred = frozenset(topology.disallowed)
    lines = [line for text in heading(topology) for line in _wrapped(text, width)]
    lines += ["", *_flow(found.parts, width, barred, collapse=len(topology.online) > COLLAPSE_CPUS)]
    notes = [*remarks(topology), *(f"lies across others: {text}" for text in found.across)]
    below = [line for text in notes for line in _wrapped(text, width)] + distances(topology, width)
    return [*lines, "", *below] if below else lines


def in_ascii(lines: Iterable[str]) -> list[str]:
    return [line.translate(_ASCII).encode("ascii", "replace").decode() for line in lines]


def heading(topology: Topology) -> list[str]:
    """Where it comes from, and how many of what there are."""
    nodes = len(topology.nodes)
    counts = [
        counted(len(topology.packages), "package"),
        counted(len(topology.dies), "die") if len(topology.dies) > len(topology.packages) else "",
        counted(nodes, "memory node") if nodes > 1 else "",
        counted(len(topology.cores), "core"),
        counted(len(topology.online), "CPU"),
    ]
    where = topology.source or "a machine of unknown source"
    if topology.architecture:
        where += f", {topology.architecture}"
    return [where, ", ".join(filter(None, counts))]


def remarks(topology: Topology) -> list[str]:
    found = []
    core_of = {cpu: core for core in map(frozenset, topology.cores) for cpu in core}
    own = [one for one in topology.caches if core_of[one.cpus[0]].issuperset(one.cpus)]
    texts = []
    for level, caches in sorted(grouped(own, lambda one: one.level).items()):
        sizes = sorted({one.size for one in caches if one.size})
        texts.append(f"L{level} {' or '.join(map(amount, sizes))}".rstrip())
    if texts:
        found.append(f"a core's own: {', '.join(texts)}")
    for kind, mark in KIND_MARKS.items():
        cpus = [cpu.id for cpu in topology.cpus if cpu.kind == kind]
        if cpus:
            found.append(f"{mark}: {kind} cores, CPUs {format_cpu_list(cpus)}")
    speeds = grouped(topology.cpus, lambda cpu: cpu.capacity)
    known = sorted((speed for speed in speeds if speed is not None), reverse=True)
    if len(known) > 1:
        texts = [f"{one}: CPUs {format_cpu_list(cpu.id for cpu in speeds[one])}" for one in known]
        found.append(f"relative speed {'; '.join(texts)}")
    if topology.disallowed:
        reason = "affinity mask or control group"
        if topology.cpuset is not None and not set(topology.disallowed) & set(topology.cpuset):
            reason = "the control group's cpuset"
        barred = format_cpu_list(topology.disallowed)
        found.append(f"(n): not allowed here, {reason}: CPUs {barred}")
    if topology.offline:
        found.append(f"offline: CPUs {format_cpu_list(topology.offline)}")
    if topology.links:
        found.append("links between packages: " + ", ".join(f"{a}–{b}" for a, b in topology.links))
    bare = [node for node in topology.nodes if not node.cpus or node.device]
    for device in sorted({node.device for node in bare}):
        ids = [node.id for node in bare if node.device == device]
        what = f"memory of a device ({device})" if device else "memory without CPUs"
        found.append(f"{what}: {'node' if len(ids) == 1 else 'nodes'} {format_cpu_list(ids)}")
    return found + assumed_nodes(topology, topology.online)


def assumed_nodes(topology: Topology, cpus: Iterable[int]) -> list[str]:
    """What must be said of those among these CPUs that no memory node lists."""
    unplaced = [topology.cpu(cpu) for cpu in sorted(set(topology.unplaced).intersection(cpus))]
    return [
        f"in no memory node: CPUs {format_cpu_list(cpu.id for cpu in unplaced if cpu.node == node)}"
        f", assumed to be near node {node}"
        for node in sorted({cpu.node for cpu in unplaced})
    ]


def distance_rows(topology: Topology) -> list[tuple[str, ...]]:
    """Column names, then a row a node; nothing if there is nothing to show, or too much."""
    nodes = topology.nodes
    if not 2 <= len(nodes) <= MOST_NODES or not any(node.distances for node in nodes):
        return []
    rows = [("", *(str(node.id) for node in nodes))]
    for row in nodes:
        found = (row.distance(column.id) for column in nodes)
        rows.append((f"node {row.id}", *("?" if one is None else str(one) for one in found)))
    return rows


def distance_title(topology: Topology) -> str:
    """What stands above, or before, the distances."""
    return "distances between nodes" + (", derived" if topology.invented else "")


def distances(topology: Topology, width: int) -> list[str]:
    """A table from node to node; of more nodes than fit, the values that occur."""
    title, rows = distance_title(topology), distance_rows(topology)
    if len(topology.nodes) < 2:
        return []
    room = max((len(cell) for row in rows for cell in row[1:]), default=0)
    places = range(1, len(topology.nodes) + 1)
    lines = columns.aligned(rows, places, gap=" ", least=room) if rows else []
    if lines and max(map(len, lines)) <= width:
        return [*_wrapped(f"{title} (10 = at home)", width), *lines]
    values = sorted({distance for node in topology.nodes for _, distance in node.distances})
    return _wrapped(f"{title}: {', '.join(map(str, values)) or 'not known'}", width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ") or [""]


def agreement(comparison: Comparison) -> list[str]:
    """What was measured, and where it disagrees with what is declared; a paragraph each."""
    found = []
    for number, one in enumerate(comparison.classes, 1):
        wide = one.high - one.low >= 1
        between = f"{one.low:.0f} – {one.high:.0f}" if wide else f"{one.middle:.0f}"
        found.append(
            f"class {number}: {counted(len(one.pairs), 'pair')}, median {one.middle:.0f} TSC cycles"
            f" ({between}): {'; '.join(level.label for level in one.levels)}"
        )
    if comparison.warnings:
        return [*found, *(f"warning: {one.text}" for one in comparison.warnings)]
    if not comparison.pairs:
        return ["no pair was measured"]
    return [*found, "what was measured and what the machine declares agree"]


def runs(
    parts: Sequence[Part], barred: frozenset[int], *, collapse: bool
) -> list[tuple[Part, tuple[Part, ...]]]:
    """Each part that is drawn, and those like it that follow and are not."""
    found: list[tuple[Part, tuple[Part, ...]]] = []
    for _, group in groupby(parts, lambda one: (one.shape(), [cpu in barred for cpu in one.cpus])):
        alike = tuple(group)
        if collapse and alike[0].parts and len(alike) >= COLLAPSE_ALIKE:
            found.append((alike[0], alike[1:]))
        else:
            found += [(part, ()) for part in alike]
    return found


def more(hidden: Sequence[Part]) -> str:
    """Which those are that are not drawn."""
    kind = hidden[0].names[0].kind
    numbers = [number for part in hidden if (number := part.names[0].number) is not None]
    named = ""
    if len(numbers) == len(hidden) and kind != "die":
        named = f"{kind}s {format_cpu_list(numbers)}, "
    cpus = format_cpu_list(cpu for part in hidden for cpu in part.cpus)
    return f"… {len(hidden)} more like this: {named}CPUs {cpus}"


def core_label(part: Part, barred: frozenset[int]) -> str:
    """The threads of a core, those in parentheses that may not be used."""
    cpus = " ".join(f"({cpu})" if cpu in barred else str(cpu) for cpu in part.cpus)
    return f"[{cpus}{KIND_MARKS.get(part.kind, '')}]"


def _flow(
    parts: Sequence[Part], width: int, barred: frozenset[int], *, collapse: bool
) -> list[str]:
    lines: list[str] = []
    row: list[list[str]] = []
    for part, hidden in runs(parts, barred, collapse=collapse):
        block = _block(part, width, barred, collapse=collapse)
        if row and sum(len(one[0]) + 1 for one in row) + len(block[0]) > width:
            lines += _beside(row)
            row = []
        row.append(block)
        if hidden:
            lines += _beside(row)
            row = []
            lines += _wrapped(more(hidden), width)
    return lines + _beside(row)


def _beside(row: list[list[str]]) -> list[str]:
    widths = [len(block[0]) for block in row]
    return [
        " ".join(map(str.ljust, parts, widths)).rstrip()
        for parts in zip_longest(*row, fillvalue="")
    ]


def _block(part: Part, width: int, barred: frozenset[int], *, collapse: bool) -> list[str]:
    if not part.parts:  # a core; of very many threads it takes several lines
        label = core_label(part, barred)
        lines = textwrap.wrap(label, width) or [label]
        return [line.ljust(max(map(len, lines))) for line in lines]
    inner = _flow(part.parts, width - 4, barred, collapse=collapse)
    titles = textwrap.wrap(part.title, width - 4)
    room = max(len(line) for line in [*titles, *inner])
    top = f"┌ {titles[0]} " + "─" * (room - len(titles[0])) + "┐"
    body = [f"│ {line.ljust(room)} │" for line in [*titles[1:], *inner]]
    return [top, *body, "└" + "─" * (room + 2) + "┘"]
