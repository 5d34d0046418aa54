"""Two-phase commit: the retype of memory that all cores have copies of, one alone and many in
flight.

Guarantees: a retype is over when the requester has its answer, and by then every core has voted and
knows the outcome. *Single*: one at a time. *Interval*: the mean cost of one, of batches with so
many in flight. In two phases by tree and number of cores; beside it by the owner-sequenced
protocol, and in the shared kernel. The local work, where nobody has to be asked, and the floors are
in the same slices. What all get done at once is `retype_throughput`'s. Answers: the paper's figure
8.
"""

from collections.abc import Iterator
from statistics import median

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.capability_loops import BATCH, Source, Task
from multikernel.experiments.instrument.deciding import FOREIGN, TWO_PHASE, WAYS, Way, arm, machine
from multikernel.experiments.instrument.shapes import Shape, known, same_trees

SINGLE, PIPELINED = 800, 24 * BATCH
"""Operations in a slice."""
MOST = 16
"""In flight at once, as many as a core's monitor takes part in of its own."""
FEWER = (1, 2, 4, 8)
LOCAL = Way("local", source="alone")
"""Nobody has to be asked."""
FLOORS_ALLOWED = 3.5
"""What agreement may cost beside the local work, in back-to-back floors."""
HERE = (*WAYS, FOREIGN)

NOBODY = caution(
    "nobody-is-asked",
    "The shared kernel's cores are not asked: its figures are those of one core that holds"
    " uncontended locks. Nor are others where the owner retypes by the owner-sequenced"
    " protocol.",
)


def _suffix(in_flight: int | None) -> str:
    return "single" if in_flight is None else f"{in_flight}-in-flight"


class TwoPhaseCommit(Experiment):
    entry = entry("two-phase-commit")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.by_cores, _ = known(self.request)
        self.floors_on = machine(TWO_PHASE, self.request.cores)

    def key(self, way: Way, shape: Shape, cores: int, in_flight: int | None) -> str:
        """Without the full number of cores, and with a tree in two phases alone."""
        name = f"{way.name}-{shape.name}" if way is TWO_PHASE else way.name
        return f"{name}{self.request.on(cores)}-{_suffix(in_flight)}"

    def _first(self, in_flight: int | None) -> str:
        """The key of the multikernel's by two phases on all cores, along the first tree."""
        cores = self.request.cores
        return self.key(TWO_PHASE, self.by_cores[cores][0], cores, in_flight)

    def arms(self) -> Iterator[Arm]:
        for cores, shapes in self.by_cores.items():
            for way in HERE:
                for shape in shapes if way is TWO_PHASE else shapes[:1]:
                    first = shape is shapes[0] and cores == self.request.cores
                    for in_flight in (None, *(FEWER if first else ()), MOST):
                        yield self._arm(way, shape, cores, in_flight)
        for in_flight in (None, 1):
            key, task = f"{LOCAL.name}-{_suffix(in_flight)}", self._task(LOCAL.source, in_flight)
            yield arm(key, LOCAL, 1, task, {}, self.floors_on)

    def _arm(self, way: Way, shape: Shape, cores: int, in_flight: int | None) -> Arm:
        about = {"tree": shape.name, **shape.about} if way is TWO_PHASE else {}
        key = self.key(way, shape, cores, in_flight)
        return arm(
            key, way, cores, self._task(way.source, in_flight), about, machine(way, cores),
            shape.tree.edges if way.system == "multikernel" else None,
            repeated=key == self._first(None),
        )  # fmt: skip

    def _task(self, source: Source, in_flight: int | None) -> Task:
        size = self.request.size
        if in_flight is None:
            return Task("retype", size.count(SINGLE), source=source)
        return Task("retype", size.count(PIPELINED, BATCH, 2), BATCH, in_flight, source)

    def ratios(self) -> Iterator[Ratio]:
        single, pipelined = self._first(None), self._first(MOST)
        yield Ratio(single, f"{LOCAL.name}-single", "cost")
        yield Ratio(pipelined, single, "cost")
        for fewer in FEWER:
            yield Ratio(self._first(fewer), pipelined, "cost")
        for cores, (first, *others) in self.by_cores.items():
            for in_flight in (None, MOST):
                ours = self.key(TWO_PHASE, first, cores, in_flight)
                for way in HERE[1:]:
                    yield Ratio(self.key(way, first, cores, in_flight), ours, "asking")
                for shape in others:
                    yield Ratio(ours, self.key(TWO_PHASE, shape, cores, in_flight), "tree")

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        if said := self._agreement(collector):
            yield caution("cost-of-agreement", said)
            yield NOBODY
        yield from same_trees(self.by_cores)

    def _agreement(self, collector: Collector) -> str | None:
        """What it costs beside the local work, in floors, taken within each boot."""
        single, local, pipelined = map(
            collector.medians, (self._first(None), f"{LOCAL.name}-single", self._first(MOST))
        )
        floors = [collector.medians(floor_key(pair, "back-to-back")) for pair in self.pairs()]
        boots = [boot for boot in single if all(boot in one for one in (local, *floors))]
        if not boots or self.request.crowded:
            return None
        added = median(
            (single[boot] - local[boot]) / max(floor[boot] for floor in floors) for boot in boots
        )
        text = (
            f"One retype in two phases takes its local work and {added:.2f} × the back-to-back"
            " floor"
        )
        shares = [pipelined[boot] / single[boot] for boot in boots if boot in pipelined]
        if shares:
            text += f"; with {MOST} in flight one costs {median(shares):.2f} × as much as alone"
        return f"{text} (goals: {FLOORS_ALLOWED} ×, 0.5 ×)."
