"""Which tree each root of a running system is given: predicted by the model, decided by the
machine.

Guarantees: of every root's candidates the best predicted, the paper's (numa-aware) and the plain
one (sequential) are run on the cores, by turns, a message to all and their acknowledgements; the
fastest is installed, by agreement. So what is installed was no slower than these when it was
chosen. Where cores share CPUs, or are two, nothing is run and nothing is claimed: cores that share
CPUs keep the best predicted only if it was asked for by name.

Of a large system `CONTESTS` roots are decided so, and every other root gets the kind that won at
the nearest of them. Costs measured once are kept for this machine (knowledge.cost_store), choices
for this process.

Source: as the page of this room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from multikernel.errors import BadInput
from multikernel.knowledge import cost_store, trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology
from multikernel.routing import measuring, on_core
from multikernel.user.group import Group

BEST = 5
"""How many of the best predicted are run. With those below no more than groups may be open."""
ALWAYS = ("sequential", "numa-aware")
"""Run whatever is predicted."""
CONTESTS = 16
"""Roots for which trees are run."""
_chosen: dict[tuple[int, ...], dict[int, Choice]] = {}
"""By the cores' CPUs: what was decided earlier in this process."""
COUNT, ROUNDS = 20, 3
"""Messages by each tree in a round; the best of the rounds' medians counts, as disturbance only
ever adds. All fit into the box of a member that takes none: 64 at least (driver/collective.h).
"""


class Running(measuring.Running, Protocol):
    """A running system whose trees can be changed."""

    def install(self, root: int, edges: Sequence[tuple[int, int]]) -> None:
        """By agreement."""
        ...

    def group(self, cores: Sequence[int] | None = None, *, root: int | None = None) -> Group:
        """Of these cores, over the root's tree."""
        ...

    def close_group(self, group: Group) -> None:
        """Gives its place back."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """predicted, measured: TSC cycles of a message to all and their acknowledgements; measured is
    None if not run.
    """

    tree: Tree
    predicted: float
    measured: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Why a root has its tree. reason: in words; considered: the best first."""

    tree: Tree
    reason: str
    considered: tuple[Candidate, ...] = ()


def costs_of(system: Running, site: Site, *, fresh: bool = False) -> tuple[Costs, str]:
    """What messages cost here and where that comes from: kept, measured now (and kept), or where
    cores share CPUs assumed.
    """
    kept, why = (None, "") if fresh else cost_store.load(site, Host.read())
    if kept is not None:
        return kept, why
    if system.plan.crowded or site.n < 2:
        return Costs.from_topology(site), "assumed: cores that share CPUs are not measured"
    found = measuring.measure(system, site)
    try:
        cost_store.save(found, site, Host.read())
    except BadInput as error:
        return found, f"measured now, and not kept: {error}"
    return found, "measured now"


def of_kind(system: Running, kind: str) -> dict[int, Choice]:
    """The tree of that kind for every root, by the costs known here. Raises BadInput for a kind
    that is none.
    """
    site = Site(Topology.read(), system.plan.cpus)
    costs, origin = (
        costs_of(system, site)
        if kind not in ("sequential", "binary")
        else (Costs.from_topology(site), "")
    )
    by = f", costs {origin}" if origin else ""
    return {
        root: Choice(trees.build(kind, root, site, costs), f"asked for{by}") for root in site.cores
    }


def choose(system: Running, *, fresh: bool = False, run_crowded: bool = False) -> dict[int, Choice]:
    """A tree for every root, installed where it differs from sending to all oneself.

    fresh: measure costs anew, and search for the optimum too, which takes longer than a boot
    should. run_crowded: run candidates even where cores share CPUs; for correctness, it says
    nothing.
    """
    site = Site(Topology.read(), system.plan.cpus)
    if site.n <= 2:
        return {root: _plain(root, site, "two cores have but one tree") for root in site.cores}
    if system.plan.crowded and not run_crowded:
        return {
            root: _plain(root, site, "cores share CPUs, where no tree can be judged")
            for root in site.cores
        }
    if site.cpus in _chosen and not (fresh or run_crowded):
        return _chosen[site.cpus]
    costs, origin = costs_of(system, site, fresh=fresh)
    step = max(1, site.n // CONTESTS)
    search = None if fresh else 0
    judged = {
        root: _contest(system, root, site, costs, origin, search) for root in range(0, site.n, step)
    }
    found = {root: judged.get(root) or _like(root, judged, site, costs) for root in site.cores}
    _chosen[site.cpus] = found
    return found


def to_all(root: int, cores: int) -> tuple[tuple[int, int], ...]:
    """The edges of a root that has no tree: it sends to everybody itself, in order of number."""
    return tuple((root, core) for core in range(cores) if core != root)


def _plain(root: int, site: Site, reason: str) -> Choice:
    return Choice(Tree(root, to_all(root, site.n), "sequential"), reason)


def _like(root: int, judged: dict[int, Choice], site: Site, costs: Costs) -> Choice:
    nearest = min(judged, key=lambda other: (costs.round_trip[root, other], other))
    kind = judged[nearest].tree.kind
    tree = trees.build(kind, root, site, costs)
    return Choice(tree, f"as core {nearest}, the nearest whose trees were run")


def _contest(
    system: Running, root: int, site: Site, costs: Costs, origin: str, search: int | None
) -> Choice:
    predicted = trees.candidates(root, site, costs, search=search)
    wanted = {tree.edges: tree for tree, _ in predicted[:BEST]}
    for kind in ALWAYS:
        tree = trees.build(kind, root, site, costs)
        wanted.setdefault(tree.edges, tree)
    entrants = [(tree, cycles) for tree, cycles in predicted if tree.edges in wanted]
    groups: list[Group] = []
    try:
        for tree, _ in entrants:
            system.install(root, tree.edges)
            groups.append(system.group(root=root))  # keeps this tree, whatever is installed next
        numbers = tuple(group.number for group in groups)
        rounds = [system.cores[root].run(on_core.contest, numbers, COUNT) for _ in range(ROUNDS)]
    finally:
        for group in groups:
            system.close_group(group)
    best = [min(times) for times in zip(*rounds, strict=True)]
    considered = sorted(
        (Candidate(tree, cycles, best[i]) for i, (tree, cycles) in enumerate(entrants)),
        key=lambda c: c.measured or 0,
    )
    run = {candidate.tree.edges for candidate in considered}
    considered += [Candidate(tree, cycles) for tree, cycles in predicted if tree.edges not in run]
    return Choice(
        considered[0].tree,
        f"fastest of {len(entrants)} run on the cores; costs {origin}",
        tuple(considered),
    )
