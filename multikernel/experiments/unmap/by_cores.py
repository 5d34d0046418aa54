"""The unmap experiment by number of cores and by tree: which arms there are, and how each is run.

Guarantees: a page is mapped on the first 2, 3, … of the cores that are booted, the others asleep,
and unmapped by core 0: by the multikernel along each kind of tree over these cores, by the shared
kernel along *the same tree* (the control: it separates what the tree is worth from what the
structure is worth), by the shared kernel's line, and by Linux's threads on the same CPUs. Over all
cores the tree that the system chose is among them. Trees with the same edges are run once and their
other names are said; over two cores all are one. One system serves all trees of a kernel: a tree is
installed before its slice, and its edges beyond the holders are contracted away. Answers: the
paper's figure 7 over cores, with the trees of its section 5.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multikernel import system as system_
from multikernel.experiments.instrument.arms import Arm, Pair, Spec
from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.shared_memory import counts_of
from multikernel.experiments.unmap.kernels import KernelArms, spec, unmap_arm
from multikernel.knowledge import trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree as KindOfTree
from multikernel.machine.topology.model import Topology
from multikernel.results.document import Caution, Scalar, System
from multikernel.routing.choosing import costs_of
from multikernel.runtime.plan import Kernel

KINDS = ("sequential", "cluster", "numa-aware", "adaptive")
"""The trees of the paper's section 5.1, and one that sees costs. Of those with the same edges the
first names them.
"""
CHOSEN = "chosen"
PROTOCOLS = ("one-phase", "two-phase")
BY_CORES = 200
"""Operations in a slice."""
LINE, LINUX = "shared-polling", "linux-computing"
Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree over the first `cores` cores. equal: other kinds with the same edges here; edges: of
    all cores that are booted, since only such trees can be installed.
    """

    kind: str
    cores: int
    edges: Edges
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run measures, in all its boots. booted: how many cores; counts: on how many of them
    the page is mapped.
    """

    booted: int
    counts: tuple[int, ...]
    trees: tuple[Tree, ...]
    chosen: str
    """The kind of tree that the multikernel's other configurations use."""

    def key(self, stem: str, cores: int) -> str:
        """The key of an arm with so many cores; the full number is left out of it."""
        return stem if cores == self.booted else f"{stem}-on-{cores}"

    def with_tree(self, arm: str, tree: Tree) -> str:
        """The key of an arm along that tree. arm: a protocol of the multikernel, or "shared"."""
        return self.key(f"{arm}-polling-{tree.kind}", tree.cores)

    def protocols(self) -> tuple[str, ...]:
        """Of the multikernel along trees. With two cores there is but one tree, which the other
        arms use.
        """
        return PROTOCOLS if self.booted > 2 else ()

    def fewer(self) -> tuple[int, ...]:
        """Numbers of cores for which the line and Linux have no arm anyhow."""
        return tuple(count for count in self.counts if count < self.booted)


def planned(request: Request) -> Plan:
    """This machine's. For a comparison alone: trees over all cores. Of two cores nothing then,
    since one tree is no choice.
    """
    booted = request.cores
    counts = tuple(count for count in counts_of(booted) if count > 1)
    if request.comparing:
        counts = counts[-1:] if booted > 2 else ()
    site = Site(Topology.read(), request.placement.cpus)
    with system_.boot(list(request.placement.cpus)) as system:
        costs = costs_of(system, site)[0] if booted > 2 else Costs.from_topology(site)
        chosen = system.trees[0].tree
    found = tuple(tree for count in counts for tree in trees_over(count, site, costs, chosen))
    return Plan(booted, counts, found, chosen.kind)


def trees_over(count: int, site: Site, costs: Costs, chosen: KindOfTree) -> Iterator[Tree]:
    """Those from core 0 over the first so many, all that differ. chosen: the running system's, for
    all cores.
    """
    some = Site(site.topology, site.cpus[:count])
    alike: dict[Edges, list[str]] = {}
    for kind in KINDS:
        tree = trees.build(kind, 0, some, costs.part(range(count)))
        alike.setdefault(tree.edges, []).append(kind)
    if count == site.n and chosen.kind not in alike.get(chosen.edges, ()):
        # Of other costs than these a tree of the same kind may be another.
        alike.setdefault(chosen.edges, []).append(CHOSEN if chosen.kind in KINDS else chosen.kind)
    rest = tuple((0, core) for core in range(count, site.n))
    for edges, kinds in alike.items():
        yield Tree(kinds[0], count, edges + rest, tuple(kinds[1:]))


# --- Arms
# --------------------------------------------------------------------------------------------------


def arms(plan: Plan, kernels: KernelArms, floor: tuple[Pair, ...]) -> Iterator[Arm]:
    """The kernels' arms: along every tree, and the shared kernel by its line."""
    count = kernels.sizes.count(BY_CORES)

    def own(key: str, system: System, variant: str, cores: int, **more: Scalar) -> Spec:
        judged = tuple(pair for pair in floor if max(pair) < cores)
        return spec(
            key, system, variant, cores, judged, operation="unmap", target="polling", told="poll",
            **more, booted=plan.booted,
        )  # fmt: skip

    def along(kernel: Kernel) -> Booted:
        return Booted(kernel, options=(("trees", "sequential"),))

    for tree in plan.trees:
        about: dict[str, Scalar] = {"tree": tree.kind}
        if tree.equal:
            about["equal_trees"] = ", ".join(tree.equal)
        several: list[tuple[str, Kernel, str, str]] = [
            (name, "multikernel", name, name) for name in plan.protocols()
        ]
        for name, kernel, variant, protocol in [*several, ("shared", "shared", "mcs", "two-phase")]:
            series = own(plan.with_tree(name, tree), kernel, variant, tree.cores, **about)
            yield unmap_arm(
                series, along(kernel), protocol, count, edges=tree.edges, cores=tree.cores
            )
    for cores in plan.fewer():
        series = own(plan.key(LINE, cores), "shared", "mcs", cores)
        yield unmap_arm(series, kernels.sizes.kernel("shared"), "two-phase", count, cores=cores)


def said(plan: Plan) -> list[Caution]:
    """Which trees are one, and which one all other arms take."""
    if not plan.trees:
        return []
    if plan.booted == 2:
        text = (
            "Over two cores all trees are the same: one is run, which shows what messages cost the"
            " shared kernel."
        )
        return [Caution(code="one-tree", text=text)]
    found: dict[str, list[int]] = {}
    for tree in plan.trees:
        if tree.equal and tree.cores > 2:
            found.setdefault(f"{' and '.join(tree.equal)} is the tree {tree.kind}", []).append(
                tree.cores
            )
    sentences = [
        f"{words} over {', '.join(map(str, cores))} cores" for words, cores in found.items()
    ]
    text = "Trees with the same edges are run once, over two cores always" + "".join(
        f"; {one}" for one in sentences
    )
    chosen = f"Where no tree is named the multikernel takes the one chosen at boot: {plan.chosen}."
    return [Caution(code="equal-trees", text=f"{text}. {chosen}")]
