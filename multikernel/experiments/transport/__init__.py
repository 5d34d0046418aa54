"""Our channels beside the host's own: one message each way, and one way as fast as they come, on
the same two CPUs.

Guarantees: by turns, bare ring and call line, both through the drivers, every form of channel, and
what the host offers to two processes, sleeping and asking again and again; what sleeps also with
both processes on one CPU. Every series says what it crosses, whether it sleeps, shares memory, and
how large its messages are. Cache lines are those the processor counts, on the side that asks.
Answers: the paper's table 3, with the host's mechanisms in the place of L4's IPC.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from multikernel.experiments import message
from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.loops import Plan
from multikernel.experiments.local_call import but_switches, shared_cpu
from multikernel.experiments.transport import loops, ways
from multikernel.experiments.transport.loops import Counting, available
from multikernel.experiments.transport.ways import LATENCY_CONTROL, RATE_CONTROL, WAYS, Way
from multikernel.machine.host.clock import tsc_rate

PAIR = (0, 1)
WINDOW = 32
"""Of the bare call line where it streams; there and back it has one line."""

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
STREAMED: Mapping[bool, tuple[int, int]] = {False: (200_000, 1000), True: (9_000, 1500)}
"""Messages one way, and how many of them are one stretch; by whether they go through the kernel."""
COUNTED = 200
"""Messages there and back while the processor counts."""


NOT_L4 = caution(
    "not-the-papers-l4",
    "The paper's table 3 holds URPC against the IPC of the L4 kernel, which is not run here:"
    " the host's own mechanisms stand in its place.",
)
NO_STREAM = caution(
    "not-every-way-streams",
    "Eventfd and futex wake and carry nothing: a stream beside them is that of the memory, so"
    " they have no throughput. Neither have the calls of a channel, which are one question and"
    " one answer, nor the drivers' ways in, whose requests all have replies.",
)


class Transport(Experiment):
    entry = entry("transport")
    floors_on = ways.APART

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.counts, self.hz = available(), tsc_rate().hz

    def pairs(self) -> list[Pair]:
        return [PAIR]

    def arms(self) -> Iterator[Arm]:
        for way in WAYS:
            yield self._echo(way)
            if way.streams:
                yield self._stream(way)

    def _about(self, way: Way) -> tuple[dict[str, Scalar], tuple[Pair, ...]]:
        """What its series say, and the pairs that judge its latency."""
        one_cpu = way.kind == "one-cpu"
        about: dict[str, Scalar] = {
            "pair": self.request.cpus_of((0, 0) if one_cpu else PAIR), "way": way.kind,
            "crosses": CROSSED[way.crosses], "waits": way.waits,
            "memory_shared": way.shares_memory, "message_bytes": way.bytes,
            "target": "idle" if way.waits == "sleeps" else "polling",
        }  # fmt: skip
        return about, () if one_cpu else (PAIR,)

    def _echo(self, way: Way) -> Arm:
        weight = "sleeps" if way.waits == "sleeps" else "kernel" if way.crosses else "memory"
        plan = self.request.plan(USUAL[weight])
        counted = self.request.size.count(COUNTED) if self.counts.events else 0
        specs = both_modes(
            way.name, ways.SYSTEMS[way.kind], way.name, 2, "round-trip", *self._about(way)
        )

        def sums(report: Report) -> dict[str, float]:
            found = {f"{way.name} {event}": float(count) for event, count in report.counts.items()}
            if found:
                found[f"{way.name} counted"] = counted
            if way.waits == "sleeps" and report.activity is not None:
                tasks = report.activity.tasks.values()
                found[f"{way.name} sleeps"] = sum(task.voluntary or 0 for task in tasks)
                found[f"{way.name} messages"] = loops.WARM + sum(count for _, count, _ in plan)
            return found

        return self._arm(
            way, "there and back", specs, partial(self._asked, way=way, plan=plan, counted=counted),
            sums=sums, repeated=way.name == LATENCY_CONTROL,
        )  # fmt: skip

    def _asked(self, bench: Bench, way: Way, plan: Plan, counted: int) -> Report:
        if way.kind == "driver":
            return bench.ping(PAIR, way.via, plan)
        if way.kind == "bare":
            return _bare(way, 1).both(bench, message.echo, plan)
        how = plan, counted, self.counts.events, self.counts.kernel
        return bench.both(f"echo {way.name}", PAIR, loops.echo, (way.name,), *how)

    def _stream(self, way: Way) -> Arm:
        usual, batch = STREAMED[way.crosses]
        count = self.request.size.count(usual // batch, least=2) * batch
        spec = Spec(
            f"{way.name}-rate", ways.SYSTEMS[way.kind], way.name, 2, "throughput", "back-to-back",
            batch, "messages/s", self._about(way)[0],
        )  # fmt: skip

        def measure(bench: Bench) -> Report:
            if way.kind == "bare":
                return _bare(way, WINDOW).both(bench, message.stream, count, batch)
            return bench.both(f"stream {way.name}", PAIR, loops.stream, (way.name,), count, batch)

        return self._arm(
            way, "one way", {"times": spec}, measure, repeated=way.name == RATE_CONTROL,
            found=partial(message.rates_in, operations=batch, hz=self.hz),
        )  # fmt: skip

    def _arm(
        self, way: Way, what: str, specs: dict[str, Spec], measure: Callable[[Bench], Report],
        **more: Any,
    ) -> Arm:  # fmt: skip
        """more: as `sampled` has it."""
        arm = sampled(f"{way.name}, {what}", specs, way.on, measure, **more)
        return but_switches(arm) if way.kind == "one-cpu" else arm

    def ratios(self) -> Iterator[Ratio]:
        """Bare ends over the floor, all others over the call line; the ring over other streams."""
        for mode in MODES:
            for way in WAYS:
                bare = way.kind == "bare"
                under = floor_key(PAIR, mode) if bare else f"{LATENCY_CONTROL}-{mode}"
                words = (
                    ways.against(way) if mode == "back-to-back" and way.name in ways.NAMED else None
                )
                yield Ratio(f"{way.name}-{mode}", under, way.compared, words)
        for way in WAYS:
            if way.streams and way.name != RATE_CONTROL:
                yield Ratio(f"{RATE_CONTROL}-rate", f"{way.name}-rate", way.compared)

    def cautions(self, collector: Collector) -> list[Caution]:
        return [NOT_L4, NO_STREAM, shared_cpu("one-cpu"), lines_touched(self.counts)]

    def revised(self, spec: Spec, collector: Collector) -> Spec:
        """What was counted for each message there and back: the processor's events beside the
        back-to-back latency, and for what sleeps how often both sides together did. A side that
        finds its message there does not sleep.
        """
        if spec.measure != "round-trip" or spec.control:
            return spec
        name, sums = spec.variant, collector.sums
        found: dict[str, Scalar] = {}
        if messages := sums[f"{name} messages"]:
            found["sleeps_per_message"] = sums[f"{name} sleeps"] / messages
        if spec.mode == "back-to-back" and (counted := sums[f"{name} counted"]):
            found |= {
                f"{event.replace('-', '_')}_per_message": sums[f"{name} {event}"] / counted
                for event in self.counts.events
            }
        return replace(spec, parameters={**spec.parameters, **found})


def _bare(way: Way, window: int) -> message.Form:
    """The same channel of the experiment message; a call line of so many lines."""
    return message.Form(way.name, window if way.name == "call-line" else ways.SLOTS, PAIR)


ALONE = (
    "by the process alone, as the host does not let its kernel's be counted: what crosses the"
    " kernel touches more"
)


def lines_touched(counts: Counting) -> Caution:
    if not counts.events:
        none = f"Cache lines touched: not available: {counts.why}."
        return caution(
            "cache-lines-not-available", f"{none} The table has none, and nothing is estimated."
        )
    whose = "by the process and by the host's kernel for it" if counts.kernel else ALONE
    missing = f" Not available: {counts.why}." if counts.why else ""
    return caution(
        "cache-lines-counted",
        f"Cache lines: {', '.join(counts.events)}, for a message there and back, on the side"
        f" that asks, {whose}; a line that is loaded twice counts twice, where the paper counts"
        f" lines.{missing}",
    )
