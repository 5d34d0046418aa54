"""Machines as JSON: nothing is lost, and nothing that cannot be is read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import more

from multikernel.errors import BadInput
from multikernel.machine.topology.model import Cache, Cpu, Node, Topology
from multikernel.machine.topology.synthetic import from_string

NUMBERS = st.integers(0, 1 << 40)
MAYBE = st.none() | NUMBERS
WORDS = st.text(st.characters(categories=("L", "N", "P", "Sm")), max_size=20)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Any machine that does not contradict itself."""
    numbers = draw(st.sets(st.integers(0, 300), min_size=1, max_size=12).map(sorted))
    nodes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True))
    home = {cpu: draw(st.sampled_from(nodes)) for cpu in numbers}
    core = {cpu: draw(st.integers(0, 4)) for cpu in numbers}
    subset = st.sets(st.sampled_from(numbers)).map(lambda some: tuple(sorted(some)))
    cpus = tuple(
        Cpu(
            id=cpu,
            package=draw(st.integers(0, 3)),
            die=draw(NUMBERS),
            node=home[cpu],
            siblings=tuple(one for one in numbers if core[one] == core[cpu]),
            capacity=draw(MAYBE),
            kind=draw(WORDS),
            cluster=draw(st.none() | st.sampled_from(numbers)),
        )
        for cpu in numbers
    )
    packages = [cpu.package for cpu in cpus]
    return Topology(
        cpus=cpus,
        caches=tuple(
            Cache(draw(st.integers(1, 4)), draw(subset), draw(MAYBE), draw(MAYBE))
            for _ in range(draw(st.integers(0, 4)))
        ),
        nodes=tuple(
            Node(
                node,
                tuple(cpu for cpu in numbers if home[cpu] == node),
                tuple(draw(st.lists(st.tuples(st.sampled_from(nodes), NUMBERS), max_size=4))),
            )
            for node in nodes
        ),
        possible=tuple(numbers),
        allowed=draw(subset),
        present=draw(subset),
        cpuset=draw(st.none() | subset),
        links=tuple(draw(st.lists(st.tuples(*[st.sampled_from(packages)] * 2), max_size=3))),
        architecture=draw(WORDS),
        source=draw(WORDS),
    )


@settings(deadline=None, max_examples=more(25, 60))
@given(topologies())
def test_nothing_is_lost(topology: Topology) -> None:
    text = topology.to_json()
    assert Topology.from_json(text) == topology
    assert Topology.from_json(text.encode()) == topology
    assert json.loads(text)["schema"] == "multikernel-topology/1"


def put(*path: str | int, **fields: object) -> Callable[[Any], object]:
    """A change of fields of what lies there."""

    def change(record: Any) -> None:
        for step in path:
            record = record[step]
        record.update(fields)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.pop("nodes"), r"missing required field `nodes`"),
        (put(**{"\x1b[31m\n" + "x" * 10_000: 1}), r"unknown field"),
        (put("cpus", 3, **{"\ud800": 1}), r"letters that are none"),
        (put("cpus", 3, die=1 << 80), r"\$\.cpus\[3\]\.die"),
        (put("nodes", 1, device="x" * 201), r"\$\.nodes\[1\]\.device"),
        (put(more=1), r"unknown field `more`"),
        (put("cpus", 3, package="x"), r"\$\.cpus\[3\]\.package .*`int`"),
        (put("cpus", 3, package=True), r"\$\.cpus\[3\]\.package"),
        (put("cpus", 3, id=70000), r"\$\.cpus\[3\]\.id .* <= 65535"),
        (put("cpus", 3, id=2), r"not in order, or names a CPU twice"),
        (put("cpus", 3, node=9), r"\$\.cpus\[3\]\.node is 9, and there is no such node"),
        (put("cpus", 0, siblings="0-1"), r"siblings do not say the same of each other"),
        (put("cpus", 0, siblings="4"), r"siblings do not say the same of each other"),
        (put("cpus", 0, siblings="3-1"), r"\$\.cpus\[0\]\.siblings .*'3-1' runs backwards"),
        (put("caches", 1, cpus="0-63"), r"\$\.caches\[1\] names CPU 8, which is not in \$\.cpus"),
        (put("caches", 1, level=0), r"\$\.caches\[1\]\.level"),
        (put("nodes", 0, cpus="0-2,4-5"), r"\$\.nodes\[0\] names CPU 2, .* is in node 1"),
        (put("nodes", 0, distances=[[0]]), r"\$\.nodes\[0\]\.distances.* 2"),
        (put("nodes", 1, id=0), r"names a node twice"),
        (put(nodes=[]), r"\$\.nodes is empty"),
        (put(cpus=[]), r"at least one CPU"),
        (put(allowed="9"), r"\$\.allowed names CPU 9"),
        (put(links=[[0, 5]]), r"\$\.links names package 5"),
        (put(source="a\nb"), r"`source` has letters"),
        (put(source="\ud800"), r"`source` has letters"),
        (put(cpus={}), r"\$\.cpus .*`array`"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_place(
    change: Callable[[Any], object], says: str
) -> None:
    record = json.loads(from_string("2x2x2").to_json())
    change(record)
    with pytest.raises(BadInput, match=says) as caught:
        Topology.from_json(json.dumps(record), "machine.json")
    message = str(caught.value)
    assert "machine.json" in message
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"id": 3, "package": 1', '"id": 3, "package": "x"', '"id": 3,'),
        ('"id": 3, "package": 1', '"id": 3, "package": 1, "package": -1', '"id": 3,'),
        ('"id": 3, "package": 1, "die"', '"id": 3, "package": 1, "dye"', '"id": 3,'),
        ('"level": 3, "cpus": "0-1"', '"level": 3, "cpus": "0-9"', '"level": 3, "cpus": "0-9"'),
        ('"allowed": "0-3"', '"allowed": "3-0"', '"allowed": "3-0"'),
        ('"links": []', '"links": [[0, 1],\n\n[0, 9]]', '"links"'),
    ],
)
def test_what_is_wrong_is_found_in_its_line(old: str, new: str, words: str) -> None:
    text = from_string("2x2").to_json()
    assert text.count(old) == 1
    damaged = text.replace(old, new)
    line = 1 + next(number for number, one in enumerate(damaged.splitlines()) if words in one)
    with pytest.raises(BadInput, match=rf"\(machine\.json, line {line}\)"):
        Topology.from_json(damaged, "machine.json")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{\n "schema": "multikernel-topology/1",\n oops}', "not JSON: .*machine.json, line 3"),
        (b'{\n\n"a": "\xff"}', "not UTF-8.*line 3"),
        (b"[" * 100_000, "nesting beyond all measure|not JSON"),
        (b"1" * 10_000, "not a machine|beyond all measure"),
        (b"[]", "this JSON is not a machine: it has no schema"),
        (b'{"schema": "multikernel-results/1"}', "its schema is 'multikernel-results/1'"),
        (b"", "not JSON: .*line 1"),
    ],
)
def test_what_is_no_machine_is_refused_with_its_line(text: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Topology.from_json(text, "machine.json")
