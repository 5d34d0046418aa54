"""The unmap experiment's arms of Linux: threads of one address space, and processes.

Guarantees: every slice says how many interrupts the target CPUs took for TLB shootdowns, where the
host counts them (`notified`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from multikernel.experiments.instrument.arms import Arm, Outcome, Pair, Spec
from multikernel.experiments.instrument.linux_process import PROVED, LinuxProcess, activity_of
from multikernel.experiments.instrument.loops import PAGE
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import LIVES
from multikernel.experiments.unmap.kernels import (
    FORMS,
    LIVES_BATCHES,
    Sizes,
    life_spec,
    rate_spec,
    spec,
    sustained,
    throughput,
)
from multikernel.experiments.unmap.notified import shootdowns
from multikernel.results.histogram import Histogram

COMPUTES = "linux-computing"
COMPUTING, IDLE, BY_CORES = 400, 60, 200
"""Operations in a slice."""


@dataclass(frozen=True, slots=True)
class Linux:
    """A process of Linux with threads on the same CPUs. memory: in bytes."""

    memory: int

    def open(self, stack: ExitStack, request: Request) -> LinuxProcess:
        """It is gone with the stack."""
        return stack.enter_context(LinuxProcess(request.placement.cpus, self.memory))


def histogram_of(answer: dict[str, Any], name: str) -> Histogram:
    """Samples of the Linux process's answer."""
    samples = answer["samples"][name]
    sparse = {"sub_bits": 7, "counts": samples["counts"]}
    mean = samples["sum"] / samples["n"]
    return Histogram.from_sparse(sparse, samples["min"], samples["max"], mean)


class LinuxArms:
    """The arms. floor: the pairs that judge them."""

    def __init__(self, request: Request, floor: tuple[Pair, ...]) -> None:
        self.request, self.floor, self.sizes = request, floor, Sizes(request)
        self.on = Linux(self.sizes.pages * request.cores * PAGE)

    def all(self) -> Iterator[Arm]:
        """But for those by number of cores."""
        cores = self.request.cores
        for target, usual, told in (("computing", COMPUTING, "interrupt"), ("idle", IDLE, "none")):
            own = spec(
                f"linux-{target}", "linux", "mprotect", cores, self.floor,
                operation="unmap", target=target, told=told,
            )  # fmt: skip
            yield self.unmap(own, usual, idle=target == "idle")
            for form in FORMS:
                yield self._life(
                    life_spec(f"linux-{target}", "linux", form, cores, target), form, target
                )
        for processes in (False, True):
            yield self._own_pages(processes)

    def unmap(self, own: Spec, usual: int, *, idle: bool = False) -> Arm:
        """Of a page that so many threads have mapped as the series has cores."""
        count = self.sizes.count(usual, slow=True)

        # What Linux pays besides, at the full number of cores.
        sides = [] if idle or own.key != COMPUTES else list(self._sides(own.cores))

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("unmap", count=count, idle=idle, cores=own.cores)
            samples = {one.key: histogram_of(answer, one.variant) for one in sides}
            samples[own.key] = histogram_of(answer, "unmap")
            # Counted around the timed call: mapping and removal interrupt, too.
            return self._outcome(own, answer, samples, PROVED, answer["proof"])

        return self._arm(own, slice_of, *sides)

    def _sides(self, cores: int) -> Iterator[Spec]:
        """What else an operation costs. How the removal notifies is not looked at."""
        for name, what in (("map", "map-on-all-cores"), ("touch", "first-touch-on-all-cores")):
            yield spec(
                f"{name}-linux", "linux", name, cores, operation=what, target="computing",
                told="none",
            )  # fmt: skip
        yield spec("remove-linux", "linux", "remove", cores, operation="munmap", target="computing")

    def _life(self, own: Spec, form: str, target: str) -> Arm:
        count = self.sizes.count(LIVES_BATCHES, slow=True) * LIVES
        rate = sustained(own)
        ask = {"count": count, "batch": LIVES, "reused": form == "reused", "idle": target == "idle"}

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("life", **ask)
            lives = histogram_of(answer, "life")
            samples = {own.key: lives, rate.key: throughput(1, lives.mean)}
            outcome = self._outcome(own, answer, samples, count, self._interrupts(answer))
            # Of the same lives, so what notified the one notified the other.
            for name in ("operations", "interrupts"):
                if (counted := outcome.sums.get(f"{own.key}.{name}")) is not None:
                    outcome.sums[f"{rate.key}.{name}"] = counted
            return outcome

        return self._arm(own, slice_of, rate)

    def _own_pages(self, processes: bool) -> Arm:
        pages, rounds, suffix = self.sizes.pages, self.sizes.rounds, "-processes" * processes
        operations = self.request.cores * pages * rounds
        own = rate_spec(
            f"own-pages-linux{suffix}", "linux", f"own-pages{suffix}", self.request.cores,
            operation="unmap", told="none",
        )  # fmt: skip

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("own-pages", pages=pages, rounds=rounds, processes=processes)
            rate = throughput(operations, answer["cycles"])
            # Every core unmaps, so an operation has all others as its targets, as it has in the
            # other arms.
            interrupts = shootdowns(activity_of(answer), None)
            return self._outcome(own, answer, {own.key: rate}, operations, interrupts)

        return self._arm(own, slice_of)

    def _interrupts(self, answer: dict[str, Any]) -> int | None:
        return shootdowns(activity_of(answer), self.request.placement.cpus[0])

    def _outcome(
        self, own: Spec, answer: dict[str, Any], samples: dict[str, Histogram], operations: int,
        interrupts: int | None,
    ) -> Outcome:  # fmt: skip
        """interrupts: that the targets of so many operations took."""
        others = len(set(self.request.placement.cpus[: own.cores])) - 1
        sums = {f"{own.key}.operations": float(operations * others)}
        if interrupts is not None:
            sums[f"{own.key}.interrupts"] = float(interrupts)
        return Outcome(samples, sums, activity_of(answer))

    def _arm(self, own: Spec, slice_of: Callable[[LinuxProcess], Outcome], *sides: Spec) -> Arm:
        return Arm(own.key.replace("-", " "), (own, *sides), self.on, slice_of)
