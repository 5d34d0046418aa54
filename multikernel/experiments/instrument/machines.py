"""What arms run on: booted systems, each fresh in every boot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from multikernel import system as system_
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.runtime.plan import Kernel


@dataclass(frozen=True, slots=True)
class Booted:
    """A booted system. cores: the first so many of the request's, None for all; one_cpu: two cores
    on the first CPU. options: of boot. prepare: once it runs; what it returns is `Bench.prepared`.
    """

    kernel: Kernel = "multikernel"
    cores: int | None = None
    one_cpu: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    prepare: Callable[[Bench], Any] | None = None

    def open(self, stack: ExitStack, request: Request) -> Bench:
        """It runs until the stack ends. Raises what boot does."""
        cpus = list(request.placement.cpus[: self.cores])
        if self.one_cpu:
            cpus = [cpus[0], cpus[0]]
        booted = system_.boot(cpus, kernel=self.kernel, **dict(self.options))
        bench = Bench(stack.enter_context(booted))
        if self.prepare is not None:
            bench.prepared = self.prepare(bench)
        return bench


MULTIKERNEL, SHARED = Booted("multikernel"), Booted("shared")
"""Both kernels as they boot by default, on all cores."""
