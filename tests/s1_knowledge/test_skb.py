"""The knowledge base: facts with their origins, questions in files, and every error with its place."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from s1_knowledge.machines import sites, sites_and_costs

from multikernel.errors import BadInput
from multikernel.knowledge import facts, questions
from multikernel.knowledge.costs import MEASURED, Costs
from multikernel.knowledge.facts import Fact, merged
from multikernel.knowledge.site import Site
from multikernel.knowledge.skb import Skb
from multikernel.knowledge.trees import build
from multikernel.machine.synthetic import from_string

SMALL = Site.of(from_string("2x2"))


def refused(*arguments, words: tuple[str, ...], **options) -> None:
    """Making a knowledge base of the small machine fails with these words."""
    with pytest.raises(BadInput) as caught:
        Skb(SMALL, *arguments, **options)
    for word in words:
        assert word in str(caught.value)


def rule_file(directory: Path, name: str, body: str, answer: str = "x(core)", more: str = "") -> Path:
    """A file that can be asked; its rules begin in line 5."""
    path = directory / f"{name}.lp"
    path.write_text(f"% {name}: what is it?\n%{more}\n% answer: {answer}\n\n{body}\n")
    return path


# --- Questions that come along --------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=15)
@given(st.data(), sites_and_costs(largest=20))
def test_the_multicast_tree_is_the_numa_aware_one(data: st.DataObject, machine: tuple[Site, Costs]) -> None:
    # Two implementations of one tree, in rules and in Python, held to each other with their sending order.
    site, costs = machine
    root = data.draw(st.sampled_from(site.cores))
    skb = Skb(site, costs)
    assert skb.tree(root).edges == build("numa-aware", root, site, costs).edges
    asked = [(answer["parent"], answer["child"]) for answer in skb.query("multicast_tree", root=root)]
    assert tuple(asked) == skb.tree(root).edges


@settings(deadline=None, max_examples=15)
@given(st.data(), sites(largest=12))
def test_sharing_cache_by_counting(data: st.DataObject, site: Site) -> None:
    core = data.draw(st.sampled_from(site.cores))
    expected = set()
    for other in site.cores:
        mine, theirs = site.cpus[core], site.cpus[other]
        levels = [cache.level for cache in site.topology.caches if {mine, theirs} <= set(cache.cpus)]
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
        assert found[0] == {"distance": 10, "node": int(site.node[core])}
        assert [answer["distance"] for answer in found] == sorted(answer["distance"] for answer in found)
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


@settings(deadline=None, max_examples=15)
@given(st.data(), sites(largest=12), st.sampled_from(("spread", "close")))
def test_placement_places_every_service_on_a_core_of_its_own(
    data: st.DataObject, site: Site, how: str
) -> None:
    k = data.draw(st.integers(0, site.n))
    found = Skb(site).query("placement", k=k, how=how)
    assert [answer["service"] for answer in found] == list(range(k))
    assert len({answer["core"] for answer in found}) == k


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_spread_uses_packages_caches_and_physical_cores_evenly(data: st.DataObject) -> None:
    shape = data.draw(
        st.sampled_from(
            ("8x4", "2x4x2", "2 packages, 2 l3, 2 cores, smt 2", "2 packages, 2 dies, 0 l3, 3 cores")
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
    # Pairs are no facts there, and a rule that counts on them is told, not answered wrongly.
    with pytest.raises(BadInput, match=r"up to 64 cores only: 512 cores .*@round_trip\(A,B\)"):
        skb.ask("far(A,B) :- round_trip(A,B,R), R > 1000.")
    (answer,) = skb.ask("cost(@round_trip(0,511)).")
    assert answer["arguments"] == [int(skb.costs.whole[0, 511])]
    assert len(skb.ask("b(G,H,R) :- between(G,H,_,_,R).")) == 64


# --- Facts ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=15)
@given(sites_and_costs(largest=10))
def test_facts_say_what_the_machine_is(machine: tuple[Site, Costs]) -> None:
    site, costs = machine
    held = Skb(site, costs).facts()
    assert len({fact.key for fact in held}) == len(held)
    for fact in held:
        names, _ = facts.VOCABULARY[fact.predicate]
        assert len(names) == len(fact.arguments)
        assert (
            fact.origin == ("measured" if costs.origin == MEASURED else "assumed")
            or fact.where != costs.detail
        )
    by_key = {fact.key: fact for fact in held}
    for a, b in itertools.permutations(site.cores, 2):
        assert by_key["send", (a, b)].arguments[2] == round(float(costs.send[a, b]))
    for core, cpu in enumerate(site.cpus):
        assert by_key["runs_on", (core,)].arguments == (core, cpu)
        assert by_key["in_node", (cpu,)].arguments == (cpu, site.topology.cpu(cpu).node)


def test_a_kind_of_cpu_is_a_word_of_the_rules() -> None:
    topology = from_string("1x3")
    kinds = ("low-power", "Big core", "4th")
    cpus = tuple(replace(cpu, kind=kind) for cpu, kind in zip(topology.cpus, kinds, strict=True))
    found = Skb(Site.of(replace(topology, cpus=cpus))).ask("k(K) :- kind(_, K).")
    assert [answer["arguments"] for answer in found] == [["big_core"], ["k4th"], ["low_power"]]


def test_distances_that_the_firmware_does_not_say_are_assumed_and_say_so() -> None:
    topology = from_string("2x2")
    silent = replace(topology, nodes=tuple(replace(node, distances=()) for node in topology.nodes))
    held = [fact for fact in Skb(Site.of(silent)).facts() if fact.predicate == "distance"]
    assert {(fact.arguments, fact.origin) for fact in held} == {
        ((0, 0, 10), "assumed"), ((1, 1, 10), "assumed"), ((0, 1, 20), "assumed"), ((1, 0, 20), "assumed"),
    }  # fmt: skip
    # An assertion takes the place of an assumption.
    skb = Skb(Site.of(silent), asserted=["distance(0,1,32)."])
    assert ("distance(0,1,32)", "asserted") in {(str(fact), fact.origin) for fact in skb.facts()}
    assert "distance(0,1,20)" not in map(str, skb.facts())


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(0, 2),
            st.sampled_from(("discovered", "measured", "assumed", "asserted")),
        )
    )
)
@example([(0, 0, "assumed"), (0, 1, "assumed")])
def test_merging_keeps_one_value_a_key_or_refuses(said: list[tuple[int, int, str]]) -> None:
    given_ = [Fact("cpu", (n,), "discovered") for n in range(3)]
    given_ += [Fact("in_package", (cpu, package), origin) for cpu, package, origin in said]
    firm: dict[int, set[int]] = {}
    for cpu, package, origin in said:
        if origin != "assumed":
            firm.setdefault(cpu, set()).add(package)
    if any(len(packages) > 1 for packages in firm.values()):
        with pytest.raises(BadInput, match="contradict"):
            merged(given_)
        return
    held = [fact for fact in merged(given_) if fact.predicate == "in_package"]
    assert len({fact.arguments[0] for fact in held}) == len(held) == len({cpu for cpu, _, _ in said})
    first = {cpu: package for cpu, package, _ in reversed(said)}
    for fact in held:
        cpu, package = fact.arguments
        assert {package} == firm.get(cpu, {first[cpu]})
        assert (fact.origin == "assumed") == (cpu not in firm)


def test_asserted_costs_are_the_costs() -> None:
    skb = Skb(SMALL, asserted=["send(0,1,7). receive(0,1,9)."])
    assert (skb.costs.send[0, 1], skb.costs.receive[0, 1]) == (7, 9)
    assert skb.costs.send[1, 0] == Costs.from_topology(SMALL).send[1, 0]
    assert skb.ask("x(@send(0,1)).") == [{"predicate": "x", "arguments": [7]}]
    far = Site.of(from_string("4x2"))
    plain, asserted = Skb(far).tree(0), Skb(far, asserted=["round_trip(0,6,9999)."]).tree(0)
    assert plain.children(0)[:3] == (2, 4, 6)
    assert asserted.children(0)[:3] == (6, 2, 4)


@pytest.mark.parametrize("n", [2, 33])
def test_an_assertion_against_a_measurement_contradicts_it(n: int) -> None:
    site = Site.of(from_string(f"2x{n}"))
    square = np.full((site.n, site.n), 100.0)
    measured = Costs(square, square, 5 * square, MEASURED, "all pairs")
    with pytest.raises(BadInput, match=r"send\(0,1,7\) and send\(0,1,100\) \(measured, all pairs\)"):
        Skb(site, measured, asserted=["send(0,1,7)."])
    Skb(site, measured, asserted=["send(0,1,100)."])


def test_asserted_facts_come_from_files_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.lp"
    path.write_text("% what the manual says\nowner(0, me).\n\nspare(3).\n")
    held = {str(fact): fact for fact in Skb(SMALL, asserted=[path]).facts()}
    assert held["owner(0,me)"].where == f"{path}:2:1"
    assert held["spare(3)"].where == f"{path}:4:1"
    assert held["spare(3)"].origin == "asserted"
    skb = Skb(SMALL, asserted=[str(path)])
    assert skb.ask("mine(C) :- owner(C, me).") == [{"predicate": "mine", "arguments": [0]}]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("in_package(1,1).", 1, ("contradict", "in_package(1,0) (discovered, invented: 2x2)")),
        ("\n\nin_node(3,0).", 3, ("contradict", "in_node(3,1)")),
        ("spare(1).\nlink(0,1).\nsend(0,1,5).\nsend(0,1,6).", 4, ("send(0,1,6) and send(0,1,5) (asserted",)),
        ("\nin_package(9,1).", 2, ("a cpu that is not there", "in_package(9,1)")),
        ("core(4).", 1, ("a core that is not there",)),
        ("distance(0,7,10).", 1, ("a node that is not there",)),
        ("in_node(1).", 1, ("other arguments", "in_node(cpu, node)")),
        ("send(0,1,fast).", 1, ("not a whole number", "send(core, core, cycles)")),
        ("send(0,1,-5).", 1, ("not a whole number",)),
        ("a(X) :- core(X).", 1, ("only facts",)),
        ("\n{ a(1) }.", 2, ("only facts",)),
        ("a(X).", 1, ("only facts",)),
        ("-a(1).", 1, ("only facts",)),
        ("a(1..3).", 1, ("only facts",)),
        ('a("text").', 1, ("only facts",)),
        ("#show a/1.", 1, ("only facts",)),
        ("a(1).\nb(2", 3, ("cannot read the asserted facts", "syntax error")),
        ("a(1)\nb(2).", 2, ("syntax error",)),
    ],
)
def test_what_cannot_be_asserted_names_file_and_line(
    tmp_path: Path, text: str, line: int, words: tuple[str, ...]
) -> None:
    path = tmp_path / "mine.lp"
    path.write_text(text)
    refused(asserted=[path], words=(*words, f"{path}:{line}:"))


def test_assertions_that_cannot_be_read(tmp_path: Path) -> None:
    refused(asserted=["absent.lp"], words=("absent.lp", "No such file"))
    refused(asserted=[tmp_path], words=("cannot read",))
    (tmp_path / "b.lp").write_bytes(b"\xff\xfe")
    refused(asserted=[tmp_path / "b.lp"], words=("UTF-8",))
    refused(Costs.from_topology(Site.of(from_string("1x2"))), words=("costs of another system: 2 cores",))
    refused(rules=[tmp_path / "absent"], words=("no directory of rules here",))


# --- Questions of the user's ----------------------------------------------------------------------------------------


def test_a_new_question_is_a_new_file(tmp_path: Path) -> None:
    skb = Skb(SMALL, rules=[tmp_path])
    rule_file(
        tmp_path, "beside", "x(-B, B, C) :- core(C), core(B), B = C + by.", "x(_last_first, beside, core)",
        "\n% parameter by: number = 1",
    )  # fmt: skip
    assert skb.query("beside") == [
        {"beside": 3, "core": 2}, {"beside": 2, "core": 1}, {"beside": 1, "core": 0},
    ]  # fmt: skip
    assert skb.query("beside", by="3") == [{"beside": 3, "core": 0}]
    assert "beside" in [one.name for one in skb.questions()]
    assert "beside" not in [one.name for one in Skb(SMALL).questions()]


def test_a_question_may_be_replaced(tmp_path: Path) -> None:
    rule_file(
        tmp_path, "multicast_tree", "e(root, C) :- core(C), C != root.", "e(parent, child) a tree from root",
        "\n% parameter root: core",
    )  # fmt: skip
    skb = Skb(SMALL, rules=[tmp_path])
    assert skb.tree(2).edges == ((2, 0), (2, 1), (2, 3))
    assert [one.path.parent for one in skb.questions() if one.name == "multicast_tree"] == [tmp_path]


def test_the_best_of_several_answers_is_given(tmp_path: Path) -> None:
    rule_file(tmp_path, "two", "{ x(C) : core(C) } = 2. #minimize { C : x(C) }.")
    assert Skb(SMALL, rules=[tmp_path]).query("two") == [{"core": 0}, {"core": 1}]
    rule_file(tmp_path, "two", "{ x(C) : core(C) } = 2. #maximize { C : x(C) }.")
    assert Skb(SMALL, rules=[tmp_path]).query("two") == [{"core": 2}, {"core": 3}]


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("x(C) :- core(C), not runs_on(C, U).", 5, ("unsafe variables", "'U' is unsafe")),
        ("% why\n\nx(C) :- core(C)\ny.", 8, ("syntax error",)),
        ("x(C) :- core(C).\n:- core(2).", 6, ("no answer satisfies", "core(2)")),
        (
            "x(C) :- core(C).\n:- core(2), not core(9).\n% too many cores.\n:- core(3), core(0).",
            8,
            ("too many cores",),
        ),
        ("x(C) :- cores(C).", 5, ("atom does not occur", "cores(C)")),
        ("x(C) :- core(C).\nx(C+me) :- core(C).", 6, ("operation undefined",)),
        ("x(@cost(C)) :- core(C).", 5, ("no such function: @cost", "@round_trip")),
        ("x(C) :- core(C).\nx(@send(C,C+1)) :- core(C).", 6, ("no such core: @send(3,4)",)),
        ("y(C) :- core(C).", 3, ("no rule derives the answer: x with 1 arguments",)),
        ('#include "absent.lp".\nx(1).', 5, ("file could not be opened",)),
    ],
)
def test_what_is_wrong_with_a_rule_names_file_and_line(
    tmp_path: Path, body: str, line: int, words: tuple[str, ...]
) -> None:
    path = rule_file(tmp_path, "mine", body)
    with pytest.raises(BadInput) as caught:
        Skb(SMALL, rules=[tmp_path]).query("mine")
    assert re.search(rf"\({re.escape(str(path))}:{line}(:\d+)?\)", str(caught.value)), caught.value
    for word in words:
        assert word in str(caught.value)


def test_facts_that_a_machine_does_not_have_are_no_typing_error(tmp_path: Path) -> None:
    rule_file(tmp_path, "fast", "x(C) :- runs_on(C, U), kind(U, performance).")
    assert Skb(SMALL, rules=[tmp_path]).query("fast") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("e(root, C) :- core(C), C != root, C < 3.", ("does not reach all cores: 3",)),
        ("e(root, C) :- core(C), C != root. e(1, 2).", ("core 2 is told twice", "edge 1 → 2")),
        ("e(C, C + 1) :- core(C).", ("no members: 4",)),
        ("e(C, root) :- core(C), C != root.", ("the root is nobody's child",)),
        ("e(root, me).", ("'me'",)),
    ],
)
def test_a_tree_that_does_not_span_says_where_it_was_claimed(
    tmp_path: Path, body: str, words: tuple[str, ...]
) -> None:
    answer = "e(parent, child) a tree from root"
    path = rule_file(tmp_path, "mine", body, answer, "\n% parameter root: core")
    with pytest.raises(BadInput) as caught:
        Skb(SMALL, rules=[tmp_path]).query("mine", root=0)
    for word in ("no tree over all cores", f"{path}:4", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("x(1).", 1),
        ("% other: what?\n% answer: x(a)", 1),
        ("% mine: what?\n%\nx(1).", 2),
        ("% mine: what?\n% answer: x", 2),
        ("% mine(a): what?\n% answer: x(a)", 1),
        ("% mine(a): what?\n% parameter a: colour\n% answer: x(a)", 2),
        ("% mine(a): what?\n% parameter a: core\n% answer: x(a) a tree from a", 3),
    ],
)
def test_a_file_that_does_not_say_what_it_answers(tmp_path: Path, lines: str, line: int) -> None:
    path = tmp_path / "mine.lp"
    path.write_text(lines)
    with pytest.raises(BadInput, match=rf"its question, its parameters.*{re.escape(str(path))}:{line}\)"):
        questions.find("mine", [tmp_path])


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("nothing", {}, ("unknown question: nothing", "multicast_tree")),
        ("../skb", {}, ("unknown question",)),
        ("multicast_tree", {}, ("missing parameter: root", "multicast_tree.lp:3", "root=CORE")),
        ("multicast_tree", {"root": 4}, ("root is not a core of this machine: 4",)),
        ("multicast_tree", {"root": "x"}, ("root is not a core",)),
        ("multicast_tree", {"root": "0) :- core(1"}, ("root is not a core",)),
        ("multicast_tree", {"root": 0, "fast": 1}, ("unknown parameter: fast",)),
        ("placement", {"k": 2, "how": "wide"}, ("how is not spread or close: wide", "placement.lp:4")),
        ("placement", {"k": -1}, ("k is not a number ≥ 0: -1",)),
        ("placement", {"k": 5}, ("not that many cores", "placement.lp:")),
    ],
)
def test_bad_questions(name: str, parameters: dict, words: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        Skb(SMALL).query(name, **parameters)
    for word in words:
        assert word in str(caught.value)


def test_a_question_about_no_tree_has_none() -> None:
    with pytest.raises(BadInput, match="not answered by a tree: placement"):
        Skb(SMALL).tree(0, "placement")


# --- Rules given as text --------------------------------------------------------------------------------------------


def test_what_follows_from_a_rule() -> None:
    skb = Skb(SMALL)
    expected = [{"predicate": "n", "arguments": [2]}]
    assert skb.ask("n(N) :- N = #count { P : in_package(_, P) }.") == expected
    assert skb.ask("n(N) :- N = #count { P : in_package(_, P) }") == expected
    assert skb.ask("n(N) :- N = 2. m(1). #show n/1.") == expected
    assert skb.ask("yes :- core(0).") == [{"predicate": "yes", "arguments": []}]
    assert skb.ask("a(C) :- core(C), C > 9.") == []
    assert skb.ask("p(1; 2). q(\"a b\").") == [
        {"predicate": "p", "arguments": [1]}, {"predicate": "p", "arguments": [2]},
        {"predicate": "q", "arguments": ["a b"]},
    ]  # fmt: skip
    assert skb.ask(":- core(9).") == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("a(X) :- not core(X).", ("unsafe variables", "the rule:1:1")),
        ("a(X) :-\n core(X", ("syntax error", "the rule:2:")),
        ("a(X) :- cor(X).", ("atom does not occur", "the rule:1:9")),
        (":- core(0).", ("no answer satisfies", "the rule:1:1")),
        ("a. :- a.\n:- not a, core(0).", ("no answer satisfies", "the rule:1:4")),
        ("1 { a(C) : core(C) } 1. 3 { a(C) : core(C) } 3.", ("no answer satisfies", "the rule:1:1")),
        ("a(f(@send(0,9))).", ("no such core", "the rule:1:5")),
    ],
)
def test_what_is_wrong_with_a_rule_in_text_names_its_line(rule: str, words: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        Skb(SMALL).ask(rule)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
