"""Trees for any number of cores, random things that all cores do at once over them, and what must
hold of that.
"""

from __future__ import annotations

import random

import pytest
from resting import rest
from s2_kernel import programs

from multikernel import System
from multikernel.errors import PageFault

Trees = dict[int, list[tuple[int, int]]]


def flat(cores: int) -> Trees:
    return {}


def chain(cores: int) -> Trees:
    """Down and up from the root, in both directions."""
    return {
        root: [(core + 1, core) for core in reversed(range(root))]
        + [(core - 1, core) for core in range(root + 1, cores)]
        for root in range(cores)
    }


def ring_road(cores: int) -> Trees:
    """The next core after every core is its child, round and round: the trees use the same edges in
    one direction.
    """
    return {
        root: [((root + i) % cores, (root + i + 1) % cores) for i in range(cores - 1)]
        for root in range(cores)
    }


def binary(cores: int) -> Trees:
    return {
        root: [
            (((place - 1) // 2 + root) % cores, (place + root) % cores) for place in range(1, cores)
        ]
        for root in range(cores)
    }


def any_tree(cores: int, root: int, chosen: random.Random) -> list[tuple[int, int]]:
    inside, edges = [root], []
    for core in chosen.sample([core for core in range(cores) if core != root], cores - 1):
        edges.append((chosen.choice(inside), core))
        inside.append(core)
    return edges


def any_trees(cores: int, seed: int) -> Trees:
    chosen = random.Random(seed)
    return {root: any_tree(cores, root, chosen) for root in range(cores)}


def at_rest(system: System) -> None:
    rest(system)
    digests = [core.digest() for core in system.cores]
    assert [locked for _, _, locked in digests] == [0] * len(system.cores)
    for one in system.cores:
        for other in system.cores[one.index + 1 :]:
            assert one.digest(other.index)[0] == other.digest(one.index)[0], (one, other)


def everybody_at_once(system: System, seed: int, rounds: int, pages: int = 6) -> dict[str, int]:
    """All cores do random things to common pages at once; what must hold of it."""
    common = [system.map(system.allocate(4096)) for _ in range(pages)]
    for number, page in enumerate(common):
        page.write(0, bytes([number] * 8))
    gate = system.map(system.allocate(4096))
    tasks = [
        core.start(
            programs.contend, gate, common, system.allocate(4096), seed * 100 + core.index, rounds
        )
        for core in system.cores
    ]
    gate.write(0, b"\1")
    happened: dict[str, int] = {}
    won: list[int] = []
    for task in tasks:
        mine, events = task.result()
        won += mine
        for event, count in events.items():
            happened[event] = happened.get(event, 0) + count
    system.unmap(gate)
    assert len(won) == len(set(won)), (
        f"more than one unmap of the same page returned: {sorted(won)}"
    )
    at_rest(system)
    for number, page in enumerate(common):
        if number in won:
            for core in system.cores:
                with pytest.raises(PageFault):
                    core.read(page, 0, 8)
        else:
            for core in system.cores:
                assert core.read(page, 0, 8) == bytes([number] * 8)
            system.unmap(page)
    rest(system)
    assert {core.digest()[1] for core in system.cores} == {0}, "something is still mapped"
    return happened
