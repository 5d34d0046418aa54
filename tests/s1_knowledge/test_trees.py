"""Trees: they span, they follow the paper where they say so, and the model that judges them is
sane.
"""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_knowledge.machines import costs_for, sites_and_costs

from multikernel.errors import BadInput
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.model import predict, simulate, slowest_first
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.knowledge.trees import KINDS, build, candidates
from multikernel.machine.topology.synthetic import PRESETS, from_string, hops

HEURISTICS = [kind for kind in KINDS if kind != "optimum"]


@settings(deadline=None)
@given(st.data(), sites_and_costs())
def test_every_tree_spans_its_members_in_an_order_that_can_be_run(
    data: st.DataObject, machine: tuple[Site, Costs]
) -> None:
    site, costs = machine
    members = data.draw(st.lists(st.sampled_from(site.cores), min_size=1, unique=True))
    root = data.draw(st.sampled_from(members))
    for kind in HEURISTICS:
        tree = build(kind, root, site, costs, members=members)
        reached = {root}
        for parent, child in tree.edges:
            assert parent in reached
            assert child not in reached
            assert child in tree.children(parent)
            reached.add(child)
        assert reached == set(members) == set(tree.members)
        assert tree == build(kind, root, site, costs, members=members[::-1])


def test_numa_aware_is_the_papers_tree_on_its_machine() -> None:
    topology = from_string("8x4-amd")
    site = Site.of(topology)
    costs = Costs.from_topology(site)
    for root in site.cores:
        tree = build("numa-aware", root, site, costs)
        home = site.package[root]
        crossing = [(p, c) for p, c in tree.edges if site.package[p] != site.package[c]]
        # One message into each other package, from the root, to its lowest core.
        assert {p for p, _ in crossing} == {root}
        assert sorted(c for _, c in crossing) == [
            4 * package for package in range(8) if package != home
        ]
        # Farthest first, by the links of the machine and not by our costs; own neighbours last.
        away = hops(PRESETS["8x4-amd"].links, int(home))
        sent = [away[int(site.package[child])] for child in tree.children(root)]
        assert sent == sorted(sent, reverse=True)
        assert sent[-3:] == [0, 0, 0]
        assert len(set(sent)) > 2
        assert tree.depth == 2


def test_where_there_is_one_package_trees_follow_what_divides_it() -> None:
    site = Site.of(from_string("1 package, 2 l3, 4 cores"))
    assert build("cluster", 1, site, Costs.from_topology(site)).edges == (
        (1, 4), (1, 0), (1, 2), (1, 3), (4, 5), (4, 6), (4, 7),
    )  # fmt: skip


def test_groups_are_the_coarsest_thing_that_divides_the_cores() -> None:
    def groups(text: str, cores: str | None = None) -> list[int]:
        found: list[int] = Site.of(from_string(text), cores).group.tolist()
        return found

    assert groups("2 packages, 2 nodes, 2 dies, 2 l3, 1 core") == [0] * 8 + [1] * 8
    assert groups("1 package, 2 nodes, 2 dies, 2 l3, 1 core") == [0] * 4 + [1] * 4
    assert groups("2 dies, 2 l3, 2 cores") == [0] * 4 + [1] * 4
    assert groups("2 l3, 2 cores") == [0, 0, 1, 1]
    assert groups("1x4") == [0] * 4
    # A package with one core in each is no group: there would be leaders only.
    assert groups("4x1") == [0] * 4
    assert groups("2x4", "1,4-5") == [0, 1, 1]


@settings(deadline=None)
@given(sites_and_costs(largest=12))
def test_minimum_spanning_is_minimal(machine: tuple[Site, Costs]) -> None:
    site, costs = machine
    weight = np.maximum(costs.round_trip, costs.round_trip.T)
    tree = build("minimum-spanning", 0, site, costs)
    # Kruskal, with a list for a union-find.
    part, total = list(site.cores), 0.0
    heap = [(weight[a, b], a, b) for a in site.cores for b in range(a)]
    heapq.heapify(heap)
    while heap:
        cost, a, b = heapq.heappop(heap)
        if part[a] != part[b]:
            total += cost
            part = [part[a] if one == part[b] else one for one in part]
    assert sum(weight[edge] for edge in tree.edges) == pytest.approx(total)


