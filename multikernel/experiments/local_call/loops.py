"""Calls that stay on one CPU, as programs: what `local-call` sends to core 0.

Guarantees: the instrument's; afterwards the cores are as quiet as they were.
"""

from __future__ import annotations

from multikernel.experiments.instrument.loops import (
    CALL_LINE,
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
from multikernel.native._native import Driver


def own_driver(plan: Plan, watch: Watch | None) -> Report:
    """Requests of a program to its own core's driver. Samples: by the plan's names."""
    driver = _driver()
    return _asked(driver, driver.me, plan, watch)


def neighbour(peer: int, policy: Policy, plan: Plan, watch: Watch | None) -> Report:
    """Requests to another core's driver, when both give up their CPU by this policy. Samples: by
    the plan's names.
    """
    driver = _driver()
    with _polling(driver, (driver.me, peer)):
        _set_policy(driver, (driver.me, peer), policy)
        return _asked(driver, peer, plan, watch)


def _asked(driver: Driver, core: int, plan: Plan, watch: Watch | None) -> Report:
    report = Report()

    def loop() -> None:
        report.keep(**pings(driver, core, CALL_LINE, plan))

    return _watched(watch, loop, report)
