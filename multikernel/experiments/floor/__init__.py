"""Floor: one cache line there and back between two CPUs, the least any message between them can
cost.

Guarantees: those of `instrument.floors`, for all pairs of up to 8 cores. Answers: the part of the
paper's table 2 (what a message costs by distance) that the hardware takes.
"""

from collections.abc import Iterator
from dataclasses import replace

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.floors import LINES, floor_arms, pairs_of


class Floor(Experiment):
    entry = entry("floor")

    def arms(self) -> Iterator[Arm]:
        pairs = self.judged_by()
        for pair, arm in zip(pairs, floor_arms(self.request, self.floors_on, pairs), strict=True):
            about = {"pair": self.request.cpus_of(pair), "lines": LINES, **POLLED}
            key = f"floor-{pair[0]}-{pair[1]}"
            specs = both_modes(key, "raw", "one-line", 2, "round-trip", about, (pair,))
            yield replace(arm, specs=tuple(specs.values()), repeated=pair == (0, 1))

    def pairs(self) -> list[Pair]:
        return []

    def judged_by(self) -> list[Pair]:
        return pairs_of(self.request.cores)
