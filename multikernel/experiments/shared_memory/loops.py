"""Updates by many cores at once, as programs: what `shared-memory` sends to its cores.

Guarantees: the instrument's. Cores that update at once have met before any of them counts, and go
on unrecorded for a while after the last that counts, so that no sample is of a core that was alone.
Idea: the rendezvous is the floor's own bounced line, used once.
"""

import time

from multikernel.experiments.instrument.loops import Loop, Report, Watch
from multikernel.native._native import Histogram

MEETING_LINE = 63
"""The scratch line on which a core is met, the last one; floors use the first ones."""
MEETINGS = 2
"""Of the cores in one `update`; each takes two numbers, the first of them even."""
EDGE_SECONDS = 0.0001
"""How long cores update unrecorded, before and after: longer than it takes to wake all."""


def serve_updates() -> None:
    """From now on this core's driver makes updates for those who ask it by message."""
    Loop().driver.probe("serve-updates")


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
    loop, edge = Loop(watch), round(EDGE_SECONDS * 1e9)
    first, several = loop.me == cores[0], len(cores) > 1
    others = cores[1:] if first else ()
    found, at_server, unrecorded = loop.samples("update"), loop.samples("at_server"), Histogram()

    def some(count: int, into: Histogram, there: Histogram) -> None:
        if server is None:
            loop.driver.probe("update-shared", lines=lines, count=count, batch=batch, times=into)
        else:
            loop.probe(
                "update-message", f"updates by core {server}", core=server, lines=lines,
                count=count, batch=batch, times=(into, there),
            )  # fmt: skip

    def unrecorded_until(end: int) -> None:
        while time.monotonic_ns() < end:
            some(batch, unrecorded, unrecorded)

    def meet(base: int) -> None:
        """Returns when all have come. The first core calls the meeting, on a line of each other."""
        for core in (others or (loop.me,)) if several else ():
            loop.driver.probe(
                "floor", core=core, role=0 if others else 1, line=MEETING_LINE, base=base, count=1,
                batch=1, times=Histogram(),
            )  # fmt: skip

    with loop.polling(*() if server is None else {loop.me, server} if first else {loop.me}):
        meet(base)
        # Until the second meeting nobody updates, so reading the counters disturbs nothing.
        with loop.watched():
            meet(base + 2)
            unrecorded_until(time.monotonic_ns() + edge)
            now, used = time.monotonic_ns(), time.thread_time_ns()
            start, end, longest = now, now + round(seconds * 1e9), 0
            while not longest or now < end:
                began = now
                some(chunk, found, at_server)
                now = time.monotonic_ns()
                longest = max(longest, now - began)
            loop.counts.update(wall_ns=now - start, cpu_ns=time.thread_time_ns() - used)
            # The others' last chunk may have begun just before the end, and takes as long as ours.
            unrecorded_until(now + longest + edge)
    return loop.done()
