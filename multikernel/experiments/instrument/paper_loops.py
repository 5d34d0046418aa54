"""Measuring loops of the paper's figure 3, table 1 and section 4.6, as programs: what their
experiments send to a core.

Guarantees: the instrument's. Cores that update at once have met before any of them counts, and go
on unrecorded for a while after the last that counts, so that no sample is of a core that was alone.
CPU time of a core is read while it sleeps, when the host's account of it is exact. Idea: the
rendezvous is the floor's own bounced line, used once.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import (
    CALL_LINE,
    QUIET,
    QUIET_CROWDED,
    Plan,
    Policy,
    Report,
    Watch,
    _driver,
    _polling,
    _set_policy,
    _watched,
    pings,
)
from multikernel.native._native import VERDICTS, Driver, Histogram
from multikernel.runtime import local

# --- Figure 3: many cores update at once
# --------------------------------------------------------------------------

MEETING_LINE = 63
"""The scratch line of each core on which it is met, the last that may be bounced; floors use the
first ones.
"""
MEETINGS = 4
"""By how much the base of a meeting grows with each use: two bounces."""
EDGE_SECONDS = 0.0001
"""How long cores update unrecorded, before and after: longer than it takes the first to wake them
all.
"""


def _meet(driver: Driver, others: tuple[int, ...], base: int) -> None:
    """Returns when all have come. others: on the core that calls the meeting, those it meets; on
    these, empty.
    """
    for core in others or (driver.me,):
        driver.probe(
            "floor", core=core, role=0 if others else 1, line=MEETING_LINE, base=base, count=1,
            batch=1, times=Histogram(),
        )  # fmt: skip


def serve_updates() -> None:
    """From now on this core's driver makes updates for those who ask it by message."""
    _driver().probe("serve-updates")


def update(
    cores: tuple[int, ...], lines: int, server: int | None, chunk: int, batch: int, seconds: float,
    base: int,
    watch: Watch | None,
) -> Report:  # fmt: skip
    """Update lines for so many seconds, at least one chunk of updates, while all `cores` do.
    Samples: update, and with a server, which is asked by message, at_server.

    cores: those that take part, first the one that calls the meetings; server: the core that
    updates (serve_updates), None: every core itself, on lines of core 0. Counts: wall_ns and
    cpu_ns, of this core, while it counted.
    """
    driver, report = _driver(), Report()
    first = driver.me == cores[0]
    others = cores[1:] if first else ()
    found, at_server, unrecorded = Histogram(), Histogram(), Histogram()

    def some(count: int, into: Histogram, there: Histogram) -> None:
        if server is None:
            driver.probe("update-shared", lines=lines, count=count, batch=batch, times=into)
        else:
            verdict = driver.probe(
                "update-message", core=server, lines=lines, count=count, batch=batch,
                times=(into, there),
            )  # fmt: skip
            if verdict != VERDICTS["OK"]:
                raise ProtocolError("no update was made", value=verdict, where=f"core {server}")

    def unrecorded_until(end: int) -> None:
        while time.monotonic_ns() < end:
            some(batch, unrecorded, unrecorded)

    def loop() -> None:
        if len(cores) > 1:
            _meet(driver, others, base + 2)
        edge = round(EDGE_SECONDS * 1e9)
        unrecorded_until(time.monotonic_ns() + edge)
        now, used = time.monotonic_ns(), time.thread_time_ns()
        start, end, longest = now, now + round(seconds * 1e9), 0
        while not longest or now < end:
            began = now
            some(chunk, found, at_server)
            now = time.monotonic_ns()
            longest = max(longest, now - began)
        report.counts.update(wall_ns=now - start, cpu_ns=time.thread_time_ns() - used)
        # The others' last chunk may have begun just before the end, and takes as long as ours do.
        unrecorded_until(now + longest + edge)

    polling = () if server is None else {driver.me, server} if first else {driver.me}
    with _polling(driver, polling):
        if len(cores) > 1:
            _meet(driver, others, base)
        # Until the second meeting nobody updates, so reading the counters disturbs nothing.
        _watched(watch, loop, report)
    report.keep(update=found, at_server=at_server)
    return report


# --- Table 1: calls that stay on one CPU
# --------------------------------------------------------------------------


def own_driver(plan: Plan, watch: Watch | None) -> Report:
    """Requests of a program to its own core's driver. Samples: by the plan's names."""
    driver, report = _driver(), Report()

    def loop() -> None:
        report.keep(**pings(driver, driver.me, CALL_LINE, plan))

    return _watched(watch, loop, report)


def neighbour(peer: int, policy: Policy, plan: Plan, watch: Watch | None) -> Report:
    """Requests to another core's driver, when both give up their CPU by this policy. Samples: by
    the plan's names.
    """
    driver, report = _driver(), Report()

    def loop() -> None:
        report.keep(**pings(driver, peer, CALL_LINE, plan))

    _set_policy(driver, (driver.me, peer), policy)
    try:
        _watched(watch, loop, report)
    finally:
        _set_policy(driver, (driver.me, peer), _quiet())
    return report


# --- Section 4.6: poll, then block
# --------------------------------------------------------------------------------

ASLEEP: Policy = (0, 0, 1_000_000)
"""Parks at once."""
SETTLE_SECONDS = 0.001
"""After so long a core that was asked to sleep does."""


def open_loop(
    peer: int,
    pid: int,
    policy: Policy,
    count: int,
    mean_cycles: int,
    seed: int,
    watch: Watch | None,
) -> Report:
    """Requests at intervals to a core that waits by this policy. Samples: latency, from the
    intended time. Counts: cpu_ns, the CPU time of the peer, whose process is `pid`, for all of
    them.
    """
    driver, report, latency = _driver(), Report(), Histogram()

    def loop() -> None:
        _set_policy(driver, (peer,), policy)
        driver.probe(
            "open-loop", core=peer, cycles=mean_cycles, seed=seed, count=count, times=latency
        )
        _set_policy(driver, (peer,), ASLEEP)

    with ExitStack() as stack:
        stack.enter_context(_polling(driver, (driver.me,)))
        stack.callback(_set_policy, driver, (peer,), _quiet())
        _set_policy(driver, (peer,), ASLEEP)
        time.sleep(SETTLE_SECONDS)
        before = cpu_ns(pid)
        _watched(watch, loop, report)
        time.sleep(SETTLE_SECONDS)
        report.counts["cpu_ns"] = cpu_ns(pid) - before
    report.keep(latency=latency)
    return report


def cpu_ns(pid: int) -> int:
    """CPU time of a process so far. What a running one has used since the host's last tick may be
    missing.
    """
    # clock_getcpuclockid(3): a process's clock is named by its id, the low bits saying which of its
    # clocks.
    return time.clock_gettime_ns(~pid << 3 | 2)


def _quiet() -> Policy:
    assert local.plan is not None
    return QUIET_CROWDED if local.plan.crowded else QUIET
