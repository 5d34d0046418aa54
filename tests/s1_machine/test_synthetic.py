"""Machines from sentences: what is built, and what is refused."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel.errors import BadInput
from multikernel.machine.topology.synthetic import PRESETS, from_string, hops

COUNT = st.integers(1, 4)


@settings(deadline=None)
@given(COUNT, COUNT, st.integers(1, 3))
def test_a_product_is_packages_cores_and_threads(packages: int, cores: int, threads: int) -> None:
    machine = from_string(f"{packages}x{cores}x{threads}")
    assert [len(package) for package in machine.packages] == [cores * threads] * packages
    assert [len(core) for core in machine.cores] == [threads] * (packages * cores)
    assert machine.l3 == machine.packages == machine.dies
    assert machine.l2 == machine.cores
    assert [node.cpus for node in machine.nodes] == list(machine.packages)
    assert machine.online == tuple(range(packages * cores * threads))
    assert machine.allowed == machine.possible == machine.online
    assert machine.offline == machine.disallowed == ()
    same = from_string(f"{packages} packages, {cores} cores, smt {threads}")
    assert same.cpus == machine.cpus
    assert same.caches == machine.caches


@settings(deadline=None, max_examples=50)
@given(
    st.permutations(["nodes", "dies", "l3", "clusters", "l2"]),
    st.lists(st.integers(1, 2), min_size=5, max_size=5),
)
def test_words_nest_in_the_order_written(words: list[str], counts: list[int]) -> None:
    text = (
        "2 packages, "
        + ", ".join(f"{n} {word}" for n, word in zip(counts, words, strict=True))
        + ", 2 cores"
    )
    machine = from_string(text)
    groups = {
        "nodes": tuple(node.cpus for node in machine.nodes),
        "dies": machine.dies,
        "l3": machine.l3,
        "clusters": machine.clusters,
        "l2": machine.l2,
    }
    number, size = 2, len(machine.online) // 2
    for word, count in zip(words, counts, strict=True):
        number, size = number * count, size // count
        assert [len(group) for group in groups[word]] == [size] * number, word
    assert size == 2
    # Each level lies inside the one named before it.
    for outer, inner in product(words, words):
        if words.index(outer) < words.index(inner):
            assert all(
                sum(set(one) <= set(other) for other in groups[outer]) == 1 for one in groups[inner]
            )


def test_the_issues_own_sentence() -> None:
    machine = from_string("2 packages, 3 dies, 8 cores, smt 2")
    assert (len(machine.packages), len(machine.dies), len(machine.cores)) == (2, 6, 48)
    assert machine.l3 == machine.dies
    assert machine.cores[0] == (0, 48)
    assert machine.source == "invented: 2 packages, 3 dies, 8 cores, smt 2"
    assert machine.invented
    assert machine.nodes[0].distances == ((0, 10), (1, 20))
    relations = [machine.relation(0, b) for b in (0, 48, 1, 8, 24)]
    assert relations == ["same", "smt", "l3", "package", "system"]


def test_the_papers_machines() -> None:
    shapes = {
        name: (len(m.packages), len(m.dies), len(m.cores), len(m.nodes), len(m.l2), len(m.l3))
        for name, m in ((name, from_string(name)) for name in PRESETS)
    }
    assert shapes == {
        "2x4-intel": (2, 4, 8, 1, 4, 0),
        "2x2-amd": (2, 2, 4, 2, 4, 0),
        "4x4-amd": (4, 4, 16, 4, 16, 4),
        "8x4-amd": (8, 8, 32, 8, 32, 8),
    }
    intel = from_string("2x4-intel")
    assert [intel.relation(0, b) for b in (1, 2, 4)] == ["l2", "package", "system"]
    far = from_string("8X4-AMD")
    # Across the irregular graph: a neighbour, two links, three links.
    assert [far.nodes[7].distance(other) for other in (7, 0, 1, 2)] == [10, 16, 22, 28]
    assert all(a.distance(b.id) == b.distance(a.id) for a in far.nodes for b in far.nodes)
    assert {cache.size for cache in far.caches if cache.level == 3} == {2 << 20}
    assert "Opteron 8350" in far.source


def test_hops_of_a_square_and_of_what_is_not_connected() -> None:
    assert hops(from_string("4x4-amd").links, 0) == {0: 0, 1: 1, 3: 1, 2: 2}
    assert hops(((0, 1), (2, 3)), 0) == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot read this part"),
        ("8y4", "cannot read this part"),
        ("8x4,", "cannot read this part"),
        ("2 packages 3 dies", "cannot read this part"),
        ("1x2x3x4", "more than packages, cores and threads"),
        ("0x4", "has at least one package"),
        ("2 packages, 0 cores", "has at least one core"),
        ("2 cores, 2 packages", "from the outside in"),
        ("2 cores, 2 l2", "from the outside in"),
        ("2 dies, 2 packages, 2 cores", "from the outside in"),
        ("2 cores, 2 cores", "named twice"),
        ("5000x1", "too large"),
        ("64x64x64", "too large"),
        ("9" * 5000 + "x2", "too large"),
        ("٣x4", "cannot read this part"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        from_string(text)
    message = str(caught.value)
    assert "(machine)" in message
    assert "\n" not in message
    assert len(message) < 300


@settings(deadline=None)
@given(st.one_of(st.text(max_size=40), st.text("0123456789x, packgesdinol2smt", max_size=40)))
def test_any_text_is_a_machine_or_bad_input(text: str) -> None:
    try:
        machine = from_string(text)
    except BadInput:
        return
    assert machine.online
    assert sorted(cpu for core in machine.cores for cpu in core) == list(machine.online)
