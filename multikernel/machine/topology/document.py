"""A `Topology` as a file: JSON, schema `multikernel-topology/1`, and back without loss.

Guarantees: `decoded(encoded(t)) == t`. What is read is checked as if an enemy had written it:
types, ranges, sizes, and that it does not contradict itself (a cache of CPUs that are not there, a
CPU in two nodes). What is refused is refused in one sentence that names the file and the line, and
the place (`$.cpus[3].package`) where it is JSON but no machine.

CPU lists are in the kernel's format, as in the result documents.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache, partial
from itertools import chain
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct, structs

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


class _Record(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields as in `made`, but for `lists`, which are a CpuList here."""

    made: ClassVar[type]
    lists: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str) and not value.isprintable():
                raise ValueError(f"`{name}` has letters that cannot be printed")


class _Cpu(_Record):
    made, lists = Cpu, ("siblings",)
    id: Annotated[int, Meta(ge=0, le=MAX_CPU_ID)]
    package: Whole
    die: Whole
    node: Whole
    cluster: Whole | None
    siblings: CpuList
    capacity: Whole | None
    kind: Line


class _Cache(_Record):
    made, lists = Cache, ("cpus",)
    level: Annotated[int, Meta(ge=1, le=9)]
    cpus: CpuList
    size: Whole | None
    line: Whole | None


class _Node(_Record):
    made, lists = Node, ("cpus",)
    id: Whole
    cpus: CpuList
    distances: tuple[tuple[Whole, Whole], ...]
    device: Line = ""


class _Machine(_Record, tag_field="schema", tag=SCHEMA):
    made, lists = Topology, ("possible", "present", "allowed", "cpuset")
    source: Line
    architecture: Line
    possible: CpuList
    present: CpuList
    allowed: CpuList
    cpuset: CpuList | None
    links: tuple[tuple[Whole, Whole], ...]
    cpus: tuple[_Cpu, ...]
    caches: tuple[_Cache, ...]
    nodes: tuple[_Node, ...]


_LISTED: Mapping[str, type[_Record]] = {"cpus": _Cpu, "caches": _Cache, "nodes": _Node}


def encoded(topology: Topology) -> str:
    """JSON text, one CPU, cache or node a line, newline at the end."""
    listed = cache(format_cpu_list)

    def record(form: type[_Record], one: object, **parts: object) -> _Record:
        values = {name: getattr(one, name) for name in form.__struct_fields__} | parts
        values |= {name: listed(values[name]) for name in form.lists if values[name] is not None}
        return form(**values)

    parts = {
        name: [record(form, one) for one in getattr(topology, name)]
        for name, form in _LISTED.items()
    }
    written = partial(json.dumps, ensure_ascii=False)
    members = []
    for key, value in msgspec.to_builtins(record(_Machine, topology, **parts)).items():
        lines = ",\n  ".join(map(written, value)) if key in _LISTED else ""
        members.append(f" {written(key)}: " + (f"[\n  {lines}\n ]" if lines else written(value)))
    return "{\n" + ",\n".join(members) + "\n}\n"


def decoded(text: str | bytes, where: str = "") -> Topology:
    """The machine of such a text. where: the file to name in errors. Raises BadInput."""
    if len(text) > MOST_BYTES:
        hint = f"at most {MOST_BYTES} are read"
        raise BadInput("too long for a machine", value=f"{len(text)} bytes", where=where, hint=hint)
    try:
        plain = text if isinstance(text, str) else text.decode()
        value = json.loads(plain)
    except (RecursionError, ValueError) as error:
        reason, line = "numbers or nesting beyond all measure", 1
        if isinstance(error, UnicodeDecodeError):
            reason, line = "it is not UTF-8", error.object.count(b"\n", 0, error.start) + 1
        elif isinstance(error, json.JSONDecodeError):
            reason, line = error.msg, error.lineno
        hint = "multikernel topology -o machine.json writes a good one"
        raise BadInput(f"not JSON: {reason}", where=_at(where, line), hint=hint) from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise BadInput(
            "this JSON is not a machine",
            value="it has no schema" if schema is None else f"its schema is {shown(str(schema))}",
            where=where,
            hint=f'machines have "schema": "{SCHEMA}": multikernel topology -o machine.json'
            " writes one",
        )
    try:
        return _consistent(_topology(value))
    except _Wrong as error:
        raise BadInput(
            "this machine is damaged or contradicts itself",
            value=str(error),
            where=_at(where, _line_of(plain, str(error).split()[0])),
            hint="it was changed by hand, or written by a faulty program",
        ) from None


