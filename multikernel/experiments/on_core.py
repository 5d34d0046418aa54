"""The measuring loops as programs: what `measure` sends to a core, runs there in native code, and gets back.

Guarantees: the core is verified to run on its CPU before it measures; what happened to the measuring CPUs and tasks
meanwhile comes back with the samples, taken by the measuring core itself right around the loop, so that the client's
own stirring does not count. A verdict that is not OK is an error here.
Called by: `measure` and the experiments, through `Core.run`; a core imports this page once, so it stays light.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from multikernel.errors import ProtocolError
from multikernel.machine import pinning
from multikernel.machine.activity import Activity
from multikernel.native._native import KINDS, VERDICTS, Driver, Histogram
from multikernel.runtime import local
from multikernel.user.here import here

Packed = tuple[int, int, int, int, bytes]
"""n, sum, min, max and the buckets, compressed: nearly all of them are empty."""
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Watch:
    """Whose disturbance counts. core: the initiator's number is known here; cpus and tasks: of all that take part."""

    cpus: tuple[int, ...]
    tasks: tuple[int, ...]


@dataclass(slots=True)
class Report:
    """Samples by name, what else was counted, and what happened meanwhile (None: nobody watched)."""

    samples: dict[str, Packed] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    activity: Activity | None = None

    def keep(self, **histograms: Histogram) -> None:
        """Packs those that have samples."""
        for name, histogram in histograms.items():
            if histogram.n:
                self.samples[name] = pack(histogram)


def pack(histogram: Histogram) -> Packed:
    """A histogram as it travels."""
    h = histogram
    return h.n, h.sum, h.min, h.max, zlib.compress(h.counts(), 1)


def _driver() -> Driver:
    """This core's driver, after a look at where it runs."""
    driver = here().driver
    assert local.plan is not None
    pinning.verify(local.plan.cpus[driver.me])
    return driver


def _watched(watch: Watch | None, loop: Callable[[], None], report: Report) -> Report:
    if watch is None:
        loop()
        return report
    before = Activity.take(watch.cpus, watch.tasks)
    loop()
    report.activity = Activity.take(watch.cpus, watch.tasks) - before
    return report


def _fine(verdict: int, doing: str) -> None:
    if verdict != VERDICTS["OK"]:
        name = next((name for name, number in VERDICTS.items() if number == verdict), str(verdict))
        raise ProtocolError("a measuring loop was refused by its kernel", value=name, where=doing)


# --- Raw pairs: role 0 asks, role 1 answers, both with the same counts --------------------------------------------

Plan = tuple[tuple[str, int, int], ...]
"""(name, count, batch): what is done one after the other."""
WARM = 64
"""Operations before the first that counts: the other side may not have come yet."""


def floor(owner: int, role: int, lines: int, base: int, plan: Plan, watch: Watch | None) -> Report:
    """One line there and back, on scratch lines 0 … lines-1 of core `owner`. Samples: "NAME.LINE"."""
    driver, report = _driver(), Report()
    found: dict[str, Histogram] = {}

    def loop() -> None:
        for line in range(lines):
            at = base
            driver.probe_floor(owner, role, line, at, WARM, 1, Histogram())
            at += 2 * WARM
            for name, count, batch in plan:
                histogram = found[f"{name}.{line}"] = Histogram()
                driver.probe_floor(owner, role, line, at, count, batch, histogram)
                at += 2 * count

    _watched(watch, loop, report)
    report.keep(**found)
    return report


def floor_span(plan: Plan) -> int:
    """By how much `base` must grow from one call of `floor` to the next."""
    return 2 * (WARM + sum(count for _, count, _ in plan))


def raw(end: str, peer: int, role: int, plan: Plan, watch: Watch | None) -> Report:
    """A message each way between bare ends. end: "call_line" or "ring"."""
    driver, report = _driver(), Report()
    probe = driver.probe_call_line if end == "call_line" else driver.probe_ring
    found: dict[str, Histogram] = {}

    def loop() -> None:
        probe(peer, role, WARM, 1, Histogram())
        for name, count, batch in plan:
            found[name] = Histogram()
            probe(peer, role, count, batch, found[name])

    _watched(watch, loop, report)
    report.keep(**found)
    return report


# --- Through the driver ----------------------------------------------------------------------------------------------


def ping(peer: int, via: int, plan: Plan, watch: Watch | None) -> Report:
    """Requests to the peer's driver that come straight back. via: 0 the call line, 1 the ring, 2 a user channel."""
    driver, report = _driver(), Report()
    found: dict[str, Histogram] = {}

    def loop() -> None:
        driver.probe_ping(peer, via, WARM, 1, Histogram())
        for name, count, batch in plan:
            found[name] = Histogram()
            driver.probe_ping(peer, via, count, batch, found[name])

    _watched(watch, loop, report)
    report.keep(**found)
    return report


def unmap(
    frame: int, holders: tuple[int, ...], protocol: int, count: int, think_us: int, watch: Watch | None
) -> Report:
    """Map on the holders, touch on each, wait think_us, unmap; count times. Samples: map, touch, unmap (cycles)."""
    driver, report = _driver(), Report()
    times = Histogram(), Histogram(), Histogram()
    warm = Histogram(), Histogram(), Histogram()
    _fine(driver.probe_unmap(frame, PAGE, holders, protocol, 2, think_us, *warm), "unmap")
    _watched(
        watch,
        lambda: _fine(driver.probe_unmap(frame, PAGE, holders, protocol, count, think_us, *times), "unmap"),
        report,
    )
    report.keep(map=times[0], touch=times[1], unmap=times[2])
    return report


def local_call(frame: int, count: int, watch: Watch | None) -> Report:
    """The host's mapping call alone, nobody told. Samples: local."""
    driver, report, times = _driver(), Report(), Histogram()
    _watched(watch, lambda: _fine(driver.probe_local(frame, count, times), "local call"), report)
    report.keep(local=times)
    return report


def own_pages(
    frame: int, pages: int, rounds: int, protocol: int, base: int, watch: Watch | None
) -> Report:
    """Unmap pages of one's own while the other cores do. Counts: cycles, of the unmapping phases."""
    driver, report = _driver(), Report()

    def loop() -> None:
        verdict, report.counts["cycles"] = driver.probe_own_pages(frame, pages, rounds, protocol, base)
        _fine(verdict, "own pages")

    return _watched(watch, loop, report)


def compute() -> Report:
    """Compute until the client says stop. Counts: turns, cycles."""
    driver, report = _driver(), Report()
    report.counts["turns"], report.counts["cycles"] = driver.probe_compute()
    return report


def allocate_run(pages: int) -> int:
    """That many single-page frames side by side, on core 0 of a fresh system; the offset of the first."""
    driver, first = _driver(), -1
    for page in range(pages):
        verdict, _, words = driver.here(KINDS["ALLOCATE"], (PAGE,))
        _fine(verdict, "allocate")
        if page and words[0] != first + page * PAGE:
            raise ProtocolError("the frames of a fresh system do not lie side by side", value=hex(words[0]))
        first = first if page else words[0]
    return first
