"""What a step of a monitor costs, measured on a host: the table that virtual time charges from.

Guarantees: times are of the native core's own object files, made over and over in modelled worlds
of several sizes; the clock's own cost is taken off. A key says what a step was given and what it
did; what was never seen costs what is most like it does. Source: virtual/work.h of the native core.
"""

from __future__ import annotations

import functools
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from statistics import median

import msgspec

from multikernel.errors import BadInput
from multikernel.native._native import WORK

COLD = 4.5
"""How many times as long a step takes whose state has left the caches: 4 to 5 (assumed, of 412 to
535 cycles at 1 024 monitors in one process against 100)."""
REFERENCE = "reference.json"
LEAST_STEPS = 20

Key = tuple[int, int, int, int, int, int]
"""input, operation, kind, role, own part, puts messages out."""


def key_of(number: int) -> Key:
    """The parts of a number of virtual/work.h."""
    number, out = divmod(number, 2)
    number, own = divmod(number, 2)
    number, role = divmod(number, WORK["roles"])
    number, kind = divmod(number, WORK["kinds"])
    given, operation = divmod(number, WORK["operations"])
    return given, operation, kind, role, own, out


class Entry(msgspec.Struct, frozen=True):
    """Cycles of a step, without the messages it puts out: in the least of the runs; spread: by how
    much the median run takes longer; steps: how many were timed.
    """

    key: Key
    cycles: float
    spread: float
    steps: int


class Work(msgspec.Struct, frozen=True):
    """A calibration: of a step by key, and what is around it. message: a further message put out;
    driver: what a message of a monitor's takes of the drivers beyond one that a driver answers
    itself; the rest: see virtual/alone.h of the native core. host: where it was measured.
    """

    host: str
    entries: tuple[Entry, ...] = ()
    message: float = 0.0
    driver: float = 0.0
    turn: float = 0.0
    system_call: float = 0.0
    relax: float = 0.0
    clear: float = 0.0
    bare: float = 0.0
    call: float = 0.0

    def table(self) -> array[float]:
        """Warm, cold, and messages, as virtual/work.h has them."""
        known = {entry.key: entry.cycles for entry in self.entries}
        likes: dict[tuple[int, ...], list[float]] = defaultdict(list)
        for key, cycles in known.items():
            for like in _likes(key):
                likes[like].append(cycles)
        warm = array("d", bytes(8 * WORK["keys"]))
        middles = {like: median(cycles) for like, cycles in likes.items()}
        for number, key in enumerate(_every_key()):
            warm[number] = known[key] if key in known else _most_like(key, middles)
        cold = array("d", [COLD * cycles for cycles in warm])
        return warm + cold + array("d", [self.message, self.driver])

    def with_software(self, driver: float, software: Mapping[str, float]) -> Work:
        """With what drivers take."""
        names = ("turn", "system_call", "relax", "clear", "bare", "call")
        found = {name: float(software[name]) for name in names}
        return msgspec.structs.replace(self, driver=round(driver, 1), **found)

    def to_json(self) -> str:
        """As a file that `from_json` reads."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Work:
        """Raises BadInput."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise BadInput(f"this is no calibration: {error}", where="--calibration") from None

    @classmethod
    def reference(cls) -> Work:
        """The one that is shipped."""
        here = resources.files("multikernel.virtual")
        return cls.from_json(here.joinpath(REFERENCE).read_bytes())


def _likes(key: Key) -> Iterator[tuple[int, ...]]:
    """What it is most like, and less and less."""
    given, _, kind, role, own, out = key
    yield given, kind, role, own, out
    yield given, kind, role, out
    yield given, kind, out
    yield given, out
    yield (given,)


@functools.cache
def _every_key() -> tuple[Key, ...]:
    return tuple(map(key_of, range(WORK["keys"])))


def _most_like(key: Key, middles: Mapping[tuple[int, ...], float]) -> float:
    return next((middles[like] for like in _likes(key) if like in middles), 0.0)


Samples = Mapping[int, tuple[int, int, int, float, float]]
"""By key: steps, messages put out, least, mean and variance in cycles."""


def merged(runs: Sequence[tuple[float, Samples]], host: str) -> Work:
    """Of several worlds, each with what reading the clock takes. The cost of a message is the slope
    of a step's time over how many it puts out; the step's own is the least of the runs, since what
    disturbs one makes it longer.
    """
    points: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
    for clock, samples in runs:
        for number, (count, messages, _, mean, _) in samples.items():
            if count >= LEAST_STEPS:
                points[number].append((messages / count, mean - clock, count))
    slopes = []
    for found in points.values():
        (few, cycles, _), (many, more, _) = (
            min(found),
            min(found, key=lambda one: (-one[0], one[1])),
        )
        if many >= few + 8:
            slopes.append((more - cycles) / (many - few))
    message = max(0.0, median(slopes)) if slopes else 0.0
    entries = []
    for number, found in sorted(points.items()):
        least = min(out for out, _, _ in found)
        steps = [cycles - message * out for out, cycles, _ in found if out <= least + 1]
        alike = sorted(max(1.0, cycles) for cycles in steps)
        entries.append(
            Entry(
                key_of(number), round(alike[0], 1), round(median(alike) / alike[0] - 1, 3),
                sum(count for *_, count in found),
            )
        )  # fmt: skip
    return Work(host, tuple(entries), round(message, 2))
