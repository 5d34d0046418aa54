"""From events to what is drawn: slices of each core, messages with both ends, operations and the
rounds of their agreements.

Guarantees: slices of a track nest, and their marks are in the order of time. A message has both
ends, and was sent before it was received; of what lies before the first moment that all cores
still remember nothing is told.

A message is found again by who sent it to whom, whether it is a reply, and its attempt: of these
there is one under way at a time, or they keep their order.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import count

from multikernel.native._native import OUTPUT_REPLIES
from multikernel.timeline.events import (
    INPUT_NAMES,
    KIND_NAMES,
    OPERATION_NAMES,
    PHASE_NAMES,
    ROLES,
    CoreEvents,
    Traced,
    attempt_name,
    verdict_name,
)

OUTPUT_REQUESTS = 0
"""A message that is answered, among outputs."""
ENDS = {"ended": "began", "stepped": "step", "woken": "parks", "program-ended": "program"}
"""What ends a slice: what began it."""


@dataclass(slots=True)
class Mark:
    """A slice's begin or end, or an instant of a core: time in cycles. says: more of it, by name;
    sends, receives: the message's number, 0 for none.
    """

    time: int
    what: str
    name: str = ""
    says: dict[str, str | int] = field(default_factory=dict)
    sends: int = 0
    receives: int = 0


@dataclass(slots=True)
class Span:
    """Something that takes a while and may overlap others of its kind. Cycles."""

    name: str
    began: int
    ended: int
    says: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """number: from 1 on; reply, attempt, name: what it is; cycles."""

    number: int
    sender: int
    receiver: int
    reply: bool
    attempt: int
    sent: int
    received: int
    name: str = ""


@dataclass
class CoreTold:
    """A core's own track, and what overlaps: operations that were asked for there, and the rounds
    that it leads or has voted in.
    """

    label: str
    marks: list[Mark] = field(default_factory=list)
    operations: list[Span] = field(default_factory=list)
    rounds: list[Span] = field(default_factory=list)


@dataclass
class Told:
    """A system. since, until: cycles; lost: events that the cores no longer had; unsent,
    unreceived: messages of which one end alone is told, by number of ends.
    """

    cores: list[CoreTold]
    messages: list[Message]
    since: int
    until: int
    lost: int
    unsent: int
    unreceived: int


Event = tuple[int, int, int, int, int, int, int, int, int, int]
"""In the order of EVENT."""
Key = tuple[int, int, bool, int, int]
"""Sender, receiver, whether it is a reply, attempt, and of a request its phase."""


def tell(traced: Traced) -> Told:
    """Of a system."""
    since = max([traced.since, *(_remembers(core) for core in traced.cores)])
    events = [_since(core, since) for core in traced.cores]
    until = max((some[-1][0] for some in events if some), default=since)
    messages, unsent, unreceived = _messages(events)
    sends = {(one.sender, one.sent_at): one.message.number for one in messages}
    receives = {(one.receiver, one.received_at): one.message.number for one in messages}
    cores = [
        _told(core.label, number, some, until, sends, receives)
        for number, (core, some) in enumerate(zip(traced.cores, events, strict=True))
    ]
    lost = sum(core.lost for core in traced.cores)
    found = [one.message for one in messages]
    return Told(cores, found, since, until, lost, unsent, unreceived)


def _remembers(core: CoreEvents) -> int:
    """The first moment of which a core has lost nothing."""
    return int(core.events["time"][0]) if core.lost and len(core.events) else 0


def _since(core: CoreEvents, since: int) -> list[Event]:
    some: list[Event] = core.events[core.events["time"] >= since].tolist()
    return some


# --- Messages


@dataclass(frozen=True, slots=True)
class _Matched:
    message: Message
    sender: int
    sent_at: int
    receiver: int
    received_at: int


def _messages(events: list[list[Event]]) -> tuple[list[_Matched], int, int]:
    """Those with both ends, by the place of each in its core's events; ends without another."""
    sent: defaultdict[Key, deque[tuple[int, int]]] = defaultdict(deque)
    for core, some in enumerate(events):
        for at, (time, about, _, kind, _, phase, _, peer, what, _) in enumerate(some):
            if KIND_NAMES.get(kind) == "sent":
                reply = what == OUTPUT_REPLIES
                sent[core, peer, reply, about, 0 if reply else phase].append((time, at))
    numbers, found, unsent = count(1), [], 0
    for core, some in enumerate(events):
        for at, (time, about, _, kind, operation, phase, verdict, peer, what, _) in enumerate(some):
            came = INPUT_NAMES.get(what)
            if KIND_NAMES.get(kind) != "began" or came not in ("message", "reply"):
                continue
            reply = came == "reply"
            waiting = sent[peer, core, reply, about, 0 if reply else phase]
            if not waiting or waiting[0][0] > time:
                unsent += 1
                continue
            left, left_at = waiting.popleft()
            name = _of_input(came, operation, phase, verdict)
            message = Message(next(numbers), peer, core, reply, about, left, time, name)
            found.append(_Matched(message, peer, left_at, core, at))
    return found, unsent, sum(map(len, sent.values()))


