"""A modelled machine as the tables that the simulator reads: cores in places, distances, routes.

Guarantees: the same model gives the same tables; cores that look alike from everywhere are one
place. Between links all shortest ways are known, and one of them is the route: of two the one over
the lower number.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multikernel.errors import BadInput
from multikernel.machine.models.model import RELATIONS, Line, Message, Model, message_for
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.named import machine_of

MOST_CORES = 4096


@dataclass(frozen=True)
class Tables:
    """place: of every core. home, distance, hops, route, link and costs: see virtual/machine.h of
    the native core. distances: what each kind of distance is called. link_names: from and to which
    package, counted through all servers; and from or to which server, where the other end is the
    switch (-1).
    """

    place: Sequence[int]
    home: Sequence[int]
    distance: Sequence[int]
    hops: Sequence[int]
    costs: Sequence[Line]
    route: Sequence[int]
    link: Sequence[int]
    link_names: Sequence[tuple[int, int]]
    distances: Sequence[str]

    def arrays(self) -> tuple[array[Any], ...]:
        """In the types of virtual/machine.h: place, home, distance, hops; costs; route, link."""
        flat = [value for one in self.costs for value in (one.own, one.fetch, one.send, one.handle)]
        short = [array("H", one) for one in (self.place, self.home, self.distance, self.hops)]
        return (*short, array("d", flat), array("I", self.route), array("H", self.link))


def topology_of(model: Model, where: str) -> Topology:
    """Of one server. Raises BadInput."""
    return machine_of(model.topology, where=where)


def tables(model: Model, cores: int, where: str) -> Tables:
    """Of the first so many cores. Raises BadInput: more than the machine has, or packages that no
    link reaches.
    """
    topology = topology_of(model, where)
    cpus = topology.cpus
    most = len(cpus) * model.servers
    if not 1 <= cores <= min(most, MOST_CORES):
        raise BadInput(
            f"this machine has {min(most, MOST_CORES)} cores that can be modelled", value=cores,
            where=where, hint="ask for fewer (--cores), or for a larger machine",
        )  # fmt: skip
    # A place of one server: cores that share whatever is shared the closest.
    keys = sorted({_place_of(topology, cpu.id) for cpu in cpus})
    numbers = {key: number for number, key in enumerate(keys)}
    first = {numbers[_place_of(topology, cpu.id)]: cpu.id for cpu in reversed(cpus)}
    inside = len(keys)
    of_cpu = [numbers[_place_of(topology, cpu.id)] for cpu in cpus]
    place = [core // len(cpus) * inside + of_cpu[core % len(cpus)] for core in range(cores)]
    servers = max(place) // inside + 1
    packages = [topology.cpu(first[number]).package for number in range(inside)]
    between, next_on = _ways(model, sorted(set(packages)), where)
    relations = _relations(topology, first, of_cpu, inside)
    used = sorted({*relations, *(["server"] if servers > 1 else [])}, key=RELATIONS.index)
    hops, distance, route, link = [], [], [0], []
    links = sorted({pair for pair in next_on if between[pair] == 1})
    number_of = {pair: number for number, pair in enumerate(links)}
    out = servers * len(links)
    for a in range(servers * inside):
        for b in range(servers * inside):
            if a // inside != b // inside:
                hops.append(0)
                distance.append(used.index("server"))
                # The way out of one server and into the other.
                link += [out + 2 * (a // inside), out + 2 * (b // inside) + 1]
            else:
                from_, to = packages[a % inside], packages[b % inside]
                hops.append(between[from_, to])
                distance.append(used.index(relations[a % inside * inside + b % inside]))
                at = from_
                while at != to:
                    link.append(a // inside * len(links) + number_of[at, next_on[at, to]])
                    at = next_on[at, to]
            route.append(len(link))
    costs = [_line(model, message_for(model, one), between) for one in used]
    for name, line in zip(used, costs, strict=True):
        if min(line.own, line.fetch, line.handle) < 0:
            raise BadInput(
                "a message takes less than its parts: send, gap, handling and the way",
                value=name, where=f"{where}, message",
            )  # fmt: skip
    each = len(set(packages))
    names = [(server * each + a, server * each + b) for server in range(servers) for a, b in links]
    names += [pair for server in range(servers) for pair in ((server, -1), (-1, server))]
    one = model.transfer.memory == "in one place"
    homes = [number // inside if one else number for number in range(servers * inside)]
    return Tables(place, homes, distance, hops, costs, route, link, names, used)


def _place_of(topology: Topology, cpu: int) -> tuple[int, ...]:
    one = topology.cpu(cpu)
    cache = next((n for n, group in enumerate(topology.l3) if cpu in group), -1)
    closer = next((n for n, group in enumerate(topology.l2) if len(group) > 1 and cpu in group), -1)
    return one.package, one.die or 0, cache, closer


def _relations(
    topology: Topology, first: dict[int, int], of_cpu: Sequence[int], inside: int
) -> list[str]:
    """By place and place; within one, that of two of its cores."""
    second: dict[int, int] = {}
    for cpu, number in zip(topology.cpus, of_cpu, strict=True):
        if cpu.id != first[number]:
            second.setdefault(number, cpu.id)
    found: list[str] = []
    for a in range(inside):
        for b in range(inside):
            other = second.get(a, first[a]) if a == b else first[b]
            found.append(topology.relation(first[a], other))
    return found


def _ways(
    model: Model, packages: Sequence[int], where: str
) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Hops between packages, and the next one on the way. Raises BadInput for one that no link
    reaches.
    """
    given = model.transfer.links
    links = given or tuple((a, b) for a in packages for b in packages if a < b)
    beside: dict[int, set[int]] = {package: set() for package in packages}
    for a, b in links:
        for one, other in ((a, b), (b, a)):
            if one not in beside:
                raise BadInput(
                    "a link from a package that there is not", value=f"{a} – {b}",
                    where=f"{where}, transfer.links",
                )  # fmt: skip
            beside[one].add(other)
    hops = {(one, one): 0 for one in packages}
    next_on: dict[tuple[int, int], int] = {}
    for to in packages:
        reached = [to]
        for at in reached:
            for other in sorted(beside[at]):
                if (other, to) not in hops:
                    hops[other, to] = hops[at, to] + 1
                    next_on[other, to] = at
                    reached.append(other)
        if len(reached) < len(packages):
            lost = min(set(packages) - set(reached))
            raise BadInput(
                "no link leads to this package", value=lost, where=f"{where}, transfer.links"
            )
    return hops, next_on


