"""Our own channels: native loops on two booted cores, and from Python with one call a message.

The floor is one cache line there and back, measured in the same rounds by the same cores. Between
their slices the cores are parked.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, ClassVar

import numpy as np

from multikernel import system as system_
from multikernel.errors import MultikernelError
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.rig import Bench, samples_of, unpacked
from multikernel.machine.host.clock import tsc_rate
from multikernel.native import _native
from multikernel.results.histogram import Histogram
from multikernel.user.here import here
from multikernel.user.memory import Page

from .peer import MESSAGE, End, Failed, Peer, Place, Plan, ProcessPeer, Slice

WORDS = MESSAGE[:56]
SLOTS = 64
BATCH = 100
STREAM_BATCHES = 8
"""Of a stream: as many as the streams of a slice from Python."""
LINES = 4
"""Of the floor: where a line lies matters, so it is taken on several."""
PAIR = (0, 1)
ROUND_TRIP_NS, MESSAGE_NS = 300, 10
"""What they take, roughly: how many fit in a slice."""


def _count(plan: Plan, one_ns: int) -> int:
    return max(BATCH, min(int(plan.seconds * 1e9 / one_ns), plan.most) // BATCH * BATCH)


# --- Native
# --------------------------------------------------------------------------------------------------


def ring_on_core(
    page: Page, probe: str, form: str, role: int, use: int, count: int, batch: int
) -> Report:
    """In a program on a core: a probe over rings in a page that both cores hold. Samples: "batch",
    in cycles.
    """
    driver, report, times = here().driver, Report(), _native.Histogram()
    with page.view() as memory:
        wrong = driver.probe(
            probe, memory=memory, form=form, role=role, slots=SLOTS, base=use, count=count,
            batch=batch, times=(times, _native.Histogram()),
        )  # fmt: skip
    report.keep(batch=times)
    report.counts["wrong"] = wrong
    return report


def nanoseconds(kept: Histogram, probe: str, batch: int) -> float:
    """Of a message in a stream, of a round trip in an echo, by what such a probe on the cores
    keeps, in cycles: of a stream what whole batches took, of an echo the mean of each (timed.h).
    """
    taken = tsc_rate().to_ns(kept.percentile(50))
    return taken / batch if probe == "stream" else taken


class Late(Exception):
    """A slice on the cores took too long."""


def _late(number: int, frame: FrameType | None) -> None:
    raise Late


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises Late in a block that lasts longer. In the main thread, which is where signals
    arrive.
    """
    before = signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Cores:
    """Two booted cores, for all native rows of a run."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bench: Bench | None = None
        self._page: Page | None = None
        self._use = 0

    def begin(self, place: Place) -> None:
        """Boots, once. Raises Failed."""
        if self._bench is None:
            try:
                self._bench = Bench(self._stack.enter_context(system_.boot(list(place.cpus))))
            except MultikernelError as error:
                raise Failed(str(error)) from None

    def end(self) -> None:
        """Shuts down. Idempotent."""
        self._bench = self._page = None
        self._stack.close()

    @property
    def bench(self) -> Bench:
        """The cores under measurement. Raises Failed."""
        if self._bench is None:
            raise Failed("the cores are not booted")
        return self._bench

    def over_rings(self, probe: str, form: str, count: int) -> float:
        """Nanoseconds of a message in a stream, of a round trip in an echo."""
        bench, batch = (
            self.bench,
            max(BATCH, count // STREAM_BATCHES) if probe == "stream" else BATCH,
        )
        if self._page is None:
            self._page = bench.system.map(bench.system.allocate(4096 + 2 * SLOTS * 64))
        self._use += 1
        calls: dict[int, Any] = {
            role: (ring_on_core, (self._page, probe, form, role, self._use, count, batch))
            for role in (1, 0)
        }
        reports = bench.run(f"{probe} {form}", calls)
        if any(report.counts["wrong"] for report in reports.values()):
            raise Failed("messages arrived that were not sent")
        return nanoseconds(unpacked(reports[0].samples["batch"]), probe, batch)


class Native(Peer):
    """A loop on the booted cores."""

    group = "ours"

    def __init__(self, cores: Cores) -> None:
        self.cores = cores

    def begin(self, place: Place) -> None:
        """See Peer."""
        self.cores.begin(place)

    def end(self) -> None:
        """See Peer."""
        self.cores.end()

    def measure(self, place: Place, plan: Plan) -> Slice:
        """See Peer."""
        try:
            with deadline(plan.timeout):
                return self.on_cores(self.cores.bench, plan)
        except MultikernelError as error:
            raise Failed(str(error)) from None
        except Late:
            # A loop that waits for another one sees only that the system stops.
            self.cores.end()
            raise Failed(f"no answer within {plan.timeout:g} s; the cores were stopped") from None

    def on_cores(self, bench: Bench, plan: Plan) -> Slice:
        """One slice."""
        raise NotImplementedError


def _median_ns(report: Report) -> float:
    return tsc_rate().to_ns(Histogram.merge(list(samples_of(report).values())).percentile(50))


class Floor(Native):
    """One line there and back."""

    key, name = "floor", "floor: one line there and back"

    def on_cores(self, bench: Bench, plan: Plan) -> Slice:
        """See Native."""
        count = _count(plan, LINES * ROUND_TRIP_NS)
        return Slice(round_trip_ns=_median_ns(bench.floor(PAIR, LINES, (("floor", count, BATCH),))))


class CallLine(Native):
    """Request and reply in one line."""

    key, name = "call-line", "call line, native"

    def on_cores(self, bench: Bench, plan: Plan) -> Slice:
        """See Native."""
        return Slice(
            _median_ns(
                bench.raw("call_line", PAIR, (("trip", _count(plan, ROUND_TRIP_NS), BATCH),))
            )
        )


class EpochRing(Native):
    """The kernel's ring, each way."""

    key, name, form = "epoch-ring", "epoch ring, native", "epoch-ring"

    def on_cores(self, bench: Bench, plan: Plan) -> Slice:
        """See Native."""
        return Slice(
            _median_ns(bench.raw("ring", PAIR, (("trip", _count(plan, ROUND_TRIP_NS), BATCH),))),
            1e9 / self.cores.over_rings("stream", self.form, _count(plan, MESSAGE_NS)),
        )


