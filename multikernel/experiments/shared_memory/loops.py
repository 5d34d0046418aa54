"""Updates by many cores at once, as programs: what `shared-memory` sends to its cores.

Guarantees: the instrument's. Cores that update at once have met before any of them counts, and go
on unrecorded for a while after the last that counts, so that no sample is of a core that was alone.
Idea: the rendezvous is the floor's own bounced line, used once.
"""

from __future__ import annotations

import time

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import Report, Watch, _driver, _polling, _watched
from multikernel.native._native import VERDICTS, Driver, Histogram

MEETING_LINE = 63
"""The scratch line of each core on which it is met, the last that may be bounced; floors use the
first ones.
"""
MEETINGS = 2
"""Of the cores in one `update`; each takes two numbers, the first of them even."""
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
    base: int, watch: Watch | None,
) -> Report:  # fmt: skip
    """Update lines for so many seconds, at least one chunk of updates, while all `cores` do.
    Samples: update, and with a server, which is asked by message, at_server.

    cores: those that take part, first the one that calls the meetings; server: the core that
    updates (serve_updates), None: every core itself, on lines of core 0; base: of the meetings.
    Counts: wall_ns and cpu_ns, of this core, while it counted.
    """
    driver, report = _driver(), Report()
    first, several = driver.me == cores[0], len(cores) > 1
    others = cores[1:] if first else ()
    found, at_server, unrecorded = Histogram(), Histogram(), Histogram()

    def some(count: int, into: Histogram, there: Histogram) -> None:
        if server is None:
            driver.probe("update-shared", lines=lines, count=count, batch=batch, times=into)
            return
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
        if several:
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
        if several:
            _meet(driver, others, base)
        # Until the second meeting nobody updates, so reading the counters disturbs nothing.
        _watched(watch, loop, report)
    report.keep(update=found, at_server=at_server)
    return report
