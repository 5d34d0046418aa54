"""One booted system as an instrument, and the loops that run on it.

Guarantees: between slices every core is parked, so another kernel's slice has the CPUs to itself;
a computing program is stopped however the slice ends. The client sleeps through a slice, because
the cores use its CPU. Not thread-safe.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np

from multikernel.experiments.instrument import loops
from multikernel.experiments.instrument.loops import Packed, Report, Watch
from multikernel.machine.host.clock import tsc_rate
from multikernel.native._native import PROTOCOLS
from multikernel.results.histogram import Histogram
from multikernel.system import System

FIRST_SECONDS, MARGIN_SECONDS, LONGEST_SECONDS = 0.02, 0.0005, 0.25
THINK_POLLING_US, THINK_COMPUTING_US = 2, 20
"""Between touching and unmapping. The longer one lets an interrupted core get back to its program.
"""
LIVES = 16
"""Of a page, in a batch: as many as a core removes at once."""

Target = Literal["polling", "computing"]
Call = tuple[Callable[..., Any], tuple[Any, ...]]
Pair = tuple[int, int]
"""Two cores."""


def unpacked(packed: Packed) -> Histogram:
    """A histogram that came from a core."""
    _, total, least, most, counts = packed
    dense = np.frombuffer(zlib.decompress(counts), dtype=np.uint64)
    return Histogram.from_dense(dense, least, most, total)


def samples_of(report: Report) -> dict[str, Histogram]:
    return {name: unpacked(packed) for name, packed in report.samples.items()}


class Bench:
    _expected: ClassVar[dict[tuple[Any, ...], float]] = {}
    """Seconds that a slice took last, by kernel, name and size, in whichever boot."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.kernel = system.plan.kernel
        self.crowded = system.plan.crowded
        self.cpus = system.plan.cpus
        self.watch = Watch(tuple(sorted(set(self.cpus))), system.launched.pids)
        self._floor_base = self._meetings = 0
        self._along: dict[int, tuple[Pair, ...]] = {}
        self._uses = 1
        self.local: float | None = None
        """What the host's mapping call takes on the slowest core, where it was looked at."""
        self.prepared: Any = None
        """What the system was prepared with (`machines.Booted`)."""
        frame = system.allocate(loops.PAGE)
        self._frame = frame.offset, frame.name
        system.cores[0].run(loops.be_quiet)

    @property
    def hz(self) -> float:
        """Of the clock that cycles are of."""
        return tsc_rate().hz

    @property
    def cores(self) -> int:
        return len(self.cpus)

    def uses(self, span: int) -> int:
        """The first of so many numbers that no slice has had: lines hold what earlier ones left."""
        first = self._uses
        self._uses += span
        return first

    def run(self, name: str, calls: Mapping[int, Call]) -> dict[int, Report]:
        """Functions on cores at once, started in that order; all reports. name: of such slices."""
        tasks = {
            core: self.system.cores[core].start(function, *arguments)
            for core, (function, arguments) in calls.items()
        }
        # Every look at whether they are done takes a CPU away from one of them: sleep a little
        # longer than it takes.
        kind = self.kernel, self.cores, name
        time.sleep(self._expected.get(kind, FIRST_SECONDS))
        reports = {core: task.result() for core, task in tasks.items()}
        took = [one.activity.time_ns / 1e9 for one in reports.values() if one.activity is not None]
        if took:
            self._expected[kind] = min(1.1 * max(took) + MARGIN_SECONDS, LONGEST_SECONDS)
        return reports

    def together(
        self, name: str, loop: Callable[..., Report], arguments: dict[int, tuple[Any, ...]],
        watch: Watch | None = None,
    ) -> dict[int, Report]:  # fmt: skip
        """A loop on several cores. The first, which begins last, is told who watches."""
        first = next(iter(arguments))
        calls: dict[int, Call] = {
            core: (loop, (*arguments[core], (watch or self.watch) if core == first else None))
            for core in reversed(arguments)
        }
        return self.run(name, calls)

    def both(
        self, name: str, pair: Pair, loop: Callable[..., Report], first: tuple[Any, ...], *how: Any
    ) -> Report:
        """Both sides of a loop, of arguments `first`, role, and how; the first core asks."""
        a, b = pair
        sides = {a: (*first, 0, *how), b: (*first, 1, *how)}
        reports = self.together(name, loop, sides)
        reports[a].samples = reports[b].samples | reports[a].samples
        return reports[a]

    def one(self, name: str, loop: Callable[..., Report], *arguments: Any, core: int = 0) -> Report:
        return self.together(name, loop, {core: arguments})[core]

    def timed(
        self, name: str, before: Callable[[], object], operation: Callable[[], object], count: int
    ) -> tuple[Histogram, Report]:
        """How long an operation takes on core 0, where both functions run, so many times."""
        report = self.one(name, loops.timed, before, operation, count)
        return samples_of(report)["times"], report

    def floor(self, pair: Pair, lines: int, plan: loops.Plan) -> Report:
        """One line there and back between two cores; the lines lie with the second."""
        base = self._floor_base
        self._floor_base += 2 * loops.span(plan)
        return self.both(f"floor {pair}", pair, loops.floor, (pair[1],), lines, base, plan)

    def raw(self, end: str, pair: Pair, plan: loops.Plan) -> Report:
        """A message each way between bare ends on two cores."""
        a, b = pair
        sides: dict[int, tuple[Any, ...]] = {a: (end, b, 0, plan), b: (end, a, 1, plan)}
        return self.together(f"raw {end} {pair}", loops.raw, sides)[a]

    def ping(self, pair: Pair, via: int, plan: loops.Plan) -> Report:
        """Requests from one core's driver to another's."""
        return self.one(f"ping {via} {pair}", loops.ping, pair[1], via, plan, core=pair[0])

    def along(self, root: int, edges: tuple[Pair, ...]) -> None:
        """From now on core `root` reaches the others along these edges."""
        if self._along.get(root) != edges:
            self.system.install(root, edges)
            self._along[root] = edges

    def unmap(
        self, protocol: str, target: Target, count: int, *, cores: int | None = None
    ) -> Report:
        """Unmaps of a page that the first `cores` hold, None for all, initiated by core 0. Others
        stay parked. Counts for computing targets: turns and cycles of their programs, interrupts of
        all of them, operations.
        """
        holding = self.cores if cores is None else cores
        think = THINK_COMPUTING_US if target == "computing" else THINK_POLLING_US
        polling = tuple(range(holding)) if target == "polling" else (0,)
        arguments = (self._frame, polling, holding, PROTOCOLS[protocol], count, think)
        name = f"unmap {protocol} {target} {holding}"
        if target == "polling":
            return self.one(name, loops.unmap, *arguments)
        with self.computing():
            before = self._interrupts()
            report = self.one(name, loops.unmap, *arguments)
            report.counts.update(interrupts=self._interrupts() - before, operations=count)
        return report

    def alone(self, seconds: float) -> Report:
        """What computing programs reach uninterrupted. Counts: turns and cycles of them all."""
        with self.computing():
            return self.one("alone", loops.idle, seconds)

    def life(self, form: str, batches: int) -> Report:
        """A page's whole life on all cores, "fresh" or "reused", so many batches of `LIVES`."""
        return self.one(
            f"life {form}", loops.life, self._frame, form, PROTOCOLS["two-phase"],
            batches * LIVES, LIVES,
        )  # fmt: skip

    def local_call(self, count: int, core: int = 0) -> Report:
        """The mapping call alone."""
        return self.one(f"local {count}", loops.local_call, self._frame, count, core=core)

    def local_on_each(self, count: int) -> list[float]:
        """The median of so many mapping calls on each core, one core after the other."""
        reports = [self.local_call(count, core) for core in range(self.cores)]
        return [samples_of(report)["local"].percentile(50) for report in reports]

    def own_pages(self, pages: int, rounds: int) -> Report:
        """Every core unmaps its own at once. Counts: operations of all; cycles, of the slowest."""
        task: tuple[Any, ...] = pages, rounds, PROTOCOLS["two-phase"], self._meetings
        self._meetings += 2 * rounds * self.cores
        reports = self.together(
            "own pages", loops.own_pages, dict.fromkeys(range(self.cores), task)
        )
        cycles = max(report.counts["cycles"] for report in reports.values())
        counts = {"operations": self.cores * pages * rounds, "cycles": cycles}
        return Report(counts=counts, activity=reports[0].activity)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Every core but 0 computes within the block."""
        tasks = [core.start(loops.compute) for core in self.system.cores[1:]]
        try:
            yield
        finally:
            if not self.system.launched.closed:
                for task in tasks:
                    self.system.launched.segment.stop_computing(task.core)
                for task in tasks:
                    task.result()

    def _interrupts(self) -> int:
        return sum(core.counters()["interrupts"] for core in self.system.cores[1:])