@settings(deadline=None)
@given(sites_and_costs())
def test_adaptive_and_gathering_cross_into_each_group_once(machine: tuple[Site, Costs]) -> None:
    site, costs = machine
    for kind in ("adaptive", "gathering"):
        tree = build(kind, 0, site, costs)
        entered = [site.group[c] for p, c in tree.edges if site.group[p] != site.group[c]]
        assert len(entered) == len(set(entered)) == len(set(site.group.tolist())) - 1


def test_gathering_queues_fewer_acknowledgements_than_adaptive() -> None:
    for text in ("1x16", "2x8", "8x4-amd", "8x64"):
        site = Site.of(from_string(text))
        costs = Costs.from_topology(site)
        adaptive, gathering = (build(kind, 0, site, costs) for kind in ("adaptive", "gathering"))
        assert predict(gathering, costs) < predict(adaptive, costs)
        assert max(len(gathering.children(core)) for core in site.cores) < len(adaptive.children(0))


def test_adaptive_goes_into_the_dearest_group_by_its_cheapest_core() -> None:
    site = Site.of(from_string("3x2"))
    send = np.full((6, 6), 10.0)
    send[0, 4], send[0, 5] = 30, 20
    costs = Costs(send, np.full((6, 6), 10.0), np.full((6, 6), 100.0), "measured")
    assert build("adaptive", 0, site, costs).children(0)[:2] == (5, 2)


def test_adaptive_is_the_best_broadcast_where_all_cores_are_alike() -> None:
    # LogP's optimal broadcast: no core that has been reached is ever idle. Counted by hand: with
    # send 1 and reach 3 of the ages 3, 4, 5, 6 (from the root), 6, 7, 7 … eight cores are reached
    # at 7.
    n = 9
    one = np.ones((n, n))
    costs = Costs(one, one, 6 * one, "measured")
    assert costs.reach[0, 1] == 3
    site = Site.of(from_string("1x9"))
    reached = simulate(build("adaptive", 0, site, costs), costs).reached
    assert sorted(reached.values()) == [0, 3, 4, 5, 6, 6, 7, 7, 7]


def test_the_model_by_hand() -> None:
    # 0 sends to 1 and 2 (sends 10), wires 5, receives 20; 1 forwards to 3.
    n = 4
    send, receive = np.full((n, n), 10.0), np.full((n, n), 20.0)
    costs = Costs(send, receive, np.full((n, n), 70.0), "measured")
    timing = simulate(Tree(0, ((0, 1), (0, 2), (1, 3)), "by hand"), costs)
    assert timing.reached == {0: 0, 1: 10 + 25, 2: 20 + 25, 3: 35 + 10 + 25}
    # 2 acknowledges at 45: there at 60, taken at 80. 3 at 70: taken by 1 at 105, which is there at
    # 120, taken at 140.
    assert timing.total == 140
    # Two acknowledgements that meet at the root are taken one after the other.
    assert predict(Tree(0, ((0, 1), (0, 2), (0, 3)), "by hand"), costs) == 10 + 25 + 15 + 3 * 20


@settings(deadline=None)
@given(st.data(), sites_and_costs(largest=8))
def test_dearer_messages_never_predict_less(
    data: st.DataObject, machine: tuple[Site, Costs]
) -> None:
    site, costs = machine
    if site.n < 2:
        return
    term = data.draw(st.sampled_from(("send", "receive", "round_trip")))
    a, b = data.draw(st.lists(st.sampled_from(site.cores), min_size=2, max_size=2, unique=True))
    dearer = getattr(costs, term).copy()
    dearer[a, b] += data.draw(st.integers(1, 5000))
    after = replace(costs, **{term: dearer})
    for kind in HEURISTICS:
        tree = build(kind, 0, site, costs)
        assert predict(tree, after) >= predict(tree, costs) - 1e-6


