"""Experiments on modelled machines: the same arms, exact for their seed, and marked wherever they
are seen.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from multikernel.errors import BadInput
from multikernel.experiments import registry
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.machine.host.cpus import Placement
from multikernel.machine.models.reading import read
from multikernel.report.figures import registry as figures
from multikernel.report.figures.figure import Figure
from multikernel.report.say import against_paper, answer, table, verdict
from multikernel.results.document import Document
from multikernel.results.encoding import decode, encode

NAMES = (
    "shootdown", "unmap", "two-phase-commit", "retype-throughput", "shared-memory", "message",
    "collectives", "sharing-or-messages", "scale",
)  # fmt: skip


ONLY = {
    "message": ("call-line", "open-loop"),
    "sharing-or-messages": ("reads-90-lines-8-think-0-owner-10-adaptive",),
}
"""A ring's windows of thousands of messages take seconds each, as does a choice."""


def measured(name: str, machine: str = "8x4-amd", cores: int = 6, seed: int = 1) -> Document:
    size = replace(SIZES["modelled"], boots=2, scale=0.05)
    request = Request(
        Placement(tuple(range(cores))),
        size,
        seed=seed,
        model=read(machine),
        machine=machine,
        bands=False,
        only=ONLY.get(name, ()),
    )
    return registry.get(name)(request).run()


document_of = cache(measured)


@pytest.mark.parametrize("name", NAMES)
def test_a_simulated_document_says_so(name: str) -> None:
    document = document_of(name)
    assert document.simulated
    assert document.machine == "8x4-amd"
    assert decode(encode(document)) == document
    assert document.series
    assert document.ratios
    assert "simulated" in {warning.code for warning in document.warnings}
    assert document.environment.tsc_hz == 2e9


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("name", NAMES)
def test_a_simulated_document_repeats(name: str) -> None:
    document, again = document_of(name), measured(name)
    assert again.series == document.series
    assert again.ratios == document.ratios


@pytest.mark.full
def test_another_seed_draws_other_think_times() -> None:
    one, other = document_of("unmap"), document_of("unmap", seed=7)
    assert {series.key for series in one.series} == {series.key for series in other.series}
    assert one.series != other.series


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("name", NAMES)
def test_every_picture_table_and_sentence_says_that_it_is_simulated(name: str) -> None:
    document = document_of(name)
    blocks = figures.draw(document)
    assert all("simulated: 8x4-amd" in block.title for block in blocks)
    assert all("no hardware was measured" in block.notes[0] for block in blocks)
    for block in blocks:
        if isinstance(block, Figure) and hasattr(block.drawing, "stamp"):
            assert block.drawing.stamp == "simulated: 8x4-amd"
            assert b"simulated: 8x4-amd" in block.drawing._drawn("svg", "none")
    assert all("(simulated)" in row[0] for row in table.rows([document]))
    assert all(one.sentence.startswith("Simulated") for one in verdict.judgements([document]))
    assert all(row.what.startswith("Simulated") for row in answer.rows([document]))


def test_unmaps_grow_with_cores_and_trees_grow_less() -> None:
    document = document_of("unmap", cores=32)
    by_tree = {
        (one.parameters.get("tree"), one.cores): one.p50
        for one in document.series
        if one.variant == "one-phase" and "tree" in one.parameters
    }
    flat = [
        by_tree["sequential", cores] for cores in (2, 8, 32) if ("sequential", cores) in by_tree
    ]
    assert flat == sorted(flat)
    assert by_tree["cluster", 32] < 0.7 * by_tree["sequential", 32]
    interrupts = {
        (one.variant, one.cores, one.parameters["range"]): one.p50
        for one in document.series
        if one.system == "interrupts"
    }
    assert interrupts["one-by-one", 32, "nominal"] > 3 * interrupts["at-once", 32, "nominal"]
    for order in ("at-once", "one-by-one"):
        low, high = (interrupts[order, 32, end] for end in ("low", "high"))
        assert low < high


@pytest.mark.full
def test_curves_are_held_against_the_named_ones_of_the_paper() -> None:
    lines = against_paper.said([document_of("unmap", cores=32), document_of("shootdown", cores=32)])
    text = "\n".join(lines)
    assert "Barrelfish" in text
    assert "broadcast > unicast > multicast > numa-aware" in text
    assert against_paper.said([replace_simulated(document_of("unmap"))]) == []


def replace_simulated(document: Document) -> Document:
    record = json.loads(encode(document))
    record["simulated"], record["machine"] = False, None
    return decode(json.dumps(record).encode())


@pytest.mark.parametrize("name", sorted(set(registry.names()) - {*NAMES}))
def test_what_has_no_counterpart_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=name):
        document_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_what_an_arm_needs_and_is_not_modelled_is_said(name: str) -> None:
    assert all(one.why == ["not-modelled"] for one in document_of(name).unmeasured)


def test_the_shipped_pictures_of_a_run_are_written(tmp_path: Path) -> None:
    from multikernel.report.page.export import write_figures

    files = write_figures([document_of("shootdown")], str(tmp_path / "figures"), "svg")
    assert files
    assert all(file.exists() for file in files)
