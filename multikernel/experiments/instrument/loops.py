"""The measuring loops as programs: what is sent to a core, runs there in native code, and what
comes back.

Guarantees: the core runs on its CPU; what happened meanwhile to the CPUs and tasks that take part
is taken by the measuring core itself, right around the loop. A verdict that is not OK is an error.
"""

import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from multikernel.errors import ProtocolError
from multikernel.machine.host import pinning
from multikernel.machine.host.activity import Activity
from multikernel.native._native import KINDS, PROTOCOLS, VERDICTS, Histogram, tsc
from multikernel.runtime import local
from multikernel.user.here import here

Packed = tuple[int, int, int, int, bytes]
"""n, sum, min, max and the buckets, compressed: nearly all of them are empty."""
PAGE = 4096
START_SECONDS = 10
NOT_SENT = "messages came that were not sent"


@dataclass(frozen=True, slots=True)
class Watch:
    """The CPUs and tasks of all that take part: their disturbance counts."""

    cpus: tuple[int, ...]
    tasks: tuple[int, ...]


@dataclass(slots=True)
class Report:
    """Samples by name, what else was counted, what happened meanwhile (None: nobody watched).
    partial: samples may be missing, as where not all of it is modelled.
    """

    samples: dict[str, Packed] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    activity: Activity | None = None
    partial: bool = False

    def keep(self, **histograms: Histogram) -> None:
        for name, h in histograms.items():
            if h.n:
                self.samples[name] = h.n, h.sum, h.min, h.max, zlib.compress(h.counts(), 1)


# --- How cores wait

Policy = tuple[int, int, int]
"""Microseconds to spin, times to yield, longest park in microseconds."""
POLLING: Policy = (10_000_000, 0, 10_000)
"""Spins longer than any slice lasts: does not park."""
POLLING_CROWDED: Policy = (0, 64, 10_000)
"""Where cores share CPUs, spinning only keeps the other from its work."""
QUIET: Policy = (50, 0, 1_000_000)
"""Parks as soon as the client's next word is late, and looks up once a second."""
QUIET_CROWDED: Policy = (0, 0, 1_000_000)

Plan = tuple[tuple[str, int, int], ...]
"""(name, count, batch): what is done one after the other."""
WARM = 64
"""Operations before the first that counts: the other side may not have come yet."""
CALL_LINE = "call-line"
VIA = (CALL_LINE, "ring", "user")
"""How a request goes, as `ping` numbers it."""


