"""Sharing or messages: every form runs on the cores of a booted system in its share of the work,
what cannot be is refused by name, and the document says who wins and what choosing costs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest
from s5_experiments.smoke import document_of

import multikernel
from multikernel import Page, System
from multikernel.experiments.instrument.loops import PAGE
from multikernel.experiments.sharing_or_messages import CHANGING, Done, loops
from multikernel.experiments.sharing_or_messages.loops import ADAPTIVE, FORMS, KNOWN, Run, Runs
from multikernel.experiments.sharing_or_messages.points import FEW, points
from multikernel.native._native import sharing_bytes
from multikernel.report.figures import registry as figures
from multikernel.report.say import sharing
from multikernel.results.document import Document
from multikernel.results.encoding import decode, encode

CORES = 3
NAME = "sharing-or-messages"


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with multikernel.boot(CORES) as system:
        yield system


@pytest.fixture(scope="module")
def page(system: System) -> Page:
    bytes_ = sharing_bytes(loops.COUNTERS, 8, CORES)
    return system.map(system.allocate(-(-bytes_ // PAGE) * PAGE))


_met: dict[int, int] = {}


def worked(system: System, page: Page, *runs: Run) -> list[Done]:
    base = _met.get(id(system), 0)
    _met[id(system)] = base + loops.MEETINGS * CORES * len(runs)
    tasks = [core.start(loops.work, page, Runs(runs, base), None) for core in system.cores]
    reports = {core: task.result(timeout=90) for core, task in enumerate(tasks)}
    return [Done.of(reports, number) for number in range(len(runs))]


AHEAD, LOOK = 512, 32
LEAST_CYCLES = 10
"""Of an operation."""


@pytest.mark.parametrize("form", [*KNOWN, ADAPTIVE])
def test_a_core_does_its_share_in_every_form(system: System, page: Page, form: str) -> None:
    """Within what one may be ahead, before what counts and within it, wherever cores share CPUs."""
    (done,) = worked(system, page, Run(form, 1, ((50, 0, 800),), 0.05))
    shares = [0.8, 0.1, 0.1]
    stand_for = [
        one["operations"] / share
        for one, share in zip(list(done.by_core.values()), shares, strict=True)
    ]
    assert min(stand_for) > 0
    # Whoever began late goes on for as long when the others have ended, and waits for nobody then.
    began = [one["began"] for one in done.by_core.values()]
    alone = (max(began) - min(began)) / LEAST_CYCLES / min(shares)
    assert max(stand_for) - min(stand_for) <= 2 * (AHEAD + 2 * LOOK / min(shares)) + alone, done
    assert KNOWN[done.by_core[0]["form"]] in ([form] if form != ADAPTIVE else loops.CANDIDATES)


def test_segments_follow_each_other(system: System, page: Page) -> None:
    segments = ((0, 0, 800), (50, 100, 200))
    (done,) = worked(system, page, Run("delegated", 1, segments, 0.05))
    for one in list(done.by_core.values()):
        several = [one[f"segment.{nth}"] for nth in range(len(segments))]
        assert one["operations"] == sum(several)
        assert all(several), done


def test_the_form_changes_while_all_operate(system: System, page: Page) -> None:
    (done,) = worked(system, page, Run(ADAPTIVE, 8, ((50, 0, 500),), 0.3))
    assert done.by_core[0]["races"] >= 1
    assert done.by_core[0]["changes"] >= 1
    assert all(done.by_core[core]["changes"] == 0 for core in range(1, CORES))


def test_what_cannot_be_is_refused(system: System, page: Page) -> None:
    """Before anybody is waited for."""
    driver_words: dict[str, object] = {
        "type": loops.COUNTERS, "shape": 8, "core": 0, "forms": 0, "count": 1, "cycles": 1000,
        "edge": 0, "base": 0, "each": [0, 0, 500], "results": array("Q", bytes(8 * 20)),
    }  # fmt: skip

    def ask(page: Page, form: str, **other: object) -> None:
        words = {**driver_words, "memory": page.view(), **other}
        multikernel.here().driver.probe("sharing", form=form, **words)

    for form, other in (
        ("quick", {}), ("locked", {"shape": 33}), ("locked", {"core": CORES}),
        ("locked", {"type": 9}),
        ("locked", {"each": [0, 0]}), ("locked", {"results": array("Q", bytes(8))}),
        ("locked", {"each": [0, 0, 500] + [1] * (3 + len(KNOWN))}),
        (ADAPTIVE, {"each": [0, 0, 500, 1]}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"sharing|loop"):
            system.cores[1].run(ask, page, form, **other)


def test_the_document_says_who_wins_and_what_choosing_costs() -> None:
    document = decode(encode(document_of(NAME)), Document)
    found = sharing.workloads(document)
    assert {one.place for one in found} == {
        (one.reads, one.lines, one.think, one.share // 10) for one in points(few=True)
    }
    for one in found:
        assert {"locked", "fifo", "optimistic", "delegated", "replicated"} <= set(one.forms)
        assert ("lock-free" in one.forms) == (one.place[1] == 1)
        assert one.regret is not None
        assert one.control is not None
        assert one.chosen in FORMS
        for form in ("locked", "fifo"):  # what fairness costs shows where all only write
            bursts = one.forms[form].parameters.get("burst_mean")
            assert (bursts is not None) == (one.reads == 0)
            assert bursts is None or float(str(bursts)) >= 1
    regrets = [one for one in document.ratios if one.kind == "regret"]
    assert len(regrets) == len(found) + 1 + len(loops.CANDIDATES) - 1
    assert any(one.over == "changing-oracle" for one in regrets)
    said = " ".join(sharing.sentences(document))
    assert f"{len(found)} workloads" in said
    assert figures.draw(document)


def rates(form: str, *by_boot: float) -> tuple[str, SimpleNamespace]:
    boots = [SimpleNamespace(boot=boot, p50=rate) for boot, rate in enumerate(by_boot)]
    return form, SimpleNamespace(p50=median(by_boot), by_boot=boots)


@pytest.mark.parametrize(
    ("others", "winner", "certain"),
    [
        ([rates("delegated", 3, 3, 3, 3, 3)], "locks", True),
        ([rates("delegated", 3)], "locks", False),
        ([rates("delegated", 4, 5, 6, 7, 8)], "the owner", False),
        ([rates("delegated", 7, 7, 7, 7, 7), rates("optimistic", 8, 8, 8, 8, 8)], "locks", True),
    ],
)
def test_a_winner_has_to_be_certain(
    others: list[tuple[str, SimpleNamespace]], winner: str, certain: bool
) -> None:
    """Nobody where boots do not agree, or are few; two forms of a kind are no rivals."""
    forms: Any = dict([rates("locked", 5, 5.1, 5.2, 5.3, 5.4), *others])
    found = sharing.Workload((0, 1, 0, 50), forms, None, None).winner
    assert (found[0], found[2]) == (winner, certain)


def test_points() -> None:
    whole = list(points())
    assert len(set(whole)) == len(whole) >= 100
    assert set(points(few=True)) <= set(whole)
    assert len({one.key for one in whole}) == len(whole)
    assert all(len(axis) == 2 for axis in FEW)
    assert len(CHANGING) > 1
