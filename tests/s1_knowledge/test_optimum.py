"""The optimum: held to all trees there are, one by one, and to every heuristic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_knowledge.machines import costs_for, sites_and_costs

from multikernel.errors import BadInput
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.model import predict
from multikernel.knowledge.optimum import search
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.knowledge.trees import KINDS, build, candidates
from multikernel.machine.topology.synthetic import from_string


def every_tree(n: int, root: int) -> Iterator[Tree]:
    """All trees over cores 0 … n-1, in all sending orders."""
    others = [core for core in range(n) if core != root]
    for parents in product(range(n), repeat=n - 1):
        children: dict[int, list[int]] = {}
        for child, parent in zip(others, parents, strict=True):
            children.setdefault(parent, []).append(child)
        reached = [root]
        for core in reached:
            reached += [child for child in children.get(core, []) if child not in reached]
        if len(reached) < n or any(
            child == parent for child, parent in zip(others, parents, strict=True)
        ):
            continue
        inner = [core for core in reached if core in children]
        for orders in product(*(permutations(children[core]) for core in inner)):
            edges = [
                (core, child) for core, order in zip(inner, orders, strict=True) for child in order
            ]
            yield Tree(root, tuple(edges), "one of all")


@settings(deadline=None, max_examples=25)
@given(st.data(), st.integers(1, 5))
def test_no_tree_is_better(data: st.DataObject, n: int) -> None:
    site = Site.of(from_string("1x5"), n)
    root = data.draw(st.sampled_from(site.cores))
    assumed = Costs.from_topology(Site.of(from_string("2x3"), n))
    costs = data.draw(st.one_of(costs_for(n), st.just(assumed)))
    found = search(build("sequential", root, site, costs), costs, limit=20_000)
    assert found.proven
    assert found.predicted == pytest.approx(predict(found.tree, costs))
    assert found.predicted == pytest.approx(
        min(predict(tree, costs) for tree in every_tree(n, root))
    )


def test_no_tree_is_better_among_cores_that_are_alike() -> None:
    # Where cores can be swapped, most trees are passed over unseen: none of them may be the only
    # best one.
    for shape in ("1x6", "2x3"):
        site = Site.of(from_string(shape))
        costs = Costs.from_topology(site)
        best = min(predict(tree, costs) for tree in every_tree(6, 1))
        assert search(
            build("binary", 1, site, costs), costs, limit=20_000
        ).predicted == pytest.approx(best)


@settings(deadline=None, max_examples=15)
@given(st.data(), sites_and_costs(largest=6))
def test_it_is_no_worse_than_any_heuristic(
    data: st.DataObject, machine: tuple[Site, Costs]
) -> None:
    site, costs = machine
    members = data.draw(st.lists(st.sampled_from(site.cores), min_size=1, unique=True))
    tree = build("optimum", members[0], site, costs, members=members).check(members)
    assert tree.kind == "optimum"
    for kind in KINDS:
        other = build(kind, members[0], site, costs, members=members)
        assert predict(tree, costs) <= predict(other, costs) + 1e-6
    (best, predicted), *_ = candidates(members[0], site, costs, members=members, search=20_000)
    assert predicted == pytest.approx(predict(tree, costs))
    best.check(members)


def test_a_search_that_is_given_up_says_so_and_still_gives_the_best_it_saw() -> None:
    site = Site.of(from_string("1x8"))
    generator = np.random.default_rng(7)
    assumed = Costs.from_topology(site)
    costs = Costs(
        assumed.send * generator.uniform(1, 2, assumed.send.shape),
        assumed.receive,
        assumed.round_trip * 2,
        "measured",
    )
    start = build("binary", 0, site, costs)
    found = search(start, costs, limit=20)
    assert not found.proven
    assert found.tree.kind == "optimum (not proven)"
    assert found.predicted == pytest.approx(predict(found.tree.check(site.cores), costs))
    assert found.predicted <= predict(start, costs)
    again = search(start, costs, limit=20)
    assert (again.tree, again.conflicts) == (found.tree, found.conflicts)


def test_candidates_search_as_long_as_they_are_told_to() -> None:
    site = Site.of(from_string("2x4"))
    costs = Costs.from_topology(site)

    def kinds(search: int | None) -> set[str]:
        return {tree.kind for tree, _ in candidates(0, site, costs, search=search)}

    assert not [kind for kind in kinds(0) if kind.startswith("optimum")]
    assert "optimum (not proven)" in kinds(100)
    assert "optimum" in kinds(20_000)
    assert build("optimum (not proven)", 0, site, costs).kind == "optimum"


def test_too_many_cores_are_refused() -> None:
    site = Site.of(from_string("1x11"))
    with pytest.raises(BadInput, match="too many cores to search all trees: 11"):
        build("optimum", 0, site, Costs.from_topology(site))
    assert "optimum" not in {
        tree.kind[:7] for tree, _ in candidates(0, site, Costs.from_topology(site))
    }
