"""Floor: one cache line there and back between two CPUs, the least any message between them can
cost.

Guarantees: those of `instrument.floors`, for all pairs of up to 8 cores; medians by line are in the
document. Answers: the paper's table 2 (what a message costs by distance), of which this is the part
the hardware takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from multikernel.catalogue import entry
from multikernel.experiments.instrument.arms import Arm, Pair, Spec, floor_key
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.experiments.instrument.floors import BATCHES, LINES, MODES, floor_arms, pairs_of


class Floor(Experiment):
    """Every pair of cores; that of the first two is measured twice."""

    entry = entry("floor")

    def arms(self) -> Iterator[Arm]:
        """The floors' arms, with series."""
        pairs = pairs_of(self.request.cores)
        for pair, arm in zip(pairs, floor_arms(self.request, self.floors_on, pairs), strict=True):
            yield replace(arm, specs=self._specs(pair), repeated=pair == (0, 1))

    def pairs(self) -> list[Pair]:
        """Measured by its own arms."""
        return []

    def judged_by(self) -> list[Pair]:
        """All pairs."""
        return pairs_of(self.request.cores)

    def _specs(self, pair: Pair) -> tuple[Spec, ...]:
        a, b = (self.request.placement.cpus[core] for core in pair)
        return tuple(
            Spec(
                key=floor_key(pair, mode), system="raw", variant="one-line", cores=2,
                measure="round-trip", mode=mode, batch=BATCHES[mode], floor=(pair,),
                parameters={
                    "pair": f"{a}-{b}", "lines": LINES, "target": "polling", "told": "poll",
                },
            )
            for mode in MODES
        )  # fmt: skip


EXPERIMENT = Floor
