"""The unmap experiment's arms of Linux: threads of one address space, and processes.

Guarantees: every slice says how many interrupts the target CPUs took for TLB shootdowns, where the
host counts them (`notified`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from multikernel.experiments.instrument.arms import Arm, Outcome, Pair, Spec
from multikernel.experiments.instrument.linux_process import LinuxProcess, activity_of
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
    throughput,
)
from multikernel.experiments.unmap.notified import shootdowns
from multikernel.results.histogram import Histogram

COMPUTING, IDLE, BY_CORES = 400, 60, 200
"""Operations in a slice."""


@dataclass(frozen=True, slots=True)
class Linux:
    """A process of Linux with threads on the same CPUs. memory: in bytes."""

    memory: int

    def open(self, stack: ExitStack, request: Request) -> LinuxProcess:
        """It is gone with the stack."""
        return stack.enter_context(LinuxProcess(request.placement.cpus, self.memory))


def histogram_of(answer: dict[str, Any]) -> Histogram:
    """The samples of the Linux process's answer."""
    samples = answer["samples"]
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

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("unmap", count=count, idle=idle, cores=own.cores)
            return self._outcome(own, answer, histogram_of(answer), count)

        return self._arm(own, slice_of)

    def _life(self, own: Spec, form: str, target: str) -> Arm:
        count = self.sizes.count(LIVES_BATCHES, slow=True) * LIVES
        ask = {"count": count, "batch": LIVES, "reused": form == "reused", "idle": target == "idle"}

        def slice_of(linux: LinuxProcess) -> Outcome:
            answer = linux.ask("life", **ask)
            return self._outcome(own, answer, histogram_of(answer), count)

        return self._arm(own, slice_of)

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
            return self._outcome(own, answer, rate, operations, initiator=None)

        return self._arm(own, slice_of)

    def _outcome(
        self, own: Spec, answer: dict[str, Any], samples: Histogram, operations: int,
        initiator: int | None = 0,
    ) -> Outcome:  # fmt: skip
        cpus, activity = self.request.placement.cpus, activity_of(answer)
        interrupts = shootdowns(activity, None if initiator is None else cpus[initiator])
        others = len(set(cpus[: own.cores])) - 1
        sums = {f"{own.key}.operations": float(operations * others)}
        if interrupts is not None:
            sums[f"{own.key}.interrupts"] = float(interrupts)
        return Outcome({own.key: samples}, sums, activity)

    def _arm(self, own: Spec, slice_of: Any) -> Arm:
        return Arm(own.key.replace("-", " "), (own,), self.on, partial(slice_of))
