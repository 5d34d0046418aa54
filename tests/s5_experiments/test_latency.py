"""The latency matrix: what is planned for machines that are not at hand, what is made of slices, and a run here."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from s1_machine import trees
from s5_experiments.documents import document as made
from s5_experiments.documents import series
from s5_experiments.smoke import placement

from multikernel import cli
from multikernel import system as system_
from multikernel.cli import latency as command
from multikernel.cli import latency_table
from multikernel.errors import BadInput
from multikernel.experiments import latency, latency_core, latency_ledger, latency_said
from multikernel.experiments.arms import CONTROL, Arm
from multikernel.experiments.latency_core import ONE_LINE, SINGLE, TWO_LINES
from multikernel.experiments.latency_map import Map, Pair, Site, map_of, relation
from multikernel.experiments.latency_plan import WHOLE, Planner, Reading, disagree, is_tight, systems, turns
from multikernel.experiments.measure import Bench
from multikernel.experiments.request import SIZES, Request
from multikernel.machine.cpus import Placement
from multikernel.machine.topology import Topology
from multikernel.results.document import Document, decode, encode
from multikernel.results.histogram import Histogram

# --- Planning ------------------------------------------------------------------------------------------------------

CYCLES = {"smt": 60.0, "l2": 60.0, "l3": 120.0, "die": 250.0, "package": 300.0, "system": 600.0}
Cost = Callable[[Site, Site], float]


def big(cpus: int = 512) -> Map:
    """Two packages of two dies each, caches of 8 cores at most, two threads a core; a node a package."""
    cores = cpus // 2
    sites = []
    for cpu in range(cpus):
        core = cpu % cores
        package, die = core * 2 // cores, core * 4 // cores
        sites.append(Site(cpu, core, core, core // min(8, cores // 4), package, die, package))
    return Map(tuple(sites), {(0, 0): 10, (1, 1): 10, (0, 1): 21, (1, 0): 21})


def declared(a: Site, b: Site) -> float:
    """A machine that is what it says."""
    return CYCLES[relation(a, b)]


def play(machine: Map, cost: Cost, **options: int) -> tuple[Planner, list[list[Pair]]]:
    """Plans, with a machine that answers without fail, give or take 3 %."""
    planner, waves = Planner(machine, **options), []
    site = {one.cpu: one for one in machine.sites}
    while wave := planner.wave():
        waves.append(wave)
        costs = {(a, b): cost(site[a], site[b]) for a, b in wave}
        planner.learn({pair: Reading(one, 0.97 * one, 1.03 * one) for pair, one in costs.items()})
    return planner, waves


def wrong(planner: Planner, machine: Map, cost: Cost) -> float:
    """The share of pairs whose value is off by more than a quarter."""
    site = {one.cpu: one for one in machine.sites}
    matrix = planner.matrix()
    assert len(matrix) == len(machine.sites) * (len(machine.sites) - 1)
    off = sum(abs(value / cost(site[a], site[b]) - 1) > 0.25 for (a, b), value in matrix.items())
    return off / len(matrix)


def test_honest_machine_of_512_cpus_takes_one_wave_of_few_pairs() -> None:
    machine = big()
    planner, waves = play(machine, declared)
    assert len(waves) == 1
    assert len(waves[0]) == len(set(waves[0])) < 512 * 511 / 500
    assert {cpu for pair in waves[0] for cpu in pair} == {site.cpu for site in machine.sites}
    assert wrong(planner, machine, declared) == 0
    assert [group.label.split()[0] for group in planner.groups] == ["smt", "l3", "die", "package", "system"]
    assert not planner.unsettled()
    for group in planner.groups:
        both = set(waves[0]).intersection(group.pairs)
        assert sum(pair[::-1] in both for pair in both) >= 6


def test_plan_is_the_same_for_the_same_seed() -> None:
    assert play(big(64), declared)[1] == play(big(64), declared)[1]
    assert play(big(64), declared)[1] != play(big(64), declared, seed=2)[1]


SECRETS: dict[str, Cost] = {
    "one-die": lambda a, b: declared(a, b) * (2 if relation(a, b) == "die" and a.die == 2 else 1),
    "caches": lambda a, b: (
        declared(a, b) * (1.4 if relation(a, b) == "die" and (a.l3 or 0) + (b.l3 or 0) & 1 else 1)
    ),
    "one-cpu": lambda a, b: declared(a, b) * (3 if 77 in (a.cpu, b.cpu) else 1),
    "one-way": lambda a, b: declared(a, b) * (1.5 if a.package < b.package else 1),
}


@pytest.mark.parametrize("name", SECRETS)
def test_group_that_secretly_splits_is_refined(name: str) -> None:
    machine = big(256 if name == "caches" else 128)
    planner, waves = play(machine, SECRETS[name])
    assert len(planner.groups) > 5
    assert wrong(planner, machine, SECRETS[name]) < 0.005
    assert not planner.unsettled()
    assert sum(map(len, waves)) < len(machine.sites) ** 2 / 20
    planned = [pair for wave in waves for pair in wave]
    assert len(planned) == len(set(planned))


def test_cpu_that_stands_out_has_groups_of_its_own() -> None:
    planner, _ = play(big(128), SECRETS["one-cpu"])
    own = [group for group in planner.groups if group.label.endswith("with 77")]
    assert {group.root for group in own} == {group.root for group in planner.groups}
    assert all(77 in pair for group in own for pair in group.pairs)
    assert sum(len(group.pairs) for group in own) == 2 * 127


def test_budget_bounds_what_cannot_be_explained_and_says_so() -> None:
    def chequered(a: Site, b: Site) -> float:
        return declared(a, b) * (2 if a.cpu & b.cpu & 1 else 1)

    machine = big(256)
    planner, waves = play(machine, chequered, budget=400)
    assert sum(map(len, waves)) <= 400
    assert planner.unsettled()
    assert any(caution.code == "unsettled" for caution in latency_said.estimates(planner))
    wrong(planner, machine, chequered)  # every pair has a value all the same


def test_small_machine_is_measured_whole() -> None:
    machine = big(WHOLE)
    planner, waves = play(machine, SECRETS["one-die"])
    assert [len(wave) for wave in waves] == [WHOLE * (WHOLE - 1)]
    assert not any(map(planner.unmeasured, planner.groups))
    assert list(latency_said.estimates(planner)) == []
    assert wrong(planner, machine, SECRETS["one-die"]) == 0


def test_pairs_of_which_nothing_can_be_trusted_are_replaced_then_given_up() -> None:
    planner = Planner(big(64))
    count = 0
    while wave := planner.wave():
        count += len(wave)
        planner.learn(dict.fromkeys(wave))
    assert 0 < count < 64 * 63 / 4
    assert planner.matrix() == {}
    assert {group.root for group in planner.unsettled()} == {group.root for group in planner.groups}
    said = [one.text for one in latency_said.estimates(planner) if one.code == "unknown-pairs"]
    assert sum(int(text.split(" pairs of")[0].split()[-1]) for text in said) == 64 * 63


def test_one_cpu_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 2 CPUs"):
        Planner(Map((Site(0, 0),)))


def test_map_relates_cpus_as_the_topology_does(tmp_path: Path) -> None:
    topology = Topology.read(trees.two_packages(tmp_path))
    machine = map_of(topology, topology.online)
    assert machine.nodes == (0, 1)
    assert machine.distances[0, 1] == 21
    for a in machine.sites:
        for b in machine.sites:
            assert relation(a, b) == topology.relation(a.cpu, b.cpu)


def test_disagreement_is_beyond_noise_and_tolerance() -> None:
    def of(value: float, noise: float) -> Reading:
        return Reading(value, value - noise, value + noise)

    assert not disagree([])
    assert not disagree([of(100, 0)])
    assert not disagree([of(100, 1), of(114, 1)])
    assert disagree([of(100, 1), of(130, 1), of(101, 1)])
    assert not disagree([of(100, 15), of(130, 15)])


def test_tight_needs_boots_and_a_narrow_interval() -> None:
    assert is_tight(98, 100, 102, 3)
    assert not is_tight(98, 100, 102, 2)
    assert not is_tight(98, 100, 106, 5)
    assert not is_tight(90, 100, 101, 5)


def test_systems_and_turns_share_out_every_pair() -> None:
    pairs = [(a, b) for a in range(20) for b in range(20) if a != b]
    shared = systems(pairs, 8)
    assert sorted(pair for some in shared for pair in some) == sorted(pairs)
    assert all(len({cpu for pair in some for cpu in pair}) <= 8 for some in shared)
    assert turns(pairs) == [[pair] for pair in pairs]
    at_once = turns(pairs, parallel=True)
    assert sorted(pair for some in at_once for pair in some) == sorted(pairs)
    assert all(len({cpu for pair in some for cpu in pair}) == 2 * len(some) for some in at_once)
    assert max(map(len, at_once)) > 1


# --- From slices to sentences, on a machine that is played ----------------------------------------------------------


Found = dict[tuple[Pair, str], tuple[int, int]]


@dataclass
class PlayedRig:
    """Stands for a booted system: every pair takes what the cost says, from home 20 % more."""

    cost: Callable[[Pair, int], float]
    homes: Callable[[Pair], tuple[str, ...]]
    found: Found
    node: Callable[[Pair, str], int]
    taken: list[list[Pair]]

    def arm(self, turn: Sequence[Pair], counts: latency_core.Counts, suffix: str = "") -> Arm:
        return Arm(str(turn), lambda: self.slice(turn, counts, suffix))

    def slice(self, turn: Sequence[Pair], counts: latency_core.Counts, suffix: str) -> latency_ledger.Slice:
        outcome = latency_ledger.Slice()
        if not suffix:
            self.taken.append(list(turn))
        for pair in turn:
            for home in self.homes(pair) if not suffix else ("to",):
                self.found[pair, home] = (self.node(pair, home), 1)
                for what, _, _ in counts:
                    if what == TWO_LINES and home != "to":
                        continue
                    cycles = (
                        self.cost(pair, len(self.taken)) * {ONE_LINE: 1, SINGLE: 1.8, TWO_LINES: 1.5}[what]
                    )
                    values = [round(cycles * (1.2 if home == "from" else 1)) + n % 3 for n in range(8)]
                    key = latency_ledger.key_of(what, home, pair) + suffix
                    outcome.samples[key] = Histogram.from_values(values)
                    outcome.lines[key] = [cycles] * len(latency_core.LINES)
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


def costs_of(machine: Map) -> Callable[[Pair, int], float]:
    site = {one.cpu: one for one in machine.sites}
    return lambda pair, _: declared(site[pair[0]], site[pair[1]])


def texts(matrix: latency.Matrix) -> dict[str, str]:
    return {caution.code: caution.text for caution in latency_said.cautions(matrix)}


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


def test_line_is_put_at_home_on_either_side_and_series_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert any(spec.parameters["steady"] is False for spec in matrix.specs() if not spec.control)


def test_large_machine_is_booted_in_parts_and_estimates_are_called_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = big(96)
    with played(monkeypatch, machine, costs_of(machine), parallel=True) as (matrix, taken):
        assert max(map(len, taken)) > 1
        assert len({pair for turn in taken for pair in turn}) < 96 * 95 / 20
        said = [caution.text for caution in latency_said.cautions(matrix) if caution.code == "estimated"]
        assert len(said) == len(matrix.planner.groups) == 5
        assert "median of those that were measured, 602 TSC cycles" in said[-1]
        assert all("Estimated, not measured, and without a series: " in text for text in said)
        missing = sum(int(text.partition("series: ")[2].split()[0]) for text in said)
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


# --- Text ----------------------------------------------------------------------------------------------------------

GOLDEN = """\
  CPU    0    1    2
    1  101
    2  300  ~305
   10    –   250   –"""


def test_triangle_is_symmetric_and_golden() -> None:
    values = {(0, 1): 100.0, (1, 0): 102.0, (2, 0): 300.0, (1, 2): 305.0, (1, 10): 250.0}
    lines = latency_table.triangle((0, 1, 2, 10), values, {(1, 2)})
    turned = {pair[::-1]: value for pair, value in values.items()}
    assert lines == latency_table.triangle((0, 1, 2, 10), turned, {(2, 1)})
    assert [line.split() for line in lines] == [line.split() for line in GOLDEN.splitlines()]
    assert len({len(line) for line in lines[-1:]} | {len(lines[0])}) == 1


def matrix_document(values: Mapping[Pair, int]) -> Document:
    """A document of a matrix; two lines take half as much again."""
    shared = {"relation": "l3", "group": "l3", "group_pairs": 6}
    return made(
        experiment="latency",
        series=[
            series(
                [cycles * factor // 2], system="raw", variant=variant, measure="round-trip", over_floor=None,
                parameters={"from_cpu": a, "to_cpu": b, **shared},
            )
            for variant, factor in (("one-line", 2), ("two-lines", 3))
            for (a, b), cycles in values.items()
        ],
    )  # fmt: skip


def test_table_of_a_document_is_golden() -> None:
    document = matrix_document({(0, 1): 300, (1, 0): 310, (0, 2): 260})
    assert latency_table.table(document) == [
        "One cache line, there and back, TSC cycles",
        "  CPU    0    1",
        "    1  305",
        "    2  260    –",
        "",
        "Two cache lines, one each way, TSC cycles",
        "  CPU    0    1",
        "    1  458",
        "    2  390    –",
        "",
        "By relation, TSC cycles",
        "related by  pairs  measured  one line  least – most   ns  two lines   ns",
        "l3              6         3       300     260 – 310  115        450  173",
        "",
    ]


def test_progress_draws_small_matrices_and_counts_large_ones() -> None:
    assert latency_table.progress((0, 1), {(0, 1): 100.0}, 2, 2, 1) == [
        "  CPU    0",
        "    1  100",
        "1 of 2 planned pairs measured, of 2 in all; boot 1",
    ]
    (line,) = latency_table.progress(tuple(range(500)), {(0, 1): 100.0}, 400, 249_500, 1)
    assert line.startswith("1 of 400 planned pairs measured, of 249500 in all")


# --- On this machine -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smoke() -> Document:
    """The matrix of two CPUs."""
    return latency.run(Request(placement(), SIZES["smoke"]))


def test_document_of_two_cpus_has_both_directions_and_both_shapes(smoke: Document) -> None:
    assert decode(encode(smoke)) == smoke
    assert smoke.experiment == latency.NAME
    a, b = placement().cpus
    found = {
        (one.variant, one.parameters["from_cpu"], one.parameters["to_cpu"])
        for one in smoke.series
        if not one.control
    }
    assert found == {(variant, *pair) for variant in (ONE_LINE, TWO_LINES) for pair in ((a, b), (b, a))}
    assert {floor.pair for floor in smoke.floor} == {(a, b), (b, a)}
    for one in smoke.series:
        assert one.p50 > 0
        assert (one.system, one.measure, one.cores, one.parameters["addresses"]) == (
            "raw",
            "round-trip",
            2,
            16,
        )
    codes = {warning.code for warning in smoke.warnings}
    assert "nearest-pair" in codes
    assert any(one.control for one in smoke.series)
    assert f"control-over-one-line.to.{a}-{b}" in {ratio.name for ratio in smoke.ratios}


def test_lines_on_either_side_and_pairs_at_once_run_on_real_cores() -> None:
    cpus = placement().cpus
    counts = ((ONE_LINE, 50, 50), (SINGLE, 4, 1), (TWO_LINES, 50, 50))
    found: Found = {}
    with system_.boot(list(cpus)) as booted:
        rig = latency._Rig(Bench(booted), lambda pair: ("to", "from"), found)
        for pair in (cpus, cpus[::-1], cpus):
            outcome = rig.arm([(pair[0], pair[1])], counts).run()
            named = set(outcome.samples)
            assert named == {
                latency_ledger.key_of(what, home, (pair[0], pair[1]))
                for what, home in ((ONE_LINE, "to"), (ONE_LINE, "from"), (SINGLE, "to"), (SINGLE, "from"),
                                   (TWO_LINES, "to"))
            }  # fmt: skip
            again = rig.arm([(pair[0], pair[1])], counts[:1], CONTROL).run()
            assert set(again.samples) == {latency_ledger.reference_key((pair[0], pair[1]))}
    assert set(found) == {
        (pair, home) for pair in ((cpus[0], cpus[1]), (cpus[1], cpus[0])) for home in ("to", "from")
    }
    nodes = {node for node, _ in found.values()}
    assert all(node < 0 or node in {one.id for one in Topology.read().nodes} for node in nodes)


def test_more_cores_than_cpus_are_refused() -> None:
    with pytest.raises(BadInput, match="a CPU for each core"):
        latency.run(Request(Placement((0, 0)), SIZES["smoke"]))


# --- The command ---------------------------------------------------------------------------------------------------


def test_machine_of_one_cpu_gets_a_clear_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only = min(os.sched_getaffinity(0))
    one = SimpleNamespace(read=lambda: replace(Topology.read(), allowed=(only,)))
    monkeypatch.setattr(command, "Topology", one)
    for arguments in ([], ["--cores", "1"], ["--cores", "2"]):
        assert cli.main(["latency", *arguments]) == 2
        error = capsys.readouterr().err
        assert "latency between CPUs needs at least 2 CPUs" in error
        assert f"only CPU {only}" in error


@pytest.mark.parametrize("name", ["x.pdf", "x", "there.csv", "missing/x.csv"])
def test_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placement()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    assert cli.main(["latency", "-o", name]) == 2
    assert "(-o)" in capsys.readouterr().err
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("suffix", ["csv", "json", "svg"])
def test_command_prints_a_table_and_writes_a_file(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = placement().cpus
    file, results = tmp_path / f"matrix.{suffix}", tmp_path / "results"
    arguments = ["--cores", f"{a},{b}", "--size", "smoke", "--output", str(results), "-o", str(file)]
    assert cli.main(["latency", *arguments]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("One cache line, there and back, TSC cycles\n")
    assert "The only measured pair: CPUs" in out
    assert f"result documents: {results}" in err
    text = file.read_text()
    (document,) = results.iterdir()
    assert decode(document.read_bytes()).experiment == "latency"
    if suffix == "csv":
        assert "parameter.from_cpu" in text.splitlines()[0]
        assert len(text.splitlines()) == 1 + 5
    elif suffix == "json":
        assert json.loads(text)[0]["experiment"] == "latency"
    else:
        assert "<svg" in text


def test_json_is_all_there_is_on_stdout(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    placement()
    assert (
        cli.main(["latency", "--cores", "2", "--size", "smoke", "--output", str(tmp_path), "--json", "-"])
        == 0
    )
    (document,) = json.loads(capfdbinary.readouterr().out)
    assert document["experiment"] == "latency"
