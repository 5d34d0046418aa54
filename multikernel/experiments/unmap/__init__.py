"""Unmap: one page, mapped and touched on all cores, is unmapped; until no core can read it any
more.

Guarantees: the multikernel by one and by two phases, the shared kernel, and Linux's threads, each
with targets that poll, compute or sleep. Beside them: the host's mapping call alone, mapping and
the first touch, a page's whole life, what a computing program loses, and pages of one's own on all
cores; and, but for `compare`, over sockets, and all by number of cores and by tree (`by_cores`).
That a target was notified as claimed is counted (`notified`). Answers: the paper's figure 7.
"""

from collections.abc import Iterator

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import machines
from multikernel.experiments.unmap import by_cores, compared, interrupts, notified
from multikernel.experiments.unmap.kernels import KernelArms
from multikernel.experiments.unmap.linux import LinuxArms

WHEN = caution(
    "when-access-is-revoked",
    "Timed is the revocation: once it returns no core can read the page. In both kernels the"
    " mapping itself is removed afterwards, sixteen at once, by a core that is idle or that"
    " maps next; a whole life, fresh, has all of that in it. Linux' removal is a call of its"
    " own, whose time stands beside (remove).",
)


class Unmap(Experiment):
    entry = entry("unmap")

    def __init__(self, request: Request, plan: by_cores.Plan | None = None) -> None:
        """plan: of the arms by number of cores, in place of this machine's."""
        super().__init__(request)
        self.plan = by_cores.planned(self.request) if plan is None else plan
        self.floors_on = KernelArms(self.request).kernel("multikernel")

    def arms(self) -> Iterator[Arm]:
        floor = tuple(self.pairs())
        kernels, linux = KernelArms(self.request, floor), LinuxArms(self.request, floor)
        yield from kernels.all()
        if self.request.model is None:
            yield from linux.all()
            yield from by_cores.arms(self.plan, kernels, linux)
        else:
            yield from interrupts.arms(self.request, self.plan.counts)
            yield from by_cores.arms(self.plan, kernels, None)

    def ratios(self) -> Iterator[Ratio]:
        yield from compared.ratios()
        yield from compared.by_cores(self.plan)

    def revised(self, spec: Spec, collector: Collector) -> Spec:
        return notified.with_count(spec, collector)

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        """Who was not notified as it claims, and what was not run."""
        if not self.request.crowded and self.request.model is None:
            specs = [spec for arm in self.arms() for spec in arm.specs]
            yield from notified.check(collector, specs)
        yield WHEN
        yield from by_cores.said(self.plan)
        if not self.request.comparing:
            yield from machines.refused(self.request)
