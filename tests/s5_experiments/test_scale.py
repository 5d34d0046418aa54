"""Scale: what operations send, where one tree takes over from another, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampling import more

from multikernel.errors import BadInput
from multikernel.experiments import registry
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.scale import numbers
from multikernel.machine.host.cpus import Placement
from multikernel.machine.models.reading import read
from multikernel.report.figures import registry as figures
from multikernel.report.say import scale, verdict
from multikernel.results.document import Document
from multikernel.virtual.trees import build

AMD, SERVERS = ("8x4-amd", 16), ("4-servers", 128)
EDGES = {"broadcast": 2, "agreement": 4, "retype": 4}
"""Messages along each edge of a tree: there and back, in each phase."""


def measured(machine: str, cores: int) -> Document:
    size = replace(SIZES["modelled"], boots=more(3, 5), scale=0.05)
    request = Request(Placement(tuple(range(cores))), size, model=read(machine), machine=machine)
    return registry.get("scale")(request).run()


@cache
def document_of(machine: str, cores: int) -> Document:
    return measured(machine, cores)


def medians(document: Document, operation: str, tree: str) -> dict[int, float]:
    return {cores: one.p50 for cores, one in scale.curves(document)[operation][tree].items()}


@pytest.mark.parametrize("on", [AMD, SERVERS])
def test_it_says_that_it_is_simulated(on: tuple[str, int]) -> None:
    document = document_of(*on)
    assert document.simulated
    assert document.machine == on[0]
    assert "simulated" in {warning.code for warning in document.warnings}
    said = scale.sentences(document)
    assert all(sentence.startswith(f"Simulated, {on[0]}") for sentence in said)
    assert all(f"simulated: {on[0]}" in block.title for block in figures.draw(document))
    sections = dict(verdict.verdict([document]))
    assert set(said) <= set(sections["By the number of cores"])


@pytest.mark.parametrize("on", [AMD, SERVERS])
def test_messages_are_those_of_the_tree(on: tuple[str, int]) -> None:
    for one in document_of(*on).series:
        each = float(one.parameters["messages"]) / (one.cores - 1)  # type: ignore[arg-type]
        if one.variant in EDGES:
            assert each == EDGES[one.variant], one.key
        else:  # in one phase; where not all have room to remember it, with a notice behind
            assert each in (2, 3), one.key


@pytest.mark.full
def test_the_same_run_twice() -> None:
    one, again = document_of("8x4-amd", 6), measured("8x4-amd", 6)
    assert one.series == again.series
    assert one.ratios == again.ratios


def test_sending_in_turn_is_cheaper_among_few_and_dearer_among_many() -> None:
    for on, tree in ((AMD, "cluster"), (SERVERS, "binary")):
        for operation in ("agreement", "unmap", "retype"):
            trees = scale.curves(document_of(*on))[operation]
            found = scale.course(trees["sequential"], trees[tree])
            assert [side for *_, side in found.runs if side] == [-1, 1], (on, operation)
            assert len(found.crossings) == 1
            in_turn = medians(document_of(*on), operation, "sequential")
            deep = medians(document_of(*on), operation, "hierarchical")
            assert deep[max(deep)] < in_turn[max(deep)]
            assert in_turn[2] == deep[2]


def test_two_levels_are_slower_than_unicast_between_6_and_8_cores_of_the_amd() -> None:
    document = document_of(*AMD)
    for operation, counts in {"unmap": (6, 7, 8), "agreement": (6, 7), "retype": (6, 7)}.items():
        flat, levels = (medians(document, operation, tree) for tree in ("sequential", "cluster"))
        assert all(levels[cores] > flat[cores] for cores in counts), operation
        assert levels[12] < flat[12], operation


def test_what_is_busiest_is_named() -> None:
    for one in document_of(*SERVERS).series:
        if one.variant == "broadcast":
            continue
        about: dict[str, Any] = dict(one.parameters)
        assert 0 < about["core_busy"] <= 1
        assert 0 <= about.get("link_busy", 0) <= 1
        if about["tree"] == "sequential" and one.cores > 8:
            assert one.cores <= 32 or "server 0" in about["busiest_link"]
            assert about["busiest_core"] == "core 0"
            assert about["core_busy"] > 0.9


def test_a_server_is_entered_once_by_the_chosen_tree() -> None:
    model = read("4-servers")
    for root in (0, 37):
        edges = build("chosen", root, model, 100, "here")
        assert sorted([root, *(child for _, child in edges)]) == list(range(100))
        across = [(one, other) for one, other in edges if one // 32 != other // 32]
        assert len(across) == 3
        assert {one for one, _ in across} == {root}


def test_numbers_of_cores() -> None:
    assert {2, 6, 7, 8, 12, 24, 32} <= set(numbers(32))
    assert numbers(4096) == [1 << power for power in range(1, 13)]
    assert all(max(numbers(most)) == most for most in (2, 3, 13, 100, 3000))


def test_nothing_but_a_modelled_machine_will_do() -> None:
    with pytest.raises(BadInput) as raised:
        registry.get("scale")(Request(Placement((0, 1)), SIZES["quick"]))
    assert "rack-32" in str(raised.value)


def points(values: dict[int, float]) -> Any:
    """Series as far as courses look at them."""
    return {
        cores: SimpleNamespace(
            p50=value, by_boot=[SimpleNamespace(boot=boot, p50=value) for boot in range(5)]
        )
        for cores, value in values.items()
    }


@given(
    st.floats(0.3, 1.5), st.floats(-0.5, 0.2), st.floats(2.5, 1500),
    st.lists(st.integers(2, 4096), min_size=2, max_size=9, unique=True),
)  # fmt: skip
def test_two_powers_cross_where_they_do(
    steep: float, flat: float, at: float, others: list[int]
) -> None:
    counts = sorted({2, 4096, *others})
    one = points({cores: 1000 * (cores / at) ** steep for cores in counts})
    other = points({cores: 1000 * (cores / at) ** flat for cores in counts})
    found = scale.course(one, other)
    assert [side for *_, side in found.runs if side] == [-1, 1]
    assert found.crossings == pytest.approx((at,), rel=1e-6)
    assert next(first for first, *_ in found.runs) == 2
    assert all(last < first for (_, last, _), (first, *_) in pairwise(found.runs))
