"""Shared memory or messages: what an update of 1, 2, 4 or 8 cache lines costs, by the number of
cores that make it.

Guarantees: all cores of an arm update at the same time (they meet before, and go on after, what
counts; a slice in which one was off its CPU does not count), back to back in batches. SHM: each
core updates the same lines itself, in a special loop (raw). MSG: cores ask core 0, the server,
through the booted driver; the server's own program does nothing, and what the update costs there is
timed by the server, for the last call of each batch. With one core alone there is no other to ask:
its program asks its own driver, and no message is sent. MSG again over sockets: the same requests
in systems whose cores talk by those, over the very channels of their monitors. Answers: the paper's
figure 3 (SHM1 … SHM8, MSG1, MSG8, Server).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from multikernel import system as system_
from multikernel.experiments.floor import BATCH, floor_arms, floors_of, root_pairs
from multikernel.experiments.instrument import document, host_transports, paper_loops
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Scalar,
    Spec,
    labelled,
)
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.machine.clock import tsc_rate
from multikernel.results.document import Caution, Document, System
from multikernel.results.histogram import Histogram
from multikernel.runtime.plan import HOST_TRANSPORTS, Transport

NAME = "shared-memory"
FIGURE = "figure 3"
SUMMARY = (
    "An update of 1 to 8 cache lines by 1 to all cores: on shared lines, or by message to one"
    " server."
)

SHARED_LINES, MESSAGE_LINES = (1, 2, 4, 8), (1, 8)
SERVER = 0
SECONDS = 0.004
"""Of a slice, on every core."""
CHUNK = 1000
"""Updates between two looks at the time."""
CHUNK_BY_THE_HOST = 200
"""The same where the host carries each of them."""
COUNTS_MAX = 16
PRESENT = 0.9
"""The share of the time that each must have been on its CPU, for all to have updated at once."""


@dataclass(frozen=True, slots=True)
class Form:
    """One curve of the figure. name: the paper's, in lower case; lines: an update's; by_message: to
    the server; transport: what messages go by, if not by memory.
    """

    lines: int
    by_message: bool
    transport: Transport | None = None

    @property
    def name(self) -> str:
        return f"{'msg' if self.by_message else 'shm'}{self.lines}"

    @property
    def stem(self) -> str:
        """What its keys begin with."""
        return self.name if self.transport is None else f"{self.name}-{self.transport}"

    def key(self, cores: int) -> str:
        """The key of its series with so many cores."""
        return f"{self.stem}-on-{cores}"

    def server_key(self, cores: int) -> str:
        """The key of what it costs the server meanwhile."""
        return f"server{self.lines}-on-{cores}"

    def rate_key(self, cores: int) -> str:
        """The key of how many updates a second all cores together make."""
        return f"{self.stem}-rate-on-{cores}"

    @property
    def has_server(self) -> bool:
        """Whether what it costs the server is a curve too. Once is enough: the transport of
        requests is no part of it.
        """
        return self.by_message and self.transport is None

    def cores(self, count: int) -> tuple[int, ...]:
        """The cores that update. With others there the server only serves."""
        return tuple(range(1 if self.by_message and count > 1 else 0, count))


FORMS = [Form(lines, False) for lines in SHARED_LINES] + [
    Form(lines, True) for lines in MESSAGE_LINES
]
BY_THE_HOST = [
    Form(lines, True, transport) for transport in HOST_TRANSPORTS for lines in MESSAGE_LINES
]
CONTROL_OF = Form(8, True)
AWAY = "core-away"
"""Why a slice is refused."""


def forms_of(count: int) -> list[Form]:
    """What so many cores measure. One alone sends nothing, over whichever transport."""
    return FORMS + BY_THE_HOST if count > 1 else FORMS


def counts_of(cores: int) -> list[int]:
    """Numbers of cores that are measured: each, or of many cores some, the first two and the last
    included.
    """
    if cores <= COUNTS_MAX:
        return list(range(1, cores + 1))
    step = (cores - 2) / (COUNTS_MAX - 2)
    return [1, *sorted({2 + round(step * place) for place in range(COUNTS_MAX - 1)})]


class _Arms:
    """All arms of one boot."""

    def __init__(self, request: Request, benches: Mapping[Transport | None, Bench]) -> None:
        self.request = request
        self.benches = benches
        self.hz = tsc_rate().hz
        self.base = 0

    def all(self) -> list[Arm]:
        """Every form with every number of cores, a control, and the floors."""
        return [
            *(
                self._arm(form, count)
                for count in counts_of(self.request.cores)
                for form in forms_of(count)
                if form.transport in self.benches
            ),
            self._arm(CONTROL_OF, self.request.cores, control=True),
            *floor_arms(self.benches[None], self.request, root_pairs(self.request.cores)),
        ]

    def _arm(self, form: Form, count: int, *, control: bool = False) -> Arm:
        label = labelled(f"{form.stem}, {count} core{'s' if count > 1 else ''}", control)
        return Arm(label, lambda: self._slice(form, count, control))

    def _slice(self, form: Form, count: int, control: bool) -> Outcome:
        cores, size, bench = form.cores(count), self.request.size, self.benches[form.transport]
        server = SERVER if form.by_message else None
        chunk, seconds = (
            size.count(CHUNK if form.transport is None else CHUNK_BY_THE_HOST, BATCH),
            SECONDS * size.scale,
        )
        base, self.base = self.base, self.base + paper_loops.MEETINGS

        def call(core: int) -> Call:
            watch = bench.watch if core == cores[0] else None
            return paper_loops.update, (
                cores,
                form.lines,
                server,
                chunk,
                BATCH,
                seconds,
                base,
                watch,
            )

        # The one that watches comes last, so that it waits least.
        reports = bench.run(f"{form.name} {count}", {core: call(core) for core in reversed(cores)})
        by_core = [samples_of(report) for report in reports.values()]
        updates = [samples["update"] for samples in by_core]
        outcome = Outcome(
            {form.key(count) + (CONTROL if control else ""): Histogram.merge(updates)}
        )
        outcome.activity = reports[cores[0]].activity
        if count > 1 and any(map(was_away, reports.values())):
            outcome.reason = AWAY
        if not control:
            each_second = sum(self.hz / max(one.mean, 1) for one in updates)
            outcome.samples[form.rate_key(count)] = Histogram.from_values([round(each_second)])
            if form.has_server:
                served = [samples["at_server"] for samples in by_core]
                outcome.samples[form.server_key(count)] = Histogram.merge(served)
        return outcome


def was_away(report: Report) -> bool:
    """Whether a core was off its CPU for so long that the others, meanwhile, were not measured with
    it: samples of cores left alone, and so many that the median feels even one long absence.
    """
    return report.counts["cpu_ns"] < PRESENT * report.counts["wall_ns"]


def _specs(request: Request) -> list[Spec]:
    found = []
    for form in FORMS + BY_THE_HOST:
        for count in counts_of(request.cores):
            if form in forms_of(count):
                found += _specs_of(form, count)
    control = next(spec for spec in found if spec.key == CONTROL_OF.key(request.cores))
    return [*found, replace(control, key=control.key + CONTROL, control=True)]


def _specs_of(form: Form, count: int) -> list[Spec]:
    parameters: dict[str, Scalar] = {"operation": "update", "lines": form.lines}
    if form.transport is not None:
        parameters["transport"] = form.transport
    system: System = "multikernel" if form.by_message else "raw"
    # A message is judged by the floor of the pairs it travels between; an update of one's own is no
    # round trip.
    floor = (
        tuple((SERVER, core) for core in form.cores(count) if core != SERVER)
        if form.by_message
        else ()
    )
    found = [
        Spec(
            form.key(count), system, form.name, count,
            "round-trip" if form.by_message else "completion",
            "back-to-back", batch=BATCH, parameters=parameters, floor=floor,
        ),
        Spec(
            form.rate_key(count), system, form.name, count, "throughput", "back-to-back",
            batch=BATCH,
            unit="operations/s", parameters=parameters,
        ),
    ]  # fmt: skip
    if form.has_server:
        found.append(
            Spec(
                form.server_key(count), system, f"server{form.lines}", count, "completion",
                "single",
                parameters=parameters,
            )
        )  # fmt: skip
    return found


def _ratios(cores: int) -> list[tuple[str, str]]:
    found = [(CONTROL_OF.key(cores) + CONTROL, CONTROL_OF.key(cores))]
    shared = {form.lines: form for form in FORMS if not form.by_message}
    for count in counts_of(cores):
        for message in (form for form in FORMS if form.by_message):
            own = shared[message.lines]
            if count > 1:
                found.append((own.key(count), message.key(count)))
                found.append((own.rate_key(count), message.rate_key(count)))
            found.append((message.key(count), message.server_key(count)))
            for form in (one for one in BY_THE_HOST if count > 1 and one.lines == message.lines):
                found.append((form.key(count), message.key(count)))
                found.append((own.key(count), form.key(count)))
                found.append((form.rate_key(count), message.rate_key(count)))
    return found + [(form.key(cores), form.key(1)) for form in shared.values()]


ALONE = Caution(
    code="one-core-sends-nothing",
    text=(
        "With one core there is nobody to send a message to: msg1 and msg8 on one core are requests"
        " of its program to its own driver. With more, core 0 only serves, seeing messages because"
        " it polls, and one core fewer than the number given asks."
    ),
)


def _bench(request: Request, transport: Transport | None, stack: ExitStack) -> Bench:
    system = stack.enter_context(
        system_.boot(list(request.placement.cpus), transport=transport or "call-line")
    )
    system.cores[SERVER].run(paper_loops.serve_updates)
    return Bench(system)


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            benches = {
                transport: _bench(request, transport, stack)
                for transport in (None, *host_transports.possible(request))
            }
            collector.boot(boot, _Arms(request, benches).all())
    warnings = [ALONE, *host_transports.refused(request)]
    floors = floors_of(collector, root_pairs(request.cores), request.placement.cpus)
    return document.finish(
        NAME, record, collector, floors, _specs(request), _ratios(request.cores), warnings
    )
