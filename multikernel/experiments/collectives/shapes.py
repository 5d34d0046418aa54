"""The trees that cores do things along together: by number of cores, each that differs once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from multikernel.experiments.instrument import chosen as chosen_
from multikernel.experiments.instrument.arms import Pair
from multikernel.experiments.instrument.protocols import CHOSEN, ROOT
from multikernel.experiments.instrument.request import Request
from multikernel.knowledge import trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.results.document import Caution

TREES = ("sequential", "binary", "cluster", "numa-aware")


@dataclass(frozen=True, slots=True)
class Shape:
    """A tree of some cores. name: the first of its names, the others are `same`."""

    name: str
    tree: Tree
    same: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.name, *self.same)

    @property
    def cores(self) -> int:
        """How many take part."""
        return len(self.tree.members)

    @property
    def last(self) -> int:
        """The core that is sent to last."""
        return self.tree.edges[-1][1]

    def whole(self, cores: int) -> tuple[Pair, ...]:
        """Its edges, and behind them edges to all other cores of the system, which a group leaves
        out again.
        """
        return (*self.tree.edges, *((ROOT, core) for core in range(self.cores, cores)))


ByCores = Mapping[int, list[Shape]]


def counts_of(cores: int) -> list[int]:
    """Numbers of cores that are measured: powers of two, and all."""
    return sorted({*(1 << power for power in range(1, cores.bit_length())), cores})


def distinct(named: Iterable[tuple[str, Tree]]) -> list[Shape]:
    """The trees that differ, each with all its names."""
    found: dict[tuple[Pair, ...], Shape] = {}
    for name, tree in named:
        known = found.get(tree.edges)
        found[tree.edges] = (
            Shape(name, tree) if known is None else replace(known, same=(*known.same, name))
        )
    return list(found.values())


def shapes_of(site: Site, costs: Costs, chosen: Tree | None = None) -> list[Shape]:
    """The trees that differ. chosen: in place of the best candidate."""
    best = chosen or trees.candidates(ROOT, site, costs)[0][0]
    fixed = ((name, trees.build(name, ROOT, site, costs)) for name in TREES)
    return distinct([*fixed, (CHOSEN, best)])


def known(request: Request, chosen: Tree | None = None) -> tuple[ByCores, Costs]:
    """The trees by number of cores, and the costs that they were made from. chosen: for all
    cores.
    """
    return chosen_.by_cores(request, counts_of(request.cores), shapes_of, chosen)


def same_trees(by_cores: ByCores) -> Iterator[Caution]:
    """Which trees come to the same, by number of cores."""
    for shape in (shape for several in by_cores.values() for shape in several if shape.same):
        text = (
            f"On {shape.cores} cores these trees are the same and were measured once:"
            f" {', '.join(shape.names)}."
        )
        yield Caution(code="same-tree", text=text)


def chosen_of(several: list[Shape]) -> Shape:
    """The one that boots have; of fewer cores the one that is predicted to be best."""
    return next(shape for shape in several if CHOSEN in shape.names)
