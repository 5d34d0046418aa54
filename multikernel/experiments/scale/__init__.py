"""Scale: what all cores of a machine do together, from two of them to thousands, in virtual time.

Guarantees: the multikernel's own monitors agree on modelled cores along each kind of tree over just
these cores, and bare messages go along the same trees; with every series stand its messages per
operation, the link that most lines passed, and the core that was busiest. Of more cores fewer
operations are run, as nothing but think times tells one from another. Answers: how far the trees
of the paper's section 5.1 reach, and whether the one that the knowledge base proposes is the best.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.modelled import ModelledBench
from multikernel.experiments.instrument.shapes import CHOSEN, Shape, chosen_of, counts_of, distinct
from multikernel.experiments.scale.operations import OPERATIONS, Traffic, furnish
from multikernel.knowledge.tree import Tree
from multikernel.virtual.kernel import packed
from multikernel.virtual.trees import build, is_known

BROADCAST = "broadcast"
MOST, CORES_TIMES = 200, 16_384
"""Operations of a slice: so many, or as many as make with the cores so much; at least LEAST."""
LEAST = 4
FEW, SMALL = 10, 64
"""Up to so many cores each number is run; on machines up to the second one, 3 · 2ⁿ too."""
KINDS = ("sequential", "binary", "cluster", "numa-aware", "hierarchical", CHOSEN)


def numbers(most: int) -> list[int]:
    """Of cores that are run."""
    found = set(counts_of(most))
    if most <= SMALL:
        found |= {*range(2, FEW + 1), *(3 << power for power in range(SMALL.bit_length()))}
    return sorted(count for count in found if count <= most)


class Scale(Experiment):
    entry = entry("scale")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.model, self.where = self.request.model, str(self.request.machine)
        self.by_cores = {cores: self._shapes(cores) for cores in numbers(self.request.cores)}
        self.floors_on = self._machine(self.request.cores)
        self._traffic: dict[str, Traffic] = {}
        self._about: dict[str, dict[str, Scalar]] = {}

    def _shapes(self, cores: int) -> list[Shape]:
        """The trees that differ; NUMA-aware ones where costs of all pairs are known."""
        assert self.model is not None
        known = is_known(self.model, cores, self.where)
        named = [
            (kind, Tree(0, tuple(build(kind, 0, self.model, cores, self.where)), kind))
            for kind in KINDS
            if known or kind != "numa-aware"
        ]
        return distinct((tree.edges, Shape(kind, tree)) for kind, tree in named)

    @staticmethod
    def _machine(cores: int) -> Booted:
        return Booted(cores=cores, options=(("trees", "sequential"),), prepare=furnish)

    def pairs(self) -> list[Pair]:
        """Core 0 with the nearest and the farthest in number."""
        return [(0, core) for core in sorted({1, self.request.cores - 1})]

    def key(self, operation: str, shape: Shape) -> str:
        """The full number of cores is left out of it."""
        return f"{operation}-{shape.name}{self.request.on(shape.cores)}"

    def arms(self) -> Iterator[Arm]:
        for cores, shapes in self.by_cores.items():
            for shape in shapes:
                for operation in (BROADCAST, *OPERATIONS):
                    yield self._arm(operation, shape, self._machine(cores))

    def _arm(self, operation: str, shape: Shape, on: Booted) -> Arm:
        spec = Spec(
            self.key(operation, shape), "raw" if operation == BROADCAST else "multikernel",
            operation, shape.cores, "completion", "single",
            parameters={
                "operation": operation, "tree": shape.name, "depth": shape.tree.depth, **POLLED,
                **shape.about,
            },
        )  # fmt: skip
        slice_of = self._broadcast if operation == BROADCAST else self._operate
        return Arm(spec.key.replace("-", " "), (spec,), on, partial(slice_of, spec, shape))

    def _operate(self, spec: Spec, shape: Shape, bench: Bench) -> Outcome:
        assert isinstance(bench, ModelledBench)
        bench.along(0, shape.tree.edges)
        traffic = self._traffic.setdefault(spec.key, Traffic(bench))
        times = OPERATIONS[spec.variant](bench, traffic, self._count(shape.cores))
        self._about[spec.key] = traffic.about(bench)
        return Outcome({spec.key: Histogram.from_values(times)})

    def _broadcast(self, spec: Spec, shape: Shape, bench: Bench) -> Outcome:
        """Bare messages along the tree, and one back along each of its edges."""
        assert isinstance(bench, ModelledBench)
        edges = shape.tree.edges
        cycles = bench.modelled.native.tree(0, shape.cores, packed(edges), False)
        self._about[spec.key] = {"messages": 2.0 * len(edges)}
        return Outcome({spec.key: one_number(cycles)})

    def _count(self, cores: int) -> int:
        """Operations of a slice."""
        return self.request.size.count(max(LEAST, min(MOST, CORES_TIMES // cores)), least=LEAST)

    def revised(self, spec: Spec, collector: Collector) -> Spec:
        """With what is known of messages, links and cores."""
        about = self._about.get(spec.key, {})
        return replace(spec, parameters={**spec.parameters, **about})

    def ratios(self) -> Iterator[Ratio]:
        """Of each tree over the chosen one, and of all cores over two."""
        for cores, shapes in self.by_cores.items():
            chosen = chosen_of(shapes)
            for operation in (BROADCAST, *OPERATIONS):
                for shape in shapes:
                    if shape is not chosen:
                        words = self._words(operation, cores) if shape.name == KINDS[0] else None
                        keys = self.key(operation, shape), self.key(operation, chosen)
                        yield Ratio(*keys, "tree", words)
        for operation in (BROADCAST, *OPERATIONS):
            most, least = (
                self.key(operation, chosen_of(self.by_cores[cores]))
                for cores in (self.request.cores, 2)
            )
            if most != least:
                yield Ratio(most, least, "cost")

    def _words(self, operation: str, cores: int) -> Words | None:
        """Of all cores alone."""
        if cores != self.request.cores:
            return None
        lead = f"{operation.capitalize()} on {cores} cores"
        return Words(
            subject="the chosen tree", other="sending to all in turn", lead=lead, counterpart=False
        )

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        few, many = min(self.by_cores), max(self.by_cores)
        yield caution(
            "fewer-operations",
            "Of more cores fewer operations were run, since only think times and the calibration's"
            f" spread tell them apart: {self._count(few)} a seed on {few} cores,"
            f" {self._count(many)} on {many}; and once a seed bare messages, which repeat exactly.",
        )
