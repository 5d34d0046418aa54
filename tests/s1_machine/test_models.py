"""Modelled machines: what is shipped can be run, and a file that cannot is refused by its field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multikernel.errors import BadInput
from multikernel.machine.models import reading
from multikernel.machine.models.model import parse
from multikernel.machine.models.tables import MOST_CORES, tables, topology_of

AMD = reading.shipped("8x4-amd")
FOLDER = Path(reading.__file__).parent
TEXT = (FOLDER / "8x4-amd.toml").read_text()


@pytest.mark.parametrize("name", reading.names())
def test_a_shipped_machine_has_a_place_and_a_line_between_any_two_cores(name: str) -> None:
    model = reading.shipped(name)
    cores = min(len(topology_of(model, name).cpus) * model.servers, MOST_CORES)
    found = tables(model, cores, name)
    places = len(found.home)
    assert len(found.place) == cores
    assert set(found.place) == set(range(places))
    assert len(found.hops) == len(found.distance) == places**2 == len(found.route) - 1
    assert all(min(line.own, line.fetch, line.send, line.handle) >= 0 for line in found.costs)
    for a in range(places):
        for b in range(places):
            i = a * places + b
            assert found.hops[i] == found.hops[b * places + a]
            way = found.link[found.route[i] : found.route[i + 1]]
            assert a != b or not way
            assert all(one < len(found.link_names) for one in way)


def test_routes_are_shortest_and_follow_links() -> None:
    found = tables(AMD, 32, "8x4-amd")
    links = {pair for a, b in AMD.transfer.links for pair in ((a, b), (b, a))}
    for a in range(8):
        for b in range(8):
            i = 8 * a + b
            way = [found.link_names[one] for one in found.link[found.route[i] : found.route[i + 1]]]
            assert len(way) == found.hops[i]
            assert set(way) <= links
            assert [a, *(to for _, to in way)] == [*(one for one, _ in way), b] or a == b


def test_servers_share_no_link() -> None:
    found = tables(reading.shipped("4-servers"), 128, "4-servers")
    places = len(found.home)
    inside = places // 4
    passed: list[set[int]] = [set() for _ in range(4)]
    for a in range(places):
        for b in range(places):
            way = found.link[found.route[a * places + b] : found.route[a * places + b + 1]]
            if a // inside == b // inside:
                passed[a // inside] |= set(way)
            else:
                assert [found.link_names[one] for one in way] == [
                    (a // inside, -1), (-1, b // inside),
                ]  # fmt: skip
    assert all(passed)
    assert sum(map(len, passed)) == len(set().union(*passed))


def test_what_a_message_takes_over_two_hops_is_what_table_2_says() -> None:
    """Sender's transaction, way and receiver's, as the simulator takes them, on the mean."""
    for gap in ("sender", "receiver"):
        model = AMD.varied({}, gap=gap)
        found = tables(model, 32, "8x4-amd")
        line, hop = found.costs[-1], model.transfer.hop.value
        ways = []
        for a in range(8):
            for b in range(8):
                if found.hops[8 * a + b] == 2:
                    own = 2 + max(found.hops[8 * b + n] + found.hops[8 * n + a] for n in range(8))
                    fetch = max(2 * found.hops[8 * b + n] for n in range(8))
                    ways.append(own + fetch)
        mean = hop * sum(ways) / len(ways)
        assert line.send + line.own + line.fetch + line.handle + mean == pytest.approx(618)


CHANGES = {
    "message.system.send": (r"send = \{ value = 50,", "send = { value = -50,"),
    "transfer.hop": (r"hop = .*\n", ""),
    "local.call": (r"(call = .*), low = 150, high = 1549", r"\1"),
    "local.change": (r"change = \{ value = 300, low = 100", "change = { value = 300, low = 400"),
    "transfer.links": (r"\[6, 7\], \[7, 0\]", "[7, 7]"),
    "message": (r"\[message.system\]", "[message.neighbour]"),
    "latency": (r"latency = .*\n", ""),
    "coherence": (r'coherence = "snoop"', 'coherence = "rumour"'),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_file_that_makes_no_sense_is_refused_with_its_field(field: str) -> None:
    changed, count = re.subn(*CHANGES[field], TEXT)
    assert count == 1
    with pytest.raises(BadInput) as refused:
        tables(parse(changed, "changed.toml"), 32, "changed.toml")
    assert "changed.toml" in str(refused.value) or field in str(refused.value)
    assert field.split(".")[-1] in str(refused.value) or "system" in str(refused.value)


@pytest.mark.parametrize("cores", [0, 33, 5000])
def test_more_cores_than_the_machine_has_are_refused(cores: int) -> None:
    with pytest.raises(BadInput, match="32 cores"):
        tables(AMD, cores, "--cores")


def test_a_shape_has_the_numbers_of_another_machine_and_says_so() -> None:
    model = reading.read("2x4")
    assert any("every number" in note for note in model.notes)
    assert len(tables(model, 8, "2x4").place) == 8


@pytest.mark.parametrize("text", ["nowhere", "missing.toml", "0x4"])
def test_what_is_no_machine_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(BadInput):
        reading.read(text)


def test_nothing_in_a_file_of_the_paper_s_machines_comes_from_figures_3_to_8() -> None:
    for name in ("8x4-amd", "4x4-amd", "2x2-amd", "2x4-intel"):
        for where, number in reading.shipped(name).numbers():
            assert not re.search(r"[Ff]ig(ure|\.)? ?[3-8]", number.source), (name, where)
