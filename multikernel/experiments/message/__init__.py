"""Messages by cache distance: latency and throughput of rings and call lines by size, and how far
writers run ahead.

Guarantees: epoch ring, used-bit ring and call line, and as the yardstick a ring of plain words that
does nothing but carry messages, are bare ends in loops of their own on booted cores (raw), all over
the same memory by turns. Latency is there and back, in the floor's two modes. Throughput is what
the receiving side took in, over stretches of more than four times the ring, so that it holds what a
full ring does to its writer; at the end of each stretch, which falls on another place of the ring
each time, the receiver looks how far ahead the writer is. The call line streams with a window: each
message comes back as its own reply, and the next one on that line waits for it. In the open loop
requests go through both booted drivers at random times that do not depend on the answers, and
latency counts from when each should have been sent. Pairs of cores: one for each distance in the
machine's topology. Answers: the paper's table 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from multikernel import system as system_
from multikernel.experiments.floor import BATCHES, MODES, floor_arms, floors_of, root_pairs
from multikernel.experiments.instrument import document
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Pair,
    Scalar,
    Spec,
    floor_key,
    labelled,
)
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.experiments.message import loops
from multikernel.machine.clock import tsc_rate
from multikernel.machine.topology import Relation, Topology
from multikernel.results.document import Caution, Document, Mode
from multikernel.results.histogram import Histogram, bucket_bounds
from multikernel.user.memory import Page

NAME = "message"
FIGURE = "table 2"
SUMMARY = (
    "Latency and throughput of a message by distance, form of channel and ring size; how far"
    " writers run ahead."
)

EPOCH, USED, CALLS, PLAIN = "epoch-ring", "used-ring", "call-line", "plain"
RINGS = (EPOCH, USED)
SIZES = (16, 64, 256, 1024, 4096, 16384)
WINDOWS = (1, 16, 32)
"""Lines of a call line; it has 32 at most."""
SMOKE_SIZES, SMOKE_WINDOWS = (16, 1024), (1, 16)
JUDGED = (64, 1024, 4096)
"""Ring sizes at which throughput is held against the plain ring's."""
USUAL: dict[Mode, int] = {"back-to-back": 10_000, "single": 2_000}
STREAM, STREAM_CALLS = 600_000, 60_000
"""Messages in a slice, at least; a call line carries fewer, and the first of them waits for a full
window.
"""
SHORTEST_BATCH = 1000
OPEN_LOOP_NS = (400, 800, 2_000, 10_000)
"""Mean time between requests: from more than half of what the channel can do to hardly anything."""
OPEN_LOOP_COUNT = 2_000
CONTROL_OF = (EPOCH, 64)
DISTANCES: Mapping[Relation, str] = {
    "same": "one CPU",
    "smt": "one core, two threads",
    "l2": "shared second-level cache",
    "cluster": "one cluster",
    "l3": "shared third-level cache",
    "die": "one die",
    "package": "one package",
    "system": "two packages",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One channel. slots: of a direction, or the window. pair: cores."""

    name: str
    slots: int
    pair: Pair

    @property
    def key(self) -> str:
        where = "" if self.pair == (0, 1) else f"-{self.pair[0]}-{self.pair[1]}"
        return f"{self.name}-{self.slots}{where}"

    def latency(self, mode: Mode) -> str:
        """The key of its latency."""
        return f"{self.key}-{mode}"

    @property
    def rate(self) -> str:
        """The key of its throughput."""
        return f"{self.key}-rate"

    @property
    def ahead(self) -> str:
        """The key of how far its writer was ahead."""
        return f"{self.key}-ahead"

    @property
    def batch(self) -> int:
        """Messages between two readings of the clock in a stream: more than four times around, and
        ending on another place each time, as acknowledgements come at fixed ones.
        """
        return max(4 * self.slots + 3 * self.slots // 8, SHORTEST_BATCH) + 1


def pairs_of(request: Request, topology: Topology) -> dict[Pair, str]:
    """Core 0 and the first core at each distance from it, in the order of the cores; the closest
    thing that their CPUs share, in words.
    """
    cpus = request.placement.cpus
    found: dict[str, Pair] = {}
    for a, b in root_pairs(request.cores):
        found.setdefault(DISTANCES[topology.relation(cpus[a], cpus[b])], (a, b))
    return {pair: words for words, pair in found.items()}


def forms_of(request: Request, pairs: Iterable[Pair]) -> list[Form]:
    """All channels, those of one pair together."""
    whole = request.size.measures and not request.crowded
    sizes, windows = (SIZES, WINDOWS) if whole else (SMOKE_SIZES, SMOKE_WINDOWS)
    by_name = {EPOCH: sizes, USED: sizes, PLAIN: sizes, CALLS: windows}
    return [
        Form(name, slots, pair)
        for pair in pairs
        for name, some in by_name.items()
        for slots in some
    ]


def control_of(forms: list[Form]) -> Form:
    """The channel that is measured twice."""
    return next((form for form in forms if (form.name, form.slots) == CONTROL_OF), forms[0])


def rates(times: Histogram, operations: int, hz: float) -> Histogram:
    """Operations a second, from the cycles that batches of so many took."""
    values: list[int] = []
    for index in times.counts.nonzero()[0]:
        low, high = bucket_bounds(int(index), times.sub_bits)
        middle = min(max((low + high) / 2, times.minimum), times.maximum)
        values += [round(hz * operations / max(middle, 1))] * int(times.counts[index])
    return Histogram.from_values(values)


class _Arms:
    """All arms of one boot."""

    def __init__(
        self, request: Request, bench: Bench, pairs: Iterable[Pair], forms: list[Form]
    ) -> None:
        self.request, self.bench, self.pairs, self.forms = request, bench, list(pairs), forms
        self.hz = tsc_rate().hz
        self.uses = 1
        self.turns: dict[int, int] = {}
        size = loops.bytes_for(max(form.slots for form in forms))
        frame = bench.system.allocate(size)
        self.page: Page = bench.system.map(frame)

    def all(self) -> list[Arm]:
        """Latencies, streams, the open loop, a control of each kind, and the floors."""
        control = control_of(self.forms)
        return [
            *(self._echo(form) for form in self.forms if form.name != PLAIN),
            *(self._stream(form) for form in self.forms),
            *(self._open_loop(pair, every) for pair in self.pairs for every in OPEN_LOOP_NS),
            self._echo(control, CONTROL),
            self._stream(control, CONTROL),
            *floor_arms(self.bench, self.request, self.pairs),
        ]

    def _echo(self, form: Form, suffix: str = "") -> Arm:
        plan = tuple(
            (mode, self.request.size.count(USUAL[mode], BATCHES[mode]), BATCHES[mode])
            for mode in MODES
        )

        def slice_of() -> Outcome:
            report = self._both(f"echo {form.key}", form, loops.echo, plan)[form.pair[0]]
            samples = samples_of(report)
            found = {form.latency(mode) + suffix: samples[mode] for mode in MODES}
            return Outcome(found, activity=report.activity)

        return Arm(labelled(f"{form.key}, there and back", suffix), slice_of)

    def _stream(self, form: Form, suffix: str = "") -> Arm:
        usual = STREAM_CALLS if form.name == CALLS else STREAM
        count = self.request.size.count(round(usual / form.batch), least=4) * form.batch

        def slice_of() -> Outcome:
            reports = self._both(f"stream {form.key}", form, loops.stream, count, form.batch)
            asked, took = (reports[core] for core in form.pair)
            samples = samples_of(took)
            found = {form.rate + suffix: rates(samples["times"], form.batch, self.hz)}
            if not suffix:
                found[form.ahead] = samples["ahead"]
            return Outcome(found, activity=asked.activity)

        return Arm(labelled(f"{form.key}, one way", suffix), slice_of)

    def _both(
        self, name: str, form: Form, loop: Callable[..., Report], *how: object
    ) -> dict[int, Report]:
        """Both sides of a loop over the rings' memory."""
        use, self.uses = self.uses, self.uses + loops.USES
        (a, b), watch = form.pair, self.bench.watch
        calls: dict[int, Call] = {
            core: (
                loop,
                (self.page, form.name, form.slots, role, use, *how, None if role else watch),
            )
            for core, role in ((b, 1), (a, 0))
        }
        return self.bench.run(name, calls)

    def _open_loop(self, pair: Pair, every: int) -> Arm:
        count, mean = self.request.size.count(OPEN_LOOP_COUNT), round(every * self.hz / 1e9)

        def slice_of() -> Outcome:
            # The n-th slice at every rate has the same schedule but for its scale.
            turn = self.turns[every] = self.turns.get(every, 0) + 1
            seed = self.request.seed * 1000 + turn
            calls: dict[int, Call] = {
                pair[0]: (loops.open_loop, (pair[1], count, mean, seed, self.bench.watch))
            }
            report = self.bench.run(f"open loop {every}", calls)[pair[0]]
            return Outcome(
                {_open_key(pair, every): samples_of(report)["latency"]}, activity=report.activity
            )

        return Arm(
            f"open loop, a request every {every} ns, cores {pair[0]} and {pair[1]}", slice_of
        )


def _open_key(pair: Pair, every: int) -> str:
    return Form("open-loop", every, pair).key


def _specs(request: Request, pairs: Mapping[Pair, str], forms: list[Form]) -> Iterator[Spec]:
    cpus = request.placement.cpus
    control = control_of(forms)
    for form in forms:
        a, b = form.pair
        where: dict[str, Scalar] = {"pair": f"{cpus[a]}-{cpus[b]}", "distance": pairs[form.pair]}
        parameters: dict[str, Scalar] = {**where, "slots": form.slots}
        found = [
            Spec(
                form.latency(mode), "raw", form.name, 2, "round-trip", mode, BATCHES[mode],
                parameters=parameters,
                floor=(form.pair,),
            )
            for mode in MODES
            if form.name != PLAIN
        ]  # fmt: skip
        rate = Spec(
            form.rate,
            "raw",
            form.name,
            2,
            "throughput",
            "back-to-back",
            form.batch,
            "messages/s",
            parameters,
        )
        ahead = Spec(
            form.ahead,
            "raw",
            form.name,
            2,
            "occupancy",
            "back-to-back",
            form.batch,
            "messages",
            parameters,
        )
        yield from (*found, rate, ahead)
        if form == control:
            yield from (replace(one, key=one.key + CONTROL, control=True) for one in (*found, rate))
    for pair, words in pairs.items():
        for every in OPEN_LOOP_NS:
            yield Spec(
                _open_key(pair, every), "multikernel", "open-loop", 2, "round-trip", "single",
                floor=(pair,),
                parameters={
                    "pair": f"{cpus[pair[0]]}-{cpus[pair[1]]}", "distance": words,
                    "every_ns": every, "target": "polling", "told": "poll",
                },
            )  # fmt: skip


def _ratios(pairs: Iterable[Pair], forms: list[Form]) -> Iterator[tuple[str, str]]:
    control = control_of(forms)
    for key in (control.rate, *(control.latency(mode) for mode in MODES)):
        yield key + CONTROL, key
    for pair in pairs:
        for slots in JUDGED:
            plain = Form(PLAIN, slots, pair)
            yield from ((replace(plain, name=name).rate, plain.rate) for name in RINGS)
        for mode in MODES:
            floor = floor_key(pair, mode)
            line = Form(CALLS, 1, pair).latency(mode)
            yield line, floor
            for name in RINGS:
                ring = Form(name, 64, pair).latency(mode)
                yield ring, floor
                yield ring, line


STREAMS_OF_CALLS = Caution(
    code="call-line-streams-calls",
    text=(
        "A call line's throughput is that of calls: every message comes back as its reply, and with"
        " a window of 1 it is one call after the other. A ring's messages go one way; the plain"
        " ring is measured one way only."
    ),
)


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    pairs = pairs_of(request, Topology.read())
    forms = forms_of(request, pairs)
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with system_.boot(list(request.placement.cpus)) as booted:
            collector.boot(boot, _Arms(request, Bench(booted), pairs, forms).all())
    floors = floors_of(collector, pairs, request.placement.cpus)
    return document.finish(
        NAME, record, collector, floors, list(_specs(request, pairs, forms)), _ratios(pairs, forms),
        [STREAMS_OF_CALLS]
    )  # fmt: skip
