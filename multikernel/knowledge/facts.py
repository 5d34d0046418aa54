"""Facts about the machine, each with where it comes from: discovered, measured, assumed or
asserted.

Guarantees: two facts that contradict each other never both hold. A fact that was only assumed gives
way to any other; everything else that says two values for one thing is an error that names both
places (file and line for what the user asserted). So is a fact about a core, CPU or node that is
not there.

What a fact may say is in `VOCABULARY`: for each predicate the names of its arguments, and how many
of them are the key, which has one value only. Predicates that are not in it are the user's own:
they hold as they are.

Idea: the SKB's three sources of facts (SOSP'09 §4.9); clingo's input language for writing them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from multikernel.errors import BadInput
from multikernel.knowledge.costs import MEASURED, Costs
from multikernel.knowledge.site import Site

Value = int | str

VOCABULARY: dict[str, tuple[tuple[str, ...], int]] = {
    "core": (("core",), 1),
    "runs_on": (("core", "cpu"), 1),
    "group": (("core", "group"), 1),
    "cpu": (("cpu",), 1),
    "in_package": (("cpu", "package"), 1),
    "in_die": (("cpu", "package", "die"), 1),
    "in_cluster": (("cpu", "cluster"), 1),
    "in_node": (("cpu", "node"), 1),
    "thread_of": (("cpu", "first"), 1),
    "kind": (("cpu", "kind"), 1),
    "capacity": (("cpu", "capacity"), 1),
    "cache": (("cache", "level"), 1),
    "cache_size": (("cache", "kib"), 1),
    "uses": (("cpu", "cache"), 2),
    "node": (("node",), 1),
    "device": (("node", "kind"), 1),
    "distance": (("node", "node", "distance"), 2),
    "link": (("package", "package"), 2),
    "send": (("core", "core", "cycles"), 2),
    "receive": (("core", "core", "cycles"), 2),
    "round_trip": (("core", "core", "cycles"), 2),
    "between": (("group", "group", "send", "receive", "round_trip"), 2),
}
"""Predicate → names of its arguments, and how many of them, from the first, are the key.

