"""A `Topology` as a file: JSON, schema `multikernel-topology/1`, and back without loss.

Guarantees: `decoded(encoded(t)) == t`. What is read is checked as if an enemy had written it:
types, ranges, sizes, and that it does not contradict itself (a cache of CPUs that are not there, a
CPU in two nodes). What is refused is refused in one sentence that names the file and the line, and
the place (`$.cpus[3].package`) where it is JSON but no machine.

CPU lists are in the kernel's format, as in the result documents.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeVar

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import MAX_CPU_ID, Lists, format_cpu_list, shown
from multikernel.machine.topology.model import Cache, Cpu, Node, Topology

SCHEMA = "multikernel-topology/1"
MOST_BYTES = 32 << 20
"""A machine of MAX_CPU_ID CPUs takes less."""
_FIELDS = (
    "schema", "source", "architecture", "cpus", "caches", "nodes", "possible", "present", "allowed",
    "cpuset", "links",
)  # fmt: skip
_LARGEST = 1 << 62

T = TypeVar("T")


def encoded(topology: Topology) -> str:
    """JSON text, one CPU, cache or node a line, newline at the end."""
    listed = cache(format_cpu_list)
    record = {
        "schema": SCHEMA,
        "source": topology.source,
        "architecture": topology.architecture,
        "possible": format_cpu_list(topology.possible),
        "present": format_cpu_list(topology.present),
        "allowed": format_cpu_list(topology.allowed),
        "cpuset": None if topology.cpuset is None else format_cpu_list(topology.cpuset),
        "links": [list(link) for link in topology.links],
        "cpus": [
            {
                "id": cpu.id,
                "package": cpu.package,
                "die": cpu.die,
                "node": cpu.node,
                "cluster": cpu.cluster,
                "siblings": listed(cpu.siblings),
                "capacity": cpu.capacity,
                "kind": cpu.kind,
            }
            for cpu in topology.cpus
        ],
        "caches": [
            {
                "level": one.level,
                "cpus": format_cpu_list(one.cpus),
                "size": one.size,
                "line": one.line,
            }
            for one in topology.caches
        ],
        "nodes": [
            {
                "id": node.id,
                "cpus": format_cpu_list(node.cpus),
                "distances": [list(pair) for pair in node.distances],
                **({"device": node.device} if node.device else {}),
            }
            for node in topology.nodes
        ],
    }
    return (
        "{\n"
        + ",\n".join(f" {_json(key)}: {_lines(value)}" for key, value in record.items())
        + "\n}\n"
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {_json(one)}" for one in value) + "\n ]"
    return _json(value)


def decoded(text: str | bytes, where: str = "") -> Topology:
    """The machine of such a text. where: the file to name in errors. Raises BadInput."""
    if len(text) > MOST_BYTES:
        raise BadInput(
            "too long for a machine",
            value=f"{len(text)} bytes",
            where=where,
            hint=f"at most {MOST_BYTES} are read",
        )
    try:
        plain = text if isinstance(text, str) else text.decode()
        value = json.loads(plain)
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1 if isinstance(text, bytes) else 1
        raise _not_json("it is not UTF-8", line, where) from None
    except json.JSONDecodeError as error:
        raise _not_json(error.msg, error.lineno, where) from None
    except (RecursionError, ValueError):  # too deep; a number of too many digits
        raise _not_json("numbers or nesting beyond all measure", 1, where) from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise BadInput(
            "this JSON is not a machine",
            value="it has no schema" if schema is None else f"its schema is {shown(str(schema))}",
            where=where,
            hint=(
                f'machines have "schema": "{SCHEMA}": multikernel topology -o machine.json'
                " writes one"
            ),
        )
    try:
        return _consistent(_topology(_Place("$", value, Lists())))
    except _Wrong as error:
        at = f"line {_line_of(plain, str(error).split()[0])}"
        raise BadInput(
            "this machine is damaged or contradicts itself",
            value=str(error),
            where=f"{where}, {at}" if where else at,
            hint="it was changed by hand, or written by a faulty program",
        ) from None


def _not_json(reason: str, line: int, where: str) -> BadInput:
    return BadInput(
        f"not JSON: {reason}",
        where=f"{where}, line {line}" if where else f"line {line}",
        hint="multikernel topology -o machine.json writes a good one",
    )


def _line_of(text: str, path: str) -> int:
    """In which line of a JSON text the value of such a path begins; or what should hold it, if it
    is not there.
    """
    at = _to_token(text, 0)
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        inside = _inside(text, at, name or int(index))
        if inside is None:
            break
        at = inside
    return text.count("\n", 0, at) + 1


def _inside(text: str, at: int, wanted: str | int) -> int | None:
    """Where a member or element of the value that begins there begins; the last one, of members of
    one name.
    """
    found, number = None, 0
    decoder = json.JSONDecoder()
    keyed = text[at] == "{"
    at = _to_token(text, at + 1)
    while text[at] not in "}]":
        key: str | int = number
        if keyed:
            key, at = decoder.raw_decode(text, at)
            at = _to_token(text, at)
        if key == wanted:
            found = at
        _, at = decoder.raw_decode(text, at)
        at = _to_token(text, at)
        number += 1
    return found


def _to_token(text: str, at: int) -> int:
    """Behind blanks, commas and colons: the text is known to be JSON."""
    while text[at] in " \t\r\n,:":
        at += 1
    return at


class _Wrong(ValueError):
    """What is wrong with a record. The message begins with the place."""


class _Place:
    """A value of the document and the way to it."""

    def __init__(self, path: str, value: object, lists: Lists) -> None:
        self.path, self.value, self.lists = path, value, lists

    def wrong(self, expected: str) -> _Wrong:
        """What should be here."""
        found = json.dumps(self.value)
        return _Wrong(
            f"{self.path} should be {expected}, not"
            f" {found if len(found) <= 60 else found[:59] + '…'}"
        )

    def fields(self, *names: str, also: Mapping[str, object] | None = None) -> dict[str, "_Place"]:
        """Exactly these members. also: others, and what they are where they are left out."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("an object")
        value = {**(also or {}), **self.value}
        names = (*names, *(also or {}))
        unknown = next((name for name in value if name not in names), None)
        if unknown is not None:
            raise _Wrong(f"{self.path} has a member {shown(unknown)} that is not known")
        missing = next((name for name in names if name not in value), None)
        if missing is not None:
            raise _Wrong(f"{self.path}.{missing} is missing")
        return {name: self._inside(f".{name}", value[name]) for name in names}

    def _inside(self, way: str, value: object) -> "_Place":
        return _Place(self.path + way, value, self.lists)

    def items(self, make: Callable[["_Place"], T]) -> tuple[T, ...]:
        """A list, each made of one."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return tuple(
            make(self._inside(f"[{number}]", one)) for number, one in enumerate(self.value)
        )

    def number(self, low: int = 0, high: int = _LARGEST) -> int:
        """A whole number from low to high."""
        if (
            not isinstance(self.value, int)
            or isinstance(self.value, bool)
            or not low <= self.value <= high
        ):
            raise self.wrong(
                f"a whole number of at least {low}"
                + (f" and at most {high}" if high < _LARGEST else "")
            )
        return self.value

    def optional(self, make: Callable[[], T]) -> T | None:
        """null, or what `make` makes of it."""
        return None if self.value is None else make()

    def text(self) -> str:
        """A line of text."""
        if not isinstance(self.value, str) or len(self.value) > 200 or not self.value.isprintable():
            raise self.wrong("a line of at most 200 printable letters")
        return self.value

    def cpus(self) -> tuple[int, ...]:
        """A list of CPUs in the kernel's format."""
        if not isinstance(self.value, str):
            raise self.wrong("a list of CPUs such as '0,2-3'")
        try:
            return self.lists.read(self.value)
        except ValueError as error:
            raise _Wrong(f"{self.path}: {error}") from None

    def pair(self) -> tuple[int, int]:
        """Two numbers."""
        numbers = self.items(lambda one: one.number())
        if len(numbers) != 2:
            raise self.wrong("two numbers")
        return numbers[0], numbers[1]


