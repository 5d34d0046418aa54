"""What is asked of an experiment: on which cores, how large, and what receives its progress.

Guarantees: a request says everything that decides what is run; two equal requests run the same
slices in the same order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.cpus import Placement
from multikernel.machine.models.model import Model
from multikernel.machine.models.tables import topology_of
from multikernel.machine.topology.model import Topology
from multikernel.results.document import Mode
from multikernel.timeline.trace import Trace
from multikernel.virtual.work import Work

BATCHES: dict[Mode, int] = {"back-to-back": 100, "single": 1}
"""Operations that are timed together, by the floor's modes."""
MODES: tuple[Mode, ...] = tuple(BATCHES)


@dataclass(frozen=True, slots=True)
class Size:
    """boots: fresh systems; rounds: slices of every arm in each; scale: of the counts in a slice;
    measures: whether its numbers are to be trusted. If not, no slice is too disturbed for it, and
    its documents say so.
    """

    name: str
    boots: int
    rounds: int
    scale: float
    measures: bool = True

    def count(self, usual: int, batch: int = 1, least: int = 4) -> int:
        """Operations in a slice: whole batches, for the two sides of a loop must agree."""
        return max(round(usual * self.scale) // batch, least) * batch


SIZES = {
    "smoke": Size("smoke", boots=1, rounds=2, scale=0.02, measures=False),
    "quick": Size("quick", boots=5, rounds=4, scale=1.0),
    # Numbers differ more between boots than within one, and intervals are over boots.
    "compared": Size("compared", boots=15, rounds=2, scale=1.0),
    # Boots are seeds; nothing of a slice is by chance but the think times.
    "modelled": Size("modelled", boots=5, rounds=1, scale=1.0),
    "full": Size("full", boots=20, rounds=4, scale=1.0),
}


@dataclass(frozen=True, slots=True)
class Request:
    """placement: where the cores run; seed: of the order of arms; comparing: only what two kernels
    and Linux are compared by, not what takes long and compares the multikernel with itself; only:
    systems, variants or keys, () for all; seconds: as many boots as fit in, in place of the size's;
    progress: called with a few words on what is going on; model: a modelled machine in place of
    this host, whose cores are 0 to n - 1; machine: what it was asked for by; calibration: of local
    work there, None for the reference; assumed: values that some of the model's numbers have
    instead (models.model), while arms and trees are those of the model; bands: whether the ends of
    their ranges are tried too (`bands`), which takes longer than 5 seeds do;
    trace: of what the multikernels do.
    """

    placement: Placement
    size: Size
    seed: int = 1
    comparing: bool = False
    only: tuple[str, ...] = ()
    seconds: float | None = None
    model: Model | None = None
    machine: str | None = None
    trace: Trace | None = field(default=None, compare=False)
    calibration: Work | None = None
    bands: bool = True
    assumed: tuple[tuple[str, float | str], ...] = ()
    progress: Callable[[str], None] = field(default=lambda _: None, compare=False)

    def __post_init__(self) -> None:
        if self.cores < 2:
            raise BadInput(
                "a comparison needs at least 2 cores",
                value=f"{self.cores} core on CPU {format_cpu_list(self.placement.cpus)}",
                where="cores",
                hint="name more CPUs, or run with --cores 2 --oversubscribe for correctness alone",
            )

    @property
    def crowded(self) -> bool:
        """More cores than CPUs: everything runs, no latency is claimed."""
        return self.placement.oversubscribed

    @property
    def topology(self) -> Topology:
        """Of this host, or of the modelled machine."""
        if self.model is None:
            return Topology.read()
        return topology_of(self.model, str(self.machine))

    @property
    def hz(self) -> float:
        """Of the clock that cycles are of: this host's, or the modelled machine's."""
        return tsc_rate().hz if self.model is None else self.model.ghz.value * 1e9

    @property
    def cores(self) -> int:
        return len(self.placement.cpus)

    @property
    def work(self) -> Work:
        """What local work takes on a modelled machine."""
        return self.calibration or Work.reference()

    @property
    def trusted(self) -> bool:
        """Whether its numbers mean anything."""
        return self.size.measures and not self.crowded

    def plan(self, usual: dict[Mode, int]) -> tuple[tuple[Mode, int, int], ...]:
        """(mode, operations, batch) of both modes. usual: operations in a slice."""
        return tuple(
            (mode, self.size.count(usual[mode], batch), batch) for mode, batch in BATCHES.items()
        )

    def cpus_of(self, pair: tuple[int, int]) -> str:
        """The CPUs of two cores, as a series' parameter `pair` names them."""
        return "-".join(str(self.placement.cpus[core]) for core in pair)

    def on(self, cores: int) -> str:
        """What keys end with of a number of cores: the full number is left out."""
        return "" if cores == self.cores else f"-on-{cores}"

    def fitted(self) -> Self:
        """The same, made small where cores share CPUs: there a turn costs a time slice."""
        if not self.crowded:
            return self
        boots, scale = min(self.size.boots, 2), min(self.size.scale, 0.02)
        return replace(self, size=replace(self.size, boots=boots, rounds=1, scale=scale))
