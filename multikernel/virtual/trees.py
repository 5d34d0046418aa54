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
    """The one from core 0 that is predicted to be the fastest; of more cores than `KNOWN_MOST` the
    hierarchical one.
    """
    if cores > KNOWN_MOST or model.servers > 1:
        edges = build("hierarchical", 0, model, cores, where)
        return Tree(0, tuple(edges), "hierarchical")
    return trees.candidates(0, *known(model, cores, where), search=0)[0][0]


def build(kind: str, root: int, model: Model, cores: int, where: str) -> Edges:
    """The tree of that kind. Raises BadInput."""
    if kind == "sequential":
        return [(root, core) for core in range(cores) if core != root]
    if kind == "hierarchical" or cores > KNOWN_MOST or model.servers > 1:
        return hierarchical(
            tables(model, cores, where), model.servers, root, deep=kind != "cluster"
        )
    site, cost = known(model, cores, where)
    if kind == "chosen":
        return list(trees.candidates(root, site, cost, search=0)[0][0].edges)
    return list(trees.build(kind, root, site, cost).edges)


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
