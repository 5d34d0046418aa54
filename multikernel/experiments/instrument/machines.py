"""What arms run on: booted systems, each fresh in every boot; and over which transports they can be
measured on this host.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

from multikernel import system as system_
from multikernel.experiments.instrument.arms import caution
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.machine.models.model import Model
from multikernel.results.document import Caution
from multikernel.runtime.asked import refusal_of
from multikernel.runtime.plan import HOST_TRANSPORTS, Kernel, Transport

TRIES, LOCAL, CLEAN = 3, 40, 1.2
"""Boots until all cores are clean; mapping calls on each; and how many times as long they may take
on one as on another. (Measured: 3 400 cycles on a core pinned before the fork, 4 000 on another.)
"""


@dataclass(frozen=True, slots=True)
class Booted:
    """A booted system. cores: the first so many of the request's, None for all; one_cpu: two cores
    on the first CPU. options: of boot. prepare: once it runs; what it returns is `Bench.prepared`.
    program: runs on core 0 before that.
    """

    kernel: Kernel = "multikernel"
    cores: int | None = None
    one_cpu: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    prepare: Callable[[Bench], Any] | None = None
    program: Callable[[], object] | None = None

    def open(self, stack: ExitStack, request: Request) -> Bench:
        """It runs until the stack ends. Raises what boot does. Booted again where a core's own
        mapping calls take longer than another's, as they do in a process that first ran elsewhere.
        """
        if request.model is not None:
            return self._modelled(stack, request, request.model)
        cpus = list(request.placement.cpus[: self.cores])
        if self.one_cpu:
            cpus = [cpus[0], cpus[0]]
        for left in reversed(range(TRIES)):
            with ExitStack() as inner:
                trace = request.trace if self.kernel == "multikernel" else None
                system = system_.boot(cpus, kernel=self.kernel, trace=trace, **dict(self.options))
                bench = Bench(inner.enter_context(system))
                if request.size.measures and not bench.crowded:
                    local = bench.local_on_each(LOCAL)
                    if max(local) > CLEAN * min(local):
                        # What only passed by is gone when one looks again; where a process first
                        # ran stays.
                        local = list(map(min, local, bench.local_on_each(LOCAL)))
                    bench.local = max(local)
                    if left and bench.local > CLEAN * min(local):
                        continue
                stack.push(inner.pop_all())
                break
        return self._prepared(bench)

    def _modelled(self, stack: ExitStack, request: Request, model: Model) -> Bench:
        from multikernel.experiments.instrument.modelled import (
            ModelledBench,
            Unmodelled,
            varied,
        )

        options = dict(self.options)
        if self.one_cpu or options.get("transport", "call-line") != "call-line":
            return cast(Bench, Unmodelled())
        cores = request.cores if self.cores is None else self.cores
        work = varied(request.work, request.seed)
        bench = ModelledBench(
            model, cores, self.kernel, options, request.seed, work, dict(request.assumed)
        )
        if request.trace is not None and self.kernel == "multikernel":
            bench.modelled.trace_to(request.trace, whole=False)
            stack.callback(bench.modelled.close)
        return self._prepared(bench)

    def _prepared(self, bench: Bench) -> Bench:
        if self.program is not None:
            bench.system.cores[0].run(self.program)
        if self.prepare is not None:
            bench.prepared = self.prepare(bench)
        return bench


MULTIKERNEL, SHARED = Booted("multikernel"), Booted("shared")
"""Both kernels as they boot by default, on all cores."""


def possible(request: Request) -> list[Transport]:
    """The transports without shared memory that a system of so many cores can have here."""
    if request.model is not None:
        return []
    return [one for one in HOST_TRANSPORTS if refusal_of(one, request.cores) is None]


def refused(request: Request) -> list[Caution]:
    """Why there are no others: too many cores, too few open files. The rest is measured."""
    return [
        caution("transport-refused", f"Nothing is measured over a {transport}: {error}.")
        for transport in HOST_TRANSPORTS
        if request.model is None and (error := refusal_of(transport, request.cores)) is not None
    ]
