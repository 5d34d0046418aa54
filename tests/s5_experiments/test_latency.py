"""The latency matrix from slices to sentences, on machines that are played."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from s5_experiments.latency_machines import big, costs_of

from multikernel.experiments import latency
from multikernel.experiments.instrument.arms import Arm
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.latency import core, ledger, said
from multikernel.experiments.latency.core import ONE_LINE, SINGLE, TWO_LINES
from multikernel.experiments.latency.map import Map, Pair
from multikernel.machine.cpus import Placement
from multikernel.results.histogram import Histogram

Found = dict[tuple[Pair, str], tuple[int, int]]


@dataclass
class PlayedRig:
    """Stands for a booted system: every pair takes what the cost says, from home 20 % more."""

    cost: Callable[[Pair, int], float]
    homes: Callable[[Pair], tuple[str, ...]]
    found: Found
    node: Callable[[Pair, str], int]
    taken: list[list[Pair]]

    def arm(self, turn: Sequence[Pair], counts: core.Counts, suffix: str = "") -> Arm:
        return Arm(str(turn), lambda: self.slice(turn, counts, suffix))

    def slice(self, turn: Sequence[Pair], counts: core.Counts, suffix: str) -> ledger.Slice:
        outcome = ledger.Slice()
        if not suffix:
            self.taken.append(list(turn))
        for pair in turn:
            for home in self.homes(pair) if not suffix else ("to",):
                self.found[pair, home] = (self.node(pair, home), 1)
                for what, _, _ in counts:
                    if what == TWO_LINES and home != "to":
                        continue
                    cycles = (
                        self.cost(pair, len(self.taken))
                        * {ONE_LINE: 1, SINGLE: 1.8, TWO_LINES: 1.5}[what]
                    )
                    values = [
                        round(cycles * (1.2 if home == "from" else 1)) + n % 3 for n in range(8)
                    ]
                    key = ledger.key_of(what, home, pair) + suffix
                    outcome.samples[key] = Histogram.from_values(values)
                    outcome.lines[key] = [cycles] * len(core.LINES)
        return outcome


@contextlib.contextmanager
def played(
    patch: pytest.MonkeyPatch,
    machine: Map,
    cost: Callable[[Pair, int], float],
    node: Callable[[Pair, str], int] | None = None,
    parallel: bool = False,
) -> Iterator[tuple[latency.Matrix, list[list[Pair]]]]:
    """A run of size quick, after its measuring."""
    taken: list[list[Pair]] = []
    site = {one.cpu: one for one in machine.sites}

    def where(pair: Pair, home: str) -> int:
        return site[pair[0] if home == "from" else pair[1]].node

    def rig(_: object, homes: Callable[[Pair], tuple[str, ...]], found: Found) -> PlayedRig:
        return PlayedRig(cost, homes, found, node or where, taken)

    patch.setattr(latency.system_, "boot", lambda cpus: contextlib.nullcontext(cpus))
    patch.setattr(latency, "Bench", lambda booted: booted)
    patch.setattr(latency, "_Rig", rig)
    request = Request(Placement(tuple(site)), SIZES["quick"])
    matrix = latency.Matrix(request, machine, parallel, None)
    matrix.measure()
    yield matrix, taken


def texts(matrix: latency.Matrix) -> dict[str, str]:
    return {caution.code: caution.text for caution in said.cautions(matrix)}


def test_tight_pairs_stop_after_the_least_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = big(8)
    with played(monkeypatch, machine, costs_of(machine)) as (matrix, taken):
        assert matrix.boots == 3
        slices: dict[Pair, int] = {}
        for (pair,) in taken:
            slices[pair] = slices.get(pair, 0) + 1
        assert len(slices) == 8 * 7
        assert len(set(slices.values())) == 1


def test_pair_that_is_not_tight_goes_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = big(8)
    steady = costs_of(machine)

    def cost(pair: Pair, at: int) -> float:
        return steady(pair, at) * (1 + at % 7 / 20 if pair == (3, 5) else 1)

    with played(monkeypatch, machine, cost) as (matrix, taken):
        assert matrix.boots == SIZES["quick"].boots
        assert [pair for (pair,) in taken[-4:]] == [(3, 5)] * 4


def test_line_is_put_at_home_on_either_side_and_series_say_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = big(8)
    with played(monkeypatch, machine, costs_of(machine)) as (matrix, _):
        specs = [spec for spec in matrix.specs() if not spec.control]
        across = [
            spec.parameters
            for spec in specs
            if (spec.parameters["from_cpu"], spec.parameters["to_cpu"]) == (0, 2)
        ]
        assert [(one["lines"], one["home"], one["home_node"]) for one in across] == [
            (1, "to", 1), (1, "from", 0), (2, "receiver", None),
        ]  # fmt: skip
        beside = [
            spec.parameters
            for spec in specs
            if (spec.parameters["from_cpu"], spec.parameters["to_cpu"]) == (0, 1)
        ]
        assert [(one["lines"], one["home"]) for one in beside] == [(1, "to"), (2, "receiver")]
        assert len({spec.key for spec in specs}) == len(specs)
        said = texts(matrix)
        assert said["nearest-pair"].startswith(
            "Nearest pair: CPUs 0 and 4 (hardware threads of one core), 61 TSC cycles"
        )
        assert "different packages" in said["farthest-pair"]
        assert not {
            "home-not-varied",
            "home-not-verified",
            "home-elsewhere",
            "estimated",
            "reference-moved",
        } & set(said)
        floor = matrix.floors()[0, 2]
        assert floor.back_to_back == pytest.approx(600, abs=5)
        assert len(floor.by_line.back_to_back) == len(floor.by_line.single) == 16
        ratios = {ratio.name: ratio.value for ratio in matrix.ledger.ratios(matrix.ratios())}
        assert ratios["control-over-one-line.to.0-4"] == 1
        assert [value for name, value in ratios.items() if name.startswith("one-line")] == [
            pytest.approx(10, rel=0.1)
        ]


def test_homes_that_are_not_where_they_should_be_or_not_known_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = big(8)
    with played(monkeypatch, machine, costs_of(machine), node=lambda pair, home: 0) as (matrix, _):
        assert "another memory node" in texts(matrix)["home-elsewhere"]
    with played(monkeypatch, machine, costs_of(machine), node=lambda pair, home: -1) as (matrix, _):
        assert "error 1 of move_pages" in texts(matrix)["home-not-verified"]
        assert all(spec.parameters["home_node"] is None for spec in matrix.specs())


def test_reference_pair_that_moves_is_told_and_marks_what_was_measured_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Map(tuple(replace(site, node=0) for site in big(8).sites))
    with played(monkeypatch, machine, lambda pair, at: 160 if at % 20 < 10 else 810) as (matrix, _):
        said = texts(matrix)
        assert "moved between 161 and 810 TSC cycles" in said["reference-moved"]
        assert "steady: false" in said["unsteady-pairs"]
        assert "home-not-varied" in said
        assert any(
            spec.parameters["steady"] is False for spec in matrix.specs() if not spec.control
        )


def test_large_machine_is_booted_in_parts_and_estimates_are_called_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = big(96)
    with played(monkeypatch, machine, costs_of(machine), parallel=True) as (matrix, taken):
        assert max(map(len, taken)) > 1
        assert len({pair for turn in taken for pair in turn}) < 96 * 95 / 20
        lines = [caution.text for caution in said.cautions(matrix) if caution.code == "estimated"]
        assert len(lines) == len(matrix.planner.groups) == 5
        assert "median of those that were measured, 602 TSC cycles" in lines[-1]
        assert all("Estimated, not measured, and without a series: " in text for text in lines)
        missing = sum(int(text.partition("series: ")[2].split()[0]) for text in lines)
        with_series = {
            (spec.parameters["from_cpu"], spec.parameters["to_cpu"])
            for spec in matrix.specs()
            if not spec.control
        }
        assert missing == 96 * 95 - len(with_series)
        first = next(matrix.specs())
        assert first.parameters["group_unmeasured"] == 96 - len(
            {pair for turn in taken for pair in turn if abs(pair[0] - pair[1]) == 48}
        )
        assert "parallel-pairs" in texts(matrix)
