"""What routing runs on the cores. Light: every core imports it."""

from __future__ import annotations

from array import array
from statistics import median

from multikernel.errors import ProtocolError
from multikernel.native._native import VERDICTS
from multikernel.runtime import local

Turn = tuple[int, int]
"""(asker, answerer)."""


def message_costs(turns: list[Turn], count: int) -> tuple[dict[Turn, tuple[float, ...]], int]:
    """This core's part of all turns, in order: medians in cycles, (send, round trip) where it asked
    and (receive,) where it answered; and the memory node its lines lie on, negative where the host
    does not say.
    """
    driver = local.driver
    assert driver is not None
    found: dict[Turn, tuple[float, ...]] = {}
    for asker, answerer in turns:
        if driver.me == asker:
            cycles = array("Q", bytes(2 * 8 * count))
            driver.probe("message", core=answerer, role=0, count=count, results=cycles)
            found[asker, answerer] = median(cycles[:count]), median(cycles[count:])
        elif driver.me == answerer:
            cycles = array("Q", bytes(8 * count))
            driver.probe("message", core=asker, role=1, count=count, results=cycles)
            found[asker, answerer] = (median(cycles),)
    return found, driver.probe_home(driver.me, 0)


def home() -> int:
    """The memory node that the lines lie on by which others reach this core, negative where the
    host does not say.
    """
    assert local.driver is not None
    return local.driver.probe_home(local.driver.me, 0)


def contest(groups: tuple[int, ...], count: int) -> list[float]:
    """On the root of these groups: of each the median in cycles of a message to all and their
    acknowledgements.
    """
    driver = local.driver
    assert driver is not None
    cycles = array("Q", bytes(8 * count * len(groups)))
    verdict = driver.probe("spread", each=groups, count=count, results=cycles)
    if verdict != VERDICTS["OK"]:
        raise ProtocolError(
            "a message to a group was refused", value=verdict, where=f"core {driver.me}"
        )
    return [median(cycles[at : at + count]) for at in range(0, len(cycles), count)]
