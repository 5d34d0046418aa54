"""Which pairs of CPUs the latency matrix measures: planned for machines that are not at hand."""

from __future__ import annotations

import pytest
from s1_machine import machines
from s5_experiments.latency_machines import Cost, big, declared

from multikernel.errors import BadInput
from multikernel.experiments import message
from multikernel.experiments.instrument.arms import Pair
from multikernel.experiments.latency import said, systems, turns
from multikernel.experiments.latency.plan import (
    WHOLE,
    Planner,
    Reading,
    disagree,
)
from multikernel.knowledge.costs import ASSUMPTIONS
from multikernel.knowledge.site import RELATIONS
from multikernel.knowledge.site import Site as Placed
from multikernel.machine.topology import measured_levels
from multikernel.machine.topology.model import Topology


def play(machine: Topology, cost: Cost, **options: int) -> tuple[Planner, list[list[Pair]]]:
    """Plans, with a machine that answers without fail, give or take 3 %."""
    planner, waves = Planner(machine, machine.online, **options), []
    while wave := planner.wave():
        waves.append(wave)
        costs = {pair: cost(machine, pair) for pair in wave}
        planner.learn({pair: Reading(one, 0.97 * one, 1.03 * one) for pair, one in costs.items()})
    return planner, waves


def wrong(planner: Planner, machine: Topology, cost: Cost) -> float:
    """The share of pairs whose value is off by more than a quarter: measured, or their group's."""
    values: dict[Pair, float] = {}
    for group in planner.groups:
        value = planner.value(group)
        assert value is not None
        values.update(dict.fromkeys(group.pairs, value))
    values.update({pair: reading.value for pair, reading in planner.readings.items()})
    assert len(values) == len(machine.online) * (len(machine.online) - 1)
    off = sum(abs(value / cost(machine, pair) - 1) > 0.25 for pair, value in values.items())
    return off / len(values)


@pytest.mark.full
def test_honest_machine_of_512_cpus_takes_one_wave_of_few_pairs() -> None:
    machine = big()
    planner, waves = play(machine, declared)
    assert len(waves) == 1
    assert len(waves[0]) == len(set(waves[0])) < 512 * 511 / 500
    assert {cpu for pair in waves[0] for cpu in pair} == set(machine.online)
    assert wrong(planner, machine, declared) == 0
    assert [group.label.split()[0] for group in planner.groups] == [
        "smt",
        "l3",
        "die",
        "package",
        "system",
    ]
    assert not planner.unsettled()
    for group in planner.groups:
        both = set(waves[0]).intersection(group.pairs)
        assert sum(pair[::-1] in both for pair in both) >= 6


def test_plan_is_the_same_for_the_same_seed() -> None:
    assert play(big(64), declared)[1] == play(big(64), declared)[1]
    assert play(big(64), declared)[1] != play(big(64), declared, seed=2)[1]


def on_one_die(machine: Topology, pair: Pair) -> float:
    cpus = [machine.cpu(cpu) for cpu in pair]
    odd = machine.relation(*pair) == "die" and (cpus[0].package, cpus[0].die) == (1, 0)
    return declared(machine, pair) * (2 if odd else 1)


def by_caches(machine: Topology, pair: Pair) -> float:
    a, b = (next(n for n, group in enumerate(machine.l3) if cpu in group) for cpu in pair)
    return declared(machine, pair) * (1.4 if machine.relation(*pair) == "die" and a + b & 1 else 1)


def one_way(machine: Topology, pair: Pair) -> float:
    a, b = (machine.cpu(cpu).package for cpu in pair)
    return declared(machine, pair) * (1.5 if a < b else 1)


SECRETS: dict[str, Cost] = {
    "one-die": on_one_die,
    "caches": by_caches,
    "one-cpu": lambda machine, pair: declared(machine, pair) * (3 if 77 in pair else 1),
    "one-way": one_way,
}