def _topology(root: _Place) -> Topology:
    of = root.fields(*_FIELDS)
    return Topology(
        cpus=of["cpus"].items(_cpu),
        caches=of["caches"].items(_cache),
        nodes=of["nodes"].items(_node),
        possible=of["possible"].cpus(),
        present=of["present"].cpus(),
        allowed=of["allowed"].cpus(),
        cpuset=of["cpuset"].optional(of["cpuset"].cpus),
        links=of["links"].items(_Place.pair),
        architecture=of["architecture"].text(),
        source=of["source"].text(),
    )


def _cpu(place: _Place) -> Cpu:
    of = place.fields("id", "package", "die", "node", "cluster", "siblings", "capacity", "kind")
    return Cpu(
        id=of["id"].number(0, MAX_CPU_ID),
        package=of["package"].number(),
        die=of["die"].number(),
        node=of["node"].number(),
        siblings=of["siblings"].cpus(),
        capacity=of["capacity"].optional(of["capacity"].number),
        kind=of["kind"].text(),
        cluster=of["cluster"].optional(of["cluster"].number),
    )


def _cache(place: _Place) -> Cache:
    of = place.fields("level", "cpus", "size", "line")
    return Cache(
        level=of["level"].number(1, 9),
        cpus=of["cpus"].cpus(),
        size=of["size"].optional(of["size"].number),
        line=of["line"].optional(of["line"].number),
    )


