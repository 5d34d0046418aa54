"""Updates in virtual time: on shared lines, and by message to a server that all ask at once."""

from __future__ import annotations

from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.modelled import Arguments, ModelledBench
from multikernel.native._native import Histogram

ROUNDS = 60
"""Updates that each core makes."""


def update(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    """Samples update and at_server, of all cores together."""
    cores, lines, server, *_ = next(iter(calls.values()))
    report.counts.update(wall_ns=1, cpu_ns=1)
    times, at_server = Histogram(), Histogram()
    if server is None:
        cycles = bench.modelled.native.shared_update(len(cores), lines, ROUNDS)
        times.add(max(1, round(cycles)))
    else:
        for cycles in _asked(bench, cores, server):
            times.add(max(1, cycles))
    handle = bench.tables.costs[-1].handle + bench.tables.costs[-1].send
    at_server.add(round(handle) + lines)
    report.keep(update=times, at_server=at_server)


def _asked(bench: ModelledBench, cores: tuple[int, ...], server: int) -> list[int]:
    """What each request took, while all ask over and over."""
    kernel, left, found = bench.virtual, dict.fromkeys(cores, ROUNDS), []
    waiting = {}
    for core in cores:
        at = kernel.now + bench.draw.randrange(1000)
        waiting[kernel.ask(core, "PING", at=at, of=server)] = core
    while waiting:
        ticket, answer = kernel.wait_any(waiting)
        core = waiting.pop(ticket)
        found.append(answer.took)
        left[core] -= 1
        if left[core]:
            waiting[kernel.ask(core, "PING", at=answer.time, of=server)] = core
    return found
