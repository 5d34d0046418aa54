"""The unmap experiment's arms of Linux: threads of one address space, and processes.

Guarantees: every slice says how many interrupts the target CPUs took for TLB shootdowns, where the
host counts them (`notified`).
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.linux_process import PROVED, LinuxProcess
from multikernel.experiments.instrument.loops import PAGE
from multikernel.experiments.instrument.rig import LIVES
from multikernel.experiments.unmap import kernels
from multikernel.experiments.unmap.kernels import FORMS, Arms, spec
from multikernel.experiments.unmap.notified import shootdowns

COMPUTES = "linux-computing"
COMPUTING, IDLE, BY_CORES = 400, 60, 200
"""Operations in a slice."""


@dataclass(frozen=True, slots=True)
class Linux:
    """A process of Linux with threads on the same CPUs. memory: in bytes."""

    memory: int

    def open(self, stack: ExitStack, request: Request) -> LinuxProcess:
        return stack.enter_context(LinuxProcess(request.placement.cpus, self.memory))


class LinuxArms(Arms):
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
        count, specs = self.count(usual, slow=True), {"unmap": own}
        if own.key == COMPUTES:
            # What Linux pays besides. How the removal notifies is not looked at.
            specs |= kernels.side_specs("linux", "linux", own.cores, "computing", "none")
            specs["remove"] = spec(
                "remove-linux", "linux", "remove", own.cores, operation="munmap", target="computing"
            )
        # Counted around the timed call: mapping and removal interrupt, too.
        return sampled(
            kernels.name_of(own), specs, self.on,
            lambda linux: linux.ask("unmap", count=count, idle=idle, cores=own.cores),
            sums=lambda report: self._sums(
                [own.key], PROVED, report.counts.get("proof"), own.cores
            ),
        )  # fmt: skip

    def _life(self, form: str, target: str) -> Arm:
        name, count = f"linux-{target}", self.count(kernels.LIVES_BATCHES, slow=True) * LIVES
        ask = {"count": count, "batch": LIVES, "reused": form == "reused", "idle": target == "idle"}
        # Of the same lives, so what notified the one notified the other.
        keys = [f"{what}-{form}-{name}" for what in ("life", "sustained")]
        return kernels.life_arm(
            name, "linux", form, self.cores, target, self.on,
            lambda linux: linux.ask("life", **ask),
            sums=lambda report: self._sums(keys, count, shootdowns(report.activity, self.cpus[0])),
        )  # fmt: skip

    def _own_pages(self, processes: bool) -> Arm:
        ask = {"pages": self.pages, "rounds": self.rounds, "processes": processes}
        what = "own-pages" + "-processes" * processes
        key = f"own-pages-linux{'-processes' * processes}"
        own = spec(key, "linux", what, self.cores, operation="unmap", told="none")
        # Every core unmaps, so an operation has all others as its targets, as it has in the other
        # arms.
        return kernels.rate_arm(
            own, self.on, lambda linux: linux.ask("own_pages", **ask),
            sums=lambda report: self._sums(
                [key], report.counts["operations"], shootdowns(report.activity, None)
            ),
        )  # fmt: skip

    def _sums(
        self, keys: list[str], operations: int, interrupts: int | None, cores: int | None = None
    ) -> dict[str, float]:
        """interrupts: that the targets of so many operations took, on the first so many CPUs."""
        others = len(set(self.cpus[:cores])) - 1
        sums: dict[str, float] = {f"{key}.operations": operations * others for key in keys}
        if interrupts is not None:
            sums |= {f"{key}.interrupts": interrupts for key in keys}
        return sums
