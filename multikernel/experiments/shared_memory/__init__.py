"""Shared memory or messages: what an update of 1, 2, 4 or 8 cache lines costs, by the number of
cores that make it.

Guarantees: all cores of an arm update at the same time, in batches. SHM: each core updates the same
lines itself (raw). MSG: cores ask core 0, the server, through its driver; what the update costs
there it times itself. One core alone asks its own driver. MSG again over sockets. Answers: the
paper's figure 3 (SHM1 … SHM8, MSG1, MSG8, Server).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import machines
from multikernel.experiments.instrument.loops import Loop, Watch
from multikernel.experiments.instrument.modelled import COUNTERPARTS
from multikernel.experiments.instrument.request import BATCHES
from multikernel.experiments.shared_memory import modelled
from multikernel.native._native import Histogram as Samples
from multikernel.runtime.plan import HOST_TRANSPORTS, Transport

SHARED_LINES, MESSAGE_LINES = (1, 2, 4, 8), (1, 8)
BATCH = BATCHES["back-to-back"]
SERVER = 0
SECONDS = 0.004
"""Of a slice, on every core."""
CHUNK, CHUNK_BY_THE_HOST = 10_000, 200
"""Updates between two looks at the time; and where the host carries each of them."""
MEETING_LINE = 63
"""The scratch line on which a core is met, the last one; floors use the first ones."""
MEETINGS = 2
"""Of the cores in one `update`; each takes two numbers, the first of them even."""
EDGE_SECONDS = 0.0001
"""How long cores update unrecorded, before and after: longer than it takes to wake all."""
COUNTS_MAX = 16
PRESENT = 0.9
"""The share of the time that each must have been on its CPU, for all to have updated at once."""
AWAY = "core-away"
"""Why a slice is refused."""
ALONE = caution(
    "one-core-sends-nothing",
    "With one core there is nobody to send a message to: msg1 and msg8 on one core are requests"
    " of its program to its own driver. With more, core 0 only serves, seeing messages because"
    " it polls, and one core fewer than the number given asks.",
)


BURSTS = caution(
    "bursts-on-an-owned-line",
    "Cores that update the same lines get them by turns, and each keeps a line for many"
    " updates before another has it: a batch is such a burst, or holds the wait for the next."
    " Its median is what the lucky ones cost; what an update costs on average, the rate of all"
    " cores says.",
)


@dataclass(frozen=True, slots=True)
class Form:
    """One curve of the figure. lines: an update's; transport: of messages, if not memory."""

    lines: int
    by_message: bool = False
    transport: Transport | None = None

    @property
    def name(self) -> str:
        """The paper's, in lower case."""
        return f"{'msg' if self.by_message else 'shm'}{self.lines}"

    @property
    def has_server(self) -> bool:
        """Whether what it costs the server is a curve too: once is enough."""
        return self.by_message and self.transport is None

    @property
    def stem(self) -> str:
        return self.name if self.transport is None else f"{self.name}-{self.transport}"

    def key(self, cores: int, what: str = "") -> str:
        """Of its series; what: "-rate", of all cores together, or "server", what that pays."""
        stem = f"server{self.lines}" if what == "server" else f"{self.stem}{what}"
        return f"{stem}-on-{cores}"

    def cores(self, count: int) -> tuple[int, ...]:
        """The cores that update. With others there the server only serves."""
        return tuple(range(1 if self.by_message and count > 1 else 0, count))


FORMS = [
    *(Form(lines) for lines in SHARED_LINES),
    *(Form(lines, True) for lines in MESSAGE_LINES),
    *(Form(lines, True, transport) for transport in HOST_TRANSPORTS for lines in MESSAGE_LINES),
]
CONTROL_OF = Form(8, True)
SERVED_IN_A_ROW = 64
"""Updates that the server times together, as the native core has it."""


def counts_of(cores: int) -> list[int]:
    """Numbers of cores that are measured: each, or of many some, the first two and the last too."""
    if cores <= COUNTS_MAX:
        return list(range(1, cores + 1))
    step = (cores - 2) / (COUNTS_MAX - 2)
    return [1, *sorted({2 + round(step * place) for place in range(COUNTS_MAX - 1)})]


def was_away(report: Report) -> bool:
    """Whether a core was off its CPU for so long that the others, meanwhile, were not measured with
    it: samples of cores left alone, and so many that the median feels even one long absence.
    """
    return report.counts["cpu_ns"] < PRESENT * report.counts["wall_ns"]


