"""Capabilities, all cores at once: the answers can be explained by one order of what they asked, an
order that leads to what is there in the end.

Two things are weaker, and are not claimed. A program that looks at its slots (KIND_CAP_LOOK) while
others are at work sees what is prepared and may yet be taken back; looks choose here what to ask
about, and only those in which all is at rest have to be explained. And what lies in a CNode goes
with it capability by capability, on each core in its time (cspace.h,
native/monitor/capability/ranges.c).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from s2_kernel import capability_system as model
from s2_kernel import history_programs as programs
from s2_kernel import mutants
from s2_kernel.capability_programs import PAGE, ROOT
from s2_kernel.capability_system import SYSTEMS, Copy, Request, State
from s2_kernel.history_programs import Round
from s2_kernel.linearizability import Event, NotLinearizable, order
from s3_agreement.bugs import BUGS

import multikernel
from multikernel import System
from multikernel.machine.host.clock import GOOD_ENOUGH
from multikernel.native._native import KINDS

CORES = 3


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(CORES, **SYSTEMS[request.param]) as booted:
        memory = ROOT, programs.SLOTS[-1]
        booted.launched.request(
            0, KINDS["CAP_CREATE"], 2 * max(programs.PAGES.values()) * PAGE, *memory
        )
        yield booted


def step(state: State, request: Request, response: tuple[str, int | None]) -> Iterable[State]:
    verdict, after, made = model.ask(state, request, CORES, 16)
    if verdict != response[0]:
        return []
    for copy in made:
        assert response[1] is not None
        after = model.learn(after, copy, response[1])
    return [after]


def seen(looks: Iterable[list[Copy]]) -> State:
    return frozenset(copy for one in looks for copy in one)


def explain(rounds: tuple[Round, ...]) -> list[Event]:
    """The order of a round on all cores; it leads to what was there in the end."""
    history = [event for one in rounds for event in one.events]
    final = Event(-1, "look", seen(one.after for one in rounds), 1 << 63, 1 << 63)

    def until(state: State, request: Any, response: Any) -> Iterable[State]:
        if request == "look":
            return [state] if state == response else []
        return step(state, request, response)

    return order([*history, final], seen(one.before for one in rounds), until)


def record(
    system: System, seed: int, rounds: int, operations: int, cnodes: bool = False
) -> list[tuple[Round, ...]]:
    group = system.group()
    tasks = [
        core.start(
            programs.capabilities, group, 1000 * seed + core.index, rounds, operations, cnodes
        )
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


@pytest.mark.sampled(one_in=2)
def test_histories(system: System) -> None:
    met: Counter[str] = Counter()
    together = 0
    recorded = record(system, 1, 60, 6)
    assert len(recorded) == 60
    for rounds in recorded:
        events = explain(rounds)
        together += overlaps(events[:-1])
        met.update(f"{event.operation.kind} {event.response[0]}" for event in events[:-1])
    assert together
    for outcome in (
        *("COPY ok", "MOVE ok", "RETYPE ok", "DELETE ok"),
        *("COPY stale", "MOVE stale", "RETYPE stale", "DELETE stale"),
    ):
        assert met[outcome], met


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_histories(system: System, seed: int) -> None:
    recorded = record(system, seed, 400, seed)
    for rounds in recorded:
        explain(rounds)
    assert len(recorded) == 400


SEEN = ["RETYPE_VOTE_IGNORED", "MOVE_KEEPS_SOURCE", "RANGE_NOT_TAKEN", "LOCK_IGNORED"]


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SEEN)
def test_a_seeded_bug_is_seen(name: str, tmp_path: Path) -> None:
    select = "many_histories and multikernel and not owner"
    said = mutants.histories(tmp_path, BUGS[name], __file__, select)
    assert "no order explains this history" in said


def test_another_answer_is_noticed(system: System) -> None:
    """The same histories, with one answer turned into another: most of those cannot be explained
    any more.
    """
    noticed: Counter[str] = Counter()
    for rounds in record(system, 99, 6, 6):
        for core, one in enumerate(rounds):
            for index, event in enumerate(one.events):
                said, made = event.response
                other = ("stale" if said == "ok" else "ok", None if said == "ok" else made)
                if other[0] == "ok" and event.operation.kind in ("COPY", "MOVE", "RETYPE"):
                    other = ("ok", 1 << 62)
                events = [
                    *one.events[:index],
                    event._replace(response=other),
                    *one.events[index + 1 :],
                ]
                wrong = (*rounds[:core], one._replace(events=events), *rounds[core + 1 :])
                try:
                    explain(wrong)
                except NotLinearizable:
                    noticed[f"{event.operation.kind} {said}"] += 1
    for name in ("COPY ok", "RETYPE ok", "COPY stale", "RETYPE stale"):
        assert noticed[name], noticed


def test_the_clock_of_histories() -> None:
    """Stamps of two cores can be compared: in a chain of causes, from one CPU to another and back,
    none is smaller than the one before. The counter's rate is known, and the same on both.
    """
    with multikernel.boot(CORES) as system:
        group = system.group()
        tasks = [core.start(programs.stamps, group, 2000) for core in system.cores]
        chain = [
            stamp for turn in zip(*(task.result() for task in tasks), strict=True) for stamp in turn
        ]
        rates = [core.run(programs.rate) for core in system.cores]
    assert chain == sorted(chain)
    first, error = rates[0]
    assert all(abs(hz / first - 1) <= error + other + GOOD_ENOUGH for hz, other in rates)
