"""Where the host had put the CPUs in each boot, by the floor: a virtual machine's may be two
threads of a core in one boot and in two corners of the machine in the next.

Guarantees: boots whose floors are alike are in one state; those of the commonest state count, of
two the nearer one.
"""

from collections.abc import Mapping, Sequence

from multikernel.experiments.instrument.arms import floor_key
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.rig import Pair
from multikernel.results.document import Boot

ALIKE = 1.5
"""Floors that differ by less are of one state."""
LOCAL_ALIKE = 1.25
"""And so are mapping calls: those of a core that a neighbour shares take a third longer."""
SIBLING, NEAR = 110, 400
"""Cycles below which a floor is that of two threads of one core, and of a shared cache."""


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
    local = local or {}
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
            state=name_of(floors[boot]) if boot in floors else None,
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
