"""The trees of an experiment by number of cores, and whether the one that a running system has
chosen was right: beside every fixed tree, in one run.

Guarantees: trees are for just the cores that take part, from costs that were measured on this
machine if any are kept. That of all cores is the one that boots with `trees="chosen"` have, decided
by running candidates on the cores; what is said of it is drawn from ratios within boots, and a
slower one is called so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from multikernel import system as system_
from multikernel.experiments.instrument.arms import Ratio
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.request import Request
from multikernel.knowledge import cost_store
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.results.document import Caution
from multikernel.virtual.trees import best
from multikernel.virtual.trees import costs as modelled_costs

T = TypeVar("T")
SLACK = 0.05
"""A chosen tree may be so much slower than the best of the fixed ones."""


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
    make: Callable[[Site, Costs, Tree | None], list[T]], chosen: Tree | None,
) -> tuple[dict[int, list[T]], Costs]:  # fmt: skip
    """What is made of the first so many cores, by their number, and of which costs."""
    cpus, topology = request.placement.cpus, request.topology
    costs = costs_of(request, Site(topology, cpus))
    found = {}
    for count in counts:
        tree = chosen if count == request.cores else None
        found[count] = make(Site(topology, cpus[:count]), costs.part(range(count)), tree)
    return found, costs


def costs_of(request: Request, site: Site) -> Costs:
    """Measured here and kept, or assumed; or the modelled machine's."""
    if request.model is not None:
        return modelled_costs(request.model, request.cores, str(request.machine))
    return cost_store.known(site)[0]


def made_from(costs: Costs) -> Caution:
    text = f"Trees were made from costs {costs.origin}: {costs.detail}."
    return Caution(code="costs-of-trees", text=text)


def judged(collector: Collector, fixed: Iterable[tuple[str, Ratio]], kind: str) -> list[Caution]:
    """What to say; nothing where nothing was measured. fixed: what is held against what, and the
    ratio of that fixed tree over the chosen one, which is slower if the whole interval says so, by
    more than the slack.
    """
    found = [(what, collector.ratio(asked)) for what, asked in fixed]
    held = [(what, ratio) for what, ratio in found if ratio is not None]
    if not held or collector.request.crowded or not collector.request.size.measures:
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
    return [Caution(code=f"chosen-tree-{'slower' if slower else 'best'}", text=text + ".")]