class Loop:
    """What a measuring loop has on its core: the driver, the system that it belongs to, and what
    goes home. Raises MultikernelError where the core does not run on its CPU.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        assert local.plan is not None
        self.driver, self.plan, self.watch = here().driver, local.plan, watch
        self.me, self.cores = self.driver.me, range(self.plan.cores)
        self.counts: dict[str, int] = {}
        self._found: dict[str, Histogram] = {}
        self._activity: Activity | None = None
        pinning.verify(self.plan.cpus[self.me])

    def samples(self, name: str) -> Histogram:
        """Goes home under that name, if it holds any."""
        return self._found.setdefault(name, Histogram())

    def done(self, *, samples: bool = True) -> Report:
        report = Report(counts=self.counts, activity=self._activity)
        report.keep(**self._found if samples else {})
        return report

    def probe(self, name: str, doing: str = "", **how: Any) -> None:
        """A probe by its verdict; doing: what it is, in words. Raises ProtocolError."""
        fine(self.driver.probe(name, **how), doing or name.replace("-", " "))

    def call(self, core: int, kind: str, *words: int) -> tuple[int, int, tuple[int, ...]]:
        """A request to a driver, which may be this core's."""
        if core == self.me:
            return self.driver.here(KINDS[kind], words)
        return self.driver.call(core, KINDS[kind], words)

    def set_policy(self, cores: Iterable[int], policy: Policy) -> None:
        for core in cores:
            self.call(core, "POLICY", policy[0] * self.plan.cycles_per_us, *policy[1:])

    def be_quiet(self, cores: Iterable[int]) -> None:
        """They park when idle."""
        self.set_policy(cores, QUIET_CROWDED if self.plan.crowded else QUIET)

    @contextmanager
    def polling(self, *cores: int) -> Iterator[None]:
        """Within the block those cores never park. Set from here, so that they poll no longer than
        a slice lasts: a core that polls needs its CPU whole, and the client that brings the next
        program needs one too.
        """
        self.set_policy(cores, POLLING_CROWDED if self.plan.crowded else POLLING)
        try:
            yield
        finally:
            self.be_quiet(cores)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What happens within the block goes home."""
        before = self.watch and Activity.take(self.watch.cpus, self.watch.tasks)
        yield
        if self.watch and before:
            self._activity = Activity.take(self.watch.cpus, self.watch.tasks) - before

    def polled(
        self, cores: Iterable[int], some: Callable[[int, Histogram], None], warm: int, count: int,
        name: str = "times",
    ) -> Report:  # fmt: skip
        """So many operations while those cores poll, after some that warm up. Samples: `name`."""
        with self.polling(*cores):
            some(warm, Histogram())
            with self.watched():
                some(count, self.samples(name))
        return self.done()

    def right(self, wrong: int, where: str, words: str = NOT_SENT) -> None:
        """Raises ProtocolError with those words if anything was wrong."""
        if wrong:
            raise ProtocolError(words, value=wrong, where=where)

    def steps(self, plan: Plan, suffix: str = "") -> Iterator[tuple[int, int, Histogram]]:
        """Count, batch and samples: of what warms up, then of all of the plan, by its names."""
        yield WARM, 1, Histogram()
        for name, count, batch in plan:
            yield count, batch, self.samples(name + suffix)

    def pings(self, peer: int, form: str, plan: Plan) -> None:
        for count, batch, into in self.steps(plan):
            self.driver.probe("ping", form=form, core=peer, count=count, batch=batch, times=into)


def fine(verdict: int, doing: str) -> None:
    if verdict != VERDICTS["OK"]:
        name = {number: name for name, number in VERDICTS.items()}.get(verdict, verdict)
        raise ProtocolError("a measuring loop was refused by its kernel", value=name, where=doing)


def be_quiet() -> None:
    """All cores of this system park when idle."""
    loop = Loop()
    loop.be_quiet(loop.cores)


# --- Raw pairs: role 0 asks, role 1 answers, both with the same counts


def span(plan: Plan) -> int:
    """How many numbers a loop over a plan uses."""
    return WARM + sum(count for _, count, _ in plan)


def floor(owner: int, role: int, lines: int, base: int, plan: Plan, watch: Watch | None) -> Report:
    """One line there and back, on scratch lines of core `owner`, 0 first; `base` must grow by
    2 span(plan) from one call to the next. Samples: "NAME.LINE".
    """
    loop = Loop(watch)
    with loop.watched():
        for line in range(lines):
            at = base
            for count, batch, into in loop.steps(plan, f".{line}"):
                loop.driver.probe(
                    "floor", core=owner, role=role, line=line, base=at, count=count, batch=batch,
                    times=into,
                )  # fmt: skip
                at += 2 * count
    return loop.done()


def raw(end: str, peer: int, role: int, plan: Plan, watch: Watch | None) -> Report:
    """A message each way between bare ends. end: "call_line" or "ring"."""
    loop, form = Loop(watch), CALL_LINE if end == "call_line" else "epoch-ring"
    with loop.watched():
        for count, batch, into in loop.steps(plan):
            loop.driver.probe(
                "bare-echo", form=form, core=peer, role=role, count=count, batch=batch, times=into
            )
    return loop.done()


# --- Through the driver


def ping(peer: int, via: int, plan: Plan, watch: Watch | None) -> Report:
    """Requests to the peer's driver that come straight back. via: its place in `VIA`."""
    loop = Loop(watch)
    with loop.polling(loop.me, peer), loop.watched():
        loop.pings(peer, VIA[via], plan)
    return loop.done()


def timed(
    before: Callable[[], object], operation: Callable[[], object], count: int, watch: Watch | None
) -> Report:
    """Operations one by one, a clock around each, while all cores poll; before each what has to be
    done again. Samples: times (cycles, some hundreds of which are Python's).
    """

    def some(number: int, into: Histogram) -> None:
        for _ in range(number):
            before()
            start = tsc()
            operation()
            into.add(tsc() - start)

    loop = Loop(watch)
    return loop.polled(loop.cores, some, 2, count)


def unmap(
    frame: tuple[int, int], polling: tuple[int, ...], holding: int, protocol: int, count: int,
    think_us: int, watch: Watch | None,
) -> Report:  # fmt: skip
    """Map on the first `holding` cores, touch on each, wait think_us, unmap; count times. Samples:
    unmap, map, touch (cycles).

    frame: offset and name. polling: the cores that poll meanwhile, this one among them; the other
    holders compute. Counts: turns of the computing cores and cycles, both of them together, during
    the loop.
    """
    loop = Loop(watch)

    def unmaps(number: int, *into: Histogram) -> None:
        loop.probe(
            "unmap", form="all", frame=frame[0], frame_name=frame[1], each=_first(loop, holding),
            protocol=protocol, count=number, think_us=think_us, times=into,
        )  # fmt: skip

    with loop.polling(*polling):
        unmaps(2, Histogram(), Histogram(), Histogram())
        with loop.watched(), _turns(loop, polling, holding):
            unmaps(count, *map(loop.samples, ("unmap", "map", "touch")))
    return loop.done()


