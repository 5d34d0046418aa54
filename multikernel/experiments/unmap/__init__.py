"""Unmap: one page, mapped and touched on all cores, is unmapped; until no core can read it any
more.

Guarantees: the multikernel by one and by two phases, the shared kernel under its MCS lock, and
Linux's threads, each with targets that poll, compute or sleep, and notified by poll, signal,
interrupt or not at all; beside them what the host's mapping call costs alone, what mapping and the
first touch cost, a page's whole life, mapped where none was or where it was before, what a
computing program loses, and how many unmaps a second all cores manage when
each has pages of its own; and, but for `compare`, the multikernel whose monitors' messages go by
sockets, which share no memory, and both kernels and Linux by number of cores and by tree
(`by_cores`). Comparisons are within a boot, interleaved. That a target was notified as
claimed is counted, not assumed: interrupts of the cores by themselves, Linux's by /proc/interrupts.
Answers: the paper's figure 7 (and, with the difference between its two phases, figure 8's agreement
for one operation). The arms' descriptions and the checks are in `configurations`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from multikernel import system as system_
from multikernel.experiments.floor import floor_arms, floors_of, root_pairs
from multikernel.experiments.instrument import document, host_transports
from multikernel.experiments.instrument.arms import CONTROL, Arm, Collector, Outcome
from multikernel.experiments.instrument.loops import PAGE, Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import LIVES, Bench, Target, samples_of
from multikernel.experiments.unmap import by_cores, configurations
from multikernel.experiments.unmap.linux_process import LinuxProcess, activity_of
from multikernel.machine.clock import tsc_rate
from multikernel.results.document import Document
from multikernel.results.histogram import Histogram
from multikernel.routing.choosing import to_all
from multikernel.runtime.plan import KERNELS, Transport

NAME = "unmap"
FIGURE = "figure 7"
SUMMARY = (
    "A page mapped on all cores is unmapped: both kernels and Linux; also map, touch, and pages of"
    " one's own."
)

POLLING, COMPUTING, LINUX, IDLE, LOCAL, OWN_ROUNDS = 500, 120, 400, 60, 400, 3
BY_CORES = 200
"""Operations in a slice."""
CROWDED_MOST = 4
"""Where cores share CPUs one operation with computing targets takes several time slices."""
LIVES_BATCHES = 20
ALONE_SECONDS = 0.01
MEMORY_MOST = 8 << 20


@dataclass(frozen=True, slots=True)
class _Boot:
    """What one boot measures on."""

    multikernel: Bench
    again: Bench
    """The multikernel once more: a second system, as its control."""
    shared: Bench
    linux: LinuxProcess
    pages: int
    by_transport: dict[Transport, Bench]
    """The multikernel again, by the transport of its monitors' messages."""
    plan: by_cores.Plan
    along: dict[str, Bench]
    """Kernels whose trees are given, by name."""


