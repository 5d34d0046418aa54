"""What the native core keeps of a run (native/base/trace.h), as arrays.

Guarantees: numbers have the names of the native headers; nothing here knows whether a core is a
process or modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from multikernel.native._native import (
    INPUTS_TO_MONITORS,
    OPERATIONS_AGREED,
    PHASES,
    TRACE,
    VERDICT_CAPABILITY_BASE,
    VERDICTS,
)

EVENT = np.dtype(
    [
        ("time", "<u8"), ("about", "<u8"), ("object", "<u8"), ("kind", "u1"), ("operation", "u1"),
        ("phase", "u1"), ("verdict", "u1"), ("peer", "<u2"), ("what", "u1"), ("role", "u1"),
    ]
)  # fmt: skip
"""struct trace_event; time in cycles."""
OPERATION_NAMES = {number: name for name, number in OPERATIONS_AGREED.items()}
PHASE_NAMES = {number: name for name, number in PHASES.items()}
KIND_NAMES = {number: name for name, number in TRACE.items()}
INPUT_NAMES = {number: name for name, number in INPUTS_TO_MONITORS.items()}
VERDICT_NAMES = {number: name.lower().replace("_", " ") for name, number in VERDICTS.items()}
ROLES = ("", "root", "inner", "leaf")
EVENTS_MOST, EVENTS_ALL = 1 << 16, 1 << 22
"""Events that a core keeps at most, and all cores of a system together: 32 bytes each."""

Events = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class CoreEvents:
    """Of one core: a name for its track; what it kept, in the order of its time; how many events
    there were ever.
    """

    label: str
    events: Events
    count: int

    @property
    def lost(self) -> int:
        """Events that were written over."""
        return self.count - len(self.events)


@dataclass(frozen=True)
class Traced:
    """Of one system. hz: of the cycles that its times are; since: what was before is left out;
    simulated: the times are those of a model.
    """

    title: str
    hz: float
    cores: tuple[CoreEvents, ...]
    since: int = 0
    simulated: bool = False


def kept(label: str, raw: tuple[bytes, int]) -> CoreEvents:
    """Of what a segment, or a modelled kernel, says of a core."""
    data, count = raw
    return CoreEvents(label, np.frombuffer(data, dtype=EVENT), count)


def room(cores: int, most: int = EVENTS_MOST) -> int:
    """Events that each of so many cores keeps, `most` at most: a power of two."""
    return min(most, 1 << max(10, (EVENTS_ALL // cores).bit_length() - 1))


def verdict_name(number: int) -> str:
    """In words; of a capability's the number."""
    if number >= VERDICT_CAPABILITY_BASE:
        return f"capability verdict {number - VERDICT_CAPABILITY_BASE}"
    return VERDICT_NAMES.get(number, f"verdict {number}")


def attempt_name(number: int) -> str:
    """Its initiator and its number there (native/monitor/protocol.h)."""
    return f"core {number >> 48}, attempt {number & ((1 << 48) - 1)}"