class UsedRing(Native):
    """The ring of the Python ends, each way."""

    key, name, form = "used-ring", "used-bit ring, native", "used-ring"

    def on_cores(self, bench: Bench, plan: Plan) -> Slice:
        """See Native."""
        return Slice(
            self.cores.over_rings("echo", self.form, _count(plan, ROUND_TRIP_NS)),
            1e9 / self.cores.over_rings("stream", self.form, _count(plan, MESSAGE_NS)),
        )


# --- From Python
# --------------------------------------------------------------------------------------------------


class PythonEnd(ProcessPeer):
    """The ends for any two processes."""

    group = "ours"
    form: ClassVar[str]
    slots: ClassVar[int]

    def sides(self, place: Place) -> tuple[Any, Any]:
        """A side of a channel each."""
        from multikernel.user import channels

        return channels.pair(self.form, self.slots)  # type: ignore[arg-type]  # a class says its form in text

    def give_up(self, sides: tuple[Any, Any]) -> None:
        """Both sides."""
        for side in sides:
            side.close()

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        end = side.open()
        return End(end.send_words, end.receive_message, message=WORDS, close=end.close)


class PythonRing(PythonEnd):
    """send_words and receive_message."""

    key, name, form, slots = "python-ring", "used-bit ring, from Python", "used-ring", SLOTS


class PythonCalls(PythonEnd):
    """call, and reply_receive; for one way the call line as a queue."""

    key, name, form, slots = "python-call-line", "call line, from Python", "calls", 1

    def sides(self, place: Place) -> tuple[Any, Any]:
        """Two channels: calls have no one way."""
        from multikernel.user import channels

        calls, queue = channels.pair("calls"), channels.pair("call-line")
        return (calls[0], queue[0]), (calls[1], queue[1])

    def give_up(self, sides: tuple[Any, Any]) -> None:
        """All four sides."""
        for pair in sides:
            for side in pair:
                side.close()

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        calls, queue = (one.open() for one in side)

        def close() -> None:
            calls.close()
            queue.close()

        end = End(queue.send_words, queue.receive_message, message=WORDS, close=close)
        self.calls_by(end, calls, role)
        return end

    @staticmethod
    def calls_by(end: End, calls: Any, role: int) -> None:
        """Puts into the end how that side makes a round trip."""
        if role == 0:
            end.exchange = calls.call_message
        else:
            end.first, end.answer, end.last = (
                calls.receive_message,
                calls.reply_receive_message,
                calls.reply,
            )


class PythonCallsInto(PythonCalls):
    """call_into, and serve_into."""

    key, name = "python-call-line-into", "call line, from Python, into buffers"

    @staticmethod
    def calls_by(end: End, calls: Any, role: int) -> None:
        """See PythonCalls."""
        if role == 0:
            end.exchange_into = calls.call_into
        else:
            end.answer_into, end.last = calls.serve_into, calls.reply


class PythonBatches(PythonEnd):
    """One call a hundred messages, each a row of a numpy array."""

    key, name, form, slots = (
        "python-ring-batches",
        f"used-bit ring, from Python, arrays of {BATCH}",
        "used-ring",
        SLOTS,
    )
    round_trips = False

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        end = side.open()
        rows = np.tile(np.frombuffer(WORDS, dtype=np.uint64), (BATCH, 1))

        def send_many(count: int) -> None:
            for _ in range(count // BATCH):
                end.send_many(rows)
            if count % BATCH:
                end.send_many(rows[: count % BATCH])

        def receive_many(count: int) -> None:
            for _ in range(count // BATCH):
                end.receive_many(rows)
            if count % BATCH:
                end.receive_many(rows[: count % BATCH])

        return End(
            end.send_words,
            end.receive_message,
            send_many=send_many,
            receive_many=receive_many,
            message=WORDS,
            close=end.close,
        )


def peers() -> list[Peer]:
    """All of this group; the floor first."""
    cores = Cores()
    return [
        Floor(cores), CallLine(cores), EpochRing(cores), UsedRing(cores),
        PythonCalls(), PythonCallsInto(), PythonRing(), PythonBatches(),
    ]  # fmt: skip
