"""The questions that come along, asked of machines large and small."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_knowledge.machines import sites, sites_and_costs
from s1_machine import machines
from sampling import more

from multikernel.errors import BadInput
from multikernel.knowledge import facts
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.skb import Skb
from multikernel.knowledge.trees import build
from multikernel.machine.topology.synthetic import from_string


@settings(deadline=None, max_examples=more(6, 15))
@given(st.data(), sites_and_costs(largest=20))
def test_the_multicast_tree_is_the_numa_aware_one(
    data: st.DataObject, machine: tuple[Site, Costs]
) -> None:
    # Two implementations of one tree, in rules and in Python, held to each other with their sending
    # order.
    site, costs = machine
    root = data.draw(st.sampled_from(site.cores))
    skb = Skb(site, costs)
    assert skb.tree(root).edges == build("numa-aware", root, site, costs).edges
    asked = [
        (answer["parent"], answer["child"]) for answer in skb.query("multicast_tree", root=root)
    ]
    assert tuple(asked) == skb.tree(root).edges


@settings(deadline=None, max_examples=more(6, 15))
@given(st.data(), sites(largest=12))
def test_sharing_cache_by_counting(data: st.DataObject, site: Site) -> None:
    core = data.draw(st.sampled_from(site.cores))
    expected = set()
    for other in site.cores:
        mine, theirs = site.cpus[core], site.cpus[other]
        levels = [
            cache.level for cache in site.topology.caches if {mine, theirs} <= set(cache.cpus)
        ]
        if other != core and levels:
            expected.add((min(levels), other))
    found = Skb(site).query("sharing_cache", core=core)
    assert [(answer["level"], answer["core"]) for answer in found] == sorted(expected)
    third = Skb(site).query("sharing_cache", core=core, level=3)
    assert {answer["level"] for answer in third} <= {3}


def test_nearest_memory_is_by_distance_and_the_own_node_is_first() -> None:
    site = Site.of(from_string("8x4-amd"))
    skb = Skb(site)
    for core in (0, 13, 31):
        found = skb.query("nearest_memory", core=core)
        assert found[0] == {"distance": 10, "node": int(site.node[core]), "of": "machine"}
        assert [answer["distance"] for answer in found] == sorted(
            answer["distance"] for answer in found
        )
        assert sorted(answer["node"] for answer in found) == list(range(8))
        node = site.topology.nodes[int(site.node[core])]
        assert all(node.distance(answer["node"]) == answer["distance"] for answer in found)


def test_the_best_node_for_a_call_line() -> None:
    site = Site.of(from_string("8x4-amd"))
    skb, nodes = Skb(site), site.topology.nodes
    for caller, callee in itertools.product((0, 5, 30), (1, 17, 28)):
        (best,) = skb.query("call_line_node", caller=caller, callee=callee)
        a, b = nodes[int(site.node[caller])], nodes[int(site.node[callee])]
        sums = {node.id: a.distance(node.id) + b.distance(node.id) for node in nodes}
        assert best["distance"] == sums[best["node"]] == min(sums.values())
        equal = [b.distance(node) for node, total in sums.items() if total == best["distance"]]
        assert b.distance(best["node"]) == min(equal)


@settings(deadline=None, max_examples=more(6, 15))
@given(st.data(), sites(largest=12), st.sampled_from(("spread", "close")))
def test_placement_places_every_service_on_a_core_of_its_own(
    data: st.DataObject, site: Site, how: str
) -> None:
    k = data.draw(st.integers(0, site.n))
    found = Skb(site).query("placement", k=k, how=how)
    assert [answer["service"] for answer in found] == list(range(k))
    assert len({answer["core"] for answer in found}) == k


@settings(deadline=None, max_examples=more(6, 15))
@given(st.data())
def test_spread_uses_packages_caches_and_physical_cores_evenly(data: st.DataObject) -> None:
    shape = data.draw(
        st.sampled_from(
            (
                "8x4",
                "2x4x2",
                "2 packages, 2 l3, 2 cores, smt 2",
                "2 packages, 2 dies, 0 l3, 3 cores",
            )
        )
    )
    topology = from_string(shape)
    site = Site(topology, tuple(data.draw(st.permutations(topology.online))))
    k = data.draw(st.integers(1, site.n))
    chosen = [answer["core"] for answer in Skb(site).query("placement", k=k)]
    first_thread = [min(site.topology.cpu(cpu).siblings) for cpu in site.cpus]
    for labels in (site.package, site.l3, site.die, first_thread):
        if len(set(labels)) < site.n and min(labels) >= 0:
            used = [sum(labels[core] == group for core in chosen) for group in set(labels)]
            assert max(used) - min(used) <= 1


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    ("machine", "k"),
    [("kvm-packages", 2), ("power7-packages", 8), ("opteron-modules", 32), ("kunpeng-920", 32),
     ("xeon-snc2", 4), ("epyc-nps4", 4), ("opteron-sparse-nodes", 8)],
)  # fmt: skip
def test_spread_is_over_nodes_packages_and_clusters(machine: str, k: int) -> None:
    topology = machines.read(machine)
    site = Site.of(topology)
    skb = Skb(site)
    cluster = np.array([topology.cpu(cpu).cluster or 0 for cpu in site.cpus])
    for count in (2, k, k + 1):
        chosen = [answer["core"] for answer in skb.query("placement", k=count)]
        for labels in (site.node, site.package, cluster):
            used = [sum(labels[core] == group for core in chosen) for group in set(labels)]
            assert max(used) - min(used) <= 1
    # Close is the contrary.
    near = [answer["core"] for answer in skb.query("placement", k=2, how="close")]
    assert len({int(site.node[core]) for core in near}) == 1


def test_answers_about_cores_name_the_cpu() -> None:
    site = Site.of(machines.read("power9-gpu-memory"), "8,4,0-2")
    skb = Skb(site)
    for name, parameters in (("placement", {"k": 4}), ("sharing_cache", {"core": 2})):
        answers = skb.query(name, **parameters)
        assert answers
        assert all(answer["cpu"] == site.cpus[answer["core"]] for answer in answers)
    for answer in skb.query("multicast_tree", root=1):
        assert answer["parent_cpu"] == site.cpus[answer["parent"]]
        assert answer["child_cpu"] == site.cpus[answer["child"]]


def test_memory_of_a_device_is_called_so_and_holds_no_line() -> None:
    site = Site.of(machines.read("power9-gpu-memory"))
    skb = Skb(site)
    found = {answer["node"]: answer["of"] for answer in skb.query("nearest_memory", core=0)}
    assert found == {0: "machine", 8: "machine", **dict.fromkeys(range(250, 256), "gpu")}
    near_a_gpu = [f"distance({node}, 250, 1)" for node in (0, 8)]
    topology = replace(
        site.topology, nodes=tuple(replace(node, distances=()) for node in site.topology.nodes)
    )
    skb = Skb(Site.of(topology), asserted=near_a_gpu)
    (best,) = skb.query("call_line_node", caller=0, callee=1)
    assert best["node"] == 0


def test_a_cpu_outside_all_nodes_is_assumed_to_be_near_one() -> None:
    topology = machines.read("offline-first")
    assert topology.unplaced
    held = {
        fact.arguments[0]: fact for fact in Skb(Site.of(topology)).facts()
        if fact.predicate == "in_node"
    }  # fmt: skip
    for cpu in topology.online:
        expected = facts.ASSUMED if cpu in topology.unplaced else facts.DISCOVERED
        assert held[cpu].origin == expected
    cpu = topology.unplaced[0]
    elsewhere = max(node.id for node in topology.nodes)
    (said,) = Skb(Site.of(topology), asserted=[f"in_node({cpu}, {elsewhere})"]).ask(
        f"n(N) :- in_node({cpu}, N)."
    )
    assert said["arguments"] == [elsewhere]


def test_trees_cross_into_the_largest_parts_once() -> None:
    site = Site.of(machines.read("power7-packages"))
    assert len(set(site.group.tolist())) == 8
    crossing = [
        edge for edge in Skb(site).tree(0).edges if site.node[edge[0]] != site.node[edge[1]]
    ]
    assert len(crossing) == 7


def test_close_takes_the_smallest_neighbourhood_of_physical_cores() -> None:
    topology = from_string("2 packages, 2 l3, 2 cores, smt 2")
    # The threads of a physical core have neighbouring numbers, as some firmware has it.
    site = Site(topology, tuple(cpu for core in topology.cores for cpu in core))
    skb = Skb(site)

    def cores(k: int) -> list[int]:
        return [answer["core"] for answer in skb.query("placement", k=k, how="close")]

    assert len({int(site.l3[core]) for core in cores(2)}) == 1
    assert len({site.topology.cpu(site.cpus[core]).siblings for core in cores(2)}) == 2
    assert len({int(site.package[core]) for core in cores(4)}) == 1
    assert len({site.topology.cpu(site.cpus[core]).siblings for core in cores(4)}) == 4
    assert sorted(cores(16)) == list(site.cores)
    assert len({site.topology.cpu(site.cpus[core]).siblings for core in cores(8)}) == 8


def test_five_hundred_and_twelve_cores() -> None:
    site = Site.of(from_string("8x64"))
    skb = Skb(site)
    assert skb.tree(300).edges == build("numa-aware", 300, site, skb.costs).edges
    assert len(skb.facts()) < 20_000
    assert not [fact for fact in skb.facts() if fact.predicate in facts.COSTS]
    # Pairs are no facts there, and a rule that counts on them gets an error, not a wrong answer.
    with pytest.raises(BadInput, match=r"up to 64 cores only: 512 cores .*@round_trip\(A,B\)"):
        skb.ask("far(A,B) :- round_trip(A,B,R), R > 1000.")
    (answer,) = skb.ask("cost(@round_trip(0,511)).")
    assert answer["arguments"] == [int(skb.costs.whole[0, 511])]
    assert len(skb.ask("b(G,H,R) :- between(G,H,_,_,R).")) == 64