def _line(model: Model, message: Message, hops: dict[tuple[int, int], int]) -> Line:
    send, handle = message.send.value, message.handle.value
    if message.own is not None and message.fetch is not None:
        return Line(message.own.value, message.fetch.value, send, handle)
    assert message.latency is not None
    assert message.throughput is not None
    latency, gap = message.latency.value, 1000 / message.throughput.value
    owning, fetching = _mean_ways(model, message.hops, hops)
    if model.transfer.gap == "sender":
        own = gap - owning
        return Line(own, latency - send - gap - handle - fetching, send, handle)
    both = latency - send - gap - owning
    return Line(both, both, send, gap - both - fetching)


def _mean_ways(model: Model, far: int, hops: dict[tuple[int, int], int]) -> tuple[float, float]:
    """What the links take of a message over so many hops, on the mean over all such pairs: the
    sender's transaction, and the receiver's, at whose place the line lies.
    """
    packages = sorted({a for a, _ in hops})
    pairs = [(a, b) for a in packages for b in packages if hops[a, b] == far]
    if not pairs:
        return 0.0, 0.0
    own = fetch = 0.0
    for sender, receiver in pairs:
        if model.transfer.coherence == "snoop":
            own += far + max(hops[receiver, n] + hops[n, sender] for n in packages)
            fetch += max(2 * hops[receiver, n] for n in packages)
        else:
            own += 2 * far
            fetch += 2 * far
    hop = model.transfer.hop.value
    return hop * own / len(pairs), hop * fetch / len(pairs)
