"""Unmap by number of cores and by tree: what is planned for which machine, and that all of it
runs.
"""

import functools

import pytest
from s5_experiments.smoke import document_of, placement

from multikernel.experiments import registry
from multikernel.experiments.instrument.arms import Spec
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.shapes import Shape
from multikernel.experiments.unmap import Unmap
from multikernel.experiments.unmap.by_cores import (
    KINDS,
    Plan,
    said,
    trees_over,
)
from multikernel.knowledge import trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree as KindOfTree
from multikernel.machine.host.cpus import Placement
from multikernel.machine.topology import synthetic
from multikernel.results.document import Document, Series, Unmeasured
from multikernel.results.encoding import decode, encode
from multikernel.user.trees import checked


def site(machine: str) -> Site:
    return Site.of(synthetic.from_string(machine))


def chosen_by(here: Site, kind: str) -> KindOfTree:
    return trees.build(kind, 0, here, Costs.from_topology(here))


def planned(machine: str, counts: tuple[int, ...]) -> Plan:
    here = site(machine)
    costs = Costs.from_topology(here)
    chosen = chosen_by(here, "adaptive")
    found = tuple(tree for count in counts for tree in trees_over(count, here, costs, chosen))
    return Plan(here.n, counts, found, "adaptive")


def experiment(plan: Plan) -> Unmap:
    return Unmap(Request(Placement(tuple(range(plan.booted))), SIZES["quick"]), plan)


def specs(plan: Plan) -> list[Spec]:
    return [spec for arm in experiment(plan).arms() for spec in arm.specs]


@pytest.mark.parametrize("machine", ["1x2", "1x6", "2x4", "8x4"])
def test_every_tree_can_be_installed_and_is_the_one_asked_for_over_its_cores(machine: str) -> None:
    here = site(machine)
    costs = Costs.from_topology(here)
    for count in range(2, here.n + 1):
        names = []
        some = Site(here.topology, here.cpus[:count])
        for tree in trees_over(count, here, costs, chosen_by(here, "adaptive")):
            edges = tree.whole(here.n)
            checked(0, edges, here.n)
            for kind in tree.names:
                built = trees.build(kind, 0, some, costs.part(range(count)))
                assert tree.tree.edges == built.edges
            # on nobody's way to a holder
            assert {parent for parent, _ in edges[count - 1 :]} <= {0}
            names += tree.names
        assert sorted(names) == sorted(KINDS)


def test_over_all_cores_the_chosen_tree_is_among_them() -> None:
    here = site("2x4")
    costs = Costs.from_topology(here)
    for kind in ("numa-aware", "3-ary"):
        tree = chosen_by(here, kind)
        (alike,) = [one for one in trees_over(8, here, costs, tree) if one.tree.edges == tree.edges]
        assert kind in alike.names
        assert all("3-ary" not in one.names for one in trees_over(7, here, costs, tree))
    other = KindOfTree(0, tuple((core, core + 1) for core in range(7)), "adaptive")
    assert [
        one.tree.edges for one in trees_over(8, here, costs, other) if one.name == "chosen"
    ] == [other.edges]


def test_two_cores_have_one_tree_and_many_packages_several() -> None:
    two, many = planned("1x2", (2,)), planned("8x4", (2, 16, 32))
    assert [(tree.name, tree.same) for tree in two.trees] == [("sequential", KINDS[1:])]
    assert [caution.code for caution in said(two)] == ["one-tree"]
    assert [tree.name for tree in many.trees if tree.cores == 2] == ["sequential"]
    assert {"sequential", "cluster", "adaptive"} <= {
        tree.name for tree in many.trees if tree.cores == 32
    }
    assert (two.protocols(), many.protocols()) == ((), ("one-phase", "two-phase"))


