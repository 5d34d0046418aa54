"""Multicast trees by name: `build` makes one, `candidates` all of them, the best predicted first.

Guarantees: a tree spans exactly the members; the same arguments give the same tree (ties go to the
lower number); 512 cores take well under a second, but for the exact optimum, which is for small
systems (optimum). Shapes that look at the machine follow the packages, or where all cores are in
one package what divides them next (Site.group).

- `sequential`: the root sends to all, in order of number (the paper's unicast).
- `binary`, `k-ary`: complete trees over the numbers, blind to the machine; `arity` says how wide,
  "3-ary" as well.
- `minimum-spanning`: the cheapest round trips that hold the cores together (Prim), slow branches
  first.
- `cluster`: the root sends to the leader of every other group, its lowest-numbered core, and to the
  cores of its own; each leader sends to its group (the paper's multicast, §5.1).
- `numa-aware`: the same tree, the farthest first: every core sends by decreasing measured round
  trip, to leaders before its own neighbours (§5.1; Barrelfish's rule). Buffers lie at the receiver,
  wherever channels are made.
- `adaptive`: as Smelt's (OSDI'16; sched_adaptive.py of its simulator): whoever is free first sends
  next; into the dearest group that nobody sends to yet if there is one, since that is where time is
  lost, and there to the core that is the cheapest to send to; else to the dearest core left in its
  own group. Each group is entered once.
- `gathering`: grown like the adaptive tree, but a send also keeps its sender busy for a share of
  the acknowledgement that will come back, so that fewer of them queue at one core; the best of some
  shares under the model. Ours.
- `optimum`: the best tree under the model, searched by clingo for up to ten cores; its kind says so
  if the search was given up before nothing better was proven to be left (optimum).

Costs come from costs, what a tree takes from model.
"""

import heapq
import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from multikernel.errors import BadInput
from multikernel.hints import one_of
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.model import predict, slowest_first
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree

Edges = list[tuple[int, int]]

ARITY = 4
"""Of "k-ary" where none is given."""
WIDTHS = (3, 4, 8)
"""The arities that `candidates` tries beside the binary tree."""
SHARES = (0.25, 0.5, 1.0)
"""What `gathering` tries."""
SEARCHABLE = 8
"""Most cores for which `candidates` looks for the optimum unasked."""
SEARCH, GLANCE = 20_000, 100
"""Conflicts after which `build` and `candidates` give the search up: some ten seconds, a tenth of
one.
"""


def build(
    kind: str,
    root: int,
    site: Site,
    costs: Costs,
    *,
    members: Iterable[int] | None = None,
    arity: int | None = None,
) -> Tree:
    """The tree of that kind from `root` over the members (None: all cores of the site).

    arity: of "k-ary" only. Raises BadInput for an unknown kind, a root that is no member, members
    that are no cores of the site, costs of another number of cores, and for "optimum" over more
    cores than can be searched.
    """
    if costs.n != site.n:
        raise BadInput(
            "costs of another system", value=f"{costs.n} cores", where=f"{site.n} cores here"
        )
    cores = sorted(site.cores if members is None else set(members))
    if strangers := [core for core in cores if not 0 <= core < site.n]:
        raise BadInput("no such core", value=strangers[0], hint=f"cores are 0 to {site.n - 1}")
    if root not in cores:
        known = f"0 to {site.n - 1}" if members is None else ", ".join(map(str, cores))
        raise BadInput("the root of the tree is no member", value=root, hint=f"members are {known}")
    others = [core for core in cores if core != root]
    if width := _arity(kind, arity):
        return Tree(
            root,
            tuple(complete([root, *others], width)),
            "binary" if width == 2 else f"{width}-ary",
        )
    if kind in ("optimum", "optimum (not proven)"):  # the second is the name of what a search gave
        return _optimum(root, site, costs, cores, SEARCH).check(cores)
    if kind not in _MAKERS:
        raise BadInput("unknown kind of tree", value=kind, hint=one_of(kind, KINDS))
    return _MAKERS[kind](root, others, site, costs).check(cores)


def candidates(
    root: int,
    site: Site,
    costs: Costs,
    *,
    members: Iterable[int] | None = None,
    search: int | None = None,
) -> list[tuple[Tree, float]]:
    """All trees worth trying, each with its predicted TSC cycles, the best first.

    Of trees with the same edges only the first in `KINDS` is listed. search: conflicts that the
    search for the optimum may spend, about a millisecond each; 0 for no search, None for `GLANCE`
    among up to `SEARCHABLE` cores and 0 among more. What it finds is listed under a kind that says
    whether it is proven.
    """
    chosen = sorted(site.cores if members is None else set(members))
    found = _heuristics(root, site, costs, chosen)
    if search is None:
        search = GLANCE if len(chosen) <= SEARCHABLE else 0
    if search:
        tree = _optimum(root, site, costs, chosen, search)
        found.setdefault(tree.edges, tree)
    # Sorting is stable: of equal predictions the kind named first comes first.
    return sorted(
        ((tree, predict(tree, costs)) for tree in found.values()), key=lambda pair: pair[1]
    )


def _heuristics(
    root: int, site: Site, costs: Costs, members: list[int]
) -> dict[tuple[tuple[int, int], ...], Tree]:
    """A tree of every kind but the optimum, by edges."""
    names = [kind for kind in KINDS if kind not in ("k-ary", "optimum")]
    names[names.index("binary") + 1 : names.index("binary") + 1] = [
        f"{width}-ary" for width in WIDTHS
    ]
    found: dict[tuple[tuple[int, int], ...], Tree] = {}
    for name in names:
        tree = build(name, root, site, costs, members=members)
        found.setdefault(tree.edges, tree)
    return found


