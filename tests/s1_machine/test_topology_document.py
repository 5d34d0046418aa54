"""Machines as JSON: nothing is lost, and nothing that cannot be is read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel.errors import BadInput
from multikernel.machine.topology.model import Cache, Cpu, Node, Topology
from multikernel.machine.topology.synthetic import from_string

NUMBERS = st.integers(0, 1 << 40)
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
            capacity=draw(st.none() | NUMBERS),
            kind=draw(WORDS),
            cluster=draw(st.none() | st.sampled_from(numbers)),
        )
        for cpu in numbers
    )
    packages = [cpu.package for cpu in cpus]
    return Topology(
        cpus=cpus,
        caches=tuple(
            Cache(
                draw(st.integers(1, 4)),
                draw(subset),
                draw(st.none() | NUMBERS),
                draw(st.none() | NUMBERS),
            )
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


@settings(deadline=None, max_examples=60)
@given(topologies())
def test_nothing_is_lost(topology: Topology) -> None:
    text = topology.to_json()
    assert Topology.from_json(text) == topology
    assert Topology.from_json(text.encode()) == topology
    assert json.loads(text)["schema"] == "multikernel-topology/1"


def changed(change: Callable[[Any], object]) -> str:
    """A good text with one change."""
    record = json.loads(from_string("2x2x2").to_json())
    change(record)
    return json.dumps(record)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.pop("nodes"), r"missing required field `nodes`"),
        (lambda r: r.update({"\x1b[31m\n" + "x" * 10_000: 1}), r"unknown field"),
        (lambda r: r["cpus"][3].update({"\ud800": 1}), r"letters that are none"),
        (lambda r: r["cpus"][3].update(die=1 << 80), r"\$\.cpus\[3\]\.die"),
        (lambda r: r["nodes"][1].update(device="x" * 201), r"\$\.nodes\[1\]\.device"),
        (lambda r: r.update(more=1), r"unknown field `more`"),
        (
            lambda r: r["cpus"][3].update(package="x"),
            r"\$\.cpus\[3\]\.package .*`int`",
        ),
        (lambda r: r["cpus"][3].update(package=True), r"\$\.cpus\[3\]\.package"),
        (lambda r: r["cpus"][3].update(id=70000), r"\$\.cpus\[3\]\.id .* <= 65535"),
        (lambda r: r["cpus"][3].update(id=2), r"not in order, or names a CPU twice"),
        (
            lambda r: r["cpus"][3].update(node=9),
            r"\$\.cpus\[3\]\.node is 9, and there is no such node",
        ),
        (
            lambda r: r["cpus"][0].update(siblings="0-1"),
            r"siblings do not say the same of each other",
        ),
        (
            lambda r: r["cpus"][0].update(siblings="4"),
            r"siblings do not say the same of each other",
        ),
        (
            lambda r: r["cpus"][0].update(siblings="3-1"),
            r"\$\.cpus\[0\]\.siblings .*the range '3-1' runs backwards",
        ),
        (
            lambda r: r["caches"][1].update(cpus="0-63"),
            r"\$\.caches\[1\] names CPU 8, which is not in \$\.cpus",
        ),
        (lambda r: r["caches"][1].update(level=0), r"\$\.caches\[1\]\.level"),
        (
            lambda r: r["nodes"][0].update(cpus="0-2,4-5"),
            r"\$\.nodes\[0\] names CPU 2, which says it is in node 1",
        ),
        (
            lambda r: r["nodes"][0].update(distances=[[0]]),
            r"\$\.nodes\[0\]\.distances.* 2",
        ),
        (lambda r: r["nodes"][1].update(id=0), r"names a node twice"),
        (lambda r: r.update(nodes=[]), r"\$\.nodes is empty"),
        (lambda r: r.update(cpus=[]), r"at least one CPU"),
        (lambda r: r.update(allowed="9"), r"\$\.allowed names CPU 9"),
        (lambda r: r.update(links=[[0, 5]]), r"\$\.links names package 5"),
        (lambda r: r.update(source="a\nb"), r"`source` has letters"),
        (lambda r: r.update(source="\ud800"), r"`source` has letters"),
        (lambda r: r.update(cpus={}), r"\$\.cpus .*`array`"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_place(
    change: Callable[[Any], object], says: str
) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        Topology.from_json(changed(change), "machine.json")
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
