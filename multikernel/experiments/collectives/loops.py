"""Measuring loops of what cores do together, as programs: what `collectives` sends to every member.

Guarantees: the instrument's. All members get the same numbers. An outcome or a message that was
wrong, or a core that left before all had come, is an error.
"""

from __future__ import annotations

from collections.abc import Callable

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import (
    WARM,
    Plan,
    Report,
    Watch,
    _driver,
    _polling,
    _watched,
)
from multikernel.native._native import Driver, Histogram


def shared_barrier(
    form: str, members: tuple[int, ...], timer: int, use: int, plan: Plan, watch: Watch | None
) -> Report:
    """Barriers over shared memory, bare. form: "central" or "dissemination". Samples, on core
    `timer`: by the plan's names.
    """
    return _all(
        lambda driver, at, count, batch, into: driver.probe(
            "shared-barrier", form=form, each=members, timer=timer, base=at, count=count,
            batch=batch, times=into,
        ),
        use, plan, watch,
    )  # fmt: skip


def collective(
    operation: str, members: tuple[int, ...], group: int, root: int, timer: int, use: int,
    plan: Plan,
    watch: Watch | None,
) -> Report:  # fmt: skip
    """An operation of an open group, through the drivers, which poll. Samples as those of
    `shared_barrier`.
    """
    driver = _driver()
    with _polling(driver, (driver.me,)):
        return _all(
            lambda driver, at, count, batch, into: driver.probe(
                "collective", form=operation, each=members, timer=timer, group=group, core=root,
                base=at, count=count, batch=batch, times=into,
            ),
            use, plan, watch,
        )  # fmt: skip


def _all(
    some: Callable[[Driver, int, int, int, Histogram], int],
    use: int,
    plan: Plan,
    watch: Watch | None,
) -> Report:
    driver, report = _driver(), Report()
    found: dict[str, Histogram] = {}

    def loop() -> None:
        wrong, at = some(driver, use, WARM, 1, Histogram()), use + WARM
        for name, count, batch in plan:
            found[name] = Histogram()
            wrong += some(driver, at, count, batch, found[name])
            at += count
        if wrong:
            raise ProtocolError(
                "cores did not do together what they ought to: an outcome was wrong, or one left"
                " before all had come",
                value=wrong,
                where=f"core {driver.me}",
            )

    _watched(watch, loop, report)
    report.keep(**found)
    return report
