"""A modelled machine as its file says it: numbers with their sources, over a topology.

Guarantees: every number says whether it is a fact (somebody published it), was measured here, or is
assumed; what is assumed has the range within which it may lie. A file that lacks one, or has one
that makes no sense, is refused with its name and the field.

Source of the form: virtual/machine.h of the native core.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from multikernel.errors import BadInput
from multikernel.hints import one_of
from multikernel.machine.topology.model import Relation

Mark = Literal["fact", "measured", "assumed"]
Gap = Literal["sender", "receiver"]
"""Whose time it is until the next message can follow: the sender's stores own their lines one after
the other while it goes on, or the receiver waits for its line."""


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number and what it rests on. low, high: between what it may lie."""

    value: Annotated[float, msgspec.Meta(ge=0)]
    mark: Mark
    source: Annotated[str, msgspec.Meta(min_length=1)]
    low: Annotated[float, msgspec.Meta(ge=0)] | None = None
    high: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Between cores that stand in one relation, in cycles: what it takes to send, and to take
    off its line; and the line itself, for writing (own) and for reading
    (fetch), or both by what a message takes in all over so many hops (latency), and how many fit
    into 1 000 cycles (throughput).
    """

    send: Number
    handle: Number
    own: Number | None = None
    fetch: Number | None = None
    latency: Number | None = None
    throughput: Number | None = None
    hops: int = 0


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How lines travel. hop: a link, there and back; home, link, line: cycles between two
    transactions at one of them. fences: who has sent waits
    until its last line is its own; memory: whose homes serve lines; links: pairs of packages that
    are wired; () all with all.
    """

    coherence: Literal["snoop", "filter"]
    coherence_source: str
    gap: Gap
    lines_under_way: Annotated[int, msgspec.Meta(ge=1, le=64)]
    hop: Number
    home: Number
    link: Number
    line: Number
    fences: bool = False
    memory: Literal["by place", "in one place"] = "by place"
    readings: tuple[str, ...] = ()
    links: tuple[tuple[int, int], ...] = ()


class Local(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a core does by itself, in cycles: look for messages and relax while it polls, and so on;
    work_scale: of one cycle of the calibration.
    """

    look: Number
    relax: Number
    call: Number
    change: Number
    invalidate: Number
    clear: Number
    trap: Number
    interrupt_send: Number
    interrupt_delivery: Number
    wake: Number
    work_scale: Number


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine. topology: as `multikernel topology --machine` takes it; servers: so many of
    these, which share no memory. chosen_after_seeing: which of its numbers and readings were chosen
    when a figure had been seen that they are held against.
    """

    title: str
    topology: str
    chosen_after_seeing: str
    ghz: Number
    message: dict[str, Message]
    transfer: Transfer
    local: Local
    servers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    notes: tuple[str, ...] = ()

    def numbers(self) -> Iterator[tuple[str, Number]]:
        """All numbers by their place in the file, as "local.call"."""
        yield "ghz", self.ghz
        for relation, message in self.message.items():
            yield from _of(f"message.{relation}", message)
        yield from _of("transfer", self.transfer)
        yield from _of("local", self.local)

    def varied(self, values: Mapping[str, float | str], **other: object) -> Model:
        """The same with other values at those places, numbers' or readings' ("transfer.gap");
        other: of the transfer (gap, coherence).
        """
        if not values and not other:
            return self
        whole = msgspec.to_builtins(self)
        for place, value in values.items():
            *path, last = place.split(".")
            part = whole
            for step in path:
                part = part[step]
            if isinstance(part[last], dict):
                part[last]["value"] = value
            else:
                part[last] = value
        whole["transfer"].update(other)
        return msgspec.convert(whole, Model)


def _of(where: str, part: msgspec.Struct) -> Iterator[tuple[str, Number]]:
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if isinstance(value, Number):
            yield f"{where}.{name}", value


@dataclass(frozen=True, slots=True)
class Line:
    """What a line takes between cores in one relation, as the simulator wants it."""

    own: float
    fetch: float
    send: float
    handle: float


RELATIONS: tuple[Relation | Literal["server"], ...] = (
    "same", "smt", "l2", "cluster", "l3", "die", "package", "system", "server",
)  # fmt: skip
"""From the nearest; a server shares no memory with another."""


def message_for(model: Model, relation: str) -> Message:
    """That of the relation, or of the next farther one that the file has, or of the farthest."""
    at = RELATIONS.index(relation)
    named = [one for one in RELATIONS if one in model.message]
    farther = [one for one in named if RELATIONS.index(one) >= at and one != "server"]
    return model.message[relation if relation in named else (farther or named)[0]]


def parse(text: str, where: str) -> Model:
    """A machine's file. Raises BadInput, with the field."""
    try:
        model = msgspec.toml.decode(text, type=Model)
    except msgspec.ValidationError as error:
        raise BadInput(f"this machine cannot be modelled: {error}", where=where) from None
    except msgspec.DecodeError as error:
        raise BadInput(f"this is no machine: {error}", where=where) from None
    for place, number in model.numbers():
        low, high = number.low, number.high
        if number.mark == "assumed" and (low is None or high is None):
            raise BadInput(
                "an assumed number has low and high, between what it may lie",
                value=f"{number.value:g}", where=f"{where}, {place}",
            )  # fmt: skip
        if low is not None and high is not None and not low <= number.value <= high:
            raise BadInput(
                "a number lies between its low and high",
                value=f"{number.value:g}", where=f"{where}, {place}",
            )  # fmt: skip
    if unknown := sorted(set(model.message) - set(RELATIONS)):
        raise BadInput(
            "no such relation between cores", value=unknown[0], where=f"{where}, message",
            hint=one_of(unknown[0], RELATIONS),
        )  # fmt: skip
    if not model.message:
        raise BadInput("a machine says what a message costs", where=f"{where}, message")
    for relation, message in model.message.items():
        by_line = message.own is not None and message.fetch is not None
        if by_line == (message.latency is not None and message.throughput is not None):
            raise BadInput(
                "a message has own and fetch, or latency and throughput",
                where=f"{where}, message.{relation}",
            )
    return model
