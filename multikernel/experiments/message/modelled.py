"""Messages in virtual time: there and back, as fast as they go, and at random times.

None of a ring's own work is modelled, only its lines, its window and its acknowledgements; of forms
that differ by more there is no series.
"""

from __future__ import annotations

import random

from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.modelled import (
    MOST,
    Arguments,
    ModelledBench,
    NotModelled,
    same,
)
from multikernel.native._native import Histogram

BATCHES = 20


def _window(form: str, slots: int) -> tuple[int, int]:
    """Messages under way at most, and after how many it acknowledges. Raises NotModelled."""
    if form == "epoch-ring":
        return slots - 1, max(1, slots // 4)
    if form == "call-line":
        return slots, 1
    raise NotModelled(form)


def echo(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    plan = next(iter(calls.values()))[5]
    same(report, plan, lambda: bench.modelled.native.echo(*_asking_first(calls)))


def stream(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    """Samples times, cycles of each batch but the first, and ahead."""
    _, form, slots, _, _, _, batch, *_ = next(iter(calls.values()))
    sender, receiver = _asking_first(calls)
    took, ahead = bench.modelled.native.stream(
        sender, receiver, *_window(form, slots), BATCHES + 1, batch
    )
    times, occupied = Histogram(), Histogram()
    for cycles, messages in list(zip(took, ahead, strict=True))[1:]:
        times.add(cycles)
        occupied.add(messages)
    report.keep(times=times, ahead=occupied)


def _asking_first(calls: Arguments) -> tuple[int, int]:
    first, other = sorted(calls, key=lambda core: calls[core][4])
    return first, other


def open_loop(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    """Requests that wait for the one before, at random times that do not."""
    ((core, (peer, count, mean, seed, *_)),) = calls.items()
    draw, kernel = random.Random(seed), bench.virtual
    bench.think()
    intended, free, latency = float(kernel.now), kernel.now, Histogram()
    for _ in range(min(count, MOST)):
        intended += draw.expovariate(1 / mean)
        begins = max(round(intended), free)
        free = kernel.wait(kernel.ask(core, "PING", at=begins, of=peer)).time
        latency.add(max(1, free - round(intended)))
    report.keep(latency=latency)
