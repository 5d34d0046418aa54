"""Measuring loops over trees, as programs: what `shootdown` sends to the cores of a tree.

Guarantees: the instrument's. All cores of a tree get the same plan, each with its own place in
the tree. A request or an acknowledgement that was wrong, on any core, is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import WARM, Plan, Report, Watch, _driver, _watched
from multikernel.native._native import Histogram

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


def span(plan: Plan) -> int:
    """By how much `use` must grow from one call of `messages` to the next."""
    return WARM + sum(count for _, count, _ in plan)


def messages(place: Place, use: int, plan: Plan, watch: Watch | None) -> Report:
    """Requests to all cores of the tree and their acknowledgements, nothing else. Samples, at the
    root: by the plan's names.
    """
    driver, report = _driver(), Report()
    found: dict[str, Histogram] = {}

    def some(at: int, count: int, batch: int, into: Histogram) -> int:
        (core, line), (shared_core, shared_line) = place.up or NO_LINE, place.shared or NO_LINE
        return driver.probe(
            "shootdown", core=core, line=line, each=chain(*place.children),
            shared_core=shared_core, shared_line=shared_line, below=len(place.targets),
            sum=sum(place.targets), base=at, count=count, batch=batch, times=into,
        )  # fmt: skip

    def loop() -> None:
        wrong, at = some(use, WARM, 1, Histogram()), use + WARM
        for name, count, batch in plan:
            found[name] = Histogram()
            wrong += some(at, count, batch, found[name])
            at += count
        if wrong:
            raise ProtocolError(
                "messages came that were not sent", value=wrong, where=f"core {driver.me}"
            )

    _watched(watch, loop, report)
    report.keep(**found)
    return report
