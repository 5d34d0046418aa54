"""Is a history linearizable? Each operation took effect at one moment between its begin and its
end, and all of them in that order give the results that were seen.

A search for such an order (Wing and Gong, JPDC'93), which remembers what it has tried (Lowe, 2017):
the set of operations done, and the state. Small histories alone: a round of a few cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

OK, ABSENT, FULL, EMPTY = range(4)
"""A result's status (object/type.h)."""
READS = 0x80

State = tuple[int, ...]
Answer = tuple[int, int]
Model = Callable[[State, "Operation"], tuple[State, Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """As object_history prints it."""

    round: int
    core: int
    begin: int
    end: int
    kind: int
    key: int
    value: int
    status: int
    result: int


def counters(state: State, o: Operation) -> tuple[State, Answer]:
    """A number each."""
    touched = range(o.key, o.key + o.value)
    answer = (OK, sum(state[i] for i in touched))
    if o.kind & READS:
        return state, answer
    return tuple(one + (i in touched) for i, one in enumerate(state)), answer


def mapping(state: State, o: Operation) -> tuple[State, Answer]:
    """By key: its value, -1 where there is none. Never full here."""
    before = state[o.key]
    answer = (OK, before) if before >= 0 else (ABSENT, 0)
    match o.kind:
        case 2:
            after = o.value
        case 3:
            after = -1
        case 4:
            after = max(before, 0) + o.value
        case _:
            return state, answer
    return (*state[: o.key], after, *state[o.key + 1 :]), answer


def queue_of(slots: int) -> Model:
    """The values in it, the oldest first."""

    def queue(state: State, o: Operation) -> tuple[State, Answer]:
        if o.kind == 1:
            return ((*state, o.value), (OK, 0)) if len(state) < slots else (state, (FULL, 0))
        if not state:
            return state, (EMPTY, 0)
        return state if o.kind & READS else state[1:], (OK, state[0])

    return queue


def states_after(model: Model, before: State, history: Sequence[Operation]) -> set[State]:
    """In which states that history may have ended. None: it is not linearizable."""
    everything = (1 << len(history)) - 1
    ends: set[State] = set()
    tried: set[tuple[int, State]] = set()
    left = [(0, before)]
    while left:
        done, state = left.pop()
        if done == everything:
            ends.add(state)
            continue
        if (done, state) in tried:
            continue
        tried.add((done, state))
        waiting = [i for i in range(len(history)) if not done >> i & 1]
        first_end = min(history[i].end for i in waiting)
        for i in waiting:
            # What ended before this began has to come before it.
            if history[i].begin > first_end:
                continue
            after, answer = model(state, history[i])
            if answer == (history[i].status, history[i].result):
                left.append((done | 1 << i, after))
    return ends


def first_wrong_round(model: Model, start: State, lines: Iterable[str]) -> list[Operation] | None:
    """Of what object_history printed."""
    rounds: dict[int, list[Operation]] = {}
    for line in lines:
        operation = Operation(*map(int, line.split()))
        rounds.setdefault(operation.round, []).append(operation)
    states = {start}
    for number in sorted(rounds):
        states = {end for state in states for end in states_after(model, state, rounds[number])}
        if not states:
            return rounds[number]
    return None
