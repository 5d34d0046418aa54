"""Facts: what the machine is, where that comes from, what may be asserted, and every error with its
place.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from s1_knowledge.machines import sites_and_costs
from s1_knowledge.rules import SMALL, refused

from multikernel.errors import BadInput
from multikernel.knowledge import facts
from multikernel.knowledge.costs import MEASURED, Costs
from multikernel.knowledge.facts import Fact, merged
from multikernel.knowledge.site import Site
from multikernel.knowledge.skb import Skb
from multikernel.machine.topology.synthetic import from_string


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
        ((0, 0, 10), "assumed"), ((1, 1, 10), "assumed"), ((0, 1, 20), "assumed"),
        ((1, 0, 20), "assumed"),
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
    assert (
        len({fact.arguments[0] for fact in held}) == len(held) == len({cpu for cpu, _, _ in said})
    )
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
    with pytest.raises(
        BadInput, match=r"send\(0,1,7\) and send\(0,1,100\) \(measured, all pairs\)"
    ):
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
        (
            "spare(1).\nlink(0,1).\nsend(0,1,5).\nsend(0,1,6).",
            4,
            ("send(0,1,6) and send(0,1,5) (asserted",),
        ),
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
    refused(
        Costs.from_topology(Site.of(from_string("1x2"))),
        words=("costs of another system: 2 cores",),
    )
    refused(rules=[tmp_path / "absent"], words=("no directory of rules here",))
