"""What is said of the chosen tree: of which one, and slower only when the whole interval says
so.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from multikernel import system as system_
from multikernel.experiments import shootdown
from multikernel.experiments.instrument import chosen
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.knowledge.tree import Tree
from multikernel.machine.cpus import Placement
from multikernel.results.document import Interval, Ratio

CPUS = (0, 1, 2)


def request(cpus: tuple[int, ...] = CPUS, size: str = "quick") -> Request:
    return Request(Placement(cpus), SIZES[size])


def ratio(name: str, low: float, value: float, high: float) -> Ratio:
    return Ratio(
        name=name,
        value=value,
        interval=Interval(low=low, high=high, coverage=0.9, method="min-max"),
    )


FIXED = {"binary-over-chosen": "binary, single", "cluster-over-chosen": "cluster, single"}


def test_slower_needs_the_whole_interval_beyond_the_slack() -> None:
    close = [
        ratio("binary-over-chosen", 0.85, 0.9, 0.96),
        ratio("cluster-over-chosen", 1.1, 1.2, 1.3),
    ]
    (said,) = chosen.judged(request(), close, FIXED, "adaptive")
    assert (said.code, "none of 2 comparisons" in said.text) == ("chosen-tree-best", True)
    worse = [ratio("binary-over-chosen", 0.5, 0.8, 0.95), close[1], ratio("other", 0.1, 0.1, 0.1)]
    (said,) = chosen.judged(request(), worse, FIXED, "adaptive")
    assert said.code == "chosen-tree-slower"
    assert "1 of 2 comparisons with fixed trees: binary, single: 1.25 × (1.05 – 2.00)" in said.text


def test_nothing_is_said_where_nothing_is_measured() -> None:
    worse = [ratio("binary-over-chosen", 0.5, 0.6, 0.7)]
    assert chosen.judged(request(size="smoke"), worse, FIXED, "x") == []
    assert chosen.judged(request((0, 0, 0)), worse, FIXED, "x") == []
    assert chosen.judged(request(), [ratio("other", 1, 1, 1)], FIXED, "x") == []


def test_it_is_the_tree_that_boots_have(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(0, ((0, 2), (2, 1)), "mine")

    @contextmanager
    def boot(cpus: list[int]) -> Iterator[SimpleNamespace]:
        assert cpus == list(CPUS)
        yield SimpleNamespace(trees={0: SimpleNamespace(tree=tree)})

    monkeypatch.setattr(system_, "boot", boot)
    assert chosen.tree_of_all(request()) is tree
    assert chosen.tree_of_all(request((0, 1))) is None
    assert chosen.tree_of_all(request((0, 0, 0))) is None


def test_the_experiment_s_names_are_those_of_its_ratios() -> None:
    cpu = min(os.sched_getaffinity(0))
    asked = request((cpu,) * 4)
    by_cores, costs = shootdown.known(asked, Tree(0, ((0, 3), (3, 2), (2, 1)), "mine"))
    names = {f"{over}-over-{under}" for over, under in shootdown._ratios(asked, by_cores)}
    pretended = [ratio(name, 0.5, 0.6, 0.7) for name in sorted(names)]
    said = {
        one.code: one.text
        for one in shootdown._cautions(request((0, 1, 2, 3)), by_cores, costs, pretended)
    }
    assert "unicast on 4 cores, single: 1.67 ×" in said["chosen-tree-slower"]
