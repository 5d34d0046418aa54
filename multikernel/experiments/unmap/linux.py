"""The unmap experiment's arms of Linux: threads of one address space, and processes.

Guarantees: every slice says how many interrupts the target CPUs took for TLB shootdowns, where the
host counts them (`notified`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.linux_process import PROVED, LinuxProcess, activity_of
from multikernel.experiments.instrument.loops import PAGE
from multikernel.experiments.instrument.modelled import Unmodelled
from multikernel.experiments.instrument.rig import LIVES
from multikernel.experiments.unmap.kernels import (
    FORMS,
    LIVES_BATCHES,
    SIDES,
    Arms,
    life_specs,
    name_of,
    rate_spec,
    spec,
    throughput,
)
from multikernel.experiments.unmap.notified import shootdowns

COMPUTES = "linux-computing"
COMPUTING, IDLE, BY_CORES = 400, 60, 200
"""Operations in a slice."""


@dataclass(frozen=True, slots=True)
class Linux:
    """A process of Linux with threads on the same CPUs. memory: in bytes."""

    memory: int

    def open(self, stack: ExitStack, request: Request) -> LinuxProcess:
        """It is gone with the stack. On a modelled machine there is no Linux."""
        if request.model is not None:
            return cast(LinuxProcess, Unmodelled())
        return stack.enter_context(LinuxProcess(request.placement.cpus, self.memory))


def histogram_of(answer: dict[str, Any], name: str) -> Histogram:
    """Samples of the Linux process's answer."""
    samples = answer["samples"][name]
    sparse = {"sub_bits": 7, "counts": samples["counts"]}
    mean = samples["sum"] / samples["n"]
    return Histogram.from_sparse(sparse, samples["min"], samples["max"], mean)


class LinuxArms(Arms):
    """Those of Linux."""

    def __init__(self, request: Request, floor: tuple[Pair, ...]) -> None:
        super().__init__(request, floor)
        self.on, self.cpus = Linux(self.pages * self.cores * PAGE), request.placement.cpus

    def all(self) -> Iterator[Arm]:
        """But for those by number of cores."""
        for target, usual, told in (("computing", COMPUTING, "interrupt"), ("idle", IDLE, "none")):
            own = spec(
                f"linux-{target}", "linux", "mprotect", self.cores, self.floor,
                operation="unmap", target=target, told=told,
            )  # fmt: skip
            yield self.unmap(own, usual, idle=target == "idle")
            for form in FORMS:
                yield self._life(form, target)
        for processes in (False, True):
            yield self._own_pages(processes)

    def unmap(self, own: Spec, usual: int, *, idle: bool = False) -> Arm:
        """Of a page that so many threads have mapped as the series has cores."""
        count = self.count(usual, slow=True)
        specs = [own]
        if own.key == COMPUTES:
            # What Linux pays besides. How the removal notifies is not looked at.
            specs += [
                spec(f"{side}-linux", "linux", side, own.cores, operation=what,
                     target="computing", told="none")
                for side, what in SIDES.items()
            ]  # fmt: skip
            specs.append(
                spec("remove-linux", "linux", "remove", own.cores, operation="munmap",
                     target="computing")
            )  # fmt: skip

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("unmap", count=count, idle=idle, cores=own.cores)
            samples = {one.key: histogram_of(answer, one.variant) for one in specs[1:]}
            samples[own.key] = histogram_of(answer, "unmap")
            # Counted around the timed call: mapping and removal interrupt, too.
            return self._outcome([own], answer, samples, PROVED, answer["proof"])

        return Arm(name_of(own), tuple(specs), self.on, slice_of)

    def _life(self, form: str, target: str) -> Arm:
        own, rate = life_specs(f"linux-{target}", "linux", form, self.cores, target)
        count = self.count(LIVES_BATCHES, slow=True) * LIVES
        ask = {"count": count, "batch": LIVES, "reused": form == "reused", "idle": target == "idle"}

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("life", **ask)
            lives = histogram_of(answer, "life")
            samples = {own.key: lives, rate.key: throughput(1, lives.mean)}
            interrupts = shootdowns(activity_of(answer), self.cpus[0])
            # Of the same lives, so what notified the one notified the other.
            return self._outcome([own, rate], answer, samples, count, interrupts)

        return Arm(name_of(own), (own, rate), self.on, slice_of)

    def _own_pages(self, processes: bool) -> Arm:
        pages, rounds, suffix = self.pages, self.rounds, "-processes" * processes
        operations = self.cores * pages * rounds
        own = rate_spec(
            f"own-pages-linux{suffix}", "linux", f"own-pages{suffix}", self.cores,
            operation="unmap", told="none",
        )  # fmt: skip

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("own-pages", pages=pages, rounds=rounds, processes=processes)
            samples = {own.key: throughput(operations, answer["cycles"])}
            # Every core unmaps, so an operation has all others as its targets, as it has in the
            # other arms.
            interrupts = shootdowns(activity_of(answer), None)
            return self._outcome([own], answer, samples, operations, interrupts)

        return Arm(name_of(own), (own,), self.on, slice_of)

    def _outcome(
        self, owns: list[Spec], answer: dict[str, Any], samples: dict[str, Histogram],
        operations: int, interrupts: int | None,
    ) -> Outcome:  # fmt: skip
        """interrupts: that the targets of so many operations took."""
        sums: dict[str, float] = {}
        for own in owns:
            others = len(set(self.cpus[: own.cores])) - 1
            sums[f"{own.key}.operations"] = operations * others
            if interrupts is not None:
                sums[f"{own.key}.interrupts"] = interrupts
        return Outcome(samples, sums, activity_of(answer))
