"""Histories in which CNodes are made, filled and taken away: weaker than linearizable, and by how
much.

What lies in a CNode goes with it capability by capability, on each core in its time, because a
commit cannot be refused (native/monitor/capability/ranges.c) and a deletion is done in pieces
(cspace.h). So a deletion or a revoke has two moments here. At the first, all that it names is gone:
the capability, or every copy and descendant on every core. A CNode among it, and what that holds,
is going: any of it may still be used, or be found stale, or be in the way of something else; each
goes at some moment of its own, a CNode after its contents; and by the second moment, which is
before the return, all of it is gone. Everything else happens at one moment, and the order of all
these leads to what is there in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

import pytest
from s2_kernel import capability_system as model
from s2_kernel.capability_system import CNODE, TOP, Copy, Request, State
from s2_kernel.history_programs import Round
from s2_kernel.linearizability import Event, NotLinearizable, order
from s2_kernel.test_capability_histories import CORES, record, seen, system

from multikernel import System

__all__ = ["system"]


class Going(NamedTuple):
    """state: all that may still be met; going: what of that goes, and on whose behalf."""

    state: State
    going: frozenset[tuple[int, Copy]] = frozenset()
    under_way: frozenset[int] = frozenset()


class Ask(NamedTuple):
    number: int
    request: Request


class End(NamedTuple):
    number: int


def step(before: Going, act: Ask | End | str, response: Any) -> Iterator[Going]:
    match act:
        case End():
            if act.number in before.under_way:
                mine = frozenset(one for one in before.going if one[0] == act.number)
                left = before.state - {copy for _, copy in mine}
                yield Going(left, before.going - mine, before.under_way - {act.number})
        case Ask():
            for now in gone(before):
                yield from asked(now, act, response)
        case _:
            if before.state == response:
                yield before


def gone(before: Going) -> Iterator[Going]:
    """Some of what is going has gone: any of it, but a CNode after its contents."""
    there = {one for one in before.going if one[1] in before.state}
    for count in range(len(there) + 1):
        for some in combinations(sorted(there), count):
            left = before.state - {copy for _, copy in some}
            emptied = {copy.object for _, copy in some if copy.object.type == CNODE}
            if not any(copy.cnode in emptied for copy in left if copies_left(left, copy) == 0):
                yield before._replace(state=left, going=before.going - set(some))


def copies_left(state: State, inner: Copy) -> int:
    """Of the CNode that it lies in."""
    return 1 if inner.cnode == TOP else len(model.copies(state, inner.cnode, inner.core))


def asked(now: Going, act: Ask, response: tuple[str, int | None]) -> Iterator[Going]:
    request = act.request
    verdict, after, made = model.ask(now.state, request, CORES, 16)
    names = {(copy.core, copy.name) for _, copy in now.going}
    cnode = (request.to if request.kind in ("COPY", "MOVE") else request.core, request.cnode)
    if response[0] == "stale" and names & {(request.core, request.source), cnode}:
        yield now
    if verdict != response[0]:
        return
    if verdict != "ok" or request.kind not in ("DELETE", "REVOKE"):
        for copy in made:
            after = model.learn(after, copy, response[1] or 0)
        yield now._replace(state=after)
        return
    taken = now.state - after
    holders = {copy.cnode for copy in taken}
    slow = {
        copy
        for copy in taken
        if copy.object in holders or copy.cnode in {one.object for one in taken}
    }
    yield Going(
        after | slow,
        now.going | {(act.number, copy) for copy in slow},
        now.under_way | {act.number},
    )


def explain(rounds: Iterable[Round]) -> None:
    rounds = list(rounds)
    history = []
    for event in (event for one in rounds for event in one.events):
        number, request = event.called, event.operation
        history.append(event._replace(operation=Ask(number, request)))
        if request.kind in ("DELETE", "REVOKE") and event.response[0] == "ok":
            history.append(
                event._replace(process=CORES + event.process, operation=End(number), response=None)
            )
    history.append(Event(-1, "look", seen(one.after for one in rounds), 1 << 63, 1 << 63))
    order(history, Going(seen(one.before for one in rounds)), step)


@pytest.mark.sampled(one_in=2)
def test_histories(system: System) -> None:
    made = filled = 0
    for _ in range(5):  # chance decides what comes of it
        for rounds in record(system, 5, 25, 7, cnodes=True):
            explain(rounds)
            for event in (event for one in rounds for event in one.events):
                if event.response[0] == "ok":
                    made += event.operation.type == CNODE
                    filled += event.operation.cnode != 1 << 32
        if made and filled:
            return
    raise AssertionError(f"{made} CNodes were made and {filled} slots in them filled")


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20, 24))
def test_many_histories(system: System, seed: int) -> None:
    for rounds in record(system, seed, 200, 8, cnodes=True):
        explain(rounds)


def test_it_is_weaker_but_not_empty(system: System) -> None:
    """A deletion's answer taken away is noticed: what it took is not there."""
    noticed = 0
    for rounds in record(system, 6, 8, 6, cnodes=True):
        for core, one in enumerate(rounds):
            for index, event in enumerate(one.events):
                if event.operation.kind == "DELETE" and event.response[0] == "ok":
                    events = [
                        *one.events[:index],
                        event._replace(response=("stale", None)),
                        *one.events[index + 1 :],
                    ]
                    try:
                        explain((*rounds[:core], one._replace(events=events), *rounds[core + 1 :]))
                    except NotLinearizable:
                        noticed += 1
    assert noticed