def _at(where: str, line: int) -> str:
    return f"{where}, line {line}" if where else f"line {line}"


def _line_of(text: str, path: str) -> int:
    """In which line of a JSON text the value of such a path begins; or what should hold it, if it
    is not there. Of members of one name the last one counts.
    """
    decoder = json.JSONDecoder()

    def token(at: int) -> int:
        while text[at] in " \t\r\n,:":
            at += 1
        return at

    here = token(0)
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        found, number, at = None, 0, token(here + 1)
        while text[at] not in "}]":
            key = str(number)
            if text[here] == "{":
                key, at = decoder.raw_decode(text, at)
                at = token(at)
            if key == name + index:
                found = at
            at = token(decoder.raw_decode(text, at)[1])
            number += 1
        if found is None:
            break
        here = found
    return text.count("\n", 0, here) + 1


class _Wrong(ValueError):
    """What is wrong with a record. The message begins with the place."""


def _topology(value: Mapping[str, Any]) -> Topology:
    """Raises _Wrong with msgspec's complaint. Parts come first, each alone: msgspec does not say
    which one of a list is wrong.
    """
    lists = Lists()

    def made(place: str, one: object, form: type[_Record], **parts: object) -> Any:
        try:
            values = structs.asdict(msgspec.convert(one, form)) | parts
        except msgspec.ValidationError as error:
            reason, _, inside = str(error).partition(" - at `$")
            reason = reason[:1].lower() + (reason[1:] if len(reason) <= 100 else reason[1:99] + "…")
            raise _Wrong(f"{place}{inside.rstrip('`')} is wrong: {reason}") from None
        except UnicodeEncodeError:
            raise _Wrong(f"{place} is wrong: it has letters that are none") from None
        for name in form.lists:
            try:
                values[name] = None if values[name] is None else lists.read(values[name])
            except ValueError as error:
                raise _Wrong(f"{place}.{name} is wrong: {error}") from None
        return form.made(**values)

    parts = {
        name: tuple(
            made(f"$.{name}[{number}]", one, form) for number, one in enumerate(value[name])
        )
        for name, form in _LISTED.items()
        if isinstance(value.get(name), list)
    }
    machine: Topology = made("$", value, _Machine, **parts)
    return machine


def _consistent(topology: Topology) -> Topology:
    """The same, if its parts fit together."""
    numbers = [cpu.id for cpu in topology.cpus]
    nodes = {node.id for node in topology.nodes}
    online, packages = set(numbers), {cpu.package for cpu in topology.cpus}
    if not numbers:
        raise _Wrong("$.cpus is empty: a machine has at least one CPU")
    if numbers != sorted(online):
        raise _Wrong("$.cpus is not in order, or names a CPU twice")
    if not nodes:
        raise _Wrong("$.nodes is empty: all memory is somewhere")
    if len(nodes) < len(topology.nodes):
        raise _Wrong("$.nodes names a node twice")
    listing: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for cpu in topology.cpus:
        listing[cpu.siblings].append(cpu.id)
    agreed = {(), *(siblings for siblings, cpus in listing.items() if siblings == tuple(cpus))}
    for place, cpu in enumerate(topology.cpus):
        if cpu.node not in nodes:
            raise _Wrong(f"$.cpus[{place}].node is {cpu.node}, and there is no such node")
        if cpu.siblings not in agreed:
            raise _Wrong(f"$.cpus[{place}].siblings do not say the same of each other")
    groups = [(f"$.caches[{place}]", one.cpus) for place, one in enumerate(topology.caches)]
    groups += [(f"$.nodes[{place}]", one.cpus) for place, one in enumerate(topology.nodes)]
    for name, cpus in [*groups, ("$.allowed", topology.allowed)]:
        if not online.issuperset(cpus):
            raise _Wrong(f"{name} names CPU {min(set(cpus) - online)}, which is not in $.cpus")
    for place, node in enumerate(topology.nodes):
        for cpu in map(topology.cpu, node.cpus):
            if cpu.node != node.id:
                raise _Wrong(
                    f"$.nodes[{place}] names CPU {cpu.id}, which says it is in node {cpu.node}"
                )
    for end in chain.from_iterable(topology.links):
        if end not in packages:
            raise _Wrong(f"$.links names package {end}, which has no CPU")
    return topology