@pytest.mark.sampled(one_in=4)
@pytest.mark.parametrize("name", SECRETS)
def test_group_that_secretly_splits_is_refined(name: str) -> None:
    machine = big(256 if name == "caches" else 128)
    planner, waves = play(machine, SECRETS[name])
    assert len(planner.groups) > 5
    assert wrong(planner, machine, SECRETS[name]) < 0.005
    assert not planner.unsettled()
    assert sum(map(len, waves)) < len(machine.online) ** 2 / 20
    planned = [pair for wave in waves for pair in wave]
    assert len(planned) == len(set(planned))


def test_cpu_that_stands_out_has_groups_of_its_own() -> None:
    planner, _ = play(big(128), SECRETS["one-cpu"])
    own = [group for group in planner.groups if group.label.endswith("with 77")]
    assert {group.root for group in own} == {group.root for group in planner.groups}
    assert all(77 in pair for group in own for pair in group.pairs)
    assert sum(len(group.pairs) for group in own) == 2 * 127


def test_budget_bounds_what_cannot_be_explained_and_says_so() -> None:
    def chequered(machine: Topology, pair: Pair) -> float:
        return declared(machine, pair) * (2 if pair[0] & pair[1] & 1 else 1)

    machine = big(256)
    planner, waves = play(machine, chequered, budget=400)
    assert sum(map(len, waves)) <= 400
    assert planner.unsettled()
    assert "unsettled" in {one.code for one in said.estimates(planner)}
    wrong(planner, machine, chequered)  # every pair has a value all the same


def test_small_machine_is_measured_whole() -> None:
    machine = big(WHOLE)
    planner, waves = play(machine, SECRETS["one-die"])
    assert [len(wave) for wave in waves] == [WHOLE * (WHOLE - 1)]
    assert not any(map(planner.unmeasured, planner.groups))
    assert list(said.estimates(planner)) == []
    assert wrong(planner, machine, SECRETS["one-die"]) == 0


def test_pairs_of_which_nothing_can_be_trusted_are_replaced_then_given_up() -> None:
    machine = big(64)
    planner = Planner(machine, machine.online)
    count = 0
    while wave := planner.wave():
        count += len(wave)
        planner.learn({})
    assert 0 < count < 64 * 63 / 4
    assert not any(map(planner.value, planner.groups))
    assert {group.root for group in planner.unsettled()} == {group.root for group in planner.groups}
    texts = [one.text for one in said.estimates(planner) if one.code == "unknown-pairs"]
    assert sum(int(text.split(" pairs of")[0].split()[-1]) for text in texts) == 64 * 63


def test_one_cpu_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 2 CPUs"):
        Planner(big(8), (0,))


@pytest.mark.parametrize("name", machines.NAMES)
def test_all_relate_cpus_in_the_same_way(name: str) -> None:
    topology = machines.read(name)
    table = Placed(topology, topology.online).relation
    for row in (0, len(topology.online) // 2, len(topology.online) - 1):
        for column, cpu in enumerate(topology.online):
            declared = topology.relation(topology.online[row], cpu)
            assert RELATIONS[table[row, column]] == declared


def test_every_relation_has_its_words_and_costs() -> None:
    for table in (measured_levels.RELATIONS, message.DISTANCES, ASSUMPTIONS):
        assert {*table, "same"} == set(RELATIONS)


def test_disagreement_is_beyond_noise_and_tolerance() -> None:
    def of(value: float, noise: float) -> Reading:
        return Reading(value, value - noise, value + noise)

    assert not disagree([])
    assert not disagree([of(100, 0)])
    assert not disagree([of(100, 1), of(114, 1)])
    assert disagree([of(100, 1), of(130, 1), of(101, 1)])
    assert not disagree([of(100, 15), of(130, 15)])


def test_tight_needs_boots_and_a_narrow_interval() -> None:
    assert Reading(100, 98, 102).is_tight(3)
    assert not Reading(100, 98, 102).is_tight(2)
    assert not Reading(100, 98, 106).is_tight(5)
    assert not Reading(100, 90, 101).is_tight(5)


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