def own_pages_of(cores: int, scale: float) -> int:
    """Pages of each core: many, but all of them together no more than a boot can quickly give."""
    return max(4, min(round(128 * scale), MEMORY_MOST // PAGE // cores))


class _Arms:
    """All arms of one boot."""

    def __init__(self, request: Request, boot: _Boot) -> None:
        self.request = request
        self.boot = boot
        self.hz = tsc_rate().hz

    def all(self) -> list[Arm]:
        """Every arm, with the control and the floors among them."""
        boot, arms = self.boot, []
        for key, (system, protocol, target) in configurations.KERNELS.items():
            bench = boot.multikernel if system == "multikernel" else boot.shared
            arms.append(self._unmap(key, bench, protocol, target))
            if key == configurations.CONTROL_OF:
                arms.append(self._unmap(key + CONTROL, boot.again, protocol, target))
        for key, (transport, protocol) in configurations.BY_THE_HOST.items():
            if transport in boot.by_transport:
                arms.append(self._unmap(key, boot.by_transport[transport], protocol, "polling"))
        for name, bench in (("multikernel", boot.multikernel), ("shared", boot.shared)):
            arms.append(self._own_pages(name, bench))
            arms.append(self._alone(name, bench))
        arms.append(Arm("local", self._local))
        arms.append(self._linux("linux-computing", LINUX, idle=False))
        arms.append(self._linux("linux-idle", IDLE, idle=True))
        for name, processes in (("linux", False), ("linux-processes", True)):
            arms.append(self._linux_own_pages(f"own-pages-{name}", processes=processes))
        arms += self._lives()
        arms += by_cores.arms(boot.plan, boot.along, boot.shared, self._count(BY_CORES))
        for cores in boot.plan.fewer():
            key = boot.plan.key(by_cores.LINUX, cores)
            arms.append(self._linux(key, BY_CORES, idle=False, cores=cores))
        return arms + floor_arms(boot.multikernel, self.request, root_pairs(self.request.cores))

    def _count(self, usual: int, *, slow: bool = False) -> int:
        count = self.request.size.count(usual)
        return min(count, CROWDED_MOST) if self.request.crowded and slow else count

    def _throughput(self, operations: float, cycles: float) -> Histogram:
        return Histogram.from_values([max(1, round(operations * self.hz / max(cycles, 1)))])

    def _unmap(self, key: str, bench: Bench, protocol: str, target: Target) -> Arm:
        count = self._count(
            POLLING if target == "polling" else COMPUTING, slow=target == "computing"
        )

        def slice_of() -> Outcome:
            report = bench.unmap(protocol, target, count)
            found = samples_of(report)
            outcome = Outcome(samples={key: found["unmap"]}, activity=report.activity)
            own = configurations.SIDE_ARMS.get(key)
            if own is not None:
                outcome.samples.update({f"map-{own}": found["map"], f"touch-{own}": found["touch"]})
            if target == "computing":
                self._count_computing(key, report, outcome)
            return outcome

        return Arm(key.replace("-", " "), slice_of)

    def _count_computing(self, key: str, report: Report, outcome: Outcome) -> None:
        counts = report.counts
        outcome.sums[f"{key}.interrupts"] = counts["interrupts"]
        outcome.sums[f"{key}.operations"] = counts["operations"] * (self.request.cores - 1)
        program = configurations.PROGRAMS.get(key)
        if program is not None:
            outcome.samples[program] = self._throughput(counts["turns"], counts["cycles"])

    def _alone(self, name: str, bench: Bench) -> Arm:
        def slice_of() -> Outcome:
            report = bench.alone(ALONE_SECONDS)
            rate = self._throughput(report.counts["turns"], report.counts["cycles"])
            return Outcome(samples={f"program-{name}-alone": rate}, activity=report.activity)

        return Arm(f"a computing program alone, {name}", slice_of)

    def _local(self) -> Outcome:
        report = self.boot.multikernel.local_call(self._count(LOCAL))
        return Outcome(samples=samples_of(report), activity=report.activity)

    def _own_pages(self, name: str, bench: Bench) -> Arm:
        def slice_of() -> Outcome:
            report = bench.own_pages(self.boot.pages, self._rounds())
            rate = self._throughput(report.counts["operations"], report.counts["cycles"])
            return Outcome(samples={f"own-pages-{name}": rate}, activity=report.activity)

        return Arm(f"own pages, {name}", slice_of)

    def _lives(self) -> list[Arm]:
        arms = []
        for key, (system, form, target) in configurations.LIVES.items():
            if system == "linux":
                slice_of = self._linux_life(key, form, idle=target == "idle")
            else:
                bench = self.boot.multikernel if system == "multikernel" else self.boot.shared
                slice_of = self._life(key, bench, form)
            arms.append(Arm(key.replace("-", " "), slice_of))
        return arms

    def _life(self, key: str, bench: Bench, form: str) -> Callable[[], Outcome]:
        def slice_of() -> Outcome:
            report = bench.life(form, self._count(LIVES_BATCHES))
            return Outcome(samples={key: samples_of(report)["life"]}, activity=report.activity)

        return slice_of

    def _linux_life(self, key: str, form: str, *, idle: bool) -> Callable[[], Outcome]:
        count = self._count(LIVES_BATCHES, slow=True) * LIVES

        def slice_of() -> Outcome:
            answer = self.boot.linux.ask(
                "life", count=count, batch=LIVES, reused=form == "reused", idle=idle
            )
            samples = {key: configurations.histogram_of(answer)}
            return self._of_linux(key, answer, samples, count, self.request.cores)

        return slice_of

    def _rounds(self) -> int:
        return 1 if self.request.size.scale < 1 else OWN_ROUNDS

    def _linux(self, key: str, usual: int, *, idle: bool, cores: int | None = None) -> Arm:
        count = self._count(usual, slow=True)
        threads = cores or self.request.cores

        def slice_of() -> Outcome:
            answer = self.boot.linux.ask("unmap", count=count, idle=idle, cores=threads)
            return self._of_linux(
                key, answer, {key: configurations.histogram_of(answer)}, count, threads
            )

        return Arm(key.replace("-", ", "), slice_of)

    def _linux_own_pages(self, key: str, *, processes: bool) -> Arm:
        pages, rounds, cores = self.boot.pages, self._rounds(), self.request.cores

        def slice_of() -> Outcome:
            answer = self.boot.linux.ask(
                "own-pages", pages=pages, rounds=rounds, processes=processes
            )
            operations = cores * pages * rounds
            rate = self._throughput(operations, answer["cycles"])
            # Every core unmaps, so an operation has all others as its targets, as it has in the
            # other Linux arms.
            return self._of_linux(key, answer, {key: rate}, operations, cores)

        return Arm(key.replace("-", " "), slice_of)

    def _of_linux(
        self,
        key: str,
        answer: dict[str, object],
        samples: dict[str, Histogram],
        operations: int,
        threads: int,
    ) -> Outcome:
        activity = activity_of(answer)
        interrupts = configurations.shootdowns(
            activity, None if key.startswith("own-pages") else self.request.placement.cpus[0]
        )
        others = len(set(self.request.placement.cpus[:threads])) - 1
        sums = {f"{key}.operations": float(operations * others)}
        if interrupts is not None:
            sums[f"{key}.interrupts"] = float(interrupts)
        return Outcome(samples=samples, sums=sums, activity=activity)


def _transports(request: Request) -> tuple[Transport, ...]:
    return () if request.comparing else host_transports.possible(request)


def _boots(request: Request, stack: ExitStack, plan: by_cores.Plan | None) -> _Boot:
    cpus, pages = request.placement.cpus, own_pages_of(request.cores, request.size.scale)
    memory = max(system_.DEFAULT_MEMORY, 2 * pages * request.cores * PAGE)
    kernels: dict[str, Bench] = {
        name: Bench(stack.enter_context(system_.boot(list(cpus), kernel=name, memory=memory)))
        for name in KERNELS
    }
    again = Bench(stack.enter_context(system_.boot(list(cpus), memory=memory)))
    by_transport = {
        transport: Bench(stack.enter_context(system_.boot(list(cpus), transport=transport)))
        for transport in _transports(request)
    }
    linux = stack.enter_context(LinuxProcess(cpus, pages * request.cores * PAGE))
    plan = plan or by_cores.plan(request, kernels["multikernel"])
    along: dict[str, Bench] = {}
    for name in plan.kernels():
        booted = system_.boot(list(cpus), kernel=name, trees={0: to_all(0, request.cores)})
        along[name] = Bench(stack.enter_context(booted))
    known = kernels["multikernel"], again, kernels["shared"]
    return _Boot(*known, linux, pages, by_transport, plan, along)


def run(request: Request, arms_of: Callable[[Request, _Boot], list[Arm]] | None = None) -> Document:
    """Measures; see the page. arms_of: other arms in place of these, for tests."""
    request = request.fitted()
    collector = Collector(request)
    record = document.begin(request)
    plan: by_cores.Plan | None = None
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            machines = _boots(request, stack, plan)
            plan = machines.plan
            collector.boot(
                boot, arms_of(request, machines) if arms_of else _Arms(request, machines).all()
            )
    assert plan is not None
    pairs = root_pairs(request.cores)
    fewer = [plan.key(by_cores.LINUX, cores) for cores in plan.fewer()]
    fewer += [key for key in configurations.LIVES if key.endswith("linux-computing")]
    warnings = [*configurations.check(collector, request, fewer), *by_cores.said(plan)]
    specs = configurations.specs(request, tuple(pairs), collector)
    specs += [
        configurations.with_count(spec, collector) for spec in by_cores.specs(plan, tuple(pairs))
    ]
    if not request.comparing:
        warnings += host_transports.refused(request)
    return document.finish(
        NAME, record, collector, floors_of(collector, pairs, request.placement.cpus),
        specs, [*configurations.RATIOS, *by_cores.ratios(plan)], warnings,
    )  # fmt: skip
