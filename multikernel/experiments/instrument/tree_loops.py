"""Measuring loops over trees, as programs: what `shootdown` sends to the cores of a tree.

Guarantees: the instrument's. All cores of a tree get the same plan, each with its own place in
the tree. A request or an acknowledgement that was wrong, on any core, is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import Loop, Plan, Report, Watch

Line = tuple[int, int]
"""A scratch line: in which core's region, and its number there, from 1 on."""
NO_LINE = (0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A core's place in a tree. up: the line to its parent, None at the root; children: the lines
    to them, in sending order; shared: the one that all poll, of a broadcast; targets: at the root,
    all the others.
    """

    up: Line | None
    children: tuple[Line, ...]
    shared: Line | None = None
    targets: tuple[int, ...] = ()


def messages(place: Place, use: int, plan: Plan, watch: Watch | None) -> Report:
    """Requests to all cores of the tree and their acknowledgements. Samples, at the root."""
    (core, line), (shared_core, shared_line) = place.up or NO_LINE, place.shared or NO_LINE
    how: dict[str, Any] = {
        "core": core, "line": line, "each": tuple(chain(*place.children)),
        "shared_core": shared_core, "shared_line": shared_line, "below": len(place.targets),
        "sum": sum(place.targets),
    }  # fmt: skip
    return checked("shootdown", how, use, plan, watch, "messages came that were not sent")


def checked(
    probe: str, how: Mapping[str, Any], use: int, plan: Plan, watch: Watch | None, wrong: str, *,
    polls: bool = False,
) -> Report:  # fmt: skip
    """All of a plan, warm, with numbers from `use` on (`Bench.uses`); polls: so does the driver
    meanwhile. Raises ProtocolError with those words if any of it was wrong.
    """
    loop, errors, at = Loop(watch), 0, use
    with loop.polling(*[loop.me] * polls), loop.watched():
        for count, batch, into in loop.steps(plan):
            errors += loop.driver.probe(probe, **how, base=at, count=count, batch=batch, times=into)
            at += count
    if errors:
        raise ProtocolError(wrong, value=errors, where=f"core {loop.me}")
    return loop.done()
