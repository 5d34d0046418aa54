"""Capabilities, all cores at once: what programs were told can be explained by one order of what they asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from s2_kernel import capability_system as model
from s2_kernel import history_programs as programs
from s2_kernel.capability_programs import PAGE, ROOT, Record
from s2_kernel.capability_system import TOP, Copy, Object, Request, State
from s2_kernel.history_programs import Round
from s2_kernel.linearizability import Event, order

import multikernel
from multikernel import System
from multikernel.native._native import KINDS

CORES = 3
SYSTEMS: dict[str, dict[str, Any]] = {"multikernel": {}}


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(CORES, **SYSTEMS[request.param]) as booted:
        memory = ROOT, programs.SLOTS[-1]
        booted.launched.request(0, KINDS["CAP_CREATE"], programs.PAGES * 2 * PAGE, *memory)
        yield booted


def step(state: State, request: Request, response: tuple[str, int | None]) -> Iterable[State]:
    verdict, after, made = model.ask(state, request, CORES, 16)
    if verdict != response[0]:
        return []
    for copy in made:
        assert response[1] is not None
        after = model.learn(after, copy, response[1])
    return [after]


def seen(looks: list[list[Record]]) -> State:
    """What the cores saw of themselves, one after the other in their numbers."""
    return frozenset(
        Copy(core, TOP, index, Object(one.type, one.address, one.size), one.rights, one.reference)
        for core, records in enumerate(looks)
        for index, one in zip(programs.SLOTS, records, strict=True)
        if one.type
    )


def explain(rounds: tuple[Round, ...]) -> list[Event]:
    """The order of a round on all cores; it leads to what was there in the end."""
    history = [event for one in rounds for event in one.events]
    final = Event(-1, "look", seen([one.after for one in rounds]), 1 << 63, 1 << 63)

    def until(state: State, request: Any, response: Any) -> Iterable[State]:
        if request == "look":
            return [state] if state == response else []
        return step(state, request, response)

    return order([*history, final], seen([one.before for one in rounds]), until)


def record(system: System, seed: int, rounds: int, operations: int) -> list[tuple[Round, ...]]:
    group = system.group()
    tasks = [
        core.start(programs.capabilities, group, 1000 * seed + core.index, rounds, operations)
        for core in system.cores
    ]
    done = [task.result() for task in tasks]
    system.close_group(group)
    return list(zip(*done, strict=True))


def overlaps(history: list[Event]) -> int:
    """Pairs of operations of which neither was done when the other began."""
    return sum(
        a.called <= b.returned and b.called <= a.returned
        for i, a in enumerate(history)
        for b in history[:i]
        if a.process != b.process
    )


def test_histories(system: System) -> None:
    met: Counter[str] = Counter()
    together = 0
    for rounds in record(system, 1, 60, 6):
        events = explain(rounds)
        together += overlaps(events[:-1])
        met.update(f"{event.operation.kind} {event.response[0]}" for event in events[:-1])
    print(together, sorted(met.items()))
    assert together


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_histories(system: System, seed: int) -> None:
    for rounds in record(system, seed, 400, seed):
        explain(rounds)
