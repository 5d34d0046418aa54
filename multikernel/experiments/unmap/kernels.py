"""The unmap experiment's arms of the two kernels: what runs, and what its series say.

Guarantees: targets that poll are notified by poll, those that compute by signal. Beside the unmap,
of the same slices: mapping and the first touch, and what a computing program still does. Alone:
what the host's mapping call costs, a page's whole life, and pages of one's own on all cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multikernel import system as system_
from multikernel.experiments.instrument import host_transports
from multikernel.experiments.instrument.arms import Arm, On, Outcome, Pair, Spec
from multikernel.experiments.instrument.loops import PAGE, Report
from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import LIVES, Bench, Target, samples_of
from multikernel.machine.host.clock import tsc_rate
from multikernel.results.document import Scalar, System
from multikernel.results.histogram import Histogram
from multikernel.runtime.plan import KERNELS, Kernel

POLLING, COMPUTING, LOCAL, OWN_ROUNDS, LIVES_BATCHES = 500, 120, 400, 3, 20
"""Operations in a slice."""
CROWDED_MOST = 4
"""Where cores share CPUs one operation with computing targets takes several time slices."""
ALONE_SECONDS = 0.01
MEMORY_MOST = 8 << 20
ONE, TWO = "one-phase", "two-phase"
UNMAPS: tuple[tuple[Kernel, str, Target], ...] = (
    ("multikernel", ONE, "polling"),
    ("multikernel", TWO, "polling"),
    ("multikernel", ONE, "computing"),
    ("multikernel", TWO, "computing"),
    ("shared", TWO, "polling"),
    ("shared", TWO, "computing"),
)
"""The kernel, the protocol (the shared kernel ignores it), and what the targets do."""
FORMS = ("fresh", "reused")
"""Of a page's life: mapped where none was, or where it was before."""


def throughput(operations: float, cycles: float) -> Histogram:
    """Operations a second, as the one sample of a slice."""
    return Histogram.from_values([max(1, round(operations * tsc_rate().hz / max(cycles, 1)))])


def spec(
    key: str, system: System, variant: str, cores: int, floor: tuple[Pair, ...] = (),
    **parameters: Scalar,
) -> Spec:  # fmt: skip
    """A series of completions, each timed by itself."""
    return Spec(
        key, system, variant, cores, "completion", "single", parameters=parameters, floor=floor
    )


