"""The measuring loops as programs: what `measure` sends to a core, runs there in native code, and
gets back.

Guarantees: the core is verified to run on its CPU before it measures; what happened to the
measuring CPUs and tasks meanwhile comes back with the samples, taken by the measuring core itself
right around the loop, so that the client's own work does not count. A verdict that is not OK is
an error here.
"""

from __future__ import annotations

import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from multikernel.errors import ProtocolError
from multikernel.machine.host import pinning
from multikernel.machine.host.activity import Activity
from multikernel.native._native import KINDS, PROTOCOLS, VERDICTS, Driver, Histogram, tsc
from multikernel.runtime import local
from multikernel.runtime.plan import Plan as SystemPlan
from multikernel.user.here import here

Packed = tuple[int, int, int, int, bytes]
"""n, sum, min, max and the buckets, compressed: nearly all of them are empty."""
PAGE = 4096
START_SECONDS = 10


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
# -------------------------------------------------------------------------------------------------

Policy = tuple[int, int, int]
"""Microseconds to spin, times to yield, longest park in microseconds."""
POLLING: Policy = (10_000_000, 0, 10_000)
"""Spins longer than any slice lasts: does not park."""
POLLING_CROWDED: Policy = (0, 64, 10_000)
"""Where cores share CPUs, spinning only keeps the other from its work."""
QUIET: Policy = (50, 0, 1_000_000)
"""Parks as soon as the client's next word is late, and looks up once a second."""
QUIET_CROWDED: Policy = (0, 0, 1_000_000)


def _system() -> SystemPlan:
    """What this core belongs to."""
    assert local.plan is not None
    return local.plan


def _driver() -> Driver:
    """This core's driver, after a look at where it runs."""
    driver = here().driver
    pinning.verify(_system().cpus[driver.me])
    return driver


def _set_policy(driver: Driver, cores: Iterable[int], policy: Policy) -> None:
    words = (policy[0] * _system().cycles_per_us, *policy[1:])
    for core in cores:
        own = core == driver.me
        driver.here(KINDS["POLICY"], words) if own else driver.call(core, KINDS["POLICY"], words)


@contextmanager
def _polling(driver: Driver, cores: Iterable[int]) -> Iterator[None]:
    """Within the block those cores never park. Set from here, so that they poll no longer than a
    slice lasts: a core that polls needs its CPU whole, and the client that brings the next program
    needs one too.
    """
    crowded, named = _system().crowded, tuple(cores)
    _set_policy(driver, named, POLLING_CROWDED if crowded else POLLING)
    try:
        yield
    finally:
        _set_policy(driver, named, QUIET_CROWDED if crowded else QUIET)


def be_quiet() -> None:
    """All cores of this system park when idle."""
    system = _system()
    _set_policy(_driver(), range(system.cores), QUIET_CROWDED if system.crowded else QUIET)


def _watched(
    watch: Watch | None, loop: Callable[[], object], report: Report,
    found: Mapping[str, Histogram] | None = None,
) -> Report:  # fmt: skip
    """The report of that loop; found: what it samples into."""
    before = Activity.take(watch.cpus, watch.tasks) if watch else None
    loop()
    if watch and before:
        report.activity = Activity.take(watch.cpus, watch.tasks) - before
    report.keep(**found or {})
    return report


def _polled(
    driver: Driver, cores: Iterable[int], some: Callable[[int, Histogram], None], warm: int,
    count: int, watch: Watch | None, name: str = "times",
) -> Report:  # fmt: skip
    """So many operations while those cores poll, after some that warm up. Samples: `name`."""
    times = Histogram()
    with _polling(driver, cores):
        some(warm, Histogram())
        report = _watched(watch, lambda: some(count, times), Report())
    report.keep(**{name: times})
    return report


def _fine(verdict: int, doing: str) -> None:
    if verdict != VERDICTS["OK"]:
        name = {number: name for name, number in VERDICTS.items()}.get(verdict, verdict)
        raise ProtocolError("a measuring loop was refused by its kernel", value=name, where=doing)


