"""Measuring loops of what cores do together, as programs: what `collectives` sends to every member.

Guarantees: the instrument's. All members get the same numbers. An outcome or a message that was
wrong, or a core that left before all had come, is an error.
"""

from __future__ import annotations

from multikernel.experiments.instrument.loops import Plan, Report, Watch, _driver, _polling
from multikernel.experiments.instrument.tree_loops import checked
from multikernel.native._native import Driver, Histogram

WRONG = (
    "cores did not do together what they ought to: an outcome was wrong, or one left before all had"
    " come"
)


def shared_barrier(
    form: str, members: tuple[int, ...], timer: int, use: int, plan: Plan, watch: Watch | None
) -> Report:
    """Barriers over shared memory, bare. form: "central" or "dissemination". Samples, on core
    `timer`: by the plan's names.
    """

    def some(driver: Driver, at: int, count: int, batch: int, into: Histogram) -> int:
        return driver.probe(
            "shared-barrier", form=form, each=members, timer=timer, base=at, count=count,
            batch=batch, times=into,
        )  # fmt: skip

    return checked(some, use, plan, watch, WRONG)


def collective(
    operation: str, members: tuple[int, ...], group: int, root: int, timer: int, use: int,
    plan: Plan, watch: Watch | None,
) -> Report:  # fmt: skip
    """An operation of an open group, through the drivers, which poll. Samples as those of
    `shared_barrier`.
    """

    def some(driver: Driver, at: int, count: int, batch: int, into: Histogram) -> int:
        return driver.probe(
            "collective", form=operation, each=members, timer=timer, group=group, core=root,
            base=at, count=count, batch=batch, times=into,
        )  # fmt: skip

    driver = _driver()
    with _polling(driver, (driver.me,)):
        return checked(some, use, plan, watch, WRONG)
