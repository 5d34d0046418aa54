"""Floors: one cache line there and back between two cores, the least any message between them can
cost. Every experiment has these arms among its own, to judge them by.

Guarantees: at least 16 lines of each pair, in both modes (*back-to-back*, no clock inside the loop;
*single*, a clock around each round trip, with a pause between), on the same lines by turns. A
virtual machine's CPUs may be two threads of a core in one boot and in two corners of the machine in
the next: boots whose floors are alike are in one state, and those of the commonest state count, of
two the nearer one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median

from multikernel.experiments.instrument.arms import Arm, On, Outcome, floor_key, line_key
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.request import MODES, Request
from multikernel.experiments.instrument.rig import Bench, Pair, samples_of
from multikernel.results.document import Boot, Floor, LineFloors, Mode
from multikernel.results.histogram import Histogram

LINES = 16
PAIRS_MAX = 28
"""All pairs of up to 8 cores; of more cores, those of core 0, spread over the others."""
USUAL: dict[Mode, int] = {"back-to-back": 2000, "single": 400}
"""Round trips on each line in a slice."""
ALIKE = 1.5
"""Floors that differ by less are of one state."""
LOCAL_ALIKE = 1.25
"""And so are mapping calls: those of a core that a neighbour shares take a third longer."""
SIBLING, NEAR = 110, 400
"""Cycles below which a floor is that of two threads of one core, and of a shared cache."""


def pairs_of(cores: int) -> list[Pair]:
    every = [(a, b) for a in range(cores) for b in range(a + 1, cores)]
    return every if len(every) <= PAIRS_MAX else root_pairs(cores)


def root_pairs(cores: int) -> list[Pair]:
    """Core 0 and the others, PAIRS_MAX of them at most, the first and the last included."""
    others = range(1, cores)
    if len(others) <= PAIRS_MAX:
        return [(0, other) for other in others]
    last = PAIRS_MAX - 1
    return [(0, others[number * (len(others) - 1) // last]) for number in range(PAIRS_MAX)]


def floor_arms(request: Request, on: On, pairs: Iterable[Pair]) -> Iterator[Arm]:
    """An arm a pair, without series: a slice bounces every line of it, in both modes."""
    plan = request.plan(USUAL)

    def slice_of(bench: Bench, pair: Pair) -> Outcome:
        report = bench.floor(pair, LINES, plan)
        by_line, samples = samples_of(report), {}
        for mode in MODES:
            lines = [by_line[f"{mode}.{line}"] for line in range(LINES)]
            samples[floor_key(pair, mode)] = Histogram.merge(lines)
            samples |= {line_key(pair, mode, line): one for line, one in enumerate(lines)}
        return Outcome(samples, activity=report.activity)

    for a, b in pairs:
        yield Arm(f"floor of cores {a} and {b}", (), on, partial(slice_of, pair=(a, b)))


def floors_of(
    collector: Collector, pairs: Iterable[Pair], cpus: tuple[int, ...]
) -> dict[Pair, Floor]:
    """Of those pairs that have both: medians over lines of each line's median over boots."""
    found = {}
    for pair in pairs:
        back_to_back, single = (
            [median(boots.values()) for boots in collector.floor_by_line(pair, mode)]
            for mode in MODES
        )
        if back_to_back and single:
            found[pair] = Floor(
                pair=(cpus[pair[0]], cpus[pair[1]]),
                back_to_back=median(back_to_back),
                single=median(single),
                by_line=LineFloors(back_to_back=back_to_back, single=single),
            )
    return found


def name_of(floor: float) -> str:
    return "sibling" if floor < SIBLING else "near" if floor < NEAR else "far"


def settle(
    collector: Collector,
    pairs: Sequence[Pair],
    boots: int,
    local: Mapping[int, float] | None = None,
) -> list[Boot]:
    """All boots; those that don't count are left out of the collector from now on. local: what the
    host's mapping call took, by boot.
    """
    local, modelled = local or {}, collector.request.model is not None
    floors: dict[int, float] = {}
    for pair in pairs:
        for boot, floor in collector.medians(floor_key(pair, "back-to-back")).items():
            floors[boot] = max(floor, floors.get(boot, 0.0))
    counting = set() if collector.request.crowded else _most(floors, ALIKE)
    # Of those the ones in which a neighbour did not share the core.
    known = {boot: cycles for boot, cycles in local.items() if boot in counting}
    slowed = known.keys() - _most(known, LOCAL_ALIKE)
    if len(slowed) < len(counting):
        counting -= slowed
    collector.left_out = frozenset(floors.keys() - counting if counting else ())
    return [
        Boot(
            number=boot, floor=floors.get(boot), local=local.get(boot),
            state=name_of(floors[boot]) if boot in floors and not modelled else None,
            counts=boot not in collector.left_out,
        )
        for boot in range(boots)
    ]  # fmt: skip


def _most(cycles: Mapping[int, float], alike: float) -> set[int]:
    """Of the boots the largest group whose cycles are alike; of two the one with fewer cycles."""
    groups: list[list[int]] = []
    for boot in sorted(cycles, key=cycles.__getitem__):
        if groups and cycles[boot] <= alike * cycles[groups[-1][0]]:
            groups[-1].append(boot)
        else:
            groups.append([boot])
    return set(max(groups, key=len, default=()))  # the first, cheapest, of equals