# --- Raw pairs: role 0 asks, role 1 answers, both with the same counts
# --------------------------------------------

Plan = tuple[tuple[str, int, int], ...]
"""(name, count, batch): what is done one after the other."""
WARM = 64
"""Operations before the first that counts: the other side may not have come yet."""
CALL_LINE = "call-line"
VIA = (CALL_LINE, "ring", "user")
"""How a request goes, as `ping` numbers it."""


def _steps(
    plan: Plan, found: dict[str, Histogram], suffix: str = ""
) -> Iterator[tuple[int, int, Histogram]]:
    """Count, batch and samples: of what warms up, then of all of the plan, by its names."""
    yield WARM, 1, Histogram()
    for name, count, batch in plan:
        found[name + suffix] = Histogram()
        yield count, batch, found[name + suffix]


def floor(owner: int, role: int, lines: int, base: int, plan: Plan, watch: Watch | None) -> Report:
    """One line there and back, on scratch lines of core `owner`, 0 first. Samples: "NAME.LINE"."""
    driver, found = _driver(), dict[str, Histogram]()

    def loop() -> None:
        for line in range(lines):
            at = base
            for count, batch, into in _steps(plan, found, f".{line}"):
                driver.probe(
                    "floor", core=owner, role=role, line=line, base=at, count=count, batch=batch,
                    times=into,
                )  # fmt: skip
                at += 2 * count

    return _watched(watch, loop, Report(), found)


def floor_span(plan: Plan) -> int:
    """By how much `base` must grow from one call of `floor` to the next."""
    return 2 * (WARM + sum(count for _, count, _ in plan))


def raw(end: str, peer: int, role: int, plan: Plan, watch: Watch | None) -> Report:
    """A message each way between bare ends. end: "call_line" or "ring"."""
    driver, found = _driver(), dict[str, Histogram]()
    form = CALL_LINE if end == "call_line" else "epoch-ring"

    def loop() -> None:
        for count, batch, into in _steps(plan, found):
            driver.probe(
                "bare-echo", form=form, core=peer, role=role, count=count, batch=batch, times=into
            )

    return _watched(watch, loop, Report(), found)


# --- Through the driver
# ---------------------------------------------------------------------------------------------


def ping(peer: int, via: int, plan: Plan, watch: Watch | None) -> Report:
    """Requests to the peer's driver that come straight back. via: its place in `VIA`."""
    driver, report = _driver(), Report()
    with _polling(driver, (driver.me, peer)):
        _watched(watch, lambda: report.keep(**pings(driver, peer, VIA[via], plan)), report)
    return report


def pings(driver: Driver, peer: int, form: str, plan: Plan) -> dict[str, Histogram]:
    """The plan's requests, after some that warm up; by the plan's names."""
    found: dict[str, Histogram] = {}
    for count, batch, into in _steps(plan, found):
        driver.probe("ping", form=form, core=peer, count=count, batch=batch, times=into)
    return found


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

    return _polled(_driver(), range(_system().cores), some, 2, count, watch)


def unmap(
    frame: tuple[int, int], polling: tuple[int, ...], holding: int, protocol: int, count: int,
    think_us: int, watch: Watch | None,
) -> Report:  # fmt: skip
    """Map on the first `holding` cores, touch on each, wait think_us, unmap; count times. Samples:
    map, touch, unmap (cycles).

    frame: offset and name. polling: the cores that poll meanwhile, this one among them; the other
    holders compute. Counts: turns of the computing cores and cycles, both of them together, during
    the loop.
    """
    driver, report = _driver(), Report()
    times, warm = ([Histogram() for _ in range(3)] for _ in range(2))
    holders = _first(holding)

    def unmaps(number: int, into: list[Histogram]) -> None:
        verdict = driver.probe(
            "unmap", form="all", frame=frame[0], frame_name=frame[1], each=holders,
            protocol=protocol, count=number, think_us=think_us, times=tuple(into),
        )  # fmt: skip
        _fine(verdict, "unmap")

    def loop() -> None:
        report.counts.update(_turns(driver, polling, holding, lambda: unmaps(count, times)))

    with _polling(driver, polling):
        unmaps(2, warm)
        _watched(watch, loop, report)
    report.keep(unmap=times[0], map=times[1], touch=times[2])
    return report


