"""Requests that come at intervals, as a program: what `poll-or-block` sends to core 0.

Guarantees: the instrument's. CPU time of a core is read while it sleeps, when the host's account of
it is exact.
"""

from __future__ import annotations

import time

from multikernel.experiments.instrument.loops import (
    Policy,
    Report,
    Watch,
    _driver,
    _polling,
    _set_policy,
    _watched,
)
from multikernel.native._native import Histogram

ASLEEP: Policy = (0, 0, 1_000_000)
"""Parks at once."""
SETTLE_SECONDS = 0.001
"""After so long a core that was asked to sleep does."""


def open_loop(
    peer: int, pid: int, policy: Policy, count: int, mean_cycles: int, seed: int,
    watch: Watch | None,
) -> Report:  # fmt: skip
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

    with _polling(driver, (driver.me, peer)):
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