`group` is the group of `Site.group`; `thread_of` names the first CPU of the physical core; `device`
says of which device a node is the memory, for nodes that are not the machine's own;
`between` has the median costs of messages from a core of one group to a core of another (or of the
same).
"""
COSTS = ("send", "receive", "round_trip")
PAIRS_UP_TO = 64
"""Most cores for which every pair's costs are facts: at 512 the 786 k of them would take seconds to
load. Rules reach any pair's costs at any size by @send(A,B), @receive(A,B), @round_trip(A,B).
"""

DISCOVERED, ASSUMED, ASSERTED = "discovered", "assumed", "asserted"
NEAR, FAR = 10, 20
"""Distances assumed where the firmware says none: the node's own, another."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact. arguments: whole numbers and lower-case words. where: what said it, file and line
    if it was a file.
    """

    predicate: str
    arguments: tuple[Value, ...]
    origin: str
    where: str = ""

    @property
    def key(self) -> tuple[str, tuple[Value, ...]]:
        """What it is about: facts with equal keys must be equal."""
        names, keys = VOCABULARY.get(self.predicate, ((), len(self.arguments)))
        return self.predicate, self.arguments[:keys] if len(names) == len(
            self.arguments
        ) else self.arguments

    def __str__(self) -> str:
        inner = ",".join(map(str, self.arguments))
        return f"{self.predicate}({inner})" if inner else self.predicate


def discovered(site: Site) -> Iterator[Fact]:
    """What the topology says."""
    topology, where = site.topology, site.topology.source or "topology"

    def fact(predicate: str, *arguments: Value) -> Fact:
        return Fact(predicate, arguments, DISCOVERED, where)

    for core, cpu in enumerate(site.cpus):
        yield fact("core", core)
        yield fact("runs_on", core, cpu)
        yield fact("group", core, int(site.group[core]))
    unplaced = set(topology.unplaced)
    for entry in topology.cpus:
        yield fact("cpu", entry.id)
        yield fact("in_package", entry.id, entry.package)
        yield fact("in_die", entry.id, entry.package, entry.die)
        if entry.id in unplaced:
            yield Fact("in_node", (entry.id, entry.node), ASSUMED, "no memory node lists this CPU")
        else:
            yield fact("in_node", entry.id, entry.node)
        yield fact("thread_of", entry.id, min(entry.siblings, default=entry.id))
        if entry.cluster is not None:
            yield fact("in_cluster", entry.id, entry.cluster)
        if entry.kind:
            yield fact("kind", entry.id, _word(entry.kind))
        if entry.capacity is not None:
            yield fact("capacity", entry.id, entry.capacity)
    for number, cache in enumerate(topology.caches):
        yield fact("cache", number, cache.level)
        if cache.size is not None:
            yield fact("cache_size", number, cache.size >> 10)
        yield from (fact("uses", cpu, number) for cpu in cache.cpus)
    for a, b in topology.links:
        yield fact("link", a, b)
    yield from _distances(site, where)


def _word(text: str) -> str:
    """Text of the machine's as a constant of clingo's: "low-power" → low_power."""
    return re.sub(
        r"[^a-z0-9]+", "_", f"k{text}".lower() if not text[:1].isalpha() else text.lower()
    )


def _distances(site: Site, where: str) -> Iterator[Fact]:
    """Nodes, and how far they are apart; assumed where the firmware is silent."""
    nodes = {node.id: node for node in site.topology.nodes}
    for entry in site.topology.cpus:
        nodes.setdefault(entry.node, site.topology.nodes[0])
    for a in sorted(nodes):
        yield Fact("node", (a,), DISCOVERED, where)
        if nodes[a].id == a and nodes[a].device:
            yield Fact("device", (a, _word(nodes[a].device)), DISCOVERED, where)
        for b in sorted(nodes):
            distance = nodes[a].distance(b) if nodes[a].id == a else None
            if distance is None:
                assumed = NEAR if a == b else FAR
                yield Fact("distance", (a, b, assumed), ASSUMED, "the firmware says nothing")
            else:
                yield Fact("distance", (a, b, distance), DISCOVERED, where)


def origin_of(costs: Costs) -> str:
    """Of facts about these costs."""
    return MEASURED if costs.origin == MEASURED else ASSUMED


def of_costs(site: Site, costs: Costs) -> Iterator[Fact]:
    """What messages cost, in whole TSC cycles: between groups, and up to `PAIRS_UP_TO` cores
    between all pairs.
    """
    origin = origin_of(costs)
    where = costs.detail or costs.origin
    groups = [np.flatnonzero(site.group == group) for group in range(int(site.group.max()) + 1)]
    for (a, here), (b, there) in product(enumerate(groups), repeat=2):
        pairs = np.ix_(here, there)
        apart = here[:, None] != there[None, :]
        if apart.any():
            medians = [
                round(float(np.median(getattr(costs, term)[pairs][apart]))) for term in COSTS
            ]
            yield Fact("between", (a, b, *medians), origin, where)
    if site.n <= PAIRS_UP_TO:
        for term in COSTS:
            whole = np.rint(getattr(costs, term)).astype(int).tolist()
            for a, b in product(site.cores, repeat=2):
                if a != b:
                    yield Fact(term, (a, b, whole[a][b]), origin, where)


def merged(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """All that holds, in the order first said. Raises BadInput for what contradicts, naming both
    places.
    """
    held: dict[tuple[str, tuple[Value, ...]], Fact] = {}
    asserted: list[Fact] = []
    for fact in facts:
        if fact.origin == ASSERTED:
            _check_shape(fact)
            asserted.append(fact)
        before = held.get(fact.key)
        if before is None or (before.origin == ASSUMED and fact.origin != ASSUMED):
            held[fact.key] = fact
        elif before.arguments != fact.arguments and fact.origin != ASSUMED:
            raise BadInput(
                "two facts contradict each other",
                value=f"{fact} and {before} ({before.origin}, {before.where})",
                where=fact.where,
                hint="take one of them back",
            )
    for fact in asserted:
        _check_things(fact, held)
    return tuple(held.values())


def _check_shape(fact: Fact) -> None:
    """A fact of the vocabulary has the arguments that are said there."""
    names, _ = VOCABULARY.get(fact.predicate, ((), 0))
    if not names:
        return
    hint = f"it is {fact.predicate}({', '.join(names)})"
    if len(names) != len(fact.arguments):
        raise BadInput("a fact with other arguments", value=fact, where=fact.where, hint=hint)
    for name, value in zip(names, fact.arguments, strict=True):
        if name != "kind" and (not isinstance(value, int) or value < 0):
            raise BadInput("not a whole number ≥ 0", value=fact, where=fact.where, hint=hint)


def _check_things(fact: Fact, held: Mapping[tuple[str, tuple[Value, ...]], Fact]) -> None:
    """A fact of the vocabulary is about things that are there."""
    names, _ = VOCABULARY.get(fact.predicate, ((), 0))
    for name, value in zip(names, fact.arguments, strict=bool(names)):
        there = held.get((name, (value,)))
        if name in ("core", "cpu", "node", "cache") and (there is None or there.origin == ASSERTED):
            raise BadInput(f"a fact about a {name} that is not there", value=fact, where=fact.where)
