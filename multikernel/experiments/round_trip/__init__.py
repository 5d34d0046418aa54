"""Round trip: a message there and back, between bare ends and through the booted drivers of both
kernels.

Guarantees: the same two modes as the floor, interleaved with it on the same cores; "through the
driver" means the driver's own loop, its dispatch by kind, and 8 further channels of that pair
polled in every turn; bare ends run in a loop of their own and are called raw. Answers: the paper's
table 2 (latency of a message by distance) and the cost of its channel's form: one line that carries
request and reply, against a ring each way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multikernel.catalogue import entry
from multikernel.experiments.instrument.arms import Arm, Outcome, Pair, Ratio, Spec, floor_key
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.experiments.instrument.floors import BATCHES, MODES, plan_of
from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.results.document import Mode, System, Words
from multikernel.runtime.plan import Kernel

CHANNELS = 8
USUAL: dict[Mode, int] = {"back-to-back": 20_000, "single": 5_000}


@dataclass(frozen=True, slots=True)
class Way:
    """How a message goes. how: the bare end, or `ping`'s via."""

    system: System
    variant: str
    how: str
    kernel: Kernel = "multikernel"

    def key(self, pair: Pair, mode: Mode) -> str:
        """Of its series. Cores 0 and 1 are left out of it."""
        where = "" if pair == (0, 1) else f"-{pair[0]}-{pair[1]}"
        return f"{self.system}-{self.variant}{where}-{mode}"


LINE, RING = Way("raw", "call-line", "call_line"), Way("raw", "epoch-ring", "ring")
OURS, OUR_RING = Way("multikernel", "call-line", "0"), Way("multikernel", "epoch-ring", "1")
CHANNEL = Way("multikernel", "channel", "2")
THEIRS = Way("shared", "call-line", "0", "shared")
WAYS = (LINE, RING, OURS, OUR_RING, CHANNEL, THEIRS)

LEAD = "8 channels polled, back-to-back"
STRUCTURE = Words(
    subject="the multikernel", other="the shared kernel", more_is_better=False,
    lead=f"A call from driver to driver, {LEAD}",
)  # fmt: skip
DRIVER = Words(
    subject="a call through the driver", other="the bare line", more_is_better=False,
    counterpart=False, lead="Back-to-back, 8 channels polled",
)  # fmt: skip
RINGS = Words(
    subject="a call over two rings", other="one over a call line", more_is_better=False,
    counterpart=False, lead="Back-to-back, through the driver",
)  # fmt: skip


class RoundTrip(Experiment):
    """A message there and back."""

    entry = entry("round-trip")
    floors_on = Booted(options=(("channels", CHANNELS),))

    def pairs(self) -> list[Pair]:
        """Cores 0 and 1, and the pair that is likely to be the farthest apart."""
        cores = self.request.cores
        return [(0, 1)] if cores == 2 else [(0, 1), (0, cores - 1)]

    def arms(self) -> Iterator[Arm]:
        """Every way between every pair."""
        for pair in self.pairs():
            for way in WAYS:
                yield self._arm(way, pair)

    def _arm(self, way: Way, pair: Pair) -> Arm:
        plan = plan_of(self.request, USUAL)

        def slice_of(bench: Bench) -> Outcome:
            report = (
                bench.raw(way.how, pair, plan)
                if way.system == "raw"
                else bench.ping(pair, int(way.how), plan)
            )
            samples = samples_of(report)
            found = {way.key(pair, mode): samples[mode] for mode in MODES}
            return Outcome(found, activity=report.activity)

        return Arm(
            f"{way.system} {way.variant}, cores {pair[0]} and {pair[1]}",
            tuple(self._spec(way, pair, mode) for mode in MODES),
            Booted(way.kernel, options=(("channels", CHANNELS),)),
            slice_of,
            repeated=way is OURS and pair == (0, 1),
        )

    def _spec(self, way: Way, pair: Pair, mode: Mode) -> Spec:
        a, b = (self.request.placement.cpus[core] for core in pair)
        return Spec(
            key=way.key(pair, mode), system=way.system, variant=way.variant, cores=2,
            measure="round-trip", mode=mode, batch=BATCHES[mode], floor=(pair,),
            parameters={
                "pair": f"{a}-{b}", "target": "polling", "told": "poll",
                "polled_channels": 0 if way.system == "raw" else CHANNELS,
            },
        )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        """Of cores 0 and 1."""
        for mode in MODES:
            floor = floor_key((0, 1), mode)
            line, ring, ours, rings, theirs = (
                way.key((0, 1), mode) for way in (LINE, RING, OURS, OUR_RING, THEIRS)
            )
            said = mode == "back-to-back"
            yield Ratio(line, floor, "cost")
            yield Ratio(ring, floor, "cost")
            yield Ratio(ours, floor, "cost", DRIVER if said else None)
            yield Ratio(ring, line, "cost")
            yield Ratio(ours, line, "cost")
            yield Ratio(rings, ours, "cost", RINGS if said else None)
            yield Ratio(ours, theirs, "structure", STRUCTURE if said else None)


EXPERIMENT = RoundTrip
