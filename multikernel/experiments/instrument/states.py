"""Where the host had put the CPUs in each boot, by the floor: a virtual machine's may be two
threads of a core in one boot and in two corners of the machine in the next.

Guarantees: boots whose floors are alike are in one state; those of the state that most boots were
in count, and no ratio is of boots in different states. Of two states with as many boots the nearer
one counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.experiments.instrument.arms import Pair, floor_key
from multikernel.experiments.instrument.collector import Collector
from multikernel.results.document import Boot

ALIKE = 1.5
"""Floors that differ by less are of one state."""
SIBLING, NEAR = 110, 400
"""Cycles of the time stamp counter below which a floor is that of two threads of one core, and of
two cores that share a cache.
"""


def name_of(floor: float) -> str:
    """The state that a back-to-back floor shows."""
    return "sibling" if floor < SIBLING else "near" if floor < NEAR else "far"


def settle(collector: Collector, pairs: Sequence[Pair], boots: int) -> list[Boot]:
    """All boots; those that don't count are left out of the collector from now on."""
    floors: dict[int, float] = {}
    for pair in pairs:
        for boot, floor in collector.medians(floor_key(pair, "back-to-back")).items():
            floors[boot] = max(floor, floors.get(boot, 0.0))
    counting = {} if collector.request.crowded else _most(floors)
    collector.left_out = frozenset(boot for boot in floors if counting and boot not in counting)
    return [
        Boot(
            number=boot,
            floor=floors.get(boot),
            state=name_of(floors[boot]) if boot in floors else None,
            counts=boot not in collector.left_out,
        )
        for boot in range(boots)
    ]


def _most(floors: dict[int, float]) -> dict[int, float]:
    """Of the boots those in the state that most are in."""
    groups: list[dict[int, float]] = []
    for boot, floor in sorted(floors.items(), key=lambda one: one[1]):
        if groups and floor <= ALIKE * min(groups[-1].values()):
            groups[-1][boot] = floor
        else:
            groups.append({boot: floor})
    return max(groups, key=len, default={})
