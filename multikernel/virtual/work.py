"""What a step of a monitor costs, measured on a host: the table that virtual time charges from.

Guarantees: times are of the native core's own object files, made over and over in modelled worlds
of several sizes; the clock's own cost is taken off. A key says what a step was given and what it
did; what was never seen costs what is most like it does. Source: virtual/work.h of the native core.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import shown
from multikernel.machine.models.model import Model
from multikernel.native._native import SHARED_WORK, WORK

REFERENCE = "reference.json"
LEAST_STEPS = 20
MOST_BYTES = 1 << 20
Cycles = Annotated[float, Meta(ge=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1e3)]
Part = Annotated[int, Meta(ge=0)]

Key = tuple[Part, Part, Part, Part, Part, Part]
"""input, operation, kind, role, own part, puts messages out."""


def key_of(number: int) -> Key:
    """The parts of a number of virtual/work.h."""
    number, out = divmod(number, 2)
    number, own = divmod(number, 2)
    number, role = divmod(number, WORK["roles"])
    number, kind = divmod(number, WORK["kinds"])
    given, operation = divmod(number, WORK["operations"])
    return given, operation, kind, role, own, out


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cycles of a step, without the messages it puts out: in the least of the runs; spread: by how
    much the median run takes longer; steps: how many were timed. cold: what it takes longer where
    the monitor's state has left the caches for memory (None: too few were timed).
    """

    key: Key
    cycles: Cycles
    spread: Share
    steps: Part
    cold: Cycles | None


class SharedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cycles of a part of the shared kernel's work on a request of that kind, up to that stage
    (virtual/shared_work.h of the native core); of the stage that says so, lines. spread, steps: as
    an entry's.
    """

    kind: Part
    stage: Part
    cycles: Cycles
    spread: Share
    steps: Part


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A calibration: of a step by key, and what is around it. message: a further message put out;
    driver: what a message of a monitor's takes of the drivers beyond one that a driver answers
    itself; shared: of the shared kernel; ring: a further core that it notifies by its line; the
    rest: see virtual/alone.h of the native core. host: where it was measured; ghz: of the clock
    that the cycles are of.
    """

    host: Annotated[str, Meta(min_length=1, max_length=200)]
    ghz: Annotated[float, Meta(ge=1e-3, le=1e3)]
    entries: tuple[Entry, ...]
    shared: tuple[SharedPart, ...]
    message: Cycles
    driver: Cycles
    turn: Cycles
    system_call: Cycles
    relax: Cycles
    clear: Cycles
    bare: Cycles
    call: Cycles
    lock: Cycles
    ring: Cycles
    doorbell: Cycles = 0.0
    """0: a calibration of before it was measured; only this host's own model uses it."""

    @classmethod
    def of_steps(
        cls, host: str, ghz: float, entries: tuple[Entry, ...] = (), message: float = 0.0
    ) -> Self:
        """Of steps alone: what is around them takes no time."""
        return cls(host, ghz, entries, (), message, *([0.0] * 9))

    @property
    def spread(self) -> float:
        """Of the median step: by how much it takes longer in the median run than in the least."""
        return median(entry.spread for entry in self.entries) if self.entries else 0.0

    def table(self) -> array[float]:
        """Warm, cold, and messages, as virtual/work.h has them."""
        warm = _filled({entry.key: entry.cycles for entry in self.entries})
        misses = _filled({one.key: one.cold for one in self.entries if one.cold is not None})
        cold = array("d", map(sum, zip(warm, misses, strict=True)))
        return warm + cold + array("d", [self.message, self.driver])

    def on(self, model: Model) -> Self:
        """For that machine, whose factor all of a table is multiplied by. What a cold step waits
        for is memory, which a slower processor does not slow down: it takes as many nanoseconds
        there as here (assumed).
        """
        if not model.local.work_scale.value:
            return self
        factor = model.ghz.value / self.ghz / model.local.work_scale.value
        replace = msgspec.structs.replace
        entries = tuple(
            one if one.cold is None else replace(one, cold=one.cold * factor)
            for one in self.entries
        )
        return replace(self, entries=entries)

    def shared_table(self) -> array[float]:
        """The same of the shared kernel, as virtual/shared_work.h has it. What was never seen takes
        what the other kinds take up to there; where the state has left the caches as many times as
        long as a monitor's median step (assumed).
        """
        stages = SHARED_WORK["stages"]
        alike: dict[int, list[float]] = defaultdict(list)
        for part in self.shared:
            alike[part.stage].append(part.cycles)
        known = {part.kind * stages + part.stage: part.cycles for part in self.shared}
        warm = array("d", bytes(8 * SHARED_WORK["keys"]))
        for number in range(len(warm)):
            warm[number] = known.get(number, median(alike.get(number % stages, [0.0])))
        slower = [one.cold / one.cycles for one in self.entries if one.cold is not None]
        cold = array("d", [(1 + median(slower or [0.0])) * cycles for cycles in warm])
        return warm + cold + array("d", [self.lock, self.ring, self.message, self.driver])

    def with_software(self, driver: float, software: Mapping[str, float]) -> Work:
        """With what drivers take."""
        names = ("turn", "system_call", "relax", "clear", "lock", "bare", "doorbell", "call")
        found = {name: float(software[name]) for name in names}
        return msgspec.structs.replace(self, driver=round(driver, 1), **found)

    def to_json(self) -> str:
        """As a file that `from_json` reads."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = REFERENCE) -> Self:
        """where: the file. Raises BadInput, with the field."""
        try:
            found = msgspec.json.decode(text, type=cls)
        except msgspec.ValidationError as error:
            raise BadInput(f"this calibration cannot be used: {error}", where=where) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(
                f"this is no calibration: {error}", where=where,
                hint="name a file that `multikernel simulate --calibrate FILE` wrote",
            ) from None  # fmt: skip
        if not found.entries:
            raise BadInput("a calibration of no step", where=f"{where}, $.entries")
        seen: set[Key] = set()
        for number, entry in enumerate(found.entries):
            place = f"{where}, $.entries[{number}].key"
            if any(part >= most for part, most in zip(entry.key, PARTS, strict=True)):
                raise BadInput("this program knows no such step", value=entry.key, where=place)
            if entry.key in seen:
                raise BadInput("a step that has been before", value=entry.key, where=place)
            seen.add(entry.key)
        for number, part in enumerate(found.shared):
            if part.stage >= SHARED_WORK["stages"] or part.kind >= SHARED_WORK["kinds"]:
                place = f"{where}, $.shared[{number}]"
                raise BadInput("this program knows no such part", value=part.stage, where=place)
        return found

    @classmethod
    def from_file(cls, path: str, where: str) -> Self:
        """where: the option. Raises BadInput."""
        try:
            with open(Path(path), "rb") as file:
                data = file.read(MOST_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadInput(
                f"cannot read the calibration: {reason}", value=shown(path), where=where,
                hint="`multikernel simulate --calibrate FILE` writes one",
            ) from None  # fmt: skip
        return cls.from_json(data, f"{where}, {shown(path)}")

    @classmethod
    def reference(cls) -> Self:
        """The one that is shipped."""
        here = resources.files("multikernel.virtual")
        return cls.from_json(here.joinpath(REFERENCE).read_bytes())


PARTS = (WORK["inputs"], WORK["operations"], WORK["kinds"], WORK["roles"], 2, 2)
"""How many ways there are of each part of a key."""


def _filled(known: Mapping[Key, float]) -> array[float]:
    """By number of virtual/work.h; what is not known costs what is most like it does."""
    groups, group_of = _alike(tuple(known))
    values = list(known.values())
    medians = [median(values[one] for one in group) for group in groups] or [0.0]
    return array("d", (medians[group] for group in group_of))


@lru_cache(maxsize=8)
def _alike(known: tuple[Key, ...]) -> tuple[list[list[int]], list[int]]:
    """Groups of these, each a list of places; and by number of virtual/work.h, the group that is
    most like it. A known key is a group of its own.
    """
    likes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(known):
        for like in (key, *_likes(key)):
            likes[like].append(place)
    names = {like: number for number, like in enumerate(likes)}
    every = map(key_of, range(WORK["keys"]))
    group_of = [
        next((names[like] for like in (key, *_likes(key)) if like in names), 0) for key in every
    ]
    return list(likes.values()), group_of


def _likes(key: Key) -> Iterator[tuple[int, ...]]:
    """What it is most like, and less and less."""
    given, _, kind, role, own, out = key
    yield given, kind, role, own, out
    yield given, kind, role, out
    yield given, kind, out
    yield given, out
    yield (given,)


Samples = Mapping[int, tuple[int, int, int, float, float]]
"""By key: steps, messages put out, least, mean and variance in cycles."""


Runs = Sequence[tuple[float, Samples]]
"""Of a world each: what reading the clock takes, and its samples."""


def _points(runs: Runs) -> dict[int, list[tuple[float, float, int]]]:
    """By key, of each run: messages a step, cycles, steps."""
    points: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
    for clock, samples in runs:
        for number, (count, messages, _, mean, _) in samples.items():
            if count >= LEAST_STEPS:
                points[number].append((messages / count, mean - clock, count))
    return points


def _steps(found: Sequence[tuple[float, float, int]], message: float) -> list[float]:
    """What a step takes without its messages: of the runs in which it puts out the fewest, from
    the least on.
    """
    least = min(out for out, _, _ in found)
    steps = [cycles - message * out for out, cycles, _ in found if out <= least + 1]
    return sorted(max(1.0, cycles) for cycles in steps)


def merged(runs: Runs, cold: Runs, host: str, ghz: float) -> Work:
    """Of several worlds, in some of which the state is cold. The cost of a message is the slope of
    a step's time over how many it puts out; the step's own is the least of the runs, since what
    disturbs one makes it longer.
    """
    points, colder = _points(runs), _points(cold)
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
        alike = _steps(found, message)
        misses = None
        if number in colder:
            misses = round(max(0.0, _steps(colder[number], message)[0] - alike[0]), 1)
        entries.append(
            Entry(
                key_of(number), round(alike[0], 1), round(median(alike) / alike[0] - 1, 3),
                sum(count for *_, count in found), misses,
            )
        )  # fmt: skip
    return Work.of_steps(host, round(ghz, 4), tuple(entries), round(message, 2))


def shared_parts(runs: Sequence[tuple[float, Samples]]) -> tuple[tuple[SharedPart, ...], float]:
    """Of the shared kernel: parts, and what a further core costs that is notified by the line."""
    points: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
    for clock, samples in runs:
        for number, (count, told, _, mean, _) in samples.items():
            is_time = number % SHARED_WORK["stages"] != SHARED_WORK["lines"]
            if count >= LEAST_STEPS:
                cycles = max(0.0, mean - clock) if is_time else mean
                points[number].append((told / count, cycles, count))
    slopes = [
        (max(found)[1] - min(found)[1]) / (max(found)[0] - min(found)[0])
        for found in points.values()
        if max(found)[0] > min(found)[0] + 4
    ]
    ring = max(0.0, median(slopes)) if slopes else 0.0
    parts = []
    for number, found in sorted(points.items()):
        kind, stage = divmod(number, SHARED_WORK["stages"])
        few = min(told for told, _, _ in found) + 1
        alike = sorted(cycles for told, cycles, _ in found if told <= few)
        least = max(0.0, alike[0] if stage != SHARED_WORK["lines"] else alike[-1])
        spread = max(0.0, median(alike) / least - 1) if least else 0.0
        steps = sum(count for *_, count in found)
        parts.append(SharedPart(kind, stage, round(least, 1), round(spread, 3), steps))
    return tuple(parts), round(ring, 2)
