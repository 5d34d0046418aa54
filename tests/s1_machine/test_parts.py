"""Boxes within boxes: what lies across others is said, and every CPU is drawn or stands for by
another.
"""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel.machine.cpu_list import parse_cpu_list
from multikernel.machine.topology.model import Node, Topology
from multikernel.machine.topology.parts import amount, boxes
from multikernel.machine.topology.synthetic import from_string
from multikernel.report.say.topology_text import drawn, in_ascii


def with_nodes(topology: Topology, *groups: tuple[int, ...]) -> Topology:
    """The same, with other nodes."""
    home = {cpu: node for node, group in enumerate(groups) for cpu in group}
    return replace(
        topology,
        nodes=tuple(Node(node, group) for node, group in enumerate(groups)),
        cpus=tuple(replace(cpu, node=home[cpu.id]) for cpu in topology.cpus),
    )


def test_a_node_of_halves_of_two_packages_is_no_box() -> None:
    topology = with_nodes(from_string("2x4"), (0, 1, 4, 5), (2, 3, 6, 7))
    found = boxes(topology)
    assert [part.title for part in found.parts] == ["package 0 · L3", "package 1 · L3"]
    assert found.across == ["node 0: CPUs 0-1,4-5", "node 1: CPUs 2-3,6-7"]
    text = "\n".join(drawn(topology, 90))
    assert "lies across others: node 0: CPUs 0-1,4-5" in text
    assert "distances between nodes, derived: not known" in text


def test_a_core_is_never_divided() -> None:
    topology = with_nodes(from_string("1x2x2"), (0, 1), (2, 3))
    found = boxes(topology)
    assert [part.cpus for part in found.parts[0].parts] == [(0, 2), (1, 3)]
    assert len(found.across) == 2


def test_what_consists_of_the_same_cpus_is_one_box() -> None:
    (package,) = boxes(from_string("1 package, 1 die, 1 cluster, 2 cores")).parts
    assert package.title == "package 0 · L3 · cluster"
    assert [part.cpus for part in package.parts] == [(0,), (1,)]


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(*[st.integers(1, 4)] * 4, st.integers(1, 3)),
    st.sampled_from(["nodes", "dies", "l3", "clusters"]),
    st.sampled_from([None, "nodes", "dies", "l3", "clusters"]),
    st.integers(40, 200),
)
def test_every_cpu_is_drawn_or_another_stands_for_it(
    counts: tuple[int, ...], one: str, other: str | None, width: int
) -> None:
    words = [f"{counts[0]} packages", f"{counts[1]} {one}"]
    words += [f"{counts[2]} {other}"] if other not in (None, one) else []
    topology = from_string(", ".join([*words, f"{counts[3]} cores", f"smt {counts[4]}"]))
    lines = drawn(topology, width)
    assert max(map(len, lines)) <= width
    # Sentences may be broken inside of boxes: take the frames away and put them together again.
    text = " ".join(" ".join(lines[2:]).replace("│", " ").split())
    cells = {int(number) for cell in re.findall(r"\[([\d ]+)\]", text) for number in cell.split()}
    assert cells <= set(topology.online)
    if "more like this" not in text:
        assert cells == set(topology.online)
    elif width >= 160:
        for hidden in re.findall(r"more like this: [^…└]*?CPUs ([\d,-]+)", text):
            cells.update(parse_cpu_list(hidden.rstrip(",")))
        assert cells == set(topology.online)


def test_letters_of_other_alphabets_are_not_asked_of_a_plain_terminal() -> None:
    lines = in_ascii(drawn(from_string("8x4-amd"), 80))
    assert all(line.isascii() for line in lines)
    assert "?" not in "".join(lines)


@pytest.mark.parametrize(
    ("size", "text"),
    [(512 << 10, "512 KB"), (1280 << 10, "1.25 MB"), (3 << 30, "3 GB"), (100, "100 B")],
)
def test_amounts(size: int, text: str) -> None:
    assert amount(size) == text
