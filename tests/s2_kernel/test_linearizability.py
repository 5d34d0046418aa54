"""The checker of histories, by itself: histories whose answer is known, and those of a queue and a
register that hypothesis makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from s2_kernel.linearizability import Event, NotLinearizable, order


def register(state: int, operation: tuple[str, int], response: int | None) -> Iterable[int]:
    what, value = operation
    if what == "write":
        return [value]
    return [state] if response == state else []


def queue(
    state: tuple[int, ...], operation: tuple[str, int], response: int | None
) -> Iterable[tuple[int, ...]]:
    what, value = operation
    if what == "put":
        return [(*state, value)]
    if not state:
        return [()] if response is None else []
    return [state[1:]] if response == state[0] else []


EMPTY: tuple[int, ...] = ()


def write(process: int, value: int, called: int, returned: int) -> Event:
    return Event(process, ("write", value), None, called, returned)


def read(process: int, value: int, called: int, returned: int) -> Event:
    return Event(process, ("read", 0), value, called, returned)


LINEARIZABLE = {
    "nothing": [],
    "one after another": [write(0, 1, 0, 1), read(0, 1, 2, 3)],
    "overlapping, before": [write(0, 1, 0, 9), read(1, 0, 2, 3), read(1, 1, 4, 5)],
    "both writes seen": [write(0, 1, 0, 9), write(1, 2, 0, 9), read(2, 2, 1, 2), read(2, 1, 3, 4)],
    "returned as the other was called": [write(0, 1, 0, 5), read(1, 0, 5, 6)],
}
NOT_LINEARIZABLE = {
    "never written": [write(0, 1, 0, 1), read(1, 2, 0, 9)],
    "old after new": [write(0, 1, 0, 9), read(1, 1, 2, 3), read(1, 0, 4, 5)],
    "old on another core after new": [write(0, 1, 0, 9), read(1, 1, 2, 3), read(2, 0, 4, 5)],
    "stale": [write(0, 1, 0, 1), read(1, 0, 2, 3)],
    "writes in two orders": [
        *(write(0, 1, 0, 9), write(1, 2, 0, 9)),
        *(read(2, 1, 10, 11), read(3, 2, 12, 13)),
    ],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_linearizable(name: str) -> None:
    history = LINEARIZABLE[name]
    assert sorted(order(history, 0, register)) == sorted(history)


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_not_linearizable(name: str) -> None:
    with pytest.raises(NotLinearizable) as error:
        order(NOT_LINEARIZABLE[name], 0, register)
    assert "none of" in str(error.value)


@pytest.mark.parametrize(
    "history",
    [[write(0, 1, 3, 2)], [write(0, 1, 0, 5), write(0, 2, 4, 6)]],
    ids=["ends early", "overlaps itself"],
)
def test_what_is_no_history(history: list[Event]) -> None:
    with pytest.raises(ValueError, match="one thing after another"):
        order(history, 0, register)


OPERATION = st.one_of(st.tuples(st.just("put"), st.integers(0, 3)), st.just(("take", 0)))


@st.composite
def runs(draw: Any) -> list[Event]:
    """Of a queue, by three processes: what took effect one after another, at times 10, 20, …, each
    seen to begin some time before and to end some time after, but not beyond what the same process
    did before and after.
    """
    sequence = draw(st.lists(st.tuples(st.integers(0, 2), OPERATION), max_size=14))
    state: tuple[int, ...] = ()
    events: list[Event] = []
    last: dict[int, int] = {}
    for at, (process, operation) in enumerate(sequence):
        moment = 10 * (at + 1)
        response = state[0] if operation[0] == "take" and state else None
        (state,) = queue(state, operation, response)
        following = next(
            (i for i, (p, _) in enumerate(sequence) if i > at and p == process), len(sequence) + 4
        )
        called = draw(st.integers(last.get(process, 0) + 1, moment))
        returned = draw(st.integers(moment, 10 * following + 4))
        last[process] = returned
        events.append(Event(process, operation, response, called, returned))
    return events


@given(runs())
def test_what_ran_in_some_order_is_linearizable(history: list[Event]) -> None:
    found = order(history, EMPTY, queue)
    state: tuple[int, ...] = ()
    for event in found:
        (state,) = queue(state, event.operation, event.response)
    assert sorted(found, key=str) == sorted(history, key=str)


def by_trying_all(history: list[Event]) -> bool:
    for attempt in permutations(history):
        states = [EMPTY]
        for i, event in enumerate(attempt):
            if any(later.returned < event.called for later in attempt[i + 1 :]):
                states = []
            states = [
                after for state in states for after in queue(state, event.operation, event.response)
            ]
        if states:
            return True
    return False


@given(st.lists(st.integers(0, 13), min_size=2, max_size=2), runs())
def test_swapped_responses(swap: list[int], history: list[Event]) -> None:
    """The checker says what trying all orders says: mostly that there is none."""
    history = history[:6]
    if not history:
        return
    first, second = (place % len(history) for place in swap)
    history[first], history[second] = (
        history[first]._replace(response=history[second].response),
        history[second]._replace(response=history[first].response),
    )
    try:
        order(history, EMPTY, queue)
        found = True
    except NotLinearizable:
        found = False
    assert found == by_trying_all(history)
