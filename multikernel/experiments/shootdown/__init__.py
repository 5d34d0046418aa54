"""The messages of a TLB shootdown, by protocol and by number of cores: what a root pays to notify
all and hear from all.

Guarantees: nothing but messages, on lines of their own, in one loop that serves every tree (raw);
completion is when the root has every acknowledgement, and each says whom it speaks for, which is
checked. Trees are for just the cores that take part (`shapes`). Answers: the paper's figure 6.
"""

from collections.abc import Iterator
from functools import partial

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import shapes
from multikernel.experiments.instrument.protocols import FORMS, notify, protocols
from multikernel.experiments.instrument.shapes import CHOSEN, ROOT, chosen_of
from multikernel.experiments.shared_memory import counts_of
from multikernel.knowledge.tree import Tree

USUAL: dict[Mode, int] = {"back-to-back": 4000, "single": 1000}
CONTROL_OF = "unicast"
"""Nothing that comes before it can equal it, so it is measured under its own name everywhere."""
IN_TURN = (
    ("broadcast", CHOSEN),
    ("broadcast", "unicast"),
    ("unicast", "multicast"),
    ("multicast", "numa-aware"),
)
"""The paper's protocols, each over the one that improves on it."""


class Shootdown(Experiment):
    entry = entry("shootdown")

    def __init__(self, request: Request, chosen: Tree | None = None) -> None:
        """chosen: a tree of all cores from core 0, in place of the one that boots have."""
        super().__init__(request)
        counts = counts_of(self.request.cores)[1:]
        chosen = chosen or shapes.tree_of_all(self.request)
        self.by_cores, self.costs = shapes.by_cores(self.request, counts, protocols, chosen)
        """By number of cores the protocols that differ there."""

    def stem(self, name: str, count: int) -> str:
        """What a series' keys begin with. The full number of cores is left out of it."""
        return name + self.request.on(count)

    def key(self, name: str, count: int, mode: Mode) -> str:
        return f"{self.stem(name, count)}-{mode}"

    def arms(self) -> Iterator[Arm]:
        for one in (one for several in self.by_cores.values() for one in several):
            # A ratio's name does not depend on which come to the same here.
            also = tuple(self.stem(name, one.cores) for name in one.same)
            about: dict[str, Scalar] = {
                "operation": "shootdown", "depth": one.tree.depth, **POLLED, **one.about,
                "tree": "none" if one.form.shared else one.tree.kind,
            }  # fmt: skip
            specs = both_modes(
                self.stem(one.name, one.cores), "raw", one.name, one.cores, "completion", about,
                tuple((ROOT, core) for core in range(1, one.cores)), also,
            )  # fmt: skip
            yield sampled(
                f"{one.name}, {one.cores} cores", specs, MULTIKERNEL,
                partial(notify, protocol=one, plan=self.request.plan(USUAL)),
                repeated=one.name == CONTROL_OF and one.cores == self.request.cores,
            )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        """Of protocols with as many cores; of each with all cores over two; and over the floor."""
        most, least = self.request.cores, min(self.by_cores)
        yield from (ratio for _, ratio in self._fixed())
        for mode in MODES:
            for count in self.by_cores:
                for over, under in IN_TURN:
                    if self._differ(over, under, count):
                        keys = self.key(over, count, mode), self.key(under, count, mode)
                        yield Ratio(*keys, "tree")
            for name in ("broadcast", "unicast", CHOSEN):
                yield Ratio(self.key(name, 2, mode), floor_key((0, 1), mode), "cost")
            for form in FORMS if most > least else ():
                yield Ratio(
                    self.key(form.name, most, mode), self.key(form.name, least, mode), "cost"
                )

    def _fixed(self) -> Iterator[tuple[str, Ratio]]:
        for mode in MODES:
            for count in self.by_cores:
                for form in FORMS:
                    fixed = form.kind is not None and not form.shared
                    if fixed and self._differ(form.name, CHOSEN, count):
                        keys = self.key(form.name, count, mode), self.key(CHOSEN, count, mode)
                        yield f"{form.name} on {count} cores, {mode}", Ratio(*keys, "tree")

    def _differ(self, one: str, other: str, count: int) -> bool:
        return not any({one, other} <= set(some.names) for some in self.by_cores[count])

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        yield shapes.made_from(self.costs)
        yield from shapes.same_trees(self.by_cores, "edge for edge and memory node for memory node")
        kind = chosen_of(self.by_cores[self.request.cores]).tree.kind
        yield caution("chosen-tree", f"The chosen tree of all cores is the one called {kind}.")
        yield from shapes.judged(collector, self._fixed(), kind)