def life(
    frame: tuple[int, int], form: str, protocol: int, count: int, batch: int, watch: Watch | None
) -> Report:
    """A page's whole life on all cores, which poll: map, touch on each, unmap; so often, in whole
    batches. form: "fresh", each mapped where none was, or "reused". Samples: life (cycles, the mean
    of a batch).
    """
    loop = Loop(watch)

    def lives(number: int, into: Histogram) -> None:
        loop.probe(
            "life", "a page's life", form=form, frame=frame[0], frame_name=frame[1],
            each=_first(loop, len(loop.cores)), protocol=protocol, count=number, batch=batch,
            times=into,
        )  # fmt: skip

    return loop.polled(loop.cores, lives, batch, count, "life")


def idle(seconds: float, watch: Watch | None) -> Report:
    """Nothing at all, while the other cores compute. Counts: as unmap's."""
    loop = Loop(watch)
    with loop.watched(), _turns(loop, (loop.me,), len(loop.cores)):
        time.sleep(seconds)
    return loop.done()


@contextmanager
def _turns(loop: Loop, polling: tuple[int, ...], cores: int) -> Iterator[None]:
    """Counts what those of the first cores that don't poll compute within the block."""
    others = [core for core in range(cores) if core not in polling]

    def turns() -> list[int]:
        return [loop.driver.probe("turns", core=core) for core in others]

    deadline = time.monotonic() + START_SECONDS
    while not all(turns()):
        if time.monotonic() > deadline:
            raise ProtocolError("a computing program does not begin", value=others)
        time.sleep(0.0001)
    before, began = turns(), tsc()
    yield
    after, cycles = turns(), tsc() - began
    loop.counts.update(turns=sum(after) - sum(before), cycles=cycles * len(others))


def local_call(frame: tuple[int, int], count: int, watch: Watch | None) -> Report:
    """The host's mapping call alone: nobody is notified. Samples: local."""
    loop = Loop(watch)
    with loop.watched():
        loop.probe(
            "unmap", "local call", form="local", frame=frame[0], frame_name=frame[1],
            protocol=PROTOCOLS["two-phase"], count=count, think_us=2, times=loop.samples("local"),
        )  # fmt: skip
    return loop.done()


def own_pages(pages: int, rounds: int, protocol: int, base: int, watch: Watch | None) -> Report:
    """Unmap pages of one's own while all do. Counts: cycles, of the unmapping alone."""
    loop, cycles = Loop(watch), array("Q", [0, 0])
    with loop.polling(loop.me), loop.watched():
        loop.probe(
            "own-pages", pages=pages, count=rounds, protocol=protocol, base=base, results=cycles
        )
    loop.counts["cycles"] = cycles[0]
    return loop.done()


def compute() -> Report:
    Loop().driver.probe("compute")
    return Report()


def _first(loop: Loop, count: int) -> tuple[int, ...]:
    """The set of the first so many of all cores, as words."""
    first, words = (1 << count) - 1, (len(loop.cores) + 63) // 64
    return tuple(first >> 64 * word & (1 << 64) - 1 for word in range(words))


# --- Over trees: all cores get the same plan, each with its own place in the tree

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


def messages(place: Place, use: int, plan: Plan, watch: Watch | None) -> Report:
    """Requests to all cores of the tree and their acknowledgements. Samples, at the root."""
    (core, line), (shared_core, shared_line) = place.up or NO_LINE, place.shared or NO_LINE
    how: dict[str, Any] = {
        "core": core, "line": line, "each": tuple(chain(*place.children)),
        "shared_core": shared_core, "shared_line": shared_line, "below": len(place.targets),
        "sum": sum(place.targets),
    }  # fmt: skip
    return checked("shootdown", how, use, plan, watch)


def checked(
    probe: str, how: Mapping[str, Any], use: int, plan: Plan, watch: Watch | None,
    wrong: str = NOT_SENT, *, polls: bool = False,
) -> Report:  # fmt: skip
    """All of a plan, warm, with numbers from `use` on (`Bench.uses`); polls: so does the driver
    meanwhile. Raises ProtocolError with those words if any of it was wrong.
    """
    loop, errors, at = Loop(watch), 0, use
    with loop.polling(*[loop.me] * polls), loop.watched():
        for count, batch, into in loop.steps(plan):
            errors += loop.driver.probe(probe, **how, base=at, count=count, batch=batch, times=into)
            at += count
    loop.right(errors, f"core {loop.me}", wrong)
    return loop.done()