@settings(deadline=None)
@given(sites_and_costs(largest=10))
def test_slowest_first_keeps_the_tree(machine: tuple[Site, Costs]) -> None:
    site, costs = machine
    tree = build("binary", 0, site, costs)
    ordered = slowest_first(tree, costs)
    assert sorted(ordered.edges) == sorted(tree.edges)


def test_slowest_first_by_hand() -> None:
    n = 6
    round_trip = np.full((n, n), 100.0)
    round_trip[0, 3] = 150
    costs = Costs(np.full((n, n), 10.0), np.full((n, n), 10.0), round_trip, "measured")
    tree = Tree(0, ((0, 1), (0, 2), (0, 3), (0, 4), (4, 5)), "by hand")
    # Below 4 there is another round trip; 3 is far; 1 and 2 are alike.
    assert slowest_first(tree, costs).edges == ((0, 4), (0, 3), (0, 1), (0, 2), (4, 5))


def test_candidates_are_all_kinds_without_repeats_best_first() -> None:
    site = Site.of(from_string("2x4x2"))
    costs = Costs.from_topology(site)
    found = candidates(3, site, costs)
    assert [predicted for _, predicted in found] == sorted(
        predict(tree, costs) for tree, _ in found
    )
    assert len({tree.edges for tree, _ in found}) == len(found)
    edges = {tree.edges for tree, _ in found}
    for kind in HEURISTICS:
        assert build(kind, 3, site, costs).edges in edges


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_candidates_of_few_cores(data: st.DataObject) -> None:
    site = Site.of(from_string("1x5"), data.draw(st.integers(1, 3)))
    costs = data.draw(costs_for(site.n))
    members = data.draw(st.lists(st.sampled_from(site.cores), min_size=1, unique=True))
    for tree, _ in candidates(members[0], site, costs, members=members):
        tree.check(members)


def test_five_hundred_and_twelve_cores() -> None:
    site = Site.of(from_string("8x64"))
    for tree, _ in candidates(511, site, Costs.from_topology(site)):
        tree.check(site.cores)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (((0, 1), (2, 1)), ("reached twice, first from 0", "edge 2 → 1")),
        (((1, 2), (0, 1)), ("core 1 sends before it is reached", "edge 1 → 2")),
        (((0, 1), (1, 0)), ("the root is nobody's child", "edge 1 → 0")),
        (((0, 1), (1, 1)), ("reached twice", "edge 1 → 1")),
    ],
)
def test_what_is_no_tree_names_the_edge(
    edges: tuple[tuple[int, int], ...], words: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput) as caught:
        Tree(0, edges, "mine")
    for word in (*words, "mine tree from core 0"):
        assert word in str(caught.value)


def test_a_tree_over_other_members() -> None:
    tree = Tree(0, ((0, 1),), "mine")
    assert tree.check([1, 0]) is tree
    with pytest.raises(BadInput, match="does not reach all cores: 2, 3"):
        tree.check(range(4))
    with pytest.raises(BadInput, match="no members: 1"):
        tree.check([0])
    with pytest.raises(BadInput, match="no such core in the tree: 7"):
        tree.children(7)


@pytest.mark.parametrize(
    ("kind", "root", "options", "words"),
    [
        ("ternary", 0, {}, "unknown kind of tree: ternary"),
        ("binary", 16, {}, "no member: 16"),
        ("binary", 0, {"members": [1, 2]}, "no member: 0"),
        ("binary", 0, {"members": [0, 99]}, "no such core: 99"),
        ("k-ary", 0, {"arity": 0}, "at least 1: 0"),
        ("0-ary", 0, {}, "at least 1: 0"),
        ("binary", 0, {"arity": 3}, "only k-ary"),
    ],
)
def test_bad_requests(kind: str, root: int, options: dict, words: str) -> None:
    site = Site.of(from_string("2x4x2"))
    with pytest.raises(BadInput, match=words):
        build(kind, root, site, Costs.from_topology(site), **options)


def test_costs_of_another_system() -> None:
    site, other = Site.of(from_string("2x4")), Site.of(from_string("2x2"))
    with pytest.raises(BadInput, match="costs of another system: 4 cores"):
        build("binary", 0, site, Costs.from_topology(other))
