"""Floor: one cache line there and back between two CPUs, the least any message between them can
cost.

Guarantees: at least 16 lines of each pair, in both modes (*back-to-back*, no clock inside the loop;
*single*, a clock around each round trip, with a pause between), on the same lines by turns; medians
by line are in the document. Answers: the paper's table 2 (what a message costs by distance), of
which this is the part the hardware takes. The arms here are also what the other experiments put
among theirs, to judge them by.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from multikernel import system as system_
from multikernel.experiments.instrument import document
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Pair,
    Spec,
    floor_key,
    line_key,
)
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.results.document import Document, Floor, LineFloors, Mode
from multikernel.results.histogram import Histogram

NAME = "floor"
FIGURE = "table 2"
SUMMARY = (
    "One cache line there and back between two CPUs, on 16 lines of each pair: what any message"
    " pays at least."
)

LINES = 16
BATCH = 100
PAIRS_MAX = 28
"""All pairs of up to 8 cores; of more cores, those of core 0, spread over the others."""
MODES: tuple[Mode, ...] = ("back-to-back", "single")
BATCHES: dict[Mode, int] = {"back-to-back": BATCH, "single": 1}
USUAL: dict[Mode, int] = {"back-to-back": 2000, "single": 400}
"""Round trips on each line in a slice."""


def pairs_of(cores: int) -> list[Pair]:
    """Core pairs whose floor is measured."""
    every = [(a, b) for a in range(cores) for b in range(a + 1, cores)]
    return every if len(every) <= PAIRS_MAX else root_pairs(cores)


def root_pairs(cores: int) -> list[Pair]:
    """Core 0 and the others, PAIRS_MAX of them at most, the first and the last included."""
    others = range(1, cores)
    if len(others) > PAIRS_MAX:
        last = PAIRS_MAX - 1
        others_spread = [others[number * (len(others) - 1) // last] for number in range(PAIRS_MAX)]
        return [(0, other) for other in others_spread]
    return [(0, other) for other in others]


def floor_arms(
    bench: Bench, request: Request, pairs: Iterable[Pair], *, control: bool = False
) -> list[Arm]:
    """An arm a pair: a slice bounces every line of it, in both modes."""
    plan = tuple(
        (mode, request.size.count(USUAL[mode], BATCHES[mode]), BATCHES[mode]) for mode in MODES
    )

    def slice_of(pair: Pair, suffix: str) -> Outcome:
        report = bench.floor(pair, LINES, plan)
        outcome = Outcome(activity=report.activity)
        by_line = samples_of(report)
        for mode in MODES:
            lines = [by_line[f"{mode}.{line}"] for line in range(LINES)]
            outcome.samples[floor_key(pair, mode) + suffix] = Histogram.merge(lines)
            if not suffix:
                outcome.samples.update(
                    {line_key(pair, mode, n): one for n, one in enumerate(lines)}
                )
        return outcome

    arms = [Arm(f"floor of cores {a} and {b}", lambda p=(a, b): slice_of(p, "")) for a, b in pairs]  # type: ignore[misc]
    if control:
        arms.append(Arm("floor, control", lambda: slice_of((0, 1), CONTROL)))
    return arms


def floors_of(
    collector: Collector, pairs: Iterable[Pair], cpus: tuple[int, ...]
) -> dict[Pair, Floor]:
    """The floors of those pairs that have both modes: medians over the lines of each line's median
    over the boots.
    """
    found = {}
    for pair in pairs:
        lines = {
            mode: [median(boots.values()) for boots in collector.floor_by_line(pair, mode)]
            for mode in MODES
        }
        if all(lines.values()):
            found[pair] = Floor(
                pair=(cpus[pair[0]], cpus[pair[1]]),
                back_to_back=median(lines["back-to-back"]),
                single=median(lines["single"]),
                by_line=LineFloors(back_to_back=lines["back-to-back"], single=lines["single"]),
            )
    return found


def _specs(request: Request, pairs: list[Pair]) -> list[Spec]:
    cpus = request.placement.cpus
    return [
        Spec(
            key=floor_key((a, b), mode) + suffix, system="raw", variant="one-line", cores=2,
            measure="round-trip",
            mode=mode, batch=BATCHES[mode], floor=((a, b),), control=bool(suffix),
            parameters={"pair": f"{cpus[a]}-{cpus[b]}", "lines": LINES, "target": "polling",
            "told": "poll"},
        )
        for a, b in pairs
        for mode in MODES
        for suffix in (("", CONTROL) if (a, b) == (0, 1) else ("",))
    ]  # fmt: skip


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    pairs = pairs_of(request.cores)
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with system_.boot(list(request.placement.cpus)) as booted:
            collector.boot(boot, floor_arms(Bench(booted), request, pairs, control=True))
    return document.finish(
        NAME, record, collector, floors_of(collector, pairs, request.placement.cpus),
        _specs(request, pairs),
        [(floor_key((0, 1), mode) + CONTROL, floor_key((0, 1), mode)) for mode in MODES],
    )  # fmt: skip