def life(
    frame: tuple[int, int], form: str, protocol: int, count: int, batch: int, watch: Watch | None
) -> Report:
    """A page's whole life on all cores, which poll: map, touch on each, unmap; so often, in whole
    batches. form: "fresh", each mapped where none was, or "reused". Samples: life (cycles, the mean
    of a batch).
    """
    driver, cores = _driver(), _system().cores

    def lives(number: int, into: Histogram) -> None:
        verdict = driver.probe(
            "life", form=form, frame=frame[0], frame_name=frame[1], each=_first(cores),
            protocol=protocol, count=number, batch=batch, times=into,
        )  # fmt: skip
        _fine(verdict, "a page's life")

    return _polled(driver, range(cores), lives, batch, count, watch, "life")


def idle(seconds: float, watch: Watch | None) -> Report:
    """Nothing at all, while the other cores compute. Counts: as unmap's."""
    driver, report, cores = _driver(), Report(), _system().cores

    def loop() -> None:
        report.counts.update(_turns(driver, (driver.me,), cores, lambda: time.sleep(seconds)))

    return _watched(watch, loop, report)


def _turns(
    driver: Driver, polling: tuple[int, ...], cores: int, loop: Callable[[], None]
) -> dict[str, int]:
    """What those of the first cores that don't poll computed during a loop."""
    others = [core for core in range(cores) if core not in polling]
    deadline = time.monotonic() + START_SECONDS
    while not all(driver.probe("turns", core=core) for core in others):
        if time.monotonic() > deadline:
            raise ProtocolError("a computing program does not begin", value=others)
        time.sleep(0.0001)
    before, began = [driver.probe("turns", core=core) for core in others], tsc()
    loop()
    after, cycles = [driver.probe("turns", core=core) for core in others], tsc() - began
    return {"turns": sum(after) - sum(before), "cycles": cycles * len(others)}


def local_call(frame: tuple[int, int], count: int, watch: Watch | None) -> Report:
    """The host's mapping call alone: nobody is notified. Samples: local."""
    driver, times = _driver(), Histogram()

    def loop() -> None:
        verdict = driver.probe(
            "unmap", form="local", frame=frame[0], frame_name=frame[1],
            protocol=PROTOCOLS["two-phase"], count=count, think_us=2, times=times,
        )  # fmt: skip
        _fine(verdict, "local call")

    return _watched(watch, loop, Report(), {"local": times})


def own_pages(pages: int, rounds: int, protocol: int, base: int, watch: Watch | None) -> Report:
    """Unmap pages of one's own while the other cores do. Counts: cycles, of the unmapping phases,
    and mapping, of the others: map and touch.
    """
    driver, report = _driver(), Report()

    def loop() -> None:
        cycles = array("Q", [0, 0])
        verdict = driver.probe(
            "own-pages", pages=pages, count=rounds, protocol=protocol, base=base, results=cycles
        )
        report.counts.update(cycles=cycles[0], mapping=cycles[1])
        _fine(verdict, "own pages")

    with _polling(driver, (driver.me,)):
        return _watched(watch, loop, report)


def compute() -> Report:
    """Compute until the client says stop."""
    _driver().probe("compute")
    return Report()


def _first(count: int) -> tuple[int, ...]:
    """The set of the first so many of all cores, as words."""
    first = (1 << count) - 1
    words = (_system().cores + 63) // 64
    return tuple(first >> 64 * word & (1 << 64) - 1 for word in range(words))
