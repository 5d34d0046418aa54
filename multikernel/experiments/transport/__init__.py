"""Our channels beside the host's own: one message each way, and one way as fast as they come, on
the same two CPUs.

Guarantees: one run by turns. Bare ring and call line, and both through the booted drivers; every
form of channel through the interface that all have in common, those that share no memory among
them; and what the host offers to two processes, from pipe to futex, in the form that sleeps in the
host's kernel and, where there is one, in the form that asks again and again and never sleeps; what
sleeps also with both processes on one CPU, where no other CPU has to be woken. Every series says
whether it crosses the host's kernel, whether it sleeps, whether it shares memory and how large its
messages are. Cache lines are those the processor counts, on the side that asks; where it does not
let them be counted the document says so and why. Answers: the paper's table 3, with the host's own
mechanisms in the place of L4's IPC.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from multikernel import system as system_
from multikernel.experiments.floor import BATCHES, MODES, floor_arms, floors_of
from multikernel.experiments.instrument import document
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Scalar,
    Spec,
    floor_key,
    labelled,
)
from multikernel.experiments.instrument.loops import Plan, Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.experiments.local_call import but_switches
from multikernel.experiments.message import loops as message_loops
from multikernel.experiments.message import rates
from multikernel.experiments.transport import ends, loops
from multikernel.experiments.transport.counting import EVENTS, Counting, available
from multikernel.experiments.transport.ends import Both
from multikernel.machine.activity import Activity
from multikernel.machine.clock import tsc_rate
from multikernel.results.document import Caution, Document, Mode, System
from multikernel.results.histogram import Histogram
from multikernel.user.channels import Form

NAME = "transport"
FIGURE = "table 3"
SUMMARY = (
    "A message over our channels and the host's pipe, sockets, eventfd, futex: latency, throughput,"
    " cache lines."
)

PAIR = (0, 1)
SLOTS = 64
WINDOW = 32
"""Of the bare call line where it streams; there and back it has one line."""

Waits = Literal["polls", "sleeps"]
Kind = Literal["bare", "driver", "channel", "host", "one-cpu"]
SYSTEMS: Mapping[Kind, System] = {
    "bare": "raw",
    "driver": "multikernel",
    "channel": "raw",
    "host": "linux",
    "one-cpu": "linux",
}
CROSSED: Mapping[bool, str] = {
    False: "nothing: cache lines between two CPUs",
    True: "the host's kernel: a system call a message on either side",
}
USUAL: Mapping[str, dict[Mode, int]] = {
    "memory": {"back-to-back": 10_000, "single": 2_000},
    "kernel": {"back-to-back": 1_500, "single": 300},
    "sleeps": {"back-to-back": 300, "single": 100},
}
"""Messages there and back, by what they go through."""
STREAMED: Mapping[str, tuple[int, int]] = {
    "memory": (200_000, 1000),
    "kernel": (9_000, 1500),
    "sleeps": (9_000, 1500),
}
"""Messages one way, and how many of them are one stretch."""
COUNTED = 200
"""Messages there and back while the processor counts."""


@dataclass(frozen=True, slots=True)
class Way:
    """One transport. make: its two sides, None where the kernels have it already; via: which of
    theirs.
    """

    name: str
    kind: Kind
    waits: Waits = "polls"
    make: Callable[[], Both] | None = None
    crosses: bool = False
    shares_memory: bool = True
    bytes: int = 56
    streams: bool = True
    via: int = 0

    @property
    def system(self) -> System:
        """The system of its series."""
        return SYSTEMS[self.kind]

    @property
    def weight(self) -> str:
        """Its class of cost: a key of USUAL."""
        return "sleeps" if self.waits == "sleeps" else "kernel" if self.crosses else "memory"

    def latency(self, mode: Mode) -> str:
        """The key of its latency."""
        return f"{self.name}-{mode}"

    @property
    def rate(self) -> str:
        """The key of its throughput."""
        return f"{self.name}-rate"


def _channels() -> Iterator[Way]:
    forms: tuple[Form, ...] = ("epoch-ring", "used-ring", "call-line", "calls", "socket", "pipe")
    for form in forms:
        name, outside = f"channel-{form}", form in ("socket", "pipe")
        yield Way(
            name, "channel", make=partial(ends.channel, name, form),
            crosses=outside, shares_memory=not outside, streams=form != "calls",
        )  # fmt: skip


def _host(waits: Waits, kind: Kind = "host") -> Iterator[Way]:
    blocking = waits == "sleeps"
    suffix = ("" if blocking else "-polled") + ("-one-cpu" if kind == "one-cpu" else "")

    def way(name: str, make: Callable[[str], Both], *, carries: bool) -> Way:
        full = name + suffix
        return Way(
            full, kind, waits, lambda: make(full), crosses=True, shares_memory=not carries,
            bytes=64 if carries else 56, streams=carries,
        )  # fmt: skip

    yield way("pipe", lambda name: ends.pipes(name, blocking), carries=True)
    for name, of in (
        ("stream-socket", socket.SOCK_STREAM),
        ("packet-socket", socket.SOCK_SEQPACKET),
    ):
        yield way(name, partial(ends.sockets, blocking=blocking, kind=of), carries=True)
    yield way("eventfd", lambda name: ends.eventfds(name, blocking), carries=False)
    if blocking:
        # Polled, a futex is a word in memory: that is what the rings are made of.
        yield way("futex", ends.futexes, carries=False)


WAYS = (
    Way("epoch-ring", "bare"),
    Way("call-line", "bare"),
    Way("driver-epoch-ring", "driver", streams=False, via=1),
    Way("driver-call-line", "driver", streams=False, via=0),
    *_channels(),
    *_host("polls"),
    *_host("sleeps"),
    *_host("sleeps", "one-cpu"),
)
LATENCY_CONTROL, RATE_CONTROL = "call-line", "epoch-ring"

NOT_L4 = Caution(
    code="not-the-papers-l4",
    text=(
        "The paper's table 3 holds URPC against the IPC of the L4 kernel, which is not run here:"
        " the host's own mechanisms stand in its place."
    ),
)
NO_STREAM = Caution(
    code="not-every-way-streams",
    text=(
        "Eventfd and futex wake and carry nothing: a stream beside them is that of the memory, so"
        " they have no throughput. Neither have the calls of a channel, which are one question and"
        " one answer, nor the drivers' ways in, whose requests all have replies."
    ),
)
SHARED_CPU = Caution(
    code="cpu-shared-on-purpose",
    text=(
        "one-cpu: both processes are on one CPU, and what else wants that CPU runs between them."
        " These latencies are the host's scheduler's; they are no property of the machine's caches,"
        " and have no floor."
    ),
)


class _Arms:
    """All arms of one boot. apart: cores with CPUs of their own; together: two on one CPU."""

    def __init__(self, request: Request, apart: Bench, together: Bench, counts: Counting) -> None:
        self.request, self.apart, self.together, self.counts = request, apart, together, counts
        self.hz = tsc_rate().hz
        self.uses = 1
        frame = apart.system.allocate(message_loops.bytes_for(SLOTS))
        self.page = apart.system.map(frame)
        for bench, one_cpu in ((apart, False), (together, True)):
            makers = [way.make for way in WAYS if way.make and (way.kind == "one-cpu") == one_cpu]
            ends.give(bench.system, makers)

    def all(self) -> list[Arm]:
        """Latencies, streams, a control of each, and the floor."""
        by_name = {way.name: way for way in WAYS}
        return [
            *(self._echo(way) for way in WAYS),
            *(self._stream(way) for way in WAYS if way.streams),
            self._echo(by_name[LATENCY_CONTROL], CONTROL),
            self._stream(by_name[RATE_CONTROL], CONTROL),
            *floor_arms(self.apart, self.request, [PAIR]),
        ]

    def _echo(self, way: Way, suffix: str = "") -> Arm:
        usual = USUAL[way.weight]
        plan = tuple(
            (mode, self.request.size.count(usual[mode], BATCHES[mode]), BATCHES[mode])
            for mode in MODES
        )
        counted = self.request.size.count(COUNTED) if self.counts.events and not suffix else 0

        def slice_of() -> Outcome:
            report = self._asked(way, plan, counted)
            samples = samples_of(report)
            found = {way.latency(mode) + suffix: samples[mode] for mode in MODES}
            sums = {f"{way.name} {event}": float(count) for event, count in report.counts.items()}
            if sums:
                sums[f"{way.name} counted"] = counted
            if way.waits == "sleeps" and report.activity is not None and not suffix:
                sums[f"{way.name} sleeps"] = sleeps(report.activity)
                sums[f"{way.name} messages"] = loops.WARM + sum(count for _, count, _ in plan)
            return self._outcome(way, found, report, sums)

        return Arm(labelled(f"{way.name}, there and back", suffix), slice_of)

    def _asked(self, way: Way, plan: Plan, counted: int) -> Report:
        if way.kind == "driver":
            return self.apart.ping(PAIR, way.via, plan)
        if way.kind == "bare":
            return self._bare(f"echo {way.name}", way, message_loops.echo, 1, plan)[0]
        how = plan, counted, self.counts.events, self.counts.kernel
        return self._both(f"echo {way.name}", way, loops.echo, *how)[0]

    def _stream(self, way: Way, suffix: str = "") -> Arm:
        usual, batch = STREAMED[way.weight]
        count = self.request.size.count(usual // batch, least=2) * batch

        def slice_of() -> Outcome:
            if way.kind == "bare":
                reports = self._bare(
                    f"stream {way.name}", way, message_loops.stream, WINDOW, count, batch
                )
            else:
                reports = self._both(f"stream {way.name}", way, loops.stream, count, batch)
            found = {way.rate + suffix: rates(samples_of(reports[1])["times"], batch, self.hz)}
            return self._outcome(way, found, reports[0], {})

        return Arm(labelled(f"{way.name}, one way", suffix), slice_of)

    def _both(
        self, name: str, way: Way, loop: Callable[..., Report], *how: object
    ) -> dict[int, Report]:
        bench = self.together if way.kind == "one-cpu" else self.apart
        calls: dict[int, Call] = {
            role: (loop, (way.name, role, *how, None if role else bench.watch)) for role in (1, 0)
        }
        return bench.run(name, calls)

    def _bare(
        self, name: str, way: Way, loop: Callable[..., Report], window: int, *how: object
    ) -> dict[int, Report]:
        use, self.uses = self.uses, self.uses + message_loops.USES
        slots = window if way.name == "call-line" else SLOTS
        watch = self.apart.watch
        calls: dict[int, Call] = {
            role: (loop, (self.page, way.name, slots, role, use, *how, None if role else watch))
            for role in (1, 0)
        }
        return self.apart.run(name, calls)

    @staticmethod
    def _outcome(
        way: Way, found: dict[str, Histogram], report: Report, sums: dict[str, float]
    ) -> Outcome:
        activity = report.activity
        # Where two processes share a CPU, being switched is what is measured.
        if way.kind == "one-cpu" and activity is not None:
            activity = but_switches(activity)
        return Outcome(found, sums, activity)


def _specs(request: Request) -> Iterator[Spec]:
    cpus = request.placement.cpus
    for way in WAYS:
        parameters: dict[str, Scalar] = {
            "pair": f"{cpus[0]}-{cpus[0] if way.kind == 'one-cpu' else cpus[1]}", "way": way.kind,
            "crosses": CROSSED[way.crosses], "waits": way.waits, "memory_shared": way.shares_memory,
            "message_bytes": way.bytes, "target": "idle" if way.waits == "sleeps" else "polling",
        }  # fmt: skip
        floor = () if way.kind == "one-cpu" else (PAIR,)
        found = [
            Spec(
                way.latency(mode), way.system, way.name, 2, "round-trip", mode, BATCHES[mode],
                parameters=parameters,
                floor=floor,
            )
            for mode in MODES
        ]  # fmt: skip
        yield from found
        if way.name == LATENCY_CONTROL:
            yield from (replace(one, key=one.key + CONTROL, control=True) for one in found)
        if way.streams:
            _, batch = STREAMED[way.weight]
            rate = Spec(
                way.rate,
                way.system,
                way.name,
                2,
                "throughput",
                "back-to-back",
                batch,
                "messages/s",
                parameters,
            )
            yield rate
            if way.name == RATE_CONTROL:
                yield replace(rate, key=rate.key + CONTROL, control=True)


def sleeps(activity: Activity) -> int:
    """How often tasks gave up their CPU of themselves."""
    return sum(task.voluntary or 0 for task in activity.tasks.values())


def _with_counts(spec: Spec, sums: Mapping[str, float]) -> Spec:
    """What was counted for each message there and back: the processor's events beside the
    back-to-back latency, and for what sleeps how often both sides together did. A side that
    finds its message there does not sleep.
    """
    if spec.measure != "round-trip" or spec.control:
        return spec
    found: dict[str, Scalar] = {}
    if messages := sums.get(f"{spec.variant} messages"):
        found["sleeps_per_message"] = sums[f"{spec.variant} sleeps"] / messages
    counted = sums.get(f"{spec.variant} counted")
    if counted and spec.mode == "back-to-back":
        for event in EVENTS:
            total = sums.get(f"{spec.variant} {event}")
            if total is not None:
                found[f"{event.replace('-', '_')}_per_message"] = total / counted
    return replace(spec, parameters={**spec.parameters, **found}) if found else spec


def _ratios() -> Iterator[tuple[str, str]]:
    for mode in MODES:
        yield f"{LATENCY_CONTROL}-{mode}{CONTROL}", f"{LATENCY_CONTROL}-{mode}"
        for way in WAYS:
            if way.kind == "bare":
                yield way.latency(mode), floor_key(PAIR, mode)
            else:
                yield way.latency(mode), f"call-line-{mode}"
    yield RATE_CONTROL + "-rate" + CONTROL, RATE_CONTROL + "-rate"
    yield from (
        ("epoch-ring-rate", way.rate) for way in WAYS if way.streams and way.name != "epoch-ring"
    )


def lines_touched(counts: Counting) -> Caution:
    """What can be said of cache lines."""
    if not counts.events:
        return Caution(
            code="cache-lines-not-available",
            text=(
                f"Cache lines touched: not available: {counts.why}. The table has none, and nothing"
                " is estimated."
            ),
        )
    whose = (
        "by the process and by the host's kernel for it"
        if counts.kernel
        else (
            "by the process alone, as the host does not let its kernel's be counted: what crosses"
            " the kernel touches more"
        )
    )
    missing = f" Not available: {counts.why}." if counts.why else ""
    return Caution(
        code="cache-lines-counted",
        text=(
            f"Cache lines: {', '.join(counts.events)}, for a message there and back, on the side"
            f" that asks, {whose}; a line that is loaded twice counts twice, where the paper counts"
            f" lines.{missing}"
        ),
    )


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    cpus = request.placement.cpus
    counts = available()
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            apart = Bench(stack.enter_context(system_.boot(list(cpus))))
            together = Bench(stack.enter_context(system_.boot([cpus[0], cpus[0]])))
            collector.boot(boot, _Arms(request, apart, together, counts).all())
    floors = floors_of(collector, [PAIR], cpus)
    cautions = [NOT_L4, NO_STREAM, SHARED_CPU, lines_touched(counts)]
    return document.finish(
        NAME, record, collector, floors, list(_specs(request)), _ratios(), cautions,
        lambda spec: _with_counts(spec, collector.sums),
    )  # fmt: skip
