"""Machines of all kinds: what is read from their files, what is drawn, and that nothing is lost on
the way.
"""

import os

import pytest
from s1_machine import machines

from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.parts import Part, boxes
from multikernel.report.say.topology_text import drawn, in_ascii

WRITE = os.environ.get("MULTIKERNEL_GOLDEN") == "write"
WIDTH = 100


def golden(name: str, text: str) -> None:
    """The text is the one that is stored; it is stored if that is wanted."""
    path = machines.DIRECTORY / name
    if WRITE:
        path.write_text(text)
    assert text == path.read_text()


def test_there_are_machines() -> None:
    assert len(machines.NAMES) >= 12


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("name", machines.NAMES)
def test_what_is_read_and_drawn(name: str) -> None:
    topology = machines.read(name)
    text = topology.to_json()
    golden(f"{name}.json", text)
    assert Topology.from_json(text) == topology
    lines = drawn(topology, WIDTH)
    golden(f"{name}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", machines.NAMES)
@pytest.mark.parametrize("width", [40, 61, 200])
def test_drawings_keep_to_the_width(name: str, width: int) -> None:
    lines = drawn(machines.read(name), width)
    assert max(map(len, lines)) <= width
    assert all(line.isascii() for line in in_ascii(lines))
    # Boxes are whole: each opened one is closed.
    text = "\n".join(lines)
    assert text.count("┌") == text.count("┐") == text.count("└") == text.count("┘") > 0


@pytest.mark.parametrize("name", machines.NAMES)
def test_boxes_hold_every_cpu_once(name: str) -> None:
    topology = machines.read(name)
    found = boxes(topology)
    cores: list[tuple[int, ...]] = []

    def walk(part: Part) -> None:
        if part.parts:
            assert sorted(cpu for one in part.parts for cpu in one.cpus) == list(part.cpus)
            for one in part.parts:
                walk(one)
        else:
            cores.append(part.cpus)

    for part in found.parts:
        walk(part)
    assert sorted(cores) == sorted(topology.cores)
