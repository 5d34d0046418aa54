"""What messages cost between the cores of a running system: to send, to receive, there and back.

Guarantees: up to `ALL` cores every ordered pair is measured, beyond that some of every distance,
and the rest is what measured pairs of the same relation make expected; disjoint pairs at the same
time, each pair both ways. The cores run their own loops on lines of their own, so the kernel goes
on meanwhile. Where cores share CPUs nothing is measured: a turn there takes a time slice and says
nothing of the machine.

Source: Smelt (OSDI'16 §4) measures send and receive a pair; a receive is timed on a message that
has been there for a while, so that no waiting is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from multikernel.errors import BadInput
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.routing import on_core
from multikernel.routing.on_core import Turn
from multikernel.runtime.plan import Plan

ALL = 16
"""Up to so many cores every pair is measured: 240 ordered pairs, 30 rounds."""
COUNT = 48
"""Messages of each kind a pair."""


class Running(Protocol):
    """A running system, as far as routing needs one."""

    plan: Plan

    @property
    def cores(self) -> Sequence[Any]:
        """Its cores, with `start`."""
        ...


def schedule(cores: int) -> list[list[Turn]]:
    """Rounds of disjoint (asker, answerer): all ordered pairs of up to `ALL` cores (the circle
    method of tournaments), of more those whose numbers differ by a power of two.
    """
    rounds: list[list[Turn]] = []
    if cores <= ALL:
        places: list[int | None] = [*range(cores), *([None] if cores % 2 else [])]
        for _ in range(len(places) - 1):
            half = len(places) // 2
            facing = zip(places[:half], reversed(places[half:]), strict=True)
            rounds.append([(a, b) for a, b in facing if a is not None and b is not None])
            places = [places[0], places[-1], *places[1:-1]]
    else:
        step = 1
        while step < cores:
            rounds.append([(a, a + step) for a in range(cores - step) if a // step % 2 == 0])
            step *= 2
    return rounds + [[(b, a) for a, b in pairs] for pairs in rounds]


def measure(system: Running, site: Site, *, count: int = COUNT) -> Costs:
    """Costs between the system's cores. Raises BadInput where cores share CPUs, or there is but one
    core.
    """
    if system.plan.crowded:
        raise BadInput(
            "cores that share CPUs say nothing of what messages cost",
            value=f"{site.n} cores on {len(set(site.cpus))} CPUs",
            where="measuring costs",
        )
    samples, _ = samples_of(system, site.n, count)
    return Costs.from_samples(site, {pair: [sample] for pair, sample in samples.items()})


def placement(system: Running, site: Site) -> dict[int, tuple[int | None, int]]:
    """By core, the memory node that the lines lie on by which others reach it (None: the host does
    not say), and the node of its CPU. They are the same where buffers lie with their receivers, as
    every core touches its own first.
    """
    tasks = [core.start(on_core.home) for core in system.cores]
    nodes = [int(task.result()) for task in tasks]
    return {
        core: (node if node >= 0 else None, int(site.node[core])) for core, node in enumerate(nodes)
    }


def samples_of(
    system: Running, cores: int, count: int
) -> tuple[dict[Turn, tuple[float, float, float]], dict[int, int]]:
    """(send, receive, round trip) in cycles by pair, and by core the memory node its lines lie
    on.
    """
    rounds = schedule(cores)
    tasks = []
    for core in range(cores):
        mine = [turn for pairs in rounds for turn in pairs if core in turn]
        tasks.append(system.cores[core].start(on_core.message_costs, mine, count))
    asked: dict[Turn, tuple[float, ...]] = {}
    answered: dict[Turn, float] = {}
    nodes: dict[int, int] = {}
    for core, task in enumerate(tasks):
        found, nodes[core] = task.result()
        for turn, values in found.items():
            if turn[0] == core:
                asked[turn] = values
            else:
                answered[turn] = values[0]
    return {turn: (send, answered[turn], trip) for turn, (send, trip) in asked.items()}, nodes
