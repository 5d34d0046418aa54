"""Two-phase commit and capabilities: what the loops do and leave behind, and what the experiments'
documents claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from s5_experiments.smoke import document_of, placement

import multikernel
from multikernel import System
from multikernel.experiments import registry
from multikernel.experiments.capabilities import DATABASE, SMOKE_SIZES, Operation, operations
from multikernel.experiments.instrument import capability_loops as on_core
from multikernel.experiments.instrument.capability_loops import BATCH, SOURCES, Task
from multikernel.experiments.instrument.deciding import FOREIGN, WAYS, Way
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.two_phase_commit import FEWER, MOST
from multikernel.machine.host.cpus import Placement
from multikernel.native._native import KINDS
from multikernel.report.figures import registry as figures
from multikernel.results.document import Series
from multikernel.results.encoding import decode, encode

CORES = 3


@pytest.fixture(params=WAYS, ids=[way.name for way in WAYS], scope="module")
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    way: Way = request.param
    with multikernel.boot(cores=CORES, kernel=way.system, **dict(way.options)) as booted:
        booted.cores[0].run(on_core.furnish)
        yield booted


def contents(system: System) -> list[tuple[int, ...]]:
    """Capabilities, locks, slots and whether an invariant is broken, on every core."""
    digests = (system.launched.request(core, KINDS["CAP_DIGEST"])[2] for core in range(CORES))
    return [(words[1], words[2], words[4]) for words in digests]


@pytest.mark.parametrize("in_flight", [1, 3, MOST])
@pytest.mark.parametrize("source", SOURCES)
def test_retypes_leave_everything_as_it_was(
    system: System, source: on_core.Source, in_flight: int
) -> None:
    before = contents(system)
    report = system.cores[0].run(
        on_core.operate, Task("retype", 2 * BATCH, BATCH, in_flight, source=source), None
    )
    assert report.samples["times"][0] == 2
    assert contents(system) == before
    assert not any(locks or broken for _, locks, broken in before)


@pytest.mark.parametrize("operation", list(operations(CORES)), ids=lambda one: one.name)
def test_every_operation_goes_and_leaves_everything_as_it_was(
    system: System, operation: Operation
) -> None:
    before = contents(system)
    report = system.cores[0].run(on_core.operate, replace(operation.task, count=3), None)
    assert report.samples["times"][0] == 3
    assert contents(system) == before


def series(name: str) -> list[Series]:
    return [
        one for one in document_of(name).series if one.system != "raw" or one.variant != "one-line"
    ]


def test_two_phase_commit_has_one_alone_and_many_in_flight_of_every_way() -> None:
    found = series("two-phase-commit")
    for way in (*WAYS, FOREIGN):
        own = [one for one in found if one.variant == way.name and not one.control]
        assert {one.system for one in own} == {way.system}
        flights = {one.parameters.get("in_flight") for one in own}
        assert flights == {None, *FEWER, MOST}
        for one in own:
            alone = one.parameters.get("in_flight") is None
            assert (one.mode, one.measure) == (
                ("single", "completion") if alone else ("back-to-back", "interval")
            )
            assert one.batch == (1 if alone else BATCH)
    assert [one for one in found if one.control]
    assert {one.mode for one in found if one.variant == "local"} == {"single", "back-to-back"}


def test_capabilities_has_every_operation_of_every_way_and_the_database_by_size() -> None:
    found = series("capabilities")
    for way in WAYS:
        own = [one for one in found if one.variant == way.name and not one.control]
        assert len(own) == len(list(operations(2)))
    sizes = {
        (one.parameters["operation"], one.parameters["capabilities"])
        for one in found
        if one.variant == "mapping-database"
    }
    assert sizes == {(name, size) for name in DATABASE for size in SMOKE_SIZES}


@pytest.mark.parametrize("name", ["two-phase-commit", "capabilities"])
def test_documents_are_read_back_and_drawn(name: str) -> None:
    document = document_of(name)
    assert decode(encode(document)) == document
    drawn = figures.draw(document)
    assert len(drawn) >= 2
    assert len({block.title for block in drawn}) == len(drawn)


@pytest.mark.full
def test_where_cores_share_cpus_it_runs_and_no_latency_is_claimed() -> None:
    cpus = placement().cpus
    request = Request(Placement((*cpus, cpus[0])), SIZES["smoke"])
    document = registry.get("two-phase-commit")(request).run()
    ran = [one for one in document.unmeasured if one.slices]
    assert {one.cores for one in ran if one.variant == "two-phase"} == {2, 3}
    assert "oversubscribed" in {warning.code for warning in document.warnings}
    assert not document.series
    assert not document.ratios
