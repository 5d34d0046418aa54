"""`multikernel skb`, as it is typed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import psutil
import pytest
from s6_cli.command import assert_one_line_and_code_2, run, started

from multikernel.knowledge import cost_store
from multikernel.knowledge.costs import MEASURED, Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.knowledge.trees import build
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.synthetic import from_string


def test_the_multicast_tree_as_json() -> None:
    done = run("skb", "query", "multicast_tree", "root=0", "--machine", "8x4", "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    answers = json.loads(done.stdout)
    assert all(answer["child_cpu"] == answer["child"] for answer in answers)  # one core a CPU
    edges = tuple((answer["parent"], answer["child"]) for answer in answers)
    Tree(0, edges, "asked").check(range(32))
    site = Site.of(from_string("8x4"))
    assert edges == build("numa-aware", 0, site, Costs.from_topology(site)).edges


def test_answers_to_read(here: Callable[..., CompletedProcess[str]]) -> None:
    done = here("skb", "query", "placement", "k=2", "how=close", "--machine", "2x2")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["service", "core", "cpu"]
    assert [line.split() for line in done.stdout.splitlines()[2:]] == [
        ["0", "0", "0"], ["1", "1", "1"],
    ]  # fmt: skip
    assert "assumed from the topology" in done.stderr


def test_facts_of_this_host_can_be_asserted_again(
    here: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    done = here("skb", "facts")
    assert done.returncode == 0
    assert "runs_on(0," in done.stdout
    (tmp_path / "again.lp").write_text(done.stdout)
    again = here("skb", "facts", "--assert", str(tmp_path / "again.lp"))
    assert again.returncode == 0
    held, still = (
        [line.split("%")[0] for line in one.stdout.splitlines()] for one in (done, again)
    )
    assert held == still


def test_facts_of_some_predicates_as_json(here: Callable[..., CompletedProcess[str]]) -> None:
    done = here(
        "skb", "facts", "distance", "--machine", "2x2", "--json", "-", "--assert", "spare(1)"
    )
    found = json.loads(done.stdout)
    assert [fact["arguments"] for fact in found] == [[0, 0, 10], [0, 1, 20], [1, 0, 20], [1, 1, 10]]
    assert {(fact["predicate"], fact["origin"], fact["where"]) for fact in found} == {
        ("distance", "discovered", "invented: 2x2")
    }


def test_costs_kept_for_this_host_are_used(
    here: Callable[..., CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    site = Site.of(Topology.read())
    assumed = Costs.from_topology(site)
    path = cost_store.save(
        replace(assumed, send=assumed.send + 7, origin=MEASURED), site, Host.read()
    )
    done = here("skb", "ask", "all(@send(0,C)) :- core(C), C != 0. ok.")
    assert done.returncode == 0
    assert set(done.stdout.split()) == {"ok."} | {
        f"all({int(one)})." for one in assumed.send[0, 1:] + 7
    }
    assert done.stderr == f"costs of messages: measured earlier, kept in {path}\n"


def test_a_rule_of_ones_own(here: Callable[..., CompletedProcess[str]]) -> None:
    done = here(
        "skb", "ask", "remote(A,B) :- round_trip(A,B,R), R > 2000, A < B.", "--machine", "2x1"
    )
    assert (done.returncode, done.stdout) == (0, "remote(0,1).\n")


def test_the_list_of_questions(here: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "mine.lp").write_text(
        "% mine(k): is it mine?\n% parameter k: number\n% answer: x(core)\nx(k).\n"
    )
    done = here("skb", "list", "--rules", str(tmp_path))
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == [
        "call_line_node", "mine", "multicast_tree", "nearest_memory", "placement", "sharing_cache",
    ]  # fmt: skip
    asked = here(
        "skb", "query", "mine", "k=1", "--rules", str(tmp_path), "--machine", "2x1", "--json", "-"
    )
    assert json.loads(asked.stdout) == [{"core": 1}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("query", "multicast_tree", "root=0", "--machine", "round"), ("round", "--machine")),
        (("query", "multicast_tree", "0"), ("KEY=VALUE: 0",)),
        (("query", "multicast_tree", "root=0", "--json", "file"), ("--json",)),
        (("ask", "a(X) :- not core(X)."), ("unsafe variables", "the rule:1:1")),
        (("facts", "nothing"), ("no facts of this name: nothing",)),
        (("facts", "--assert", "in_package(0,99)"), ("contradict", "--assert:1:1")),
        (("list", "--rules", "absent"), ("no directory of rules here: absent", "--rules")),
        (("facts", "--cores", "0"), ("give 1 to 1024",)),
    ],
)
def test_bad_input(
    here: Callable[..., CompletedProcess[str]], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_one_line_and_code_2(here("skb", *arguments), *words)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)]
)
def test_a_rule_without_end_can_be_ended(number: signal.Signals) -> None:
    # Grounding is one call into C, where Python sees no signal.
    with started("skb", "ask", "n(0). n(N+1) :- n(N).") as process:
        seen = psutil.Process(process.pid)
        while seen.cpu_times().user < 1:  # starting takes less than half of that
            time.sleep(0.05)
        process.send_signal(number)
        process.wait()
    assert process.returncode == 128 + number


@pytest.mark.full
@pytest.mark.parametrize(
    ("rule", "limit"),
    [
        ("n(0). n(N+1) :- n(N).", "1 s"),  # grounds for ever
        ("{ p(1..99) }. q(N) :- N = #sum { X*X : p(X) }. :- q(N), N \\ 7919 != 13.", "1 s"),
    ],
)
def test_an_answer_has_a_time_limit(rule: str, limit: str) -> None:
    done = run("skb", "ask", rule, "--machine", "2x2", "--time", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"multikernel: there was no answer within: {limit} (the rule); ")
    assert done.stderr.count("\n") == 1


def test_a_system_of_fewer_cores_than_cpus_says_so(
    here: Callable[..., CompletedProcess[str]],
) -> None:
    asked = ("skb", "query", "multicast_tree", "root=0", "--json", "-", "--machine", "32x64")
    done = here(*asked)
    assert len(json.loads(done.stdout)) == 1023
    assert "the first 1024 of 2048 allowed CPUs" in done.stderr
    done = here(*asked, "--cores", "1024-1027")
    assert (len(json.loads(done.stdout)), done.stderr) == (3, "")


def test_what_is_taken_for_granted_of_a_machine_is_said(
    here: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    machine = replace(from_string("2x2"), source="capture mine")
    nodes = (replace(machine.nodes[0], cpus=(0,)), machine.nodes[1])
    (tmp_path / "mine.json").write_text(replace(machine, nodes=nodes).to_json())
    for arguments in (("skb", "query", "nearest_memory", "core=1"), ("topology",)):
        done = here(*arguments, "--machine", "mine.json")
        assert done.returncode == 0, done.stderr
        said = done.stdout + done.stderr
        assert "in no memory node: CPUs 1, assumed to be near node 0" in said


def test_text_of_rules_acts_on_no_terminal(here: Callable[..., CompletedProcess[str]]) -> None:
    done = here("skb", "ask", 'p("\x1b[31m\u202e").', "--machine", "2x2")
    assert done.stdout == "p(\\x1b[31m\\u202e).\n"
