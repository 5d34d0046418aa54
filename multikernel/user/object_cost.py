"""What a shared object's operations cost: as programs did them, and measured by members that all
operate at once.

As done: the driver of each core reads the clock (TSC) around every operation, inside the system
call: what Python and the call add, about a microsecond, is not in it. Measured: a native loop on
every member, from one moment to another, and the cycles of the whole loop by its operations; who is
ahead of the others waits, so that forms are compared that do the same work.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from multikernel.errors import BadInput, MeasurementRefused, MultikernelError
from multikernel.native._native import OBJECT_CHANGES, OBJECT_FORMS, tsc
from multikernel.user import task
from multikernel.user.access import ClientAccess, LocalAccess

if TYPE_CHECKING:
    from multikernel.user.shared import Form, Shared

Work = tuple[tuple[tuple[int, int, int, int], ...], int]
"""Two operations that change it and one that reads it, as ObjectEnd.work takes them, and how many
keys they are drawn from."""

_NAMES = {number: name for name, number in OBJECT_FORMS.items()}
_TRIES = 4
"""Each twice as long as the one before."""
_START_US = 3000
"""For each member to begin its program in."""
_warm: set[tuple[str, int]] = set()
"""Cores, by system, that have what a measurement needs."""


@dataclass(frozen=True)
class Cost:
    """Of one measurement. form: asked for; became: the one at the end. cycles, ns: of an operation,
    as one core waits for it, without the time it thinks; rate: operations a second, of all
    together; operations: by core. crowded: some cores share a CPU, and wait for each other.
    """

    form: str
    became: str
    reads: float
    think: int
    cycles: float
    ns: float
    rate: float
    operations: tuple[int, ...]
    crowded: bool


@dataclass(frozen=True)
class OfCore:
    """What one member has done."""

    core: int
    operations: int
    reads: int


@dataclass(frozen=True)
class OfForm:
    """Operations that were timed in one form, on all cores, and the mean of each."""

    form: str
    operations: int
    cycles: float
    ns: float


@dataclass(frozen=True)
class Change:
    """form: from then on; seconds: since the object was made."""

    form: str
    seconds: float


@dataclass(frozen=True)
class Seen:
    """form: now; adaptive: whether it chooses; switches: changes of form, of which `changes` has
    the last ones; races: how often it has tried forms, and `lost`, which share of its time that
    cost; seconds: since it was made.
    """

    form: str
    owner: int
    adaptive: bool
    switches: int
    races: int
    lost: float
    seconds: float
    cores: tuple[OfCore, ...]
    forms: tuple[OfForm, ...]
    changes: tuple[Change, ...]


def seen(shared: Shared) -> Seen:
    """Raises ObjectClosed."""
    per_us = shared._access.plan.cycles_per_us
    looked = {core: {form: shared._look(core, form) for form in _NAMES} for core in shared.cores}
    form, switches = looked[shared.owner][0][0] & 0xFF, looked[shared.owner][0][0] >> 8
    kept = [0, *range(max(1, switches + 1 - OBJECT_CHANGES + 1), switches + 1)]
    asked = {n: shared._ask(shared.owner, "OBJECT_CHANGES", n) for n in kept}
    first, now = asked[0][1], tsc()
    forms = []
    for number, name in _NAMES.items():
        operations = sum(looks[number][3] for looks in looked.values())
        cycles = sum(looks[number][4] for looks in looked.values()) / max(1, operations)
        if operations:
            forms.append(OfForm(name, operations, cycles, 1000 * cycles / per_us))
    _, _, adaptive, races, lost, cycles_seen = asked[0]
    return Seen(
        _NAMES[form],
        shared.owner,
        bool(adaptive),
        switches,
        races,
        lost / cycles_seen if cycles_seen else 0.0,
        (now - first) / per_us / 1e6,
        tuple(OfCore(core, looks[0][1], looks[0][2]) for core, looks in looked.items()),
        tuple(forms),
        tuple(
            Change(_NAMES[words[0] & 0xFF], (words[1] - first) / per_us / 1e6)
            for number, words in asked.items()
            if words[0] >> 8 == number
        ),
    )


def _work(shared: Shared, reads: float, think: int, begins: int, ends: int) -> tuple[int, int, int]:
    """On each member."""
    end = shared._here()
    assert end is not None
    assert isinstance(shared._access, LocalAccess)
    operations, keys = shared._work()
    seed = 0x9E3779B97F4A7C15 * (shared._access.home + 1) & ((1 << 64) - 1)
    return end.work(operations, keys, reads, think, seed, begins, ends)


def _checked(reads: object, think: object, seconds: object) -> None:
    if not isinstance(reads, (int, float)) or not 0 <= reads <= 1:
        raise BadInput("reads is a share from 0 to 1", value=repr(reads), where="measure")
    if not isinstance(think, int) or not 0 <= think < 1 << 32:
        raise BadInput("think is a number of cycles from 0 on", value=repr(think), where="measure")
    if not isinstance(seconds, (int, float)) or not 0 < seconds <= 60:
        raise BadInput(
            "seconds are more than 0, and up to 60", value=repr(seconds), where="measure"
        )


def measure(shared: Shared, form: Form | None, reads: float, think: int, seconds: float) -> Cost:
    """See Shared.measure."""
    _checked(reads, think, seconds)
    access = shared._access
    if not isinstance(access, ClientAccess):
        raise BadInput(
            "programs cannot start others",
            value=repr(shared),
            where=f"measure on core {access.home}",
            hint="measure from the process that booted the system",
        )
    if form is None:
        form = "adaptive" if shared.adaptive else shared.form  # type: ignore[assignment]
    assert form is not None
    with shared._twin(form) as twin:
        return _measured(twin, access, form, reads, think, seconds)


def _measured(
    twin: Shared, access: ClientAccess, form: str, reads: float, think: int, seconds: float
) -> Cost:
    plan = access.plan
    for core in twin.cores:
        if (plan.system, core) not in _warm:
            task.run(access.launched, core, _work, (twin, 0.0, 0, 0, 0), {}, None)
            _warm.add((plan.system, core))
    for _ in range(_TRIES):
        done = _at_once(twin, access, reads, think, seconds)
        seconds *= 2
        if all(one[0] for one in done):
            break
    else:
        idle = next(core for core, one in zip(twin.cores, done, strict=True) if not one[0])
        raise MeasurementRefused(
            "a core was not run by its host",
            value=f"core {idle}, within {seconds / 2:g} s",
            where=f"measure, {_TRIES} tries",
            hint="seconds= more, or end what else runs on its CPU",
        )
    operations = sum(one[0] for one in done)
    cycles = max(0.0, sum(one[2] for one in done) / operations - think)
    return Cost(
        form,
        twin.form,
        reads,
        think,
        cycles,
        1000 * cycles / plan.cycles_per_us,
        sum(one[0] / one[2] for one in done) * plan.cycles_per_us * 1e6,
        tuple(one[0] for one in done),
        plan.crowded,
    )


def _at_once(
    twin: Shared, access: ClientAccess, reads: float, think: int, seconds: float
) -> list[tuple[int, int, int]]:
    """By member: operations, those that read, cycles."""
    per_us = access.plan.cycles_per_us
    begins = tsc() + _START_US * len(twin.cores) * per_us
    words = (twin, reads, think, begins, begins + int(seconds * 1e6 * per_us))
    tasks: list[task.Task] = []
    try:
        for core in twin.cores:
            tasks.append(task.start(access.launched, core, _work, words, {}))
        return [one.result() for one in tasks]
    except BaseException:
        for one in tasks:
            with contextlib.suppress(MultikernelError):
                one.cancel()
        raise