def serve_updates() -> None:
    """From now on this core's driver makes updates for those who ask it by message."""
    Loop().driver.probe("serve-updates")


def _booted(transport: Transport | None) -> Booted:
    return Booted(options=(("transport", transport),) if transport else (), program=serve_updates)


class SharedMemory(Experiment):
    entry = entry("shared-memory")
    floors_on = _booted(None)

    def arms(self) -> Iterator[Arm]:
        """One core alone sends nothing, over whichever transport."""
        possible = machines.possible(self.request)
        for form in FORMS:
            for count in counts_of(self.request.cores):
                if form.transport is None or (count > 1 and form.transport in possible):
                    yield Arm(
                        f"{form.stem}, {count} core{'s' if count > 1 else ''}",
                        tuple(_specs(form, count)), _booted(form.transport),
                        partial(self._slice, form, count),
                        repeated=(form, count) == (CONTROL_OF, self.request.cores),
                    )  # fmt: skip

    def _slice(self, form: Form, count: int, bench: Bench) -> Outcome:
        size, cores = self.request.size, form.cores(count)
        server = SERVER if form.by_message else None
        chunk = size.count(CHUNK if form.transport is None else CHUNK_BY_THE_HOST, BATCH)
        base = 2 * bench.uses(MEETINGS)
        alike = cores, form.lines, server, chunk, BATCH, SECONDS * size.scale, base
        reports = bench.together(f"{form.name} {count}", update, dict.fromkeys(cores, alike))
        by_core = [samples_of(report) for report in reports.values()]
        updates = [samples["update"] for samples in by_core]
        each_second = sum(bench.hz / max(one.mean, 1) for one in updates)
        found = {
            form.key(count): Histogram.merge(updates),
            form.key(count, "-rate"): one_number(each_second),
        }
        if form.has_server:
            served = [samples["at_server"] for samples in by_core]
            found[form.key(count, "server")] = Histogram.merge(served)
        away = count > 1 and any(map(was_away, reports.values()))
        return Outcome(found, activity=reports[cores[0]].activity, reason=AWAY if away else None)

    def ratios(self) -> Iterator[Ratio]:
        """Lines against messages, and messages by transport, of as many lines and cores."""
        for count in counts_of(self.request.cores):
            for lines in MESSAGE_LINES:
                own, message = Form(lines), Form(lines, True)
                sent, rate = message.key(count), message.key(count, "-rate")
                yield Ratio(sent, message.key(count, "server"), "cost")
                if count == 1:
                    continue
                yield Ratio(own.key(count), sent, "structure")
                yield Ratio(own.key(count, "-rate"), rate, "structure")
                for form in (Form(lines, True, transport) for transport in HOST_TRANSPORTS):
                    yield Ratio(form.key(count), sent, "transport")
                    yield Ratio(own.key(count), form.key(count), "transport")
                    yield Ratio(form.key(count, "-rate"), rate, "transport")
        for lines in SHARED_LINES:
            yield Ratio(Form(lines).key(self.request.cores), Form(lines).key(1), "cost")

    def cautions(self, collector: Collector) -> list[Caution]:
        return [ALONE, BURSTS, *machines.refused(self.request)]


def _specs(form: Form, count: int) -> Iterator[Spec]:
    parameters: dict[str, Scalar] = {"operation": "update", "lines": form.lines}
    if form.transport is not None:
        parameters["transport"] = form.transport
    own = Spec(
        form.key(count), "multikernel" if form.by_message else "raw", form.name, count,
        "round-trip" if form.by_message else "completion", "back-to-back", BATCH,
        parameters=parameters,
    )  # fmt: skip
    # A message is judged by the floor of the pairs it travels between; an update of one's own is no
    # round trip.
    asked = [core for core in form.cores(count) if core != SERVER] if form.by_message else []
    yield replace(own, floor=tuple((SERVER, core) for core in asked))
    yield replace(own, key=form.key(count, "-rate"), measure="throughput", unit="operations/s")
    if form.has_server:
        yield replace(
            own, key=form.key(count, "server"), variant=f"server{form.lines}",
            measure="completion", batch=SERVED_IN_A_ROW,
        )  # fmt: skip


# --- On the cores


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
    found, at_server, unrecorded = loop.samples("update"), loop.samples("at_server"), Samples()

    def some(count: int, into: Samples, there: Samples) -> None:
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
                batch=1, times=Samples(),
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


COUNTERPARTS[update] = modelled.update
COUNTERPARTS[serve_updates] = lambda bench, report, calls: None
