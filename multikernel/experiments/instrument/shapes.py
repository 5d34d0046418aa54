"""The trees that cores do things along together, by number of cores, and whether the one that a
running system has chosen was right.

Guarantees: trees are for just the cores that take part, from costs that were measured on this
machine if any are kept; those that come to the same are one. That of all cores is the one that
boots have; what is said of it is drawn from ratios within boots.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from multikernel import system as system_
from multikernel.experiments.instrument.arms import Ratio, caution
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Pair
from multikernel.knowledge import cost_store, trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.results.document import Caution
from multikernel.virtual.trees import best
from multikernel.virtual.trees import costs as modelled_costs

ROOT = 0
CHOSEN = "chosen"
TREES = ("sequential", "binary", "cluster", "numa-aware")
SLACK = 0.05
"""A chosen tree may be so much slower than the best of the fixed ones."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A tree of some cores. name: the first of its names, the others are `same`."""

    name: str
    tree: Tree
    same: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.same)

    @property
    def cores(self) -> int:
        return len(self.tree.members)

    @property
    def last(self) -> int:
        """The core that is sent to last."""
        return self.tree.edges[-1][1]

    @property
    def about(self) -> dict[str, str]:
        """What series say of what comes to the same."""
        return {"same": ",".join(self.same)} if self.same else {}

    def whole(self, cores: int) -> tuple[Pair, ...]:
        """Its edges, and behind them edges to all other cores, which a group leaves out again."""
        return (*self.tree.edges, *((ROOT, core) for core in range(self.cores, cores)))


S = TypeVar("S", bound=Shape)
ByCores = Mapping[int, Sequence[S]]


def counts_of(cores: int) -> list[int]:
    """Numbers of cores that are measured: powers of two, and all."""
    return sorted({*(1 << power for power in range(1, cores.bit_length())), cores})


def distinct(keyed: Iterable[tuple[Hashable, S]]) -> list[S]:
    """Those whose keys differ, each with all its names."""
    found: dict[Hashable, S] = {}
    for key, one in keyed:
        known = found.get(key)
        found[key] = one if known is None else replace(known, same=(*known.same, one.name))
    return list(found.values())


def best_of(site: Site, costs: Costs, chosen: Tree | None) -> Tree:
    """The chosen tree, or the best candidate."""
    return chosen or trees.candidates(ROOT, site, costs)[0][0]


def shapes_of(site: Site, costs: Costs, chosen: Tree | None = None) -> list[Shape]:
    """The trees that differ. chosen: in place of the best candidate."""
    named = [(name, trees.build(name, ROOT, site, costs)) for name in TREES]
    named.append((CHOSEN, best_of(site, costs, chosen)))
    return distinct((tree.edges, Shape(name, tree)) for name, tree in named)


def tree_of_all(request: Request) -> Tree | None:
    """Core 0's; None where a boot chooses nothing: of two cores, or where they share CPUs."""
    if request.cores <= 2 or request.crowded:
        return None
    if request.model is not None:
        return best(request.model, request.cores, str(request.machine))
    request.progress("which tree this machine has chosen")
    with system_.boot(list(request.placement.cpus)) as booted:
        return booted.trees[0].tree


def by_cores(
    request: Request, counts: Iterable[int],
    make: Callable[[Site, Costs, Tree | None], list[S]], chosen: Tree | None,
) -> tuple[ByCores[S], Costs]:  # fmt: skip
    """What is made of the first so many cores, and of which costs. chosen: for all cores."""
    cpus, topology = request.placement.cpus, request.topology
    costs = costs_of(request, Site(topology, cpus))
    found = {
        count: make(
            Site(topology, cpus[:count]), costs.part(range(count)),
            chosen if count == request.cores else None,
        )
        for count in counts
    }  # fmt: skip
    return found, costs


def costs_of(request: Request, site: Site) -> Costs:
    """Measured here and kept, or assumed; or the modelled machine's."""
    if request.model is not None:
        return modelled_costs(request.model, request.cores, str(request.machine))
    return cost_store.known(site)[0]


def known(request: Request, chosen: Tree | None = None) -> tuple[ByCores[Shape], Costs]:
    """The trees by number of cores, and the costs that they were made from."""
    return by_cores(request, counts_of(request.cores), shapes_of, chosen)


def chosen_of(several: Iterable[S]) -> S:
    """The one that boots have; of fewer cores the one that is predicted to be best."""
    return next(shape for shape in several if CHOSEN in shape.names)


# --- In words ---


def made_from(costs: Costs) -> Caution:
    return caution("costs-of-trees", f"Trees were made from costs {costs.origin}: {costs.detail}.")


def same_trees(by_cores: ByCores[S], how: str = "edge for edge") -> Iterator[Caution]:
    alike: dict[str, list[str]] = defaultdict(list)
    for one in (one for several in by_cores.values() for one in several if one.same):
        *others, last = one.same
        come = f"{', '.join(others)} and {last} come" if others else f"{last} comes"
        alike[f"{come} to the same as {one.name}"].append(str(one.cores))
    for words, counts in alike.items():
        text = f"With {', '.join(counts)} cores {words}, {how}: measured once."
        yield caution("same-tree", text)


def judged(collector: Collector, fixed: Iterable[tuple[str, Ratio]], kind: str) -> list[Caution]:
    """What to say; nothing where nothing was measured. fixed: what is held against what, and the
    ratio of that fixed tree over the chosen one, which is slower if the whole interval says so, by
    more than the slack.
    """
    found = [(what, collector.ratio(asked)) for what, asked in fixed]
    held = [(what, ratio) for what, ratio in found if ratio is not None]
    if not held or not collector.request.trusted:
        return []
    slower = [
        f"{what}: {1 / ratio.value:.2f} × ({1 / ratio.interval.high:.2f} –"
        f" {1 / ratio.interval.low:.2f})"
        for what, ratio in held
        if ratio.interval.high * (1 + SLACK) < 1
    ]
    text = (
        f"The chosen tree ({kind}) is more than {100 * SLACK:.0f} % slower in"
        f" {len(slower) or 'none'} of {len(held)} comparison{'s' * (len(held) > 1)} with fixed"
        " trees"
    )
    if slower:
        text += f": {'; '.join(slower)}. Measure anew which is best: choose_trees(fresh=True)"
    return [caution(f"chosen-tree-{'slower' if slower else 'best'}", text + ".")]
