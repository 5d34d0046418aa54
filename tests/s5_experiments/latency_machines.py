"""Machines for the latency matrix that are not at hand: what they are made of, and what a pair of
their CPUs takes.
"""

from __future__ import annotations

from collections.abc import Callable

from multikernel.experiments.latency_map import Map, Pair, Site, relation

CYCLES = {"smt": 60.0, "l2": 60.0, "l3": 120.0, "die": 250.0, "package": 300.0, "system": 600.0}
Cost = Callable[[Site, Site], float]


def big(cpus: int = 512) -> Map:
    """Two packages of two dies each, caches of 8 cores at most, two threads a core; a node a
    package.
    """
    cores = cpus // 2
    sites = []
    for cpu in range(cpus):
        core = cpu % cores
        package, die = core * 2 // cores, core * 4 // cores
        sites.append(Site(cpu, core, core, core // min(8, cores // 4), package, die, package))
    return Map(tuple(sites), {(0, 0): 10, (1, 1): 10, (0, 1): 21, (1, 0): 21})


def declared(a: Site, b: Site) -> float:
    """A machine that is what it says."""
    return CYCLES[relation(a, b)]


def costs_of(machine: Map) -> Callable[[Pair, int], float]:
    site = {one.cpu: one for one in machine.sites}
    return lambda pair, _: declared(site[pair[0]], site[pair[1]])
