"""What went on between cores as a list of steps, each with a sentence: for whoever wants to read an
agreement message by message.

Guarantees: every message that is told of is one step, in the order in which they were sent; so are
the operations that programs asked for, as they begin and as they are answered. The sentences are
those of the protocol (native/monitor/protocol.h), in plain words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multikernel.timeline.telling import Message, Told

PREPARES = {
    "unmap": "takes the page out of its table, then votes",
    "protect": "locks the mapping, then votes",
    "map": "reserves the mapping's slot, then votes",
}
COMMITS = {
    "unmap": "forgets the mapping",
    "protect": "has the page with its new rights",
    "map": "has the page in its page table",
}
APPLIES = {
    "unmap": "takes the page out and forgets it at once",
    "map": "puts the page into its page table, at once",
    "protect": "changes the page's rights, at once",
}


@dataclass(frozen=True, slots=True)
class Step:
    """kind: asked (an operation begins on `sender`), message, or done (its program has its answer).
    name: such as "unmap prepare", "unmap vote"; sent, received: microseconds since the first step,
    equal but for messages; sentence: what it means.
    """

    kind: str
    name: str
    sender: int
    receiver: int
    sent: float
    received: float
    sentence: str

    def __str__(self) -> str:
        where = f"core {self.sender}"
        if self.kind == "message":
            where += f" → core {self.receiver}"
        return f"{self.sent:8.2f} µs  {where:<16}  {self.name:<14}  {self.sentence}"


def steps(told: Told, hz: float) -> list[Step]:
    """Of what was told of a system whose clock has that rate."""
    found = sorted(_all(told), key=lambda one: (one.sent, one.received))
    if not found:
        return []
    first = found[0].sent
    return [
        Step(
            one.kind, one.name, one.sender, one.receiver, (one.sent - first) / hz * 1e6,
            (one.received - first) / hz * 1e6, one.sentence,
        )
        for one in found
    ]  # fmt: skip


def _all(told: Told) -> Iterator[Step]:
    for core, its in enumerate(told.cores):
        for span in its.operations:
            yield Step(
                "asked", span.name, core, core, span.began, span.began,
                f"a program asks core {core}: {span.name}",
            )  # fmt: skip
            verdict = str(span.says.get("verdict", "ok"))
            answer = f"core {core} answers its program: {verdict}"
            yield Step("done", f"{span.name} done", core, core, span.ended, span.ended, answer)
    asked: dict[tuple[int, int, int], str] = {}
    for one in sorted(told.messages, key=lambda message: message.sent):
        operation, _, phase = one.name.partition(" ")
        if one.reply:
            answers = asked.get((one.receiver, one.sender, one.attempt), "")
            yield _of(one, *_answer(one, answers))
        else:
            asked[one.sender, one.receiver, one.attempt] = phase
            yield _of(one, one.name, _request(one, operation, phase))


def _of(one: Message, name: str, sentence: str) -> Step:
    return Step("message", name, one.sender, one.receiver, one.sent, one.received, sentence)


def _request(one: Message, operation: str, phase: str) -> str:
    match phase:
        case "prepare":
            does = PREPARES.get(operation, "prepares, then votes")
        case "commit":
            does = "it is decided: " + f"core {one.receiver} {COMMITS.get(operation, 'commits')}"
            return does
        case "abort":
            return f"somebody refused: core {one.receiver} has all as it was"
        case "apply":
            does = APPLIES.get(operation, "does its part, at once")
        case _:
            does = f"is asked: {one.name}"
    return f"core {one.receiver} {does}"


def _answer(one: Message, answers: str) -> tuple[str, str]:
    operation, _, refused = one.name.partition(" answer")
    refused = refused.removeprefix(": ")
    if answers == "prepare":
        vote = f"no: {refused}" if refused else "yes"
        return f"{operation} vote", f"core {one.sender} votes {vote}"
    if refused:
        return f"{operation} answer", f"core {one.sender} refuses: {refused}"
    return f"{operation} ack", f"core {one.sender} has done its part"
