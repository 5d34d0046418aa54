"""The unmap experiment's arms of the two kernels: what runs, and what its series say.

Guarantees: targets that poll are notified by poll, those that compute by signal. Beside the unmap,
of the same slices: mapping and the first touch, and what a computing program still does. Alone:
what the host's mapping call costs, a page's whole life, and pages of one's own on all cores.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from multikernel import system as system_
from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import machines
from multikernel.experiments.instrument.loops import PAGE
from multikernel.experiments.instrument.rig import LIVES, Target
from multikernel.machine.host.clock import tsc_rate
from multikernel.runtime.plan import KERNELS, Kernel

POLLING, COMPUTING, LOCAL, OWN_ROUNDS, LIVES_BATCHES = 500, 120, 400, 3, 20
"""Operations in a slice."""
CROWDED_MOST = 4
"""Where cores share CPUs one operation with computing targets takes several time slices."""
ALONE_SECONDS = 0.01
MEMORY_MOST = 8 << 20
ONE, TWO = "one-phase", "two-phase"
SIDES = {"map": "map-on-all-cores", "touch": "first-touch-on-all-cores"}
"""What an unmap needs before: by sample, the operation."""
FORMS = ("fresh", "reused")
"""Of a page's life: mapped where none was, or where it was before."""


def throughput(operations: float, cycles: float) -> Histogram:
    """Operations a second, as the one sample of a slice."""
    return one_number(operations * tsc_rate().hz / max(cycles, 1))


def spec(
    key: str, system: System, variant: str, cores: int, floor: tuple[Pair, ...] = (),
    **parameters: Scalar,
) -> Spec:  # fmt: skip
    """A series of completions, each timed by itself."""
    return Spec(
        key, system, variant, cores, "completion", "single", parameters=parameters, floor=floor
    )


def side_specs(name: str, system: System, cores: int, target: str, told: str) -> dict[str, Spec]:
    """Of what an unmap needs before, by sample."""
    return {
        side: spec(
            f"{side}-{name}", system, side, cores, operation=what, target=target, told=told
        )
        for side, what in SIDES.items()
    }  # fmt: skip


def rate_spec(own: Spec, **others: Any) -> Spec:
    """A series of operations a second, else as that one. others: what differs besides."""
    return replace(own, measure="throughput", mode="single", batch=1, unit="operations/s", **others)


def name_of(own: Spec) -> str:
    return own.key.replace("-", " ")


def rate_arm(own: Spec, on: On, measure: Callable[[Any], Report], **more: Any) -> Arm:
    """Of operations, or turns of a program, a second. more: as `sampled` has it."""
    return sampled(
        name_of(own), {"rate": rate_spec(own)}, on, measure,
        found=lambda report: {"rate": rate_in(report.counts)}, **more,
    )  # fmt: skip


def rate_in(counts: Mapping[str, int]) -> Histogram:
    return throughput(counts.get("operations", counts.get("turns", 0)), counts["cycles"])


def life_arm(
    name: str, system: System, form: str, cores: int, target: str, on: On,
    measure: Callable[[Any], Report], **more: Any,
) -> Arm:  # fmt: skip
    """Of a page's whole life; and of such lives a second, one after the other."""
    told = {"polling": "poll", "computing": "interrupt", "idle": "none"}[target]
    own = Spec(
        f"life-{form}-{name}", system, f"life-{form}", cores, "completion", "back-to-back", LIVES,
        parameters={"operation": "map-touch-unmap", "target": target, "told": told},
    )  # fmt: skip
    sustained = f"sustained-{form}"
    rate = rate_spec(own, key=f"{sustained}-{name}", variant=sustained)

    def found(report: Report) -> dict[str, Histogram]:
        lives = samples_of(report)["life"]
        return {"life": lives, "rate": throughput(1, lives.mean)}

    specs = {"life": own, "rate": rate}
    return sampled(name_of(own), specs, on, measure, found=found, **more)


class Arms:
    """Arms on these cores, and how much a slice of them does. floor: the pairs that judge them."""

    def __init__(self, request: Request, floor: tuple[Pair, ...] = ()) -> None:
        self.request, self.cores, self.floor = request, request.cores, floor
        most = MEMORY_MOST // PAGE // self.cores
        self.pages = max(4, min(round(128 * request.size.scale), most))
        """Of each core's own: many, but all together no more than a boot can quickly give."""
        self.rounds = 1 if request.size.scale < 1 else OWN_ROUNDS
        """Of those pages."""

    def count(self, usual: int, *, slow: bool = False) -> int:
        """Operations. slow: with targets that compute, or sleep."""
        count = self.request.size.count(usual)
        return min(count, CROWDED_MOST) if self.request.crowded and slow else count

    def kernel(self, kernel: Kernel) -> Booted:
        memory = max(system_.DEFAULT_MEMORY, 2 * self.pages * self.cores * PAGE)
        return Booted(kernel, options=(("memory", memory),))


