"""Is there an order of these operations, each at one moment between its call and its return, that a
sequential model allows?

A history is a list of events: who asked what, what was answered, and when each began and ended by
one clock. `order` looks for a linearization; finding none, it says how far the best attempt came
and which answers could not be explained from there.

The search is Wing and Gong's (JPDC 1993) with Lowe's memory (CCPE 2017): of the operations that no
other one precedes, try each the model allows next; having failed from a set of done operations and
a state, never try from there again. Exponential in how many operations overlap, not in the
history's length: keep few processes.

The model is a function: step(state, operation, response) gives the states that may follow, none
when the response is impossible there. A state is hashable. An error is a response like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

S = TypeVar("S", bound=Hashable)
Step = Callable[[S, Any, Any], Iterable[S]]


class Event(NamedTuple):
    """Times in ticks of one clock; an operation that returned at the tick at which another was
    called may overlap it.
    """

    process: int
    operation: Any
    response: Any
    called: int
    returned: int


@dataclass
class NotLinearizable(Exception, Generic[S]):
    """explained: the longest order found; refused: the events that could have come next, if the
    model had allowed one.
    """

    explained: list[Event]
    state: S
    refused: list[Event]

    def __str__(self) -> str:
        lines = [f"no order explains this history; {len(self.explained)} operations in:"]
        lines += [f"    {_said(event)}" for event in self.explained]
        lines += [f"  then, in {self.state}, none of:"]
        lines += [f"    {_said(event)}" for event in self.refused]
        return "\n".join(lines)


def _said(event: Event) -> str:
    return (
        f"{event.called}–{event.returned} by {event.process}: {event.operation} → {event.response}"
    )


def order(history: Sequence[Event], initial: S, step: Step[S]) -> list[Event]:
    """A linearization. Raises NotLinearizable; ValueError for events that end before they begin, or
    overlap in one process.
    """
    events = sorted(history, key=lambda event: (event.called, event.returned))
    _check(events)
    wanted = (1 << len(events)) - 1
    done, state = 0, initial
    seen = {(done, state)}
    best: tuple[S, list[Event]] = (initial, [])
    path: list[int] = []
    stack = [_next(events, done, state, step)]
    while done != wanted:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            if not stack:
                at, explained = best
                mask = sum(1 << events.index(event) for event in explained)
                raise NotLinearizable(explained, at, [events[i] for i in _candidates(events, mask)])
            path.pop()
            continue
        index, after, mask = found
        if (mask, after) in seen:
            continue
        seen.add((mask, after))
        done, state = mask, after
        path.append(index)
        if len(path) > len(best[1]):
            best = state, [events[i] for i in path]
        stack.append(_next(events, done, state, step))
    return [events[i] for i in path]


def _check(events: list[Event]) -> None:
    last: dict[int, int] = {}
    for event in events:
        if event.returned < event.called or event.called < last.get(event.process, event.called):
            raise ValueError(f"a process does one thing after another: {_said(event)}")
        last[event.process] = event.returned


def _candidates(events: list[Event], done: int) -> Iterable[int]:
    """Those that no operation still to be done has returned before."""
    first = None
    for index, event in enumerate(events):
        if done >> index & 1:
            continue
        if first is not None and event.called > first:
            return
        first = event.returned if first is None else min(first, event.returned)
        yield index


def _next(events: list[Event], done: int, state: S, step: Step[S]) -> Any:
    # A candidate's own return does not rule it out: what comes later in the list is called later.
    for index in list(_candidates(events, done)):
        event = events[index]
        for after in step(state, event.operation, event.response):
            yield index, after, done | 1 << index
