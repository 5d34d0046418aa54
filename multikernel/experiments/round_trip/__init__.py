"""Round trip: a message there and back, between bare ends and through the booted drivers of both
kernels.

Guarantees: the same two modes as the floor, interleaved with it on the same cores; "through the
driver" means the driver's own loop, its dispatch by kind, and 8 further channels of that pair
polled in every turn; bare ends run in a loop of their own and are called raw. Answers: the paper's
table 2 (latency of a message by distance) and the cost of its channel's form: one line that carries
request and reply, against a ring each way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from multikernel import system as system_
from multikernel.experiments.floor import BATCHES, MODES, floor_arms, floors_of
from multikernel.experiments.instrument import document
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Pair,
    Spec,
    floor_key,
    labelled,
)
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.results.document import Document, Mode, System
from multikernel.results.histogram import Histogram

NAME = "round-trip"
FIGURE = "table 2"
SUMMARY = (
    "A message there and back: bare ends, and through both kernels' booted drivers; call line and"
    " ring."
)

CHANNELS = 8
USUAL: dict[Mode, int] = {"back-to-back": 20_000, "single": 5_000}

ARMS: dict[str, tuple[System, str, str]] = {
    "raw-call-line": ("raw", "call-line", "call_line"),
    "raw-epoch-ring": ("raw", "epoch-ring", "ring"),
    "multikernel-call-line": ("multikernel", "call-line", "0"),
    "multikernel-epoch-ring": ("multikernel", "epoch-ring", "1"),
    "multikernel-channel": ("multikernel", "channel", "2"),
    "shared-call-line": ("shared", "call-line", "0"),
}
"""By key: the system, the variant, and what the loop calls it: the bare end, or `ping`'s via.
"""
CONTROL_OF = "multikernel-call-line"


def _pairs(cores: int) -> list[Pair]:
    """Cores 0 and 1, and the pair that is likely to be the farthest apart."""
    return [(0, 1)] if cores == 2 else [(0, 1), (0, cores - 1)]


def _key(name: str, pair: Pair, mode: Mode, *, control: bool = False) -> str:
    where = "" if pair == (0, 1) else f"-{pair[0]}-{pair[1]}"
    return f"{name}{where}-{mode}" + (CONTROL if control else "")


def _arms(request: Request, benches: dict[System, Bench], again: Bench) -> list[Arm]:
    """again: the multikernel once more, a second system, whose difference bounds what comparing two
    systems adds.
    """
    plan = tuple(
        (mode, request.size.count(USUAL[mode], BATCHES[mode]), BATCHES[mode]) for mode in MODES
    )

    def outcome(name: str, pair: Pair, control: bool, slice_of: Callable[[], Report]) -> Outcome:
        report = slice_of()
        found = {
            _key(name, pair, mode, control=control): one for mode, one in _by_mode(report).items()
        }
        return Outcome(samples=found, activity=report.activity)

    def arm(name: str, pair: Pair, control: bool = False) -> Arm:
        system, _, how = ARMS[name]
        bench = again if control else benches["multikernel" if system == "raw" else system]

        def slice_of() -> Report:
            return (
                bench.raw(how, pair, plan) if system == "raw" else bench.ping(pair, int(how), plan)
            )

        label = labelled(f"{name}, cores {pair[0]} and {pair[1]}", control)
        return Arm(label, lambda: outcome(name, pair, control, slice_of))

    pairs = _pairs(request.cores)
    arms = [arm(name, pair) for pair in pairs for name in ARMS]
    return [
        *arms,
        arm(CONTROL_OF, (0, 1), control=True),
        *floor_arms(benches["multikernel"], request, pairs),
    ]


def _by_mode(report: Report) -> dict[Mode, Histogram]:
    samples = samples_of(report)
    return {mode: samples[mode] for mode in MODES}


def _specs(request: Request) -> list[Spec]:
    cpus = request.placement.cpus
    found = []
    for pair in _pairs(request.cores):
        for name, (system, variant, _) in ARMS.items():
            for control in (False, True) if name == CONTROL_OF and pair == (0, 1) else (False,):
                for mode in MODES:
                    found.append(
                        Spec(
                            key=_key(name, pair, mode, control=control), system=system,
                            variant=variant, cores=2,
                            measure="round-trip", mode=mode, batch=BATCHES[mode], floor=(pair,),
                            control=control,
                            parameters={
                                "pair": f"{cpus[pair[0]]}-{cpus[pair[1]]}", "target": "polling",
                                "told": "poll",
                                "polled_channels": 0 if system == "raw" else CHANNELS,
                            },
                        )
                    )  # fmt: skip
    return found


def _ratios() -> list[tuple[str, str]]:
    found = []
    for mode in MODES:
        floor = floor_key((0, 1), mode)
        found += [
            (f"raw-call-line-{mode}", floor),
            (f"raw-epoch-ring-{mode}", floor),
            (f"multikernel-call-line-{mode}", floor),
            (f"raw-epoch-ring-{mode}", f"raw-call-line-{mode}"),
            (f"multikernel-call-line-{mode}", f"raw-call-line-{mode}"),
            (f"multikernel-epoch-ring-{mode}", f"multikernel-call-line-{mode}"),
            (f"multikernel-call-line-{mode}", f"shared-call-line-{mode}"),
            (f"{CONTROL_OF}-{mode}{CONTROL}", f"{CONTROL_OF}-{mode}"),
        ]
    return found


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    cpus = list(request.placement.cpus)
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            benches: dict[System, Bench] = {
                "multikernel": Bench(stack.enter_context(system_.boot(cpus, channels=CHANNELS))),
                "shared": Bench(
                    stack.enter_context(system_.boot(cpus, kernel="shared", channels=CHANNELS))
                ),
            }
            again = Bench(stack.enter_context(system_.boot(cpus, channels=CHANNELS)))
            collector.boot(boot, _arms(request, benches, again))
    floors = floors_of(collector, _pairs(request.cores), request.placement.cpus)
    return document.finish(NAME, record, collector, floors, _specs(request), _ratios())