class KernelArms(Arms):
    def all(self) -> Iterator[Arm]:
        """But for those by number of cores."""
        for kernel in KERNELS:
            for make in (self._polling, self._computing):
                for protocol in (ONE, TWO) if kernel == "multikernel" else (TWO,):
                    yield make(kernel, protocol)
        for kernel in KERNELS:
            on = self.kernel(kernel)
            own = spec(
                f"own-pages-{kernel}", kernel, "own-pages", self.cores, operation="unmap",
                told="none",
            )  # fmt: skip
            yield rate_arm(own, on, lambda bench: bench.own_pages(self.pages, self.rounds))
            alone = self._program(kernel, "alone", "none")
            yield rate_arm(alone, on, lambda bench: bench.alone(ALONE_SECONDS))
            for form in FORMS:
                measure = partial(Bench.life, form=form, batches=self.count(LIVES_BATCHES))
                yield life_arm(kernel, kernel, form, self.cores, "polling", on, measure)
        own = spec("local", "raw", "local", 1, operation="unmap", told="none")
        measure = partial(Bench.local_call, count=self.count(LOCAL))
        yield sampled("local", {"local": own}, self.kernel("multikernel"), measure)
        if not self.request.comparing:
            yield from self._by_the_host()

    def _own(self, kernel: Kernel, protocol: str, target: str, told: str) -> Spec:
        """The shared kernel ignores the protocol."""
        variant, name = (protocol, protocol) if kernel == "multikernel" else ("mcs", kernel)
        return spec(
            f"{name}-{target}", kernel, variant, self.cores, self.floor, operation="unmap",
            target=target, told=told,
        )  # fmt: skip

    def _polling(self, kernel: Kernel, protocol: str) -> Arm:
        own, count = self._own(kernel, protocol, "polling", "poll"), self.count(POLLING)
        # Both sides once for a kernel; the shared one's are like those of two phases.
        sides = side_specs(kernel, kernel, self.cores, "polling", "poll") if protocol == TWO else {}
        return sampled(
            name_of(own), {"unmap": own, **sides}, self.kernel(kernel),
            lambda bench: bench.unmap(protocol, "polling", count),
            repeated=own.key == "two-phase-polling",
        )  # fmt: skip

    def _computing(self, kernel: Kernel, protocol: str) -> Arm:
        own = self._own(kernel, protocol, "computing", "signal")
        count = self.count(COMPUTING, slow=True)
        specs = {"unmap": own}
        if protocol == TWO:
            specs["turns"] = rate_spec(self._program(kernel, "interrupted", "signal"))

        def found(report: Report) -> dict[str, Histogram]:
            rate = {"turns": rate_in(report.counts)} if "turns" in report.counts else {}
            return samples_of(report) | rate

        def sums(report: Report) -> dict[str, float]:
            return {
                f"{own.key}.interrupts": report.counts["interrupts"],
                f"{own.key}.operations": count * (self.cores - 1),
            }

        return sampled(
            name_of(own), specs, self.kernel(kernel),
            lambda bench: bench.unmap(protocol, "computing", count),
            found=found, sums=sums,
        )  # fmt: skip

    def _by_the_host(self) -> Iterator[Arm]:
        """The multikernel again, by the transport of its monitors' messages."""
        for transport in machines.possible(self.request):
            for protocol in (ONE, TWO):
                own = spec(
                    f"{protocol}-polling-{transport}", "multikernel", protocol, self.cores,
                    self.floor, operation="unmap", target="polling", told="poll",
                    transport=transport,
                )  # fmt: skip
                on = Booted(options=(("transport", transport),))
                yield unmap_arm(own, on, protocol, self.count(POLLING))

    def _program(self, kernel: Kernel, how: str, told: str) -> Spec:
        return spec(
            f"program-{kernel}-{how}", kernel, "computing-program", self.cores,
            target="computing", told=told,
        )  # fmt: skip


def unmap_arm(
    own: Spec, on: On, protocol: str, count: int, *, edges: tuple[Pair, ...] | None = None,
    cores: int | None = None, target: Target = "polling",
) -> Arm:  # fmt: skip
    """edges: of the tree that is installed before; cores: holders, None for all."""

    def measure(bench: Bench) -> Report:
        if edges is not None:
            bench.along(0, edges)
        return bench.unmap(protocol, target, count, cores=cores)

    return sampled(name_of(own), {"unmap": own}, on, measure)
