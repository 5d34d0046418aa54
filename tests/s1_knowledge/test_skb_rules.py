"""Questions and rules of the user's, in files and as text: answers, and every error with its
place.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest
from s1_knowledge.rules import SMALL, refused, rule_file

from multikernel.errors import BadInput, Unanswered
from multikernel.knowledge import questions, solver
from multikernel.knowledge.skb import Skb


def test_a_new_question_is_a_new_file(tmp_path: Path) -> None:
    skb = Skb(SMALL, rules=[tmp_path])
    rule_file(
        tmp_path, "beside", "x(-B, B, C) :- core(C), core(B), B = C + by.",
        "x(_last_first, beside, core)",
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
        tmp_path, "multicast_tree", "e(root, C) :- core(C), C != root.",
        "e(parent, child) a tree from root",
        "\n% parameter root: core",
    )  # fmt: skip
    skb = Skb(SMALL, rules=[tmp_path])
    assert skb.tree(2).edges == ((2, 0), (2, 1), (2, 3))
    assert [one.path.parent for one in skb.questions() if one.name == "multicast_tree"] == [
        tmp_path
    ]


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
        ("e(root, C) :- core(C), C != root. e(1, 2).", ("core 2 is reached twice", "edge 1 → 2")),
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
    with pytest.raises(
        BadInput, match=rf"its question, its parameters.*{re.escape(str(path))}:{line}\)"
    ):
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
        (
            "placement",
            {"k": 2, "how": "wide"},
            ("how is not spread or close: wide", "placement.lp:4"),
        ),
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


# --- Rules given as text
# --------------------------------------------------------------------------------------------


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
        (
            "1 { a(C) : core(C) } 1. 3 { a(C) : core(C) } 3.",
            ("no answer satisfies", "the rule:1:1"),
        ),
        ("a(f(@send(0,9))).", ("no such core", "the rule:1:5")),
    ],
)
def test_what_is_wrong_with_a_rule_in_text_names_its_line(
    rule: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput) as caught:
        Skb(SMALL).ask(rule)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


# --- Rules from strangers
# --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        f"a({'f(' * 50_000}1{')' * 50_000}).",
        f"a(X) :- X = {'-' * 50_000}1.",
        f"a(X) :- X = {'1+' * 50_000}1.",
        f"a(X) :- X = {'2**' * 50_000}2.",
        f'b("%"). a({"f(2, 1+" * 5_000}1{")" * 5_000}).',
    ],
)
def test_rules_that_are_nested_without_measure(tmp_path: Path, rule: str) -> None:
    skb = Skb(SMALL, rules=[tmp_path])
    with pytest.raises(BadInput, match=r"nested more than .*\(the rule:1\)"):
        skb.ask(rule)
    path = rule_file(tmp_path, "deep", rule)
    with pytest.raises(BadInput, match=rf"nested more than .*\({re.escape(str(path))}:5\)"):
        skb.query("deep")
    (tmp_path / "included.lp").write_text(rule)
    rule_file(tmp_path, "deep", f'#include "{tmp_path}/included.lp".\nx(1).')
    with pytest.raises(BadInput, match=r"nested more than .*included\.lp:1\)"):
        skb.query("deep")
    if rule.startswith("a(f"):
        refused(asserted=[rule], words=("nested more than", "--assert:1"))


def test_what_is_deep_but_not_too_deep_is_answered(tmp_path: Path) -> None:
    skb = Skb(SMALL, rules=[tmp_path])
    deep = f"{'f(' * 90}1{')' * 90}"
    assert skb.ask(f"a({deep}).") == [{"predicate": "a", "arguments": [deep]}]
    assert skb.ask(f"a({'1+' * 90}1).") == [{"predicate": "a", "arguments": [91]}]
    assert len(skb.ask("p(" + ";".join(f"-{one}" for one in range(1, 500)) + ").")) == 499
    assert skb.ask("% " + "-(" * 500 + "\na(1).") == [{"predicate": "a", "arguments": [1]}]


def test_files_that_are_none_or_endless_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.lp")
    skb = Skb(SMALL, rules=[tmp_path])
    assert "pipe" not in [one.name for one in skb.questions()]
    with pytest.raises(BadInput, match="unknown question: pipe"):
        skb.query("pipe")
    with pytest.raises(BadInput, match=r"include is no file: .*pipe\.lp"):
        skb.ask(f'#include "{tmp_path}/pipe.lp".')
    (tmp_path / "zeros.lp").symlink_to("/dev/zero")
    refused(asserted=[tmp_path / "zeros.lp"], words=("longer than 16 MB", "zeros.lp"))


def test_an_answer_that_takes_too_long_or_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    # What can be ended, so that nothing goes on in this process.
    rule = "n(0). n(N+1) :- n(N), N < 200000."
    with pytest.raises(Unanswered, match=r"there was no answer within: 0\.2 s \(the rule\)"):
        Skb(SMALL, seconds=0.2).ask(rule)
    monkeypatch.setattr(solver, "MOST_MEMORY", 1 << 20)
    with pytest.raises(Unanswered, match="GB of memory"):
        Skb(SMALL, seconds=60).ask(rule)
    for thread in threading.enumerate():
        if thread.name == "mk-skb":
            thread.join()
