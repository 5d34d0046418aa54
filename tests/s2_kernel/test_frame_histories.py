"""Frames that are mapped, all cores at once: the answers about capabilities, pages and memory can
be explained by one order of what they asked, an order that leads to what is there in the end.

A page that somebody has read after a revoke returned, a write that one core sees and another one,
later, does not, a Mapping without a page, a slot in use by what another core knows to be gone: none
of that has an order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from s0_native import shared_bugs
from s2_kernel import frame_history_programs as programs
from s2_kernel import frame_system as model
from s2_kernel import mutants
from s2_kernel.capability_programs import PAGE, ROOT
from s2_kernel.capability_system import SYSTEMS
from s2_kernel.frame_history_programs import Round
from s2_kernel.frame_system import Act, Response, State
from s2_kernel.linearizability import Event, NotLinearizable, order
from s3_agreement import bugs

import multikernel
from multikernel import System
from multikernel.native._native import KINDS

CORES = 3
SLOTS = 24
"""Of each core, for pages: more than a round takes, and soon each has had several."""


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(CORES, slots=SLOTS, **SYSTEMS[request.param]) as booted:
        for place in programs.MEMORIES:
            booted.launched.request(0, KINDS["CAP_CREATE"], 2 * programs.PAGES * PAGE, ROOT, place)
        yield booted


def record(
    system: System, seed: int, rounds: int, operations: int, scenario: str = "anything"
) -> list[tuple[Round, ...]]:
    group = system.group()
    board = system.map(system.allocate(PAGE))
    tasks = [
        core.start(
            programs.play, group, board, scenario, 1000 * seed + core.index, rounds, operations
        )
        for core in system.cores
    ]
    done = [task.result() for task in tasks]
    system.unmap(board)
    system.close_group(group)
    return list(zip(*done, strict=True))


def in_steps(system: System) -> bool:
    return system.launched.plan.kernel == "multikernel"


def seen(looks: Iterable[list[Any]]) -> Any:
    return frozenset(copy for one in looks for copy in one)


def halves(event: Event, end: int) -> Iterable[Event]:
    """What is done in two steps, each by itself: a deletion that may have unmapped a page, and an
    unmap, of which the page's home hears before the end.
    """
    asked = event.operation
    if asked.kind == "DELETE" and event.response[0] == "ok":
        first = Act("UNMAPS", asked.core, source=asked.source)
        yield event._replace(process=CORES + event.process, operation=first)
    if asked.kind == "UNMAP" and event.response[0] == "ok":
        hears = asked._replace(kind="HOME-HEARS")
        yield event._replace(operation=asked._replace(kind="UNMAP-FIRST"))
        yield Event(-2 - event.called, hears, ("ok", None, None), event.called, end)
    else:
        yield event


def explain(rounds: tuple[Round, ...], in_steps: bool) -> list[Event]:
    """The order of a round on all cores; it leads to what was there and could be read in the end.
    in_steps: where deletions and unmaps may be seen to be done in steps.
    """
    history = [event for one in rounds for event in one.events]
    if in_steps:
        last = max((event.returned for event in history), default=0) + 1
        history = [half for event in history for half in halves(event, last)]
    end = seen(one.after for one in rounds)
    reads = [read for one in rounds for read in one.reads]

    def step(state: State, asked: Any, response: Any) -> Iterable[State]:
        if asked != "look":
            return model.step(state, asked, response, CORES)
        return [state] if state.copies == end and readable(state, reads) else []

    final = Event(-1, "look", None, 1 << 63, 1 << 63)
    return order([*history, final], State(seen(one.before for one in rounds)), step)


def readable(state: State, reads: list[Any]) -> bool:
    for act, response in reads:
        after = list(model.step(state, act, response, CORES))
        if not after:
            return False
        state = after[0]
    return True


def outcomes(
    system: System, seed: int, rounds: int, operations: int, scenario: str = "anything"
) -> Counter[str]:
    """How often what was answered how, in histories that can be explained."""
    recorded = record(system, seed, rounds, operations, scenario)
    for one in recorded:
        explain(one, in_steps(system))
    assert len(recorded) == rounds
    events = (event for cores in recorded for one in cores for event in one.events)
    return Counter(f"{event.operation.kind} {event.response[0]}" for event in events)


@pytest.mark.sampled(one_in=2)
def test_histories(system: System) -> None:
    met = outcomes(system, 1, 60, 8)
    for outcome in (
        "READ ok",
        "READ fault",
        "WRITE ok",
        "UNMAP ok",
        "MAP ok",
        "REVOKE ok",
        "DELETE ok",
        "DELETE stale",
        "MAP stale",
        "UNMAP not-mapped",
    ):
        assert met[outcome], met


@pytest.mark.sampled(one_in=2)
def test_pages_in_use_go_at_one_moment(system: System) -> None:
    """All pages of a range, on all cores: none is there after another one, or the same one
    elsewhere, was gone.
    """
    met = outcomes(system, 1, 100, 60, "pages in use")
    for outcome in ("READ ok", "READ fault", "WRITE ok", "WRITE fault"):
        assert met[outcome], met


@pytest.mark.sampled(one_in=2)
def test_slots_in_use_come_free_at_one_moment(system: System) -> None:
    """Those of all copies: none is in use after another one, of whichever core, was free."""
    met = outcomes(system, 1, 40, 30, "slots in use")
    assert met["COPY ok"], met
    assert met["COPY slot-in-use"], met


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_histories(system: System, seed: int) -> None:
    outcomes(system, seed, 400, 4 + seed)


def others(event: Event) -> Iterable[Response]:
    """What might have been the answer, and was not."""
    verdict, made, page = event.response
    kind = event.operation.kind
    if kind == "READ" and made is not None:
        yield verdict, made ^ 1, page
    if kind in ("READ", "WRITE"):
        yield (
            ("fault", None, None)
            if verdict == "ok"
            else ("ok", None if kind == "WRITE" else 0, None)
        )
    elif kind == "UNMAP":
        yield ("not-mapped" if verdict == "ok" else "ok", None, None)
    elif verdict == "ok":
        yield "stale", None, None
    elif verdict == "stale" and kind in ("DELETE", "REVOKE"):
        yield "ok", None, None


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("system", ["multikernel", "shared-region"], indirect=True)
def test_another_answer_is_noticed(system: System) -> None:
    """The same histories, with one answer turned into another: most of those cannot be explained
    any more.
    """
    noticed: Counter[str] = Counter()
    sought = ("READ ok", "READ fault", "WRITE ok", "MAP ok", "REVOKE ok")
    for seed in range(99, 109):
        for rounds in record(system, seed, 4, 4) + record(system, seed, 4, 30, "pages in use"):
            for core, one in enumerate(rounds):
                for index, event in enumerate(one.events):
                    for other in others(event):
                        events = [
                            *one.events[:index],
                            event._replace(response=other),
                            *one.events[index + 1 :],
                        ]
                        wrong = (*rounds[:core], one._replace(events=events), *rounds[core + 1 :])
                        try:
                            explain(wrong, in_steps(system))
                        except NotLinearizable:
                            noticed[f"{event.operation.kind} {event.response[0]}"] += 1
        if all(noticed[name] for name in sought):
            return  # what the cores come to do beside each other is chance
    raise AssertionError(noticed)


MULTIKERNEL = "(many_histories or in_use) and multikernel and not owner"
REGIONS = "(many_histories or in_use) and region"
SEEN = {
    "REVOKE_HERE_ALONE": MULTIKERNEL,
    "PAGE_KEPT": MULTIKERNEL,
    "PAGE_LEFT_BEHIND": REGIONS,
    "PAGE_NOT_ASKED_AGAIN": REGIONS,
    "OCCUPANT_NOT_ASKED": REGIONS,
}
"""Some others end in no answer at all (a Mapping that is left is undecided for ever), or are seen
only where the order of messages is chosen (the explorer). That a page keeps its rights is not seen
either: what a program reads by its handle is refused by the entry before the page's rights are
asked for.
"""


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SEEN)
def test_a_seeded_bug_is_seen(name: str, tmp_path: Path) -> None:
    bug = (shared_bugs.BUGS if SEEN[name] == REGIONS else bugs.BUGS)[name]
    said = mutants.histories(tmp_path, bug, __file__, SEEN[name])
    assert "no order explains this history" in said