# --- A core


def _told(
    label: str, core: int, events: list[Event], until: int,
    sends: dict[tuple[int, int], int], receives: dict[tuple[int, int], int],
) -> CoreTold:  # fmt: skip
    told, rounds = CoreTold(label), _Rounds()
    open_: list[tuple[str, Mark]] = []
    asked: defaultdict[int, deque[Span]] = defaultdict(deque)
    steps = 0
    for at, event in enumerate(events):
        time, about, _, number, operation, phase, verdict, peer, what, role = event
        kind = KIND_NAMES.get(number, "")
        if kind in ENDS:
            if open_ and open_[-1][0] == ENDS[kind]:
                if kind == "stepped" and (said := _of_work(operation, phase, role)):
                    open_[-1][1].says["about"] = said
                open_.pop()
                told.marks.append(Mark(time, "end"))
            continue
        mark = Mark(time, "begin")
        if kind == "began":
            steps = 0
            came = INPUT_NAMES.get(what, "")
            mark.name = _of_input(came, operation, phase, verdict)
            mark.receives = receives.get((core, at), 0)
            if came == "request":
                name = OPERATION_NAMES.get(operation, "operation")
                asked[about].append(Span(name, time, time))
            elif came in ("message", "reply"):
                mark.says = {"from": f"core {peer}", "attempt": attempt_name(about)}
                rounds.came(came, event)
        elif kind == "step":
            mark.name = "own part" if steps else "step"
            steps += 1
        elif kind == "sent":
            reply = what == OUTPUT_REPLIES
            said = "answer" if reply else PHASE_NAMES.get(phase, "message")
            mark.what, mark.name = "instant", f"{said} to core {peer}"
            mark.sends = sends.get((core, at), 0)
            if what == OUTPUT_REQUESTS:
                rounds.sent(event)
        elif kind == "done":
            mark.what = "instant"
            mark.name = f"{OPERATION_NAMES.get(operation, 'operation')} done"
            if asked[about]:
                span = asked[about].popleft()
                span.ended = time
                span.says = {"verdict": verdict_name(verdict), "cycles": time - span.began}
                told.operations.append(span)
        else:
            mark.name = {"parks": "asleep", "program": "program"}.get(kind, kind)
        if mark.what == "begin":
            open_.append((kind, mark))
        told.marks.append(mark)
    told.marks += [Mark(until, "end") for _ in open_]
    told.operations.sort(key=lambda span: span.began)
    told.rounds = rounds.all()
    return told


def _of_input(came: str, operation: int, phase: int, verdict: int) -> str:
    name = OPERATION_NAMES.get(operation, "")
    if came == "message":
        return f"{name} {PHASE_NAMES.get(phase, '')}".strip()
    if came == "reply":
        return f"{name} answer" if not verdict else f"{name} answer: {verdict_name(verdict)}"
    return f"{name} asked for" if came == "request" else came or "turn"


def _of_work(operation: int, phase: int, role: int) -> str:
    words = OPERATION_NAMES.get(operation, ""), PHASE_NAMES.get(phase, ""), ROLES[role % 4]
    return " ".join(word for word in words if word)


class _Rounds:
    """Of the agreements that a core leads, or leads a part of the tree in: from the first message
    down to the last answer. And for how long it has voted and not heard the outcome.
    """

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._now: dict[int, tuple[int, Span]] = {}
        self._voted: dict[int, Span] = {}

    def sent(self, event: Event) -> None:
        time, about, _, _, operation, phase, *_ = event
        before = self._now.get(about)
        if before is None or before[0] != phase:
            name = f"{OPERATION_NAMES.get(operation, '')} {PHASE_NAMES.get(phase, '')}"
            span = Span(name, time, time, {"attempt": attempt_name(about)})
            self._now[about] = phase, span
            self._spans.append(span)

    def came(self, came: str, event: Event) -> None:
        time, about, _, _, operation, phase, *_ = event
        if came == "reply":
            if about in self._now:
                self._now[about][1].ended = time
            return
        what = PHASE_NAMES.get(phase)
        if what == "prepare":
            name = f"{OPERATION_NAMES.get(operation, '')} outcome awaited"
            span = Span(name, time, time, {"attempt": attempt_name(about)})
            self._voted.setdefault(about, span)  # one of several pieces
        elif what in ("commit", "abort") and about in self._voted:
            span = self._voted.pop(about)
            span.ended = time
            self._spans.append(span)

    def all(self) -> list[Span]:
        """Those that have ended."""
        return sorted((one for one in self._spans if one.ended > one.began), key=lambda s: s.began)
