"""Machines for the latency matrix that are not at hand: what they are made of, and what a pair of
their CPUs takes.
"""

from __future__ import annotations

from collections.abc import Callable

from multikernel.experiments.latency.map import Map, Pair, Site, map_of, relation
from multikernel.machine.topology.synthetic import from_string

CYCLES = {"smt": 60.0, "l2": 60.0, "l3": 120.0, "die": 250.0, "package": 300.0, "system": 600.0}
Cost = Callable[[Site, Site], float]


def big(cpus: int = 512) -> Map:
    """Two packages of two dies each, caches of 8 cores at most, two threads a core; a node a
    package.
    """
    cores = cpus // 8
    caches = -(-cores // 8)
    topology = from_string(f"2 packages, 2 dies, {caches} l3, {cores // caches} cores, smt 2")
    return map_of(topology, topology.online)


def declared(a: Site, b: Site) -> float:
    """A machine that is what it says."""
    return CYCLES[relation(a, b)]


def costs_of(machine: Map) -> Callable[[Pair, int], float]:
    site = machine.by_cpu
    return lambda pair, _: declared(site[pair[0]], site[pair[1]])
