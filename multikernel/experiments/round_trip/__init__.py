"""Round trip: a message there and back, between bare ends and through the booted drivers of both
kernels.

Guarantees: "through the driver" means the driver's own loop, its dispatch by kind, and 8 further
channels of that pair polled in every turn; bare ends run in a loop of their own. Answers: the
paper's table 2, and what one line for request and reply costs against a ring each way.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from multikernel.experiments.declaring import *
from multikernel.runtime.plan import Kernel

OPTIONS = (("channels", 8),)
USUAL: dict[Mode, int] = {"back-to-back": 20_000, "single": 5_000}


@dataclass(frozen=True, slots=True)
class Way:
    """How a message goes. how: the bare end, or `ping`'s via."""

    system: System
    variant: str
    how: str | int
    kernel: Kernel = "multikernel"

    def stem(self, pair: Pair) -> str:
        """What its keys begin with. Cores 0 and 1 are left out of it."""
        where = "" if pair == (0, 1) else f"-{pair[0]}-{pair[1]}"
        return f"{self.system}-{self.variant}{where}"


LINE, RING = Way("raw", "call-line", "call_line"), Way("raw", "epoch-ring", "ring")
OURS, OUR_RING = Way("multikernel", "call-line", 0), Way("multikernel", "epoch-ring", 1)
CHANNEL = Way("multikernel", "channel", 2)
THEIRS = Way("shared", "call-line", 0, "shared")
WAYS = (LINE, RING, OURS, OUR_RING, CHANNEL, THEIRS)

STRUCTURE = Words(
    subject="the multikernel", other="the shared kernel", more_is_better=False,
    lead="A call from driver to driver, 8 channels polled, back-to-back",
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
    entry = entry("round-trip")
    floors_on = Booted(options=OPTIONS)

    def pairs(self) -> list[Pair]:
        """Cores 0 and 1, and the pair that is likely to be the farthest apart."""
        return list(dict.fromkeys([(0, 1), (0, self.request.cores - 1)]))

    def arms(self) -> Iterator[Arm]:
        for pair in self.pairs():
            for way in WAYS:
                yield self._arm(way, pair)

    def _arm(self, way: Way, pair: Pair) -> Arm:
        plan = self.request.plan(USUAL)
        about = {
            "pair": self.request.cpus_of(pair), **POLLED,
            "polled_channels": 0 if way.system == "raw" else 8,
        }  # fmt: skip

        def measure(bench: Bench) -> Report:
            if isinstance(way.how, str):
                return bench.raw(way.how, pair, plan)
            return bench.ping(pair, way.how, plan)

        return sampled(
            f"{way.system} {way.variant}, cores {pair[0]} and {pair[1]}",
            both_modes(way.stem(pair), way.system, way.variant, 2, "round-trip", about, (pair,)),
            Booted(way.kernel, options=OPTIONS), measure, repeated=way is OURS and pair == (0, 1),
        )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        for mode in MODES:
            floor = floor_key((0, 1), mode)
            line, ring, ours, rings, theirs = (
                f"{way.stem((0, 1))}-{mode}" for way in (LINE, RING, OURS, OUR_RING, THEIRS)
            )
            said = mode == "back-to-back"
            yield Ratio(line, floor, "cost")
            yield Ratio(ring, floor, "cost")
            yield Ratio(ours, floor, "cost", DRIVER if said else None)
            yield Ratio(ring, line, "cost")
            yield Ratio(ours, line, "cost")
            yield Ratio(rings, ours, "cost", RINGS if said else None)
            yield Ratio(ours, theirs, "structure", STRUCTURE if said else None)
