"""Messages by cache distance: latency and throughput of rings and call lines by size, and how far
writers run ahead.

Guarantees: rings and call lines, and as the yardstick a ring of plain words, are bare ends in loops
of their own (raw), over the same memory by turns. Throughput is what the receiving side took in,
over more than four times the ring; at the end of each such stretch, on another place of the ring
each time, it looks how far ahead the writer is. In the open loop requests go through both drivers
at random times that do not depend on the answers, and latency counts from when each should have
been sent. Answers: the paper's table 2.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.loops import CALL_LINE, Loop, Plan, Watch
from multikernel.experiments.instrument.modelled import COUNTERPARTS
from multikernel.experiments.message import modelled
from multikernel.machine.topology.model import Relation, Topology
from multikernel.results.histogram import bucket_bounds
from multikernel.user.memory import Page

EPOCH, USED, CALLS, PLAIN, OPEN = "epoch-ring", "used-ring", "call-line", "plain", "open-loop"
RINGS = {EPOCH: "epoch", USED: "used-bit"}
"""In words."""
SIZES = (16, 64, 256, 1024, 4096, 16384)
WINDOWS = (1, 16, 32)
"""Lines of a call line; it has 32 at most."""
SMOKE_SIZES, SMOKE_WINDOWS = (16, 1024), (1, 16)
USUAL_SLOTS = 64
JUDGED = (64, 1024, 4096)
"""Ring sizes at which throughput is held against the plain ring's."""
USUAL: dict[Mode, int] = {"back-to-back": 10_000, "single": 2_000}
STREAM, STREAM_CALLS = 600_000, 60_000
"""Messages in a slice, at least; of a call line the first wait for a full window."""
SHORTEST_BATCH = 1000
OPEN_LOOP_NS = (400, 800, 2_000, 10_000)
"""Mean time between requests: from more than half of what the channel can do to hardly anything."""
OPEN_LOOP_COUNT = 2_000
USES = 3
"""Of the memory, in one slice: warming up, and what is measured at most twice."""
LANES_AT, LINE = 4096, 64
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
        """Its name in keys. Cores 0 and 1 are left out of it."""
        where = "" if self.pair == (0, 1) else f"-{self.pair[0]}-{self.pair[1]}"
        return f"{self.name}-{self.slots}{where}"

    def both(self, bench: Bench, loop: Callable[..., Report], *how: object) -> Report:
        """Both sides of a loop over it, in the memory with which the system was prepared."""
        first = bench.prepared, self.name, self.slots, bench.uses(USES)
        return bench.both(f"{loop.__name__} {self.key}", self.pair, loop, first, *how)

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


def rates(times: Histogram, operations: int, hz: float) -> Histogram:
    """Operations a second, from the cycles that batches of so many took."""
    values: list[int] = []
    for index in times.counts.nonzero()[0]:
        low, high = bucket_bounds(int(index), times.sub_bits)
        middle = min(max((low + high) / 2, times.minimum), times.maximum)
        values += [round(hz * operations / max(middle, 1))] * int(times.counts[index])
    return Histogram.from_values(values)


def rates_in(report: Report, operations: int, hz: float) -> dict[str, Histogram]:
    samples = samples_of(report)
    return {**samples, "times": rates(samples["times"], operations, hz)}


def memory(bench: Bench, slots: int = max(SIZES)) -> Page:
    """For rings of up to so many slots, one each way; all forms lie in it by turns."""
    return bench.system.map(bench.system.allocate(bytes_for(slots)))


ON = Booted(prepare=memory)
"""What everything runs on."""


STREAMS_OF_CALLS = caution(
    "call-line-streams-calls",
    "A call line's throughput is that of calls: every message comes back as its reply, and with"
    " a window of 1 it is one call after the other. A ring's messages go one way; the plain"
    " ring is measured one way only.",
)


