"""Machines for the latency matrix that are not at hand: what they are made of, and what a pair of
their CPUs takes.
"""

from __future__ import annotations

from collections.abc import Callable

from multikernel.experiments.instrument.arms import Pair
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.synthetic import from_string

CYCLES = {"smt": 60.0, "l2": 60.0, "l3": 120.0, "die": 250.0, "package": 300.0, "system": 600.0}
Cost = Callable[[Topology, Pair], float]


def big(cpus: int = 512) -> Topology:
    """Two packages of two dies each, caches of 8 cores at most, two threads a core; a node a
    package.
    """
    cores = cpus // 8
    caches = -(-cores // 8)
    return from_string(f"2 packages, 2 dies, {caches} l3, {cores // caches} cores, smt 2")


def declared(machine: Topology, pair: Pair) -> float:
    """A machine that is what it says."""
    return CYCLES[machine.relation(*pair)]


def costs_of(machine: Topology) -> Callable[[Pair, int], float]:
    return lambda pair, _: declared(machine, pair)
