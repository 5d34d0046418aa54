"""Is a history linearizable? Each operation took effect at one moment between its begin and its
end, and all of them in that order give the results that were seen.

A search for such an order (Wing and Gong, JPDC'93), which remembers what it has tried (Lowe, 2017):
the set of operations done, and the state. Small histories alone: a round of a few cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

OK, ABSENT, FULL, EMPTY, BAD, REFUSED = range(6)
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


RAM, FRAME = 1, 2
SLOT_IN_USE, NO_SLOTS, NOT_COPYABLE, BAD_SIZE, CONFLICT, MORE = 4, 5, 8, 9, 10, 1
"""Verdicts (capability/capability.h)."""
PAGE = 4096
REVOKED_MOST = 16


def mappings_of(slots: int) -> Model:
    """What each slot has: address, size and type as `value` has them, or 0; the first is taken."""

    def parts(one: int) -> tuple[int, int, int]:
        address, size, kind = one & 0xFFFFFF, one >> 24 & 0xFFFFFF, one >> 48
        return address, address + size, kind

    def inside(inner: int, outer: int) -> bool:
        """It is a copy, or may have been made of it."""
        a, b = parts(inner), parts(outer)
        within = b[0] <= a[0] and a[1] <= b[1]
        smaller = a[1] - a[0] < b[1] - b[0]
        return inner == outer or (within and b[2] == RAM and (smaller or a[2] != RAM))

    def refusal(state: State, key: int, new: int) -> int:
        first, end, kind = parts(new)
        if key >= slots:
            return NO_SLOTS
        if key == 0 or state[key]:
            return SLOT_IN_USE
        if kind not in (RAM, FRAME):
            return NOT_COPYABLE
        if first % PAGE or end % PAGE or first == end:
            return BAD_SIZE
        for old in state:
            begins, ends, _ = parts(old)
            meets = old and begins < end and first < ends
            if meets and not inside(old, new) and not inside(new, old):
                return CONFLICT
        return 0

    def innermost(state: State, byte: int) -> Answer:
        have = [slot for slot in range(slots) if state[slot] and has(state[slot], byte, byte + 1)]
        if not have:
            return ABSENT, 0
        sizes = [(state[i] >> 24 & 0xFFFFFF, -(state[i] >> 48), -i) for i in have]
        return OK, -min(sizes)[2]

    def has(one: int, first: int, end: int) -> bool:
        begins, ends, _ = parts(one)
        return begins < end and first < ends

    def removed(state: State, gone: set[int]) -> State:
        return tuple(0 if slot in gone else one for slot, one in enumerate(state))

    def mappings(state: State, o: Operation) -> tuple[State, Answer]:
        there = 0 < o.key < slots and state[o.key]
        match o.kind:
            case 1:
                why = refusal(state, o.key, o.value)
                if why:
                    return state, (REFUSED, why)
                return (*state[: o.key], o.value, *state[o.key + 1 :]), (OK, 0)
            case 0x84:
                return state, innermost(state, o.key)
            case 0x85:
                found = [one for one in state if one and has(one, o.key, o.key + o.value)]
                return state, (OK, len(found))
        if not there:
            return state, (ABSENT, 0)
        if o.kind == 2:
            return removed(state, {o.key}), (OK, there & 0xFFFFFF)
        gone = {i for i, one in enumerate(state) if one and i != o.key and inside(one, there)}
        if len(gone) > REVOKED_MOST:
            return state, (REFUSED, MORE)
        return removed(state, gone), (OK, len(gone))

    return mappings


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
