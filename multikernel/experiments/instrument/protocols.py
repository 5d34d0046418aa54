"""The protocols of a shootdown: the tree of each, and on which lines its messages travel.

Guarantees: every edge has a line of its own, which lies with the receiver or, in the protocols that
the paper has before it thinks of memory nodes, with the sender. Source: the paper's section 5.1 and
figure 6.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from multikernel.experiments.instrument.loops import Line, Place, Plan, Report, messages, span
from multikernel.experiments.instrument.rig import Bench
from multikernel.experiments.instrument.shapes import CHOSEN, ROOT, Shape, best_of, distinct
from multikernel.knowledge import trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree

FIRST_LINE, LINES = 16, 46
"""Scratch lines of each core that messages travel on; floors are measured on those before them."""
SHARED_LINE = 62


@dataclass(frozen=True, slots=True)
class Form:
    """A protocol. kind: of its tree, None for the best candidate; near: whether a line lies with
    its receiver; shared: whether all poll one line.
    """

    name: str
    kind: str | None
    near: bool = False
    shared: bool = False


FORMS = (
    Form("broadcast", "sequential", shared=True),
    Form("unicast", "sequential"),
    Form("multicast", "cluster"),
    Form("numa-aware", "numa-aware", near=True),
    Form(CHOSEN, None, near=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol(Shape):
    """A protocol on some cores. lines: by child, the line of the edge that leads to it."""

    form: Form
    lines: tuple[tuple[int, Line], ...]

    @classmethod
    def of(cls, form: Form, tree: Tree, lines: tuple[tuple[int, Line], ...]) -> Self:
        return cls(form.name, tree, form=form, lines=lines)

    def places(self) -> dict[int, Place]:
        line, root = dict(self.lines), self.tree.root
        shared = (ROOT, SHARED_LINE) if self.form.shared else None
        members = self.tree.members
        targets = {root: tuple(core for core in members if core != root)}
        below = {core: tuple(line[one] for one in self.tree.children(core)) for core in members}
        return {
            core: Place(line.get(core), below[core], shared, targets.get(core, ()))
            for core in members
        }


def lines_of(tree: Tree, site: Site, *, near: bool) -> tuple[tuple[int, Line], ...]:
    """By child, the line of its edge. One that lies with the sender is on the sender's memory node
    at least, as long as there is room: a core has `LINES` of them.
    """
    if near:
        return near_lines(tree)
    taken: Counter[int] = Counter()
    found = []
    for parent, child in tree.edges:
        # From the nearest on: the parent itself, others on its memory node, all others.
        nearest = sorted(
            site.cores, key=lambda core: (core != parent, site.node[core] != site.node[parent])
        )
        home = next(core for core in nearest if taken[core] < LINES)
        found.append((child, (home, FIRST_LINE + taken[home])))
        taken[home] += 1
    return tuple(found)


def near_lines(tree: Tree) -> tuple[tuple[int, Line], ...]:
    return tuple((child, (child, FIRST_LINE)) for _, child in tree.edges)


def protocols(site: Site, costs: Costs, chosen: Tree | None = None) -> list[Protocol]:
    """All that differ, each with the names of those that come to the same. chosen: in place of the
    best candidate. Raises BadInput where it is not a tree from core 0 over all cores of the site.
    """
    best = best_of(site, costs, chosen)
    best.check(site.cores)

    def keyed(form: Form) -> tuple[Hashable, Protocol]:
        tree = best if form.kind is None else trees.build(form.kind, ROOT, site, costs)
        lines = lines_of(tree, site, near=form.near)
        homes = tuple(int(site.node[home]) for _, (home, _) in lines)
        return (form.shared, tree.edges, homes), Protocol.of(form, tree, lines)

    return distinct(map(keyed, FORMS))


# --- Slices ---


def timed(
    bench: Bench, name: str, cores: Iterable[int], timer: int, plan: Plan,
    loop: Callable[..., Report], arguments: Callable[[int, int], tuple[Any, ...]],
) -> Report:  # fmt: skip
    """A loop on all those cores at once: the report of the one that has the clock. arguments: on a
    core, of (core, use), but for the plan and who watches.
    """
    use = bench.uses(span(plan))
    order = sorted(cores, key=lambda core: (core != timer, core))
    calls = {core: (*arguments(core, use), plan) for core in order}
    return bench.together(name, loop, calls)[timer]


def notify(bench: Bench, protocol: Protocol, plan: Plan) -> Report:
    """The protocol's messages to all its cores and back; the report of the root."""
    places = protocol.places()
    return timed(
        bench, f"{protocol.name} {protocol.cores}", places, ROOT, plan, messages,
        lambda core, use: (places[core], use),
    )  # fmt: skip
