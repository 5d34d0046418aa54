"""The unmap experiment by number of cores and by tree: which arms there are, and how each is run.

Guarantees: a page is mapped on the first 2, 3, … of the cores that are booted and unmapped by core
0: by the multikernel along each kind of tree over these cores, by the shared kernel along *the same
tree* (the control: it separates what the tree is worth from what the structure is worth) and by its
line, and by Linux's threads. A tree is installed before its slice, and its edges beyond the holders
are contracted away. Answers: the paper's figure 7 over cores, with the trees of its section 5.1.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from multikernel import system as system_
from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import shapes
from multikernel.experiments.instrument.shapes import Shape, distinct
from multikernel.experiments.shared_memory import counts_of
from multikernel.experiments.unmap.kernels import ONE, TWO, KernelArms, spec, unmap_arm
from multikernel.experiments.unmap.linux import BY_CORES, COMPUTES, LinuxArms
from multikernel.knowledge import trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.routing.choosing import costs_of
from multikernel.runtime.plan import Kernel
from multikernel.virtual.trees import best

KINDS = ("sequential", "cluster", "numa-aware", "adaptive")
"""The trees of the paper's section 5.1, and one that sees costs."""
LINE, SIGNAL = "shared-polling", "shared-computing"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run measures, in all its boots. booted: how many cores; counts: on how many of them
    the page is mapped; chosen: the kind of tree that the multikernel's other configurations use.
    """

    booted: int
    counts: tuple[int, ...]
    trees: tuple[Shape, ...]
    chosen: str

    def key(self, stem: str, cores: int) -> str:
        """The key of an arm with so many cores; the full number is left out of it."""
        return stem if cores == self.booted else f"{stem}-on-{cores}"

    def with_tree(self, arm: str, tree: Shape) -> str:
        """The key of an arm along that tree. arm: a protocol of the multikernel, or "shared"."""
        return self.key(f"{arm}-polling-{tree.name}", tree.cores)

    def protocols(self) -> tuple[str, ...]:
        """Along trees. With two cores there is but one tree, which the other arms use."""
        return (ONE, TWO) if self.booted > 2 else ()


def planned(request: Request) -> Plan:
    """This machine's. For a comparison alone: trees over all cores. Of two cores nothing then,
    since one tree is no choice.
    """
    booted = request.cores
    counts = tuple(count for count in counts_of(booted) if count > 1)
    if request.comparing:
        counts = counts[-1:] if booted > 2 else ()
    site = Site(request.topology, request.placement.cpus)
    if request.model is not None:
        costs = shapes.costs_of(request, site)
        chosen = best(request.model, booted, str(request.machine))
    else:
        with system_.boot(list(request.placement.cpus)) as system:
            costs = costs_of(system, site)[0] if booted > 2 else Costs.from_topology(site)
            chosen = system.trees[0].tree
    found = tuple(tree for count in counts for tree in trees_over(count, site, costs, chosen))
    return Plan(booted, counts, found, chosen.kind)


def trees_over(count: int, site: Site, costs: Costs, chosen: Tree) -> list[Shape]:
    """Those from core 0 over the first so many that differ. chosen: the system's, for all."""
    some = Site(site.topology, site.cpus[:count])
    built = [trees.build(kind, 0, some, costs.part(range(count))) for kind in KINDS]
    named = [(tree.kind, tree) for tree in built]
    if count == site.n and (chosen.kind, chosen.edges) not in [(one, t.edges) for one, t in named]:
        # Of other costs than these a tree of the same kind may be another.
        named.append(("chosen" if chosen.kind in KINDS else chosen.kind, chosen))
    return distinct((tree.edges, Shape(name, tree)) for name, tree in named)


def arms(plan: Plan, kernels: KernelArms, linux: LinuxArms | None) -> Iterator[Arm]:
    """Along every tree; by the shared kernel's line; and by interrupt: Linux's, where there is
    Linux, else the shared kernel's. All but the first have arms of all cores.
    """
    count, fewer = kernels.count(BY_CORES), [one for one in plan.counts if one < plan.booted]

    def own(key: str, system: System, variant: str, cores: int, **more: Scalar) -> Spec:
        judged = tuple(pair for pair in kernels.floor if max(pair) < cores)
        about = {"operation": "unmap", "target": "polling", "told": "poll", **more}
        return spec(key, system, variant, cores, judged, **about, booted=plan.booted)

    for tree in plan.trees:
        about: dict[str, Scalar] = {"tree": tree.name}
        if tree.same:
            about["equal_trees"] = ", ".join(tree.same)
        several: list[tuple[str, Kernel, str]] = [
            *((protocol, "multikernel", protocol) for protocol in plan.protocols()),
            ("shared", "shared", "mcs"),
        ]
        for name, kernel, variant in several:
            series = own(plan.with_tree(name, tree), kernel, variant, tree.cores, **about)
            on = Booted(kernel, options=(("trees", "sequential"),))
            edges = tree.whole(plan.booted)
            protocol = ONE if name == ONE else TWO  # the shared kernel ignores it
            yield unmap_arm(series, on, protocol, count, edges=edges, cores=tree.cores)
    for cores in fewer:
        series = own(plan.key(LINE, cores), "shared", "mcs", cores)
        yield unmap_arm(series, kernels.kernel("shared"), TWO, count, cores=cores)
        if linux is None:
            key, how = plan.key(SIGNAL, cores), {"target": "computing", "told": "signal"}
            series = own(key, "shared", "mcs", cores, **how)
            on = kernels.kernel("shared")
            yield unmap_arm(series, on, TWO, count, cores=cores, target="computing")
    if linux is None:
        return
    for cores in fewer:
        key = plan.key(COMPUTES, cores)
        series = own(key, "linux", "mprotect", cores, target="computing", told="interrupt")
        yield linux.unmap(series, BY_CORES)


def said(plan: Plan) -> list[Caution]:
    """Which trees are one, and which one all other arms take."""
    if not plan.trees:
        return []
    if plan.booted == 2:
        text = (
            "Over two cores all trees are the same: one is run, which shows what messages cost the"
            " shared kernel."
        )
        return [caution("one-tree", text)]
    found: dict[str, list[str]] = defaultdict(list)
    for tree in plan.trees:
        if tree.same and tree.cores > 2:
            found[f"{' and '.join(tree.same)} is the tree {tree.name}"].append(str(tree.cores))
    same = "".join(f"; {words} over {', '.join(cores)} cores" for words, cores in found.items())
    text = (
        f"Trees with the same edges are run once, over two cores always{same}. Where no tree is"
        f" named the multikernel takes the one chosen at boot: {plan.chosen}."
    )
    return [caution("equal-trees", text)]