class Message(Experiment):
    entry = entry("message")
    floors_on = ON

    def __init__(self, request: Request, topology: Topology | None = None) -> None:
        super().__init__(request)
        self.distances = pairs_of(self.request, topology or self.request.topology)
        self.hz = self.request.hz

    def pairs(self) -> list[Pair]:
        return list(self.distances)

    def forms(self) -> list[Form]:
        sizes, windows = (SIZES, WINDOWS) if self.request.trusted else (SMOKE_SIZES, SMOKE_WINDOWS)
        return [
            Form(name, slots, pair)
            for pair in self.distances
            for name in (EPOCH, USED, PLAIN, CALLS)
            for slots in (windows if name == CALLS else sizes)
        ]

    def arms(self) -> Iterator[Arm]:
        forms = self.forms()
        control = next((form for form in forms if form.slots == USUAL_SLOTS), forms[0])
        for form in forms:
            if form.name != PLAIN:
                yield self._echo(form, repeated=form == control)
            yield from self._stream(form, repeated=form == control)
        for pair in self.distances:
            for every in OPEN_LOOP_NS:
                yield self._open_loop(pair, every)

    def _where(self, pair: Pair) -> dict[str, Scalar]:
        return {"pair": self.request.cpus_of(pair), "distance": self.distances[pair]}

    def _echo(self, form: Form, *, repeated: bool) -> Arm:
        plan, about = self.request.plan(USUAL), {**self._where(form.pair), "slots": form.slots}
        specs = both_modes(form.key, "raw", form.name, 2, "round-trip", about, (form.pair,))
        return sampled(
            f"{form.key}, there and back", specs, ON,
            lambda bench: form.both(bench, echo, plan),
            repeated=repeated,
        )  # fmt: skip

    def _stream(self, form: Form, *, repeated: bool) -> Iterator[Arm]:
        usual = STREAM_CALLS if form.name == CALLS else STREAM
        messages = self.request.size.count(round(usual / form.batch)) * form.batch
        rate = Spec(
            f"{form.key}-rate", "raw", form.name, 2, "throughput", "back-to-back", form.batch,
            "messages/s", {**self._where(form.pair), "slots": form.slots},
        )  # fmt: skip
        ahead = replace(rate, key=f"{form.key}-ahead", measure="occupancy", unit="messages")

        # A reader may be right behind, and nothing is a multiple of 0: what is repeated does not
        # look how far ahead the writer is.
        both = {"times": rate, "ahead": ahead}
        for specs in [{name: spec} for name, spec in both.items()] if repeated else [both]:
            yield sampled(
                f"{form.key}, one way", specs, ON,
                lambda bench: form.both(bench, stream, messages, form.batch),
                found=partial(rates_in, operations=form.batch, hz=self.hz),
                repeated=repeated and "times" in specs,
            )  # fmt: skip

    def _open_loop(self, pair: Pair, every: int) -> Arm:
        (a, b), key, turns = pair, Form(OPEN, every, pair).key, count(1)
        requests, mean = self.request.size.count(OPEN_LOOP_COUNT), round(every * self.hz / 1e9)
        about = {**self._where(pair), "every_ns": every, **POLLED}
        spec = Spec(
            key, "multikernel", OPEN, 2, "round-trip", "single", floor=(pair,), parameters=about
        )

        def measure(bench: Bench) -> Report:
            # The n-th slice at every rate has the same schedule but for its scale.
            seed = self.request.seed * 1000 + next(turns)
            return bench.one(f"open loop {every}", open_loop, b, requests, mean, seed, core=a)

        name = f"open loop, a request every {every} ns, cores {a} and {b}"
        return sampled(name, {"latency": spec}, ON, measure, strict=True)

    def ratios(self) -> Iterator[Ratio]:
        """Rings against the plain one; what comes back against the floor, and against a call."""
        for pair in self.distances:
            for slots in JUDGED:
                for ring, words in RINGS.items():
                    own, plain = (f"{Form(name, slots, pair).key}-rate" for name in (ring, PLAIN))
                    said = Words(
                        subject=f"the {words} ring", other="a ring that only carries words",
                        lead=f"Messages one way, {slots} slots", counterpart=False, **WORK,
                    )  # fmt: skip
                    yield Ratio(own, plain, "cost", said if pair == (0, 1) else None)
            for mode in MODES:
                floor, call = floor_key(pair, mode), f"{Form(CALLS, 1, pair).key}-{mode}"
                yield Ratio(call, floor, "cost")
                for ring in RINGS:
                    latency = f"{Form(ring, USUAL_SLOTS, pair).key}-{mode}"
                    yield from (Ratio(latency, under, "cost") for under in (floor, call))

    def cautions(self, collector: Collector) -> list[Caution]:
        return [STREAMS_OF_CALLS]


# --- On the cores: a message that came wrong is an error


def bytes_for(slots: int) -> int:
    """Memory that rings of so many slots take, one each way."""
    return LANES_AT + 2 * LINE * slots


def echo(
    page: Page, form: str, slots: int, use: int, role: int, plan: Plan, watch: Watch | None
) -> Report:
    """Messages there and back; role 0 asks. Samples: by the plan's names."""
    loop, wrong = Loop(watch), 0
    with page.view() as memory, loop.watched():
        for number, (count, batch, into) in enumerate(loop.steps(plan)):
            wrong += loop.driver.probe(
                "echo", memory=memory, form=form, role=role, slots=slots, base=use + number,
                count=count, batch=batch, times=into,
            )  # fmt: skip
    loop.right(wrong, f"{form}, {slots} slots")
    return loop.done(samples=role == 0)


def stream(
    page: Page, form: str, slots: int, use: int, role: int, count: int, batch: int,
    watch: Watch | None
) -> Report:  # fmt: skip
    """Messages one way; role 0 sends. Samples, of the receiving side: times, in cycles for each
    whole batch, and ahead, how many messages the writer was ahead at the end of each.
    """
    loop = Loop(watch)
    with page.view() as memory, loop.watched():
        wrong = loop.driver.probe(
            "stream", memory=memory, form=form, role=role, slots=slots, base=use, count=count,
            batch=batch, times=(loop.samples("times"), loop.samples("ahead")),
        )  # fmt: skip
    loop.right(wrong, f"{form}, {slots} slots")
    return loop.done(samples=role == 1)


def open_loop(peer: int, count: int, mean_cycles: int, seed: int, watch: Watch | None) -> Report:
    """Requests at random through both drivers. Samples: latency, from the intended time."""
    loop = Loop(watch)
    with loop.polling(loop.me, peer), loop.watched():
        loop.pings(peer, CALL_LINE, ())
        loop.driver.probe(
            "open-loop", core=peer, cycles=mean_cycles, seed=seed, count=count,
            times=loop.samples("latency"),
        )  # fmt: skip
    return loop.done()


COUNTERPARTS[echo] = modelled.echo
COUNTERPARTS[stream] = modelled.stream
COUNTERPARTS[open_loop] = modelled.open_loop