def _optimum(root: int, site: Site, costs: Costs, members: list[int], limit: int) -> Tree:
    """The best tree that can be found, from the best of the others on."""
    from multikernel.knowledge import optimum  # clingo is loaded where it is needed only

    start = min(
        _heuristics(root, site, costs, members).values(), key=lambda tree: predict(tree, costs)
    )
    return optimum.search(start, costs, limit=limit).tree


def _arity(kind: str, arity: int | None) -> int | None:
    """How wide a complete tree is asked for, None if the kind is another."""
    named = re.fullmatch(r"([0-9]{1,4})-ary", kind)
    if arity is not None and kind != "k-ary":
        raise BadInput("only k-ary trees have an arity", value=kind)
    width = (
        int(named[1])
        if named
        else {"binary": 2, "k-ary": ARITY if arity is None else arity}.get(kind)
    )
    if width is not None and width < 1:
        raise BadInput("a tree's arity is at least 1", value=width, where=kind)
    return width


def complete(cores: list[int], width: int) -> Edges:
    """Core i of the list sends to those at width · i + 1 … width · i + width."""
    return [(cores[(place - 1) // width], cores[place]) for place in range(1, len(cores))]


def _sequential(root: int, others: list[int], _site: Site, _costs: Costs) -> Tree:
    return Tree(root, tuple((root, core) for core in others), "sequential")


def _minimum_spanning(root: int, others: list[int], _site: Site, costs: Costs) -> Tree:
    weight = np.maximum(costs.round_trip, costs.round_trip.T)
    nearest = weight[root].copy()
    parent = np.full(costs.n, root)
    left = np.zeros(costs.n, dtype=bool)
    left[others] = True
    edges: Edges = []
    for _ in others:
        core = int(np.argmin(np.where(left, nearest, np.inf)))
        left[core] = False
        edges.append((int(parent[core]), core))
        nearer = weight[core] < nearest
        nearest[nearer], parent[nearer] = weight[core][nearer], core
    return slowest_first(Tree(root, tuple(edges), "minimum-spanning"), costs)


def _cluster(root: int, others: list[int], site: Site, _costs: Costs) -> Tree:
    return Tree(
        root, tuple(_by_leaders(root, others, site, lambda _parent, child: child)), "cluster"
    )


def _numa_aware(root: int, others: list[int], site: Site, costs: Costs) -> Tree:
    def farthest(parent: int, child: int) -> int:
        return -int(costs.whole[parent, child])

    return Tree(root, tuple(_by_leaders(root, others, site, farthest)), "numa-aware")


def _by_leaders(root: int, others: list[int], site: Site, key: Callable[[int, int], int]) -> Edges:
    """The root to the leaders, then to its own group; then each leader to its group, in the order
    of the leaders.

    key(parent, child): sorts what a core sends; then comes the lower number.
    """
    groups: dict[int, list[int]] = {}
    for core in others:
        groups.setdefault(int(site.group[core]), []).append(core)

    def edges(parent: int, children: list[int]) -> Edges:
        return [
            (parent, child)
            for child in sorted(children, key=lambda child: (key(parent, child), child))
        ]

    own = groups.pop(int(site.group[root]), [])
    found = edges(root, [min(group) for group in groups.values()])
    leaders = [leader for _, leader in found]
    found += edges(root, own)
    for leader in leaders:
        found += edges(leader, [core for core in groups[int(site.group[leader])] if core != leader])
    return found


def _adaptive(root: int, others: list[int], site: Site, costs: Costs) -> Tree:
    return Tree(root, tuple(_grown(root, others, site, costs, 0.0)), "adaptive")


def _gathering(root: int, others: list[int], site: Site, costs: Costs) -> Tree:
    grown = [
        Tree(root, tuple(_grown(root, others, site, costs, share)), "gathering") for share in SHARES
    ]
    return min(grown, key=lambda tree: predict(tree, costs))


def _grown(root: int, others: list[int], site: Site, costs: Costs, share: float) -> Edges:
    """Whoever is free first sends next. share: of the acknowledgement's receive that counts as part
    of a send.
    """
    group = site.group
    left: NDArray[np.bool_] = np.zeros(site.n, dtype=bool)
    left[others] = True
    unreached = left & (group != group[root])  # members of groups that nobody sends to yet
    edges: Edges = []
    free = [(0.0, root)]
    while left.any():
        now, core = heapq.heappop(free)
        reach = costs.reach[core]
        if unreached.any():
            dearest = group[np.argmax(np.where(unreached, reach, -1.0))]
            child = int(np.argmin(np.where(left & (group == dearest), costs.send[core], np.inf)))
            unreached &= group != dearest
        elif (own := left & (group == group[core])).any():
            child = int(np.argmax(np.where(own, reach, -1.0)))
        else:
            continue  # its group is reached, and every other has a leader
        left[child] = False
        edges.append((core, child))
        busy = costs.send[core, child] + share * costs.receive[child, core]
        heapq.heappush(free, (now + float(busy), core))
        heapq.heappush(free, (now + float(reach[child]), child))
    return edges


_MAKERS: dict[str, Callable[[int, list[int], Site, Costs], Tree]] = {
    "sequential": _sequential,
    "minimum-spanning": _minimum_spanning,
    "cluster": _cluster,
    "numa-aware": _numa_aware,
    "adaptive": _adaptive,
    "gathering": _gathering,
}
KINDS = (
    "sequential", "binary", "k-ary", "cluster", "numa-aware", "minimum-spanning", "adaptive",
    "gathering", "optimum",
)  # fmt: skip
"""What `build` makes."""
