"""Trees for modelled machines: the knowledge base's, from what the machine's file says of messages;
and hierarchical ones for machines that are too large for it.
"""

from __future__ import annotations

import numpy as np

from multikernel.knowledge import trees
from multikernel.knowledge.costs import ASSUMED, Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.machine.models.model import Model
from multikernel.machine.models.tables import Tables, tables, topology_of

Edges = list[tuple[int, int]]
KNOWN_MOST = 256
"""Cores up to which the knowledge base is asked: it looks at all pairs."""


def costs(model: Model, cores: int, where: str) -> Costs:
    """What a message takes between any two cores, nobody in the way."""
    found = tables(model, cores, where)
    places = len(found.home)
    local = model.local
    look = local.look.value + local.relax.value / 4
    hop = model.transfer.hop.value
    send, busy, reach = (np.zeros((places, places)) for _ in range(3))
    for a in range(places):
        for b in range(places):
            line = found.costs[found.distance[a * places + b]]
            way = hop * 2 * found.hops[a * places + b]
            send[a, b] = line.send
            busy[b, a] = line.fetch + way + line.handle
            reach[a, b] = line.send + line.own + way + look + line.fetch + way + line.handle
    at = np.ix_(found.place, found.place)
    return Costs(
        send[at], busy.T[at], (reach + reach.T)[at], ASSUMED, f"the model of {model.title}"
    )  # fmt: skip


def known(model: Model, cores: int, where: str) -> tuple[Site, Costs]:
    """What the knowledge base makes trees of. Raises BadInput."""
    return Site.of(topology_of(model, where), cores), costs(model, cores, where)


def best(model: Model, cores: int, where: str) -> Tree:
    """The one from core 0 that is predicted to be the fastest; of cores that the knowledge base is
    not asked about, what `build` proposes.
    """
    if is_known(model, cores, where):
        return trees.candidates(0, *known(model, cores, where), search=0)[0][0]
    return Tree(0, tuple(build("chosen", 0, model, cores, where)), "by-server")


def is_known(model: Model, cores: int, where: str) -> bool:
    """Whether the knowledge base is asked about these cores: few enough, and of one server."""
    return _each(model, cores, where) == cores


def _each(model: Model, cores: int, where: str) -> int:
    """Cores of a server that the knowledge base can be asked about; 0: they are too many."""
    each = min(cores, len(topology_of(model, where).cpus))
    return each if each <= KNOWN_MOST else 0


def build(kind: str, root: int, model: Model, cores: int, where: str) -> Edges:
    """The tree of that kind. Raises BadInput. What is chosen of several servers goes to the first
    core of every other one, and in each as the knowledge base proposes for it.
    """
    others = [core for core in range(cores) if core != root]
    if kind == "sequential":
        return [(root, core) for core in others]
    if kind == "binary":
        return trees.complete([root, *others], 2)
    each = _each(model, cores, where)
    if kind == "chosen" and each:
        return _by_server(root, model, cores, each, where)
    if kind == "hierarchical" or each < cores:
        return hierarchical(
            tables(model, cores, where), model.servers, root, deep=kind != "cluster"
        )
    return list(trees.build(kind, root, *known(model, cores, where)).edges)


def _by_server(root: int, model: Model, cores: int, each: int, where: str) -> Edges:
    leaders = [root if first <= root < first + each else first for first in range(0, cores, each)]
    edges = [(root, leader) for leader in leaders if leader != root]
    proposed: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}
    for first, leader in zip(range(0, cores, each), leaders, strict=True):
        key = leader - first, min(each, cores - first)
        if key not in proposed:
            whole = known(model, key[1], where)
            proposed[key] = trees.candidates(key[0], *whole, search=0)[0][0].edges
        edges += [(first + parent, first + child) for parent, child in proposed[key]]
    return edges


def hierarchical(found: Tables, servers: int, root: int, *, deep: bool = True) -> Edges:
    """To the first core of every other server, from there to the first of every place, and from
    there to its cores. Not deep: to the first of every place at once.
    """
    places = len(found.home)
    inside = max(1, places // servers)
    by_place: dict[int, list[int]] = {}
    for core, place in enumerate(found.place):
        by_place.setdefault(place, []).append(core)
    for place, cores in by_place.items():  # the root leads wherever it is
        if root in cores:
            by_place[place] = [root, *(core for core in cores if core != root)]
    edges: Edges = []
    by_server: dict[int, list[int]] = {}
    for place in sorted(by_place, key=lambda one: root not in by_place[one]):
        by_server.setdefault(place // inside, []).append(by_place[place][0])
    others = [leader for server in by_server.values() for leader in server if leader != root]
    if deep:
        tops = [server[0] for server in by_server.values()]
        edges += [(root, top) for top in tops if top != root]
        for server in by_server.values():
            edges += [(server[0], leader) for leader in server[1:]]
    else:
        edges += [(root, leader) for leader in others]
    for cores in by_place.values():
        edges += [(cores[0], core) for core in cores[1:]]
    return edges
