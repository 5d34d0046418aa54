"""A `Topology` as a file: JSON, schema `multikernel-topology/1`, and back without loss.

Guarantees: `decoded(encoded(t)) == t`. What is read is checked as if an enemy had written it:
types, ranges, sizes, and that it does not contradict itself (a cache of CPUs that are not there, a
CPU in two nodes). What is refused is refused in one sentence that names the file and the line, and
the place (`$.cpus[3].package`) where it is JSON but no machine.

CPU lists are in the kernel's format, as in the result documents.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import MAX_CPU_ID, Lists, format_cpu_list, shown
from multikernel.machine.topology.model import Cache, Cpu, Node, Topology

SCHEMA = "multikernel-topology/1"
MOST_BYTES = 32 << 20
"""A machine of MAX_CPU_ID CPUs takes less."""

Whole = Annotated[int, Meta(ge=0, le=1 << 62)]
Line = Annotated[str, Meta(max_length=200)]
CpuList = str
"""In the kernel's format."""


class _Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str) and not value.isprintable():
                raise ValueError(f"`{name}` has letters that cannot be printed")


class _Cpu(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[int, Meta(ge=0, le=MAX_CPU_ID)]
    package: Whole
    die: Whole
    node: Whole
    cluster: Whole | None
    siblings: CpuList
    capacity: Whole | None
    kind: Line


class _Cache(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: Annotated[int, Meta(ge=1, le=9)]
    cpus: CpuList
    size: Whole | None
    line: Whole | None


class _Node(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Whole
    cpus: CpuList
    distances: list[tuple[Whole, Whole]]
    device: Line = ""


class _Machine(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: str
    source: Line
    architecture: Line
    possible: CpuList
    present: CpuList
    allowed: CpuList
    cpuset: CpuList | None
    links: list[tuple[Whole, Whole]]
    cpus: list[_Cpu]
    caches: list[_Cache]
    nodes: list[_Node]


_LISTED: Mapping[str, type[_Record]] = {"cpus": _Cpu, "caches": _Cache, "nodes": _Node}


def encoded(topology: Topology) -> str:
    """JSON text, one CPU, cache or node a line, newline at the end."""
    listed = cache(format_cpu_list)
    record = _Machine(
        schema=SCHEMA,
        source=topology.source,
        architecture=topology.architecture,
        possible=listed(topology.possible),
        present=listed(topology.present),
        allowed=listed(topology.allowed),
        cpuset=None if topology.cpuset is None else listed(topology.cpuset),
        links=list(topology.links),
        cpus=[
            _Cpu(
                id=cpu.id, package=cpu.package, die=cpu.die, node=cpu.node, cluster=cpu.cluster,
                siblings=listed(cpu.siblings), capacity=cpu.capacity, kind=cpu.kind,
            )
            for cpu in topology.cpus
        ],
        caches=[
            _Cache(level=one.level, cpus=listed(one.cpus), size=one.size, line=one.line)
            for one in topology.caches
        ],
        nodes=[
            _Node(
                id=node.id, cpus=listed(node.cpus), distances=list(node.distances),
                device=node.device,
            )
            for node in topology.nodes
        ],
    )  # fmt: skip
    members = msgspec.to_builtins(record).items()
    return "{\n" + ",\n".join(f" {_json(key)}: {_lines(value)}" for key, value in members) + "\n}\n"


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
        return _consistent(_topology(_checked(value)))
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


def _checked(value: object) -> _Machine:
    """Raises _Wrong with msgspec's complaint. Of a list msgspec does not say which one: it is the
    first that it refuses alone.
    """
    try:
        return msgspec.convert(value, _Machine)
    except msgspec.ValidationError as error:
        place, reason = _complaint(error, "$")
        listed = re.match(r"\$\.(\w+)\[\.\.\.\]", place)
        if listed and listed[1] in _LISTED and isinstance(value, Mapping):
            for number, one in enumerate(value[listed[1]]):
                try:
                    msgspec.convert(one, _LISTED[listed[1]])
                except msgspec.ValidationError as inner:
                    place, reason = _complaint(inner, f"$.{listed[1]}[{number}]")
                    break
        raise _Wrong(f"{place} is wrong: {reason}") from None
    except UnicodeEncodeError:
        raise _Wrong("$ is wrong: it has letters that are none") from None


def _complaint(error: msgspec.ValidationError, root: str) -> tuple[str, str]:
    reason, _, place = str(error).partition(" - at `")
    reason = reason[:1].lower() + (reason[1:] if len(reason) <= 100 else reason[1:99] + "…")
    return root + place.rstrip("`").removeprefix("$"), reason


def _topology(of: _Machine) -> Topology:
    lists = Lists()

    def read(place: str, text: CpuList) -> tuple[int, ...]:
        try:
            return lists.read(text)
        except ValueError as error:
            raise _Wrong(f"$.{place} is wrong: {error}") from None

    return Topology(
        cpus=tuple(
            Cpu(
                id=one.id, package=one.package, die=one.die, node=one.node, cluster=one.cluster,
                siblings=read(f"cpus[{number}].siblings", one.siblings), capacity=one.capacity,
                kind=one.kind,
            )
            for number, one in enumerate(of.cpus)
        ),
        caches=tuple(
            Cache(one.level, read(f"caches[{number}].cpus", one.cpus), one.size, one.line)
            for number, one in enumerate(of.caches)
        ),
        nodes=tuple(
            Node(one.id, read(f"nodes[{number}].cpus", one.cpus), tuple(one.distances), one.device)
            for number, one in enumerate(of.nodes)
        ),
        possible=read("possible", of.possible),
        present=read("present", of.present),
        allowed=read("allowed", of.allowed),
        cpuset=None if of.cpuset is None else read("cpuset", of.cpuset),
        links=tuple(of.links),
        architecture=of.architecture,
        source=of.source,
    )  # fmt: skip


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
