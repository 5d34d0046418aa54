"""The latency matrix from slices to sentences, on machines that are played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from s5_experiments.latency_machines import big, costs_of

from multikernel.experiments.instrument.arms import CONTROL, Pair
from multikernel.experiments.instrument.floors import floors_of
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.latency import Latency, ledger, said
from multikernel.experiments.latency.ledger import ONE_LINE, SINGLE, TWO_LINES
from multikernel.machine.host.cpus import Placement
from multikernel.machine.topology.model import Topology
from multikernel.results.histogram import Histogram

SHAPES = {ONE_LINE: 1, SINGLE: 1.8, TWO_LINES: 1.5}


class Played(Latency):
    """A run of size quick on a machine that is played, after its measuring: every pair takes what
    the cost says, from home 20 % more.
    """

    def __init__(
        self,
        machine: Topology,
        cost: Callable[[Pair, int], float] | None = None,
        node: int | None = None,
        parallel: bool = False,
    ) -> None:
        """node: where all lines turn out to lie, None: where they should."""
        request = Request(Placement(machine.online), SIZES["quick"])
        super().__init__(request, topology=machine, parallel=parallel)
        self.cost = cost or costs_of(machine)
        self.node = node
        self.taken: list[list[Pair]] = []
        self.measure()

    def on(self, cpus: tuple[int, ...]) -> Played:
        """Nothing is booted."""
        return self

    def open(self, *_: object) -> Played:
        return self

    def slice(self, turn: Sequence[Pair], again: bool, bench: object) -> ledger.Slice:
        """As on a bench."""
        outcome = ledger.Slice(again=again)
        if not again:
            self.taken.append(list(turn))
        for pair in turn:
            cost = self.cost(pair, len(self.taken))
            for home in self.homes(pair) if not again else ("to",):
                should = self.planner.node[pair[home == "to"]]
                outcome.homes[pair, home] = (should if self.node is None else self.node, 1)
                counts = self.counts[:1] if again else self.counts
                for what in [one for one, _, _ in counts if one != TWO_LINES or home == "to"]:
                    cycles = cost * SHAPES[what]
                    one = round(cycles * (1.2 if home == "from" else 1))
                    key = ledger.key_of(what, home, pair) + (CONTROL if again else "")
                    outcome.samples[key] = Histogram.from_values([one + n % 3 for n in range(8)])
                    outcome.lines[key] = [cycles] * len(ledger.LINES)
        return outcome


def texts(run: Latency) -> dict[str, str]:
    return {caution.code: caution.text for caution in said.cautions(run)}


def test_tight_pairs_stop_after_the_least_boots() -> None:
    run = Played(big(8))
    assert run.boots == 3
    slices: dict[Pair, int] = {}
    for (pair,) in run.taken:
        slices[pair] = slices.get(pair, 0) + 1
    assert len(slices) == 8 * 7
    assert len(set(slices.values())) == 1


def test_pair_that_is_not_tight_goes_on_alone() -> None:
    """Of 56 pairs there are 224 slices in a boot."""
    steady = costs_of(big(8))

    def cost(pair: Pair, at: int) -> float:
        return steady(pair, at) * (1.3 if pair == (3, 5) and at // 224 % 2 else 1)

    run = Played(big(8), cost)
    assert run.boots == SIZES["quick"].boots
    assert [pair for (pair,) in run.taken[-4:]] == [(3, 5)] * 4


def parameters_of(run: Latency, pair: Pair) -> list[tuple[object, object, object]]:
    return [
        (one["lines"], one["home"], one["home_node"])
        for one in (spec.parameters for spec in run.specs() if not spec.control)
        if (one["from_cpu"], one["to_cpu"]) == pair
    ]


def test_line_is_put_at_home_on_either_side_and_series_say_where() -> None:
    run = Played(big(8))
    across, beside = (parameters_of(run, pair) for pair in ((0, 2), (0, 1)))
    assert across == [(1, "to", 1), (1, "from", 0), (2, "receiver", None)]
    assert [one[:2] for one in beside] == [(1, "to"), (2, "receiver")]
    keys = [spec.key for spec in run.specs()]
    assert len(set(keys)) == len(keys)
    found = texts(run)
    assert found["nearest-pair"].startswith(
        "Nearest pair: CPUs 0 and 4 (hardware threads of one core), 61 TSC cycles"
    )
    assert "different packages" in found["farthest-pair"]
    assert set(found) == {"nearest-pair", "farthest-pair"}


def test_pairs_are_their_own_floors_and_the_ends_are_compared() -> None:
    run = Played(big(8))
    floor = floors_of(run.ledger, run.judged_by(), run.request.placement.cpus)[0, 2]
    assert floor.pair == (0, 2)
    assert floor.back_to_back == pytest.approx(600, abs=5)
    assert len(floor.by_line.back_to_back) == len(floor.by_line.single) == 16
    found = [run.ledger.ratio(asked) for asked in run.ratios()]
    ratios = {ratio.name: ratio.value for ratio in found if ratio is not None}
    assert ratios["control-over-one-line.to.0-4"] == 1
    assert [value for name, value in ratios.items() if name.startswith("one-line")] == [
        pytest.approx(10, rel=0.1)
    ]


def test_homes_that_are_not_where_they_should_be_or_not_known_are_named() -> None:
    assert "another memory node" in texts(Played(big(8), node=0))["home-elsewhere"]
    unknown = Played(big(8), node=-1)
    assert "error 1 of move_pages" in texts(unknown)["home-not-verified"]
    assert all(spec.parameters["home_node"] is None for spec in unknown.specs())


def test_reference_pair_that_moves_is_told_and_marks_what_was_measured_then() -> None:
    machine = big(8)
    machine = replace(machine, cpus=tuple(replace(cpu, node=0) for cpu in machine.cpus))
    run = Played(machine, lambda pair, at: 160 if at % 20 < 10 else 810)
    found = texts(run)
    assert "moved between 161 and 810 TSC cycles" in found["reference-moved"]
    assert "steady: false" in found["unsteady-pairs"]
    assert "home-not-varied" in found
    assert any(spec.parameters["steady"] is False for spec in run.specs() if not spec.control)


def test_large_machine_is_booted_in_parts_and_estimates_are_called_that() -> None:
    run = Played(big(96), parallel=True)
    taken = {pair for turn in run.taken for pair in turn}
    assert max(map(len, run.taken)) > 1
    assert len(taken) < 96 * 95 / 20
    lines = [caution.text for caution in said.cautions(run) if caution.code == "estimated"]
    assert len(lines) == len(run.planner.groups) == 5
    assert "median of those that were measured, 602 TSC cycles" in lines[-1]
    assert all("Estimated, not measured, and without a series: " in text for text in lines)
    missing = sum(int(text.partition("series: ")[2].split()[0]) for text in lines)
    series = [spec.parameters for spec in run.specs() if not spec.control]
    assert missing == 96 * 95 - len({(one["from_cpu"], one["to_cpu"]) for one in series})
    siblings = {pair for pair in taken if abs(pair[0] - pair[1]) == 48}
    assert series[0]["group_unmeasured"] == 96 - len(siblings)
    assert "parallel-pairs" in texts(run)