@pytest.mark.parametrize(
    ("machine", "counts"), [("1x2", (2,)), ("1x4", (2, 3, 4)), ("8x4", (2, 12, 32))]
)
def test_ratios_are_of_series_that_there_are_each_once(
    machine: str, counts: tuple[int, ...]
) -> None:
    plan = planned(machine, counts)
    keys = [spec.key for spec in specs(plan)]
    assert len(set(keys)) == len(keys)
    made = [(one.over, one.under) for one in experiment(plan).ratios()]
    assert len(set(made)) == len(made)
    # Where one phase and the host's transports are left out is the machine's matter.
    assert {key for pair in made for key in pair if "socket" not in key} <= set(keys)
    for tree in plan.trees:
        shared = plan.with_tree("shared", tree)
        assert (plan.key("shared-polling", tree.cores), shared) in made
        for protocol in plan.protocols():
            assert (shared, plan.with_tree(protocol, tree)) in made


def test_a_series_is_judged_by_the_floors_of_the_pairs_it_uses() -> None:
    floor = ((0, 1), (0, 2), (0, 3))
    for spec in specs(planned("1x4", (2, 3, 4))):
        if "booted" in spec.parameters:
            assert spec.floor == floor[: spec.cores - 1]


def test_an_arm_is_named_by_its_tree_and_by_fewer_cores_than_all() -> None:
    plan = Plan(8, (4, 8), (), "sequential")
    few, all_ = (
        Shape("numa-aware", KindOfTree(0, tuple((0, core) for core in range(1, cores)), ""))
        for cores in (4, 8)
    )
    assert plan.with_tree("shared", few) == "shared-polling-numa-aware-on-4"
    assert plan.with_tree("one-phase", all_) == "one-phase-polling-numa-aware"


# --- Run
# --------------------------------------------------------------------------------------------------


def by_cores(document: Document) -> list[Series]:
    return [series for series in document.series if "booted" in series.parameters]


def ran_by_cores(document: Document) -> list[Unmeasured]:
    return [one for one in document.unmeasured if "booted" in one.parameters]


def test_two_cores_run_the_one_tree_in_the_shared_kernel() -> None:
    document = document_of("unmap")
    (series,) = by_cores(document)
    assert (series.system, series.cores, series.parameters["tree"]) == ("shared", 2, "sequential")
    made = {ratio.name for ratio in document.ratios}
    assert "shared-polling-over-shared-polling-sequential" in made
    assert "shared-polling-sequential-over-one-phase-polling" in made
    assert "one-tree" in {warning.code for warning in document.warnings}


@functools.cache
def crowded(cores: int, comparing: bool = False) -> Document:
    cpus = placement().cpus
    chosen = Placement(tuple(cpus[core % len(cpus)] for core in range(cores)))
    return registry.get("unmap")(Request(chosen, SIZES["smoke"], comparing=comparing)).run()


@pytest.mark.full
def test_four_cores_on_two_cpus_run_every_arm_and_claim_nothing() -> None:
    document = crowded(4)
    found: dict[tuple[str, str, int], list[object]] = {}
    for one in ran_by_cores(document):
        assert one.parameters["booted"] == 4
        assert one.slices > 0
        arm = one.system, one.variant, one.cores
        found.setdefault(arm, []).append(one.parameters.get("tree"))
    for cores in (2, 3, 4):
        along = found["multikernel", "one-phase", cores]
        assert along[0] == "sequential"
        assert found["multikernel", "two-phase", cores] == along
        line = [None] if cores < 4 else []
        assert found["shared", "mcs", cores] == along + line  # the same trees, and its own line
        assert found.get(("linux", "mprotect", cores), []) == line
    assert len(found["multikernel", "one-phase", 2]) == 1
    assert {"multikernel", "shared", "linux", "raw"} == {one.system for one in document.unmeasured}
    assert not document.series
    assert not document.ratios
    assert decode(encode(document)) == document
    assert {"oversubscribed", "equal-trees"} <= {warning.code for warning in document.warnings}


@pytest.mark.full
def test_a_comparison_takes_trees_over_all_cores_alone() -> None:
    document = crowded(3, comparing=True)
    assert {one.cores for one in ran_by_cores(document)} == {3}
    assert {one.system for one in ran_by_cores(document)} == {"multikernel", "shared"}
