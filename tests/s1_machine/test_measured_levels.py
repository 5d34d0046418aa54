"""Measured beside declared: the warning fires when it should, and only then, whatever noise is on
the matrix.

What holds up to accidents of statistics is tried on the same examples every time.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel.errors import BadInput
from multikernel.machine.topology.measured_levels import (
    LEVEL_EFFECT,
    OUTLIERS,
    SPLIT_EFFECT,
    Measured,
    Pair,
    compared,
    levels_of,
)
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.synthetic import from_string

SAMPLES, SPREAD, STRAY = 7, 0.05, 0.05
"""Measurements of a pair; their multiplicative noise; the share of measurements that are something
else.
"""

MACHINES = st.sampled_from(
    (
        "8x4-amd", "4x4-amd", "2x4-intel", "2x2-amd", "1x6", "2x8x2",
        "2 packages, 2 dies, 4 cores, smt 2",
        "1 package, 4 l3, 4 cores", "2 packages, 2 nodes, 2 l3, 3 cores",
        "1 package, 4 clusters, 4 cores", "1x40",
        "2 packages, 4 l2, 4 cores",
    )
)  # fmt: skip
SEED = st.integers(0, 2**32)


def matrix(
    topology: Topology, cost: Mapping[Pair, float], random_: random.Random
) -> dict[Pair, Measured]:
    """What noisy measurements of all ordered pairs say; some of them, and some pairs, are
    disturbed, which only adds.
    """
    pairs = list(combinations(topology.online, 2))
    declared = levels_of(topology, pairs)
    lost: set[Pair] = set()
    for level in dict.fromkeys(declared.values()):
        alike = [pair for pair in pairs if declared[pair] == level]
        lost.update(random_.sample(alike, int(OUTLIERS * len(alike))))

    def disturbed(whether: bool) -> float:
        return random_.lognormvariate(0, 1) + 1 if whether else 1

    found = {}
    for a, b in pairs:
        factor = disturbed((a, b) in lost)
        for way in ((a, b), (b, a)):
            samples = [
                cost[a, b]
                * factor
                * random_.lognormvariate(0, SPREAD)
                * disturbed(random_.random() < STRAY)
                for _ in range(SAMPLES)
            ]
            middle = median(samples)
            spread = median(abs(one - middle) for one in samples) * 1.86 / SAMPLES**0.5
            found[way] = Measured(middle, middle - 2 * spread, middle + 2 * spread)
    return found


def costs(
    topology: Topology, random_: random.Random, *, least: float = LEVEL_EFFECT
) -> dict[Pair, float]:
    """What pairs take if the machine is what it says: each level so much more than the one
    before.
    """
    declared = levels_of(topology, combinations(topology.online, 2))
    order = ("smt", "l2", "cluster", "l3", "die", "package", "system")
    levels = sorted(
        set(declared.values()), key=lambda one: (order.index(one.relation), one.distance)
    )
    cycles, of = random_.uniform(30, 200), {}
    for level in levels:
        of[level] = cycles
        cycles *= random_.uniform(least, 3)
    return {pair: of[level] for pair, level in declared.items()}


@settings(deadline=None, max_examples=40, derandomize=True)
@given(MACHINES, SEED)
def test_a_machine_that_is_what_it_says_is_never_warned_of(text: str, seed: int) -> None:
    topology, random_ = from_string(text), random.Random(seed)
    cost = costs(topology, random_)
    found = compared(topology, matrix(topology, cost, random_))
    assert [one.text for one in found.warnings] == []
    assert len(found.classes) == len(set(cost.values()))
    assert found.pairs == len(cost)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.sampled_from(
        (
            # What the machine is, and what it says.
            ("2 packages, 2 dies, 0 l3, 2 cores", "2 packages, 0 l3, 4 cores"),
            ("1 package, 2 l3, 2 cores", "1 package, 4 cores"),
            ("2 packages, 4 l3, 4 cores", "2 packages, 16 cores"),
            ("1 package, 8 clusters, 4 cores", "1 package, 32 cores"),
            ("4x4", "1x16"),
            ("2x8x2", "2x16"),
            ("1x32x2", "1x64"),
            ("2 packages, 2 nodes, 4 cores", "2 packages, 8 cores"),
        )
    ),
    SEED,
)
def test_a_level_that_is_not_declared_is_found(texts: tuple[str, str], seed: int) -> None:
    truth, says = map(from_string, texts)
    random_ = random.Random(seed)
    if len(truth.cores) < len(truth.online):
        # Threads of a core are n and n + cores in the one, and neighbours' numbers in no package of
        # the other.
        says = replace(
            truth,
            cpus=tuple(replace(cpu, siblings=(cpu.id,)) for cpu in truth.cpus),
            caches=tuple(cache for cache in truth.caches if cache.level == 3),
        )
    cost = costs(truth, random_, least=SPLIT_EFFECT)
    found = compared(says, matrix(truth, cost, random_))
    assert {one.code for one in found.warnings} == {"level-split"}
    hidden = len(set(cost.values())) - len(set(levels_of(says, cost).values()))
    assert len(found.warnings) == hidden
    assert len(found.classes) == len(set(cost.values()))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(MACHINES, SEED)
def test_levels_that_take_the_same_are_found(text: str, seed: int) -> None:
    topology, random_ = from_string(text), random.Random(seed)
    cost = costs(topology, random_)
    values = sorted(set(cost.values()))
    if len(values) < 2:
        return
    at = random_.randrange(len(values) - 1)
    merged = {pair: values[at] if one == values[at + 1] else one for pair, one in cost.items()}
    found = compared(topology, matrix(topology, merged, random_))
    assert [one.code for one in found.warnings] == ["level-merged"]
    both = [pair for pair, one in cost.items() if one in values[at : at + 2]]
    assert set(found.warnings[0].levels) == set(levels_of(topology, both).values())
    assert len(found.classes) == len(values) - 1


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.sampled_from(("1x8", "1x40", "8x4", "2x8")), SEED)
def test_a_cpu_that_is_elsewhere_is_found_and_named(text: str, seed: int) -> None:
    topology, random_ = from_string(text), random.Random(seed)
    odd = random_.choice(topology.online)
    cost = {
        pair: one * (SPLIT_EFFECT if odd in pair and topology.relation(*pair) == "l3" else 1)
        for pair, one in costs(topology, random_, least=2).items()
    }
    found = compared(topology, matrix(topology, cost, random_))
    assert [one.code for one in found.warnings] == ["level-split"]
    # Three pairs of 48 are not many, but they are all pairs of that CPU.
    assert f"with CPU {odd}." in found.warnings[0].text


def test_what_is_declared_nearer_and_takes_longer() -> None:
    topology = from_string("2x4")
    cost = {
        pair: 400.0 if topology.relation(*pair) == "l3" else 100.0
        for pair in combinations(range(8), 2)
    }
    found = compared(topology, matrix(topology, cost, random.Random(1)))
    assert [one.code for one in found.warnings] == ["level-inverted"]


def test_the_papers_intel_as_its_firmware_says_it() -> None:
    """Linux sees one die a package there; the caches show that there are two, and so do the
    latencies without them.
    """
    truth = from_string("2x4-intel")
    blind = replace(truth, caches=(), cpus=tuple(replace(cpu, die=0) for cpu in truth.cpus))
    cycles = {"l2": 180.0, "package": 500.0, "system": 800.0}
    cost = {pair: cycles[truth.relation(*pair)] for pair in combinations(range(8), 2)}
    found = compared(blind, matrix(truth, cost, random.Random(1)))
    assert [one.code for one in found.warnings] == ["level-split"]
    assert "those within CPUs 0-1 | 2-3 | 4-5 | 6-7" in found.warnings[0].text


def test_what_is_known_badly_tells_nothing() -> None:
    topology = from_string("1x8")
    cost = {pair: 100.0 * (3 if 0 in pair else 1) for pair in combinations(range(8), 2)}
    found = compared(
        topology, {pair: Measured(one, one * 0.7, one * 1.3) for pair, one in cost.items()}
    )
    assert [one.code for one in found.warnings] == ["too-noisy"]
    assert found.classes == ()


def test_few_pairs_and_none() -> None:
    topology = from_string("1x2")
    assert compared(topology, {}).warnings == ()
    some = {(0, 1): 105.0, (1, 0): 100.0, (1, 1): 5.0}
    found = compared(topology, {pair: Measured(one, one, one) for pair, one in some.items()})
    assert (found.warnings, found.pairs, len(found.classes)) == ((), 1, 1)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_what_is_no_duration_is_refused(value: float) -> None:
    with pytest.raises(BadInput, match="no duration"):
        compared(from_string("1x2"), {(0, 1): Measured(value, value, value)})


def test_a_cpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="no such online CPU: 7"):
        compared(from_string("1x2"), {(0, 7): Measured(100, 100, 100)})
