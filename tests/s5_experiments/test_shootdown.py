"""The messages of a shootdown: the tree loop on any tree, with lines anywhere, and what the
experiment claims.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s2_kernel import crowd
from s5_experiments.smoke import document_of, placement

import multikernel
from multikernel import System
from multikernel.errors import BadInput, ProtocolError
from multikernel.experiments import registry
from multikernel.experiments.instrument import loops
from multikernel.experiments.instrument.protocols import (
    FIRST_LINE,
    FORMS,
    LINES,
    Form,
    Protocol,
    lines_of,
    protocols,
)
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.shapes import ROOT
from multikernel.experiments.shootdown import Shootdown
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.machine.host.cpus import Placement
from multikernel.machine.topology.synthetic import from_string
from multikernel.report.figures import registry as figures
from multikernel.report.figures.figure import Table
from multikernel.results.encoding import decode, encode

PLAN = (("back-to-back", 40, 10), ("single", 12, 1))
CORES = 4


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with multikernel.boot(cores=CORES) as booted:
        yield booted


def any_tree(cores: int, root: int, chosen: random.Random) -> Tree:
    return Tree(root, tuple(crowd.any_tree(cores, root, chosen)), "random")


_uses = [1]


def shootdowns(system: System, places: dict[int, loops.Place]) -> dict[str, int]:
    """Samples by name at the root, which alone measures."""
    use = _uses[0]
    _uses[0] += loops.span(PLAN)
    tasks = {
        core: system.cores[core].start(loops.messages, place, use, PLAN, None)
        for core, place in places.items()
    }
    reports = {core: task.result() for core, task in tasks.items()}
    sampled = [core for core, report in reports.items() if report.samples]
    assert len(sampled) == 1
    assert places[sampled[0]].up is None
    return {name: packed[0] for name, packed in reports[sampled[0]].samples.items()}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), near=st.booleans(), members=st.integers(2, CORES))
def test_every_core_of_any_tree_hears_every_operation(
    system: System, seed: int, near: bool, members: int
) -> None:
    site = Site(from_string(f"1x{CORES}"), tuple(range(CORES)))
    tree = any_tree(members, ROOT, random.Random(seed))
    form = Form("random", "random", near=near)
    found = shootdowns(system, Protocol.of(form, tree, lines_of(tree, site, near=near)).places())
    assert found == {"back-to-back": 4, "single": 12}


def test_the_papers_protocols_follow_one_another_over_the_same_lines(system: System) -> None:
    site = Site(from_string("2x2"), tuple(range(CORES)))
    several = protocols(site, Costs.from_topology(site))
    for protocol in [*several, *reversed(several)]:
        assert shootdowns(system, protocol.places()) == {"back-to-back": 4, "single": 12}


@pytest.mark.parametrize("shared", [False, True])
def test_an_acknowledgement_that_is_missing_a_core_is_an_error(
    system: System, shared: bool
) -> None:
    """The root expects to hear of a core that nobody notified."""
    site = Site(from_string("1x3"), (0, 1, 2))
    tree = Tree(ROOT, ((0, 1), (1, 2)) if not shared else ((0, 1), (0, 2)), "short")
    form = Form("short", "short", shared=shared)
    places = Protocol.of(form, tree, lines_of(tree, site, near=False)).places()
    place = places[ROOT]
    places[ROOT] = loops.Place(None, place.children, place.shared, (1, 2, 3))
    with pytest.raises(ProtocolError, match=str(64 + 40 + 12)):
        shootdowns(system, places)


def _refused(line: tuple[int, int]) -> None:
    place = loops.Place(None, (line,))
    loops.messages(place, 1, PLAN, None)


@pytest.mark.parametrize("line", [(CORES, FIRST_LINE), (0, 0), (0, 63), (0, 128)])
def test_a_line_that_is_not_there_is_refused(system: System, line: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="lines 1 to 62"):
        system.cores[0].run(_refused, line)


@pytest.mark.parametrize("machine", ["8x4", "2x64", "1x2", "1x512", "64x2"])
def test_every_edge_has_a_line_of_its_own_where_the_protocol_wants_it(machine: str) -> None:
    topology = from_string(machine)
    site = Site(topology, tuple(cpu.id for cpu in topology.cpus))
    several = protocols(site, Costs.from_topology(site))
    assert {name for one in several for name in (one.name, *one.same)} == {
        form.name for form in FORMS
    }
    for protocol in several:
        lines = dict(protocol.lines)
        assert lines.keys() == set(range(1, site.n))
        assert len(set(lines.values())) == site.n - 1
        homes = Counter(home for home, _ in lines.values())
        assert max(homes.values()) <= LINES
        for parent, child in protocol.tree.edges:
            home, line = lines[child]
            assert FIRST_LINE <= line < FIRST_LINE + LINES
            owner = child if protocol.form.near else parent
            assert site.node[home] == site.node[owner] or homes[owner] == LINES


def test_the_papers_machine_has_four_different_protocols() -> None:
    topology = from_string("8x4")
    site = Site(topology, tuple(cpu.id for cpu in topology.cpus))
    several = {one.name: one for one in protocols(site, Costs.from_topology(site))}
    assert {"broadcast", "unicast", "multicast", "numa-aware"} <= several.keys()
    crossing = [
        sum(site.package[a] != site.package[b] for a, b in several[name].tree.edges)
        for name in ("unicast", "multicast", "numa-aware")
    ]
    assert crossing == [28, 7, 7]


def test_a_chosen_tree_must_span_all_cores() -> None:
    site = Site(from_string("1x4"), (0, 1, 2, 3))
    with pytest.raises(BadInput, match="does not reach all cores"):
        protocols(site, Costs.from_topology(site), Tree(0, ((0, 1),), "mine"))
    mine = Tree(0, ((0, 2), (2, 1), (1, 3)), "mine")
    (chosen,) = [
        one for one in protocols(site, Costs.from_topology(site), mine) if one.name == "chosen"
    ]
    assert chosen.tree is mine


# --- The experiment
# -----------------------------------------------------------------------------------------------


def test_the_document_names_what_was_measured_once() -> None:
    document = document_of("shootdown")
    assert decode(encode(document)) == document
    assert registry.get("shootdown").entry.figure == "figure 6"
    names = {form.name for form in FORMS}
    seen = {(one.variant, one.mode) for one in document.series if not one.control}
    assert seen == {
        (name, mode) for name in ("broadcast", "unicast") for mode in ("back-to-back", "single")
    }
    for one in document.series:
        assert (one.system, one.measure, one.cores) == ("raw", "completion", 2)
        assert one.over_floor is not None
        assert one.batch == (1 if one.mode == "single" else 100)
    (unicast, *_) = [one for one in document.series if one.variant == "unicast"]
    assert {"broadcast", "unicast", *str(unicast.parameters["same"]).split(",")} == names
    assert "same-tree" in {warning.code for warning in document.warnings}
    ratios = {ratio.name for ratio in document.ratios}
    assert {"control-over-unicast-single", "unicast-single-over-floor-0-1-single"} <= ratios
    assert {"broadcast-single-over-unicast-single", "broadcast-single-over-chosen-single"} <= ratios
    # Nothing is compared with itself.
    assert "unicast-single-over-chosen-single" not in ratios


def test_more_cores_than_cpus_run_a_tree_of_the_callers_and_claim_nothing() -> None:
    cpus = placement().cpus
    request = Request(Placement((*cpus, *cpus)), SIZES["smoke"])
    mine = Tree(0, ((0, 2), (2, 1), (1, 3)), "mine")
    experiment = Shootdown(request, mine)
    document = experiment.run()
    assert not document.series
    assert not document.ratios
    assert "oversubscribed" in {warning.code for warning in document.warnings}
    ran = {(one.variant, one.cores) for one in document.unmeasured if one.slices}
    assert ran == {
        (one.name, count) for count, several in experiment.by_cores.items() for one in several
    }
    trees = {
        one.parameters["tree"]
        for one in document.unmeasured
        if (one.variant, one.cores) == ("chosen", 4)
    }
    assert trees == {"mine"}
    (table,) = figures.draw(document)
    assert isinstance(table, Table)
    assert {"broadcast", "chosen"} <= {row[0].partition("-")[0] for row in table.rows}
