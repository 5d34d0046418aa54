"""What a peer is: something that carries 64-byte messages between two processes, and one slice of
measuring it.

Guarantees: a peer that isn't there says why in a sentence (`missing`) and is never started;
whatever goes wrong in a slice comes out as `Failed` with a sentence. An object of a process peer
travels to its workers, so its state is plain.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

MESSAGE = bytes(range(64))
"""What is carried. Ours carries its first 56 bytes: 8 of a line are the channel's own."""


class Failed(Exception):
    """A peer didn't start, didn't answer in time, or carried something else than what it was
    given.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens. directory: scratch, removed afterwards; prefix: of the names it makes in
    /dev/shm.
    """

    cpus: tuple[int, int]
    directory: Path
    prefix: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a slice lasts at most: seconds and messages; timeout: of one step, in seconds."""

    seconds: float = 0.15
    most: int = 1_000_000
    timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice brought. None: this peer doesn't do that."""

    round_trip_ns: float | None = None
    messages_per_second: float | None = None


class Peer(ABC):
    """One row of the table. key: its name on the command line; requires: the distribution that it
    needs, if any.
    """

    key: ClassVar[str]
    name: ClassVar[str]
    group: ClassVar[str]
    requires: ClassVar[str | None] = None
    module: ClassVar[str | None] = None

    def missing(self) -> str | None:
        """Why it can't be measured here; None if it can be tried."""
        if self.module is not None and importlib.util.find_spec(self.module) is None:
            return f"{self.requires} is not installed"
        return None

    def version(self) -> str | None:
        """Of what it requires."""
        try:
            return None if self.requires is None else metadata.version(self.requires)
        except metadata.PackageNotFoundError:
            return None

    def begin(self, place: Place) -> None:  # noqa: B027  most have nothing to begin
        """Before the first round."""

    def end(self) -> None:  # noqa: B027
        """After the last. Idempotent."""

    @abstractmethod
    def measure(self, place: Place, plan: Plan) -> Slice:
        """One slice. Raises Failed."""


def _content(received: Any) -> bytes:
    return bytes(received)


@dataclass(slots=True)
class End:
    """One side of a peer's channel in its worker. What is called once a message is as near to the
    library as can be.

    exchange: sends and receives the answer, in one call; exchange_into: into a buffer. answer_into:
    answers what was received, if anything, by what is in the buffer, and receives the next into it.
    first, answer, last: receives; answers what was received and receives the next; answers what was
    received (where that isn't done by receive and send). send_many, receive_many: that many
    messages, for those who have more than a loop to offer. content: the bytes of what `receive`
    returns.
    """

    send: Callable[[bytes], object]
    receive: Callable[[], object]
    exchange: Callable[[bytes], object] | None = None
    exchange_into: Callable[[bytes, bytearray], object] | None = None
    answer_into: Callable[[bytearray], object] | None = None
    first: Callable[[], object] | None = None
    answer: Callable[[bytes], object] | None = None
    last: Callable[[bytes], object] | None = None
    send_many: Callable[[int], object] | None = None
    receive_many: Callable[[int], object] | None = None
    content: Callable[[Any], bytes] = _content
    message: bytes = MESSAGE
    close: Callable[[], object] = field(default=lambda: None)


class ProcessPeer(Peer):
    """A peer measured between two processes of its own, started for each slice."""

    round_trips: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    @abstractmethod
    def sides(self, place: Place) -> tuple[Any, Any]:
        """What each worker needs to open its end; travels as multiprocessing carries arguments."""

    @abstractmethod
    def open(self, side: Any, role: int) -> End:
        """In the worker. role: 0 asks and sends, 1 answers and receives."""

    def give_up(self, sides: tuple[Any, Any]) -> None:
        """In the process that made the sides, when both workers have them."""

    def clean(self, place: Place, sides: tuple[Any, Any]) -> None:
        """When both workers are gone."""

    def measure(self, place: Place, plan: Plan) -> Slice:
        """See Peer."""
        from .workers import measured, spawned

        sides = self.sides(place)
        try:
            with spawned(self, sides, place, plan) as pair:
                return measured(pair, plan, self.round_trips, self.streams)
        finally:
            self.clean(place, sides)