def _node(place: _Place) -> Node:
    of = place.fields("id", "cpus", "distances", also={"device": ""})
    return Node(
        id=of["id"].number(),
        cpus=of["cpus"].cpus(),
        distances=of["distances"].items(_Place.pair),
        device=of["device"].text(),
    )


def _consistent(topology: Topology) -> Topology:
    """The same, if its parts fit together."""
    numbers = [cpu.id for cpu in topology.cpus]
    online = set(numbers)
    if not numbers:
        raise _Wrong("$.cpus is empty: a machine has at least one CPU")
    if numbers != sorted(online):
        raise _Wrong("$.cpus is not in order, or names a CPU twice")
    nodes = [node.id for node in topology.nodes]
    if len(set(nodes)) < len(nodes) or not nodes:
        raise _Wrong(
            "$.nodes names a node twice" if nodes else "$.nodes is empty: all memory is somewhere"
        )
    there = set(nodes)
    listing: dict[tuple[int, ...], list[int]] = {}
    for cpu in topology.cpus:
        listing.setdefault(cpu.siblings, []).append(cpu.id)
    agreed = {siblings for siblings, cpus in listing.items() if siblings == tuple(cpus)}
    for place, cpu in enumerate(topology.cpus):
        if cpu.node not in there:
            raise _Wrong(f"$.cpus[{place}].node is {cpu.node}, and there is no such node")
        if cpu.siblings and cpu.siblings not in agreed:
            raise _Wrong(f"$.cpus[{place}].siblings do not say the same of each other")
    groups = [(f"$.caches[{place}]", one.cpus) for place, one in enumerate(topology.caches)]
    groups += [(f"$.nodes[{place}]", one.cpus) for place, one in enumerate(topology.nodes)]
    groups += [("$.allowed", topology.allowed)]
    for name, cpus in groups:
        if not online.issuperset(cpus):
            raise _Wrong(f"{name} names CPU {min(set(cpus) - online)}, which is not in $.cpus")
    for place, node in enumerate(topology.nodes):
        for number in node.cpus:
            home = topology.cpu(number).node
            if home != node.id:
                raise _Wrong(
                    f"$.nodes[{place}] names CPU {number}, which says it is in node {home}"
                )
    packages = {cpu.package for cpu in topology.cpus}
    stray = next((end for link in topology.links for end in link if end not in packages), None)
    if stray is not None:
        raise _Wrong(f"$.links names package {stray}, which has no CPU")
    return topology
