"""Machines as SVG: well-formed, nothing outside of the page, every CPU there, and what must be
said.
"""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from s1_machine import machines

from multikernel.machine.topology.synthetic import from_string
from multikernel.report.draw.looks import LOOKS
from multikernel.report.figures.figure import WIDTH
from multikernel.report.figures.topology_figure import as_svg, figure

SVG = "{http://www.w3.org/2000/svg}"


def looks_like(box: ElementTree.Element, what: str) -> bool:
    return all(
        box.attrib.get(name.replace("_", "-")) == str(value) for name, value in LOOKS[what].items()
    ) and ("stroke-dasharray" in box.attrib) == ("stroke_dasharray" in LOOKS[what])


@pytest.mark.parametrize("name", machines.NAMES)
def test_drawings_are_whole(name: str) -> None:
    topology = machines.read(name)
    root = ElementTree.fromstring(as_svg(topology, ["something <said> & escaped"]))
    words = "".join(root.itertext())
    assert topology.source in words
    assert "something <said> & escaped" in words
    boxes = [one for one in root.iter(f"{SVG}rect") if "x" in one.attrib]  # but the ground
    for box in boxes:
        x, y, width, height = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 <= x < x + width <= WIDTH
        assert 0 <= y < y + height <= float(root.attrib["viewBox"].split()[3])
    cores = [one for one in boxes if looks_like(one, "core") or looks_like(one, "core barred")]
    if "more like this" not in words:
        assert len(cores) == len(topology.cores)
    drawn = {
        int(number)
        for one in root.iter(f"{SVG}text")
        for number in re.findall(r"\d+", one.text or "")
    }
    assert drawn >= {cpu for core in topology.cores[:1] for cpu in core}
    barred = [one for one in cores if looks_like(one, "core barred")]
    assert len(barred) == sum(set(core) <= set(topology.disallowed) for core in topology.cores)


def test_boxes_do_not_lie_on_one_another() -> None:
    root = ElementTree.fromstring(as_svg(from_string("2 packages, 2 nodes, 2 l3, 3 cores, smt 2")))
    cores = [
        tuple(float(one.attrib[key]) for key in ("x", "y", "width", "height"))
        for one in root.iter(f"{SVG}rect")
        if looks_like(one, "core")
    ]
    assert len(cores) == 24
    for place, (ax, ay, aw, ah) in enumerate(cores):
        for bx, by, bw, bh in cores[place + 1 :]:
            assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay


def test_an_invented_machine_says_so_in_its_title() -> None:
    assert figure(from_string("8x4")).title == "invented: 8x4"
    assert figure(from_string("8x4-amd")).title.startswith("invented: 8x4-amd")


def test_more_nodes_than_a_table_holds() -> None:
    topology = from_string("24x1")
    words = "".join(ElementTree.fromstring(as_svg(topology)).itertext())
    assert "distances between nodes, derived: 10, 20" in words
    unknown = replace(topology, nodes=tuple(replace(node, distances=()) for node in topology.nodes))
    assert "not known" in "".join(ElementTree.fromstring(as_svg(unknown)).itertext())
