"""What is said of the chosen tree: of which one, and slower only when the whole interval says
so.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from multikernel import system as system_
from multikernel.experiments.instrument import shapes as chosen
from multikernel.experiments.instrument.arms import Ratio
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.shootdown import Shootdown
from multikernel.knowledge.tree import Tree
from multikernel.machine.host.cpus import Placement
from multikernel.results import document
from multikernel.results.document import Interval

CPUS = (0, 1, 2)


def request(cpus: tuple[int, ...] = CPUS, size: str = "quick") -> Request:
    return Request(Placement(cpus), SIZES[size])


class Found(Collector):
    """Has the ratios that it is given: low, value and high, by name."""

    def __init__(self, asked: Request, ratios: dict[str, tuple[float, float, float]]) -> None:
        super().__init__(asked)
        self.given = ratios

    def ratio(self, asked: Ratio) -> document.Ratio | None:
        if asked.name not in self.given:
            return None
        low, value, high = self.given[asked.name]
        return document.Ratio(
            name=asked.name, over=asked.over, under=asked.under, kind=asked.kind, words=asked.words,
            value=value, interval=Interval(low=low, high=high, coverage=0.9, method="min-max"),
        )  # fmt: skip


FIXED = [(f"{name}, single", Ratio(name, "chosen")) for name in ("binary", "cluster")]
WORSE = {"binary-over-chosen": (0.5, 0.6, 0.7)}


def test_slower_needs_the_whole_interval_beyond_the_slack() -> None:
    close = {"binary-over-chosen": (0.85, 0.9, 0.96), "cluster-over-chosen": (1.1, 1.2, 1.3)}
    (said,) = chosen.judged(Found(request(), close), FIXED, "adaptive")
    assert (said.code, "none of 2 comparisons" in said.text) == ("chosen-tree-best", True)
    worse = close | {"binary-over-chosen": (0.5, 0.8, 0.95), "other-over-chosen": (0.1, 0.1, 0.1)}
    (said,) = chosen.judged(Found(request(), worse), FIXED, "adaptive")
    assert said.code == "chosen-tree-slower"
    assert "1 of 2 comparisons with fixed trees: binary, single: 1.25 × (1.05 – 2.00)" in said.text


def test_nothing_is_said_where_nothing_is_measured() -> None:
    assert chosen.judged(Found(request(size="smoke"), WORSE), FIXED, "x") == []
    assert chosen.judged(Found(request((0, 0, 0)), WORSE), FIXED, "x") == []
    assert chosen.judged(Found(request(), {}), FIXED, "x") == []


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


def test_the_experiment_names_the_ratios_that_it_makes() -> None:
    cpu = min(os.sched_getaffinity(0))
    experiment = Shootdown(request((cpu,) * 4), Tree(0, ((0, 3), (3, 2), (2, 1)), "mine"))
    slow = {asked.name: (0.5, 0.6, 0.7) for asked in experiment.ratios()}
    found = Found(request((0, 1, 2, 3)), slow)
    said = {one.code: one.text for one in experiment.cautions(found)}
    assert "unicast on 4 cores, single: 1.67 ×" in said["chosen-tree-slower"]