def rate_spec(key: str, system: System, variant: str, cores: int, **parameters: Scalar) -> Spec:
    """A series of operations a second."""
    return Spec(
        key, system, variant, cores, "throughput", "single", unit="operations/s",
        parameters=parameters,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much a slice does, on these cores."""

    request: Request

    @property
    def pages(self) -> int:
        """Of each core's own: many, but all together no more than a boot can quickly give."""
        cores, scale = self.request.cores, self.request.size.scale
        return max(4, min(round(128 * scale), MEMORY_MOST // PAGE // cores))

    @property
    def rounds(self) -> int:
        """Of those pages."""
        return 1 if self.request.size.scale < 1 else OWN_ROUNDS

    def count(self, usual: int, *, slow: bool = False) -> int:
        """Operations. slow: with targets that compute, or sleep."""
        count = self.request.size.count(usual)
        return min(count, CROWDED_MOST) if self.request.crowded and slow else count

    def kernel(self, kernel: Kernel) -> Booted:
        """That kernel, with memory for all pages."""
        memory = max(system_.DEFAULT_MEMORY, 2 * self.pages * self.request.cores * PAGE)
        return Booted(kernel, options=(("memory", memory),))


class KernelArms:
    """The arms. floor: the pairs that judge them."""

    def __init__(self, request: Request, floor: tuple[Pair, ...]) -> None:
        self.request, self.floor, self.sizes = request, floor, Sizes(request)

    def all(self) -> Iterator[Arm]:
        """But for those by number of cores."""
        for kernel, protocol, target in UNMAPS:
            yield self._unmap(kernel, protocol, target)
        for kernel in KERNELS:
            yield self._own_pages(kernel)
            yield self._alone(kernel)
            for form in FORMS:
                yield self._life(kernel, form)
        yield self._local()
        if not self.request.comparing:
            yield from self._by_the_host()

    def _unmap(self, kernel: Kernel, protocol: str, target: Target) -> Arm:
        key = f"{protocol if kernel == 'multikernel' else kernel}-{target}"
        polls, cores = target == "polling", self.request.cores
        count = self.sizes.count(POLLING if polls else COMPUTING, slow=not polls)
        variant = protocol if kernel == "multikernel" else "mcs"
        # Its sides are series too: those of two phases, which the shared kernel's are like.
        sides = protocol == TWO
        own = spec(
            key, kernel, variant, cores, self.floor,
            operation="unmap", target=target, told="poll" if polls else "signal",
        )  # fmt: skip
        specs = [own]
        if sides and polls:
            specs += [
                spec(
                    f"{operation}-{kernel}", kernel, operation, cores,
                    operation=what, target="polling", told="poll",
                )
                for operation, what in (
                    ("map", "map-on-all-cores"), ("touch", "first-touch-on-all-cores")
                )
            ]  # fmt: skip
        elif sides:
            specs.append(self._program(kernel, "interrupted"))

        def slice_of(bench: Bench) -> Outcome:
            report = bench.unmap(protocol, target, count)
            found = samples_of(report)
            outcome = Outcome({key: found["unmap"]}, activity=report.activity)
            if sides and polls:
                outcome.samples |= {
                    f"map-{kernel}": found["map"], f"touch-{kernel}": found["touch"],
                }  # fmt: skip
            if not polls:
                counts = report.counts
                outcome.sums[f"{key}.interrupts"] = counts["interrupts"]
                outcome.sums[f"{key}.operations"] = counts["operations"] * (cores - 1)
                if sides:
                    rate = throughput(counts["turns"], counts["cycles"])
                    outcome.samples[f"program-{kernel}-interrupted"] = rate
            return outcome

        control = (kernel, protocol, target) == ("multikernel", TWO, "polling")
        return self._arm(tuple(specs), self.sizes.kernel(kernel), slice_of, repeated=control)

    def _by_the_host(self) -> Iterator[Arm]:
        """The multikernel again, by the transport of its monitors' messages."""
        for transport in host_transports.possible(self.request):
            for protocol in (ONE, TWO):
                own = spec(
                    f"{protocol}-polling-{transport}", "multikernel", protocol, self.request.cores,
                    self.floor, operation="unmap", target="polling", told="poll",
                    transport=transport,
                )  # fmt: skip
                on = Booted(options=(("transport", transport),))
                yield unmap_arm(own, on, protocol, self.sizes.count(POLLING))

    def _program(self, kernel: Kernel, how: str) -> Spec:
        told = "signal" if how == "interrupted" else "none"
        return rate_spec(
            f"program-{kernel}-{how}", kernel, "computing-program", self.request.cores,
            target="computing", told=told,
        )  # fmt: skip

    def _alone(self, kernel: Kernel) -> Arm:
        own = self._program(kernel, "alone")

        def slice_of(bench: Bench) -> Outcome:
            report = bench.alone(ALONE_SECONDS)
            rate = throughput(report.counts["turns"], report.counts["cycles"])
            return Outcome({own.key: rate}, activity=report.activity)

        return self._arm((own,), self.sizes.kernel(kernel), slice_of)

    def _local(self) -> Arm:
        own, count = (
            spec("local", "raw", "local", 1, operation="unmap", told="none"),
            self.sizes.count(LOCAL),
        )

        def slice_of(bench: Bench) -> Outcome:
            return one(own.key, bench.local_call(count), "local")

        return self._arm((own,), self.sizes.kernel("multikernel"), slice_of)

    def _own_pages(self, kernel: Kernel) -> Arm:
        own = rate_spec(
            f"own-pages-{kernel}", kernel, "own-pages", self.request.cores,
            operation="unmap", told="none",
        )  # fmt: skip

        def slice_of(bench: Bench) -> Outcome:
            report = bench.own_pages(self.sizes.pages, self.sizes.rounds)
            rate = throughput(report.counts["operations"], report.counts["cycles"])
            return Outcome({own.key: rate}, activity=report.activity)

        return self._arm((own,), self.sizes.kernel(kernel), slice_of)

    def _life(self, kernel: Kernel, form: str) -> Arm:
        own, count = (
            life_spec(kernel, kernel, form, self.request.cores, "polling"),
            self.sizes.count(LIVES_BATCHES),
        )

        rate = sustained(own)

        def slice_of(bench: Bench) -> Outcome:
            outcome = one(own.key, bench.life(form, count), "life")
            outcome.samples[rate.key] = throughput(1, outcome.samples[own.key].mean)
            return outcome

        return self._arm((own, rate), self.sizes.kernel(kernel), slice_of)

    @staticmethod
    def _arm(specs: tuple[Spec, ...], on: On, slice_of: object, *, repeated: bool = False) -> Arm:
        return Arm(specs[0].key.replace("-", " "), specs, on, slice_of, repeated)  # type: ignore[arg-type]


def one(key: str, report: Report, name: str) -> Outcome:
    """A slice that brought one thing."""
    return Outcome({key: samples_of(report)[name]}, activity=report.activity)


def unmap_arm(
    own: Spec, on: On, protocol: str, count: int, *, edges: tuple[Pair, ...] | None = None,
    cores: int | None = None,
) -> Arm:  # fmt: skip
    """Unmaps with polling targets. edges: of the tree that is installed before; cores: that hold
    the page, None for all.
    """

    def slice_of(bench: Bench) -> Outcome:
        if edges is not None:
            bench.along(0, edges)
        return one(own.key, bench.unmap(protocol, "polling", count, cores=cores), "unmap")

    return Arm(own.key.replace("-", " "), (own,), on, slice_of)


def life_spec(name: str, system: System, form: str, cores: int, target: str) -> Spec:
    """Of a page's whole life."""
    return Spec(
        f"life-{form}-{name}", system, f"life-{form}", cores, "completion", "back-to-back", LIVES,
        parameters={
            "operation": "map-touch-unmap", "target": target,
            "told": {"polling": "poll", "computing": "interrupt", "idle": "none"}[target],
        },
    )  # fmt: skip


def sustained(life: Spec) -> Spec:
    """Such lives a second, one after the other, over a whole slice."""
    key, variant = (text.replace("life", "sustained") for text in (life.key, life.variant))
    return rate_spec(key, life.system, variant, life.cores, **life.parameters)
