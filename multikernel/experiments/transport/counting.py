"""What the processor counts of a thread while it runs a loop: cache lines loaded and missed.

Guarantees: a number is one that the processor counted; where it has no counters, or they are not
given to us, there is none but the reason. Light, since cores import it. Source: perf_event_open(2).
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multikernel.native import _native

EVENTS = ("l1d-reads", "l1d-misses", "l1i-misses")


@dataclass(frozen=True, slots=True)
class Counting:
    """What can be counted. kernel: in the host's too; why: of what cannot be, the reason."""

    events: tuple[str, ...]
    kernel: bool = False
    why: str = ""


def count_events(events: Sequence[str], kernel: bool, some: Callable[[], object]) -> dict[str, int]:
    """How often each event happened in this thread meanwhile. Raises OSError."""
    counters: list[int] = []
    try:
        # One by one: those that are open when the next is refused must be closed.
        for event in events:
            counters.append(_native.counter(event, kernel))
        before = [*map(_count, counters)]
        some()
        after = [*map(_count, counters)]
    finally:
        for counter in counters:
            os.close(counter)
    return {event: then - now for event, now, then in zip(events, before, after, strict=True)}


def _count(counter: int) -> int:
    return int.from_bytes(os.read(counter, 8), sys.byteorder)


NONE_SUCH = "the processor has no such counter, or its hypervisor shows none"
REASONS = {
    errno.ENOENT: NONE_SUCH,
    errno.EOPNOTSUPP: NONE_SUCH,
    errno.EACCES: "the host forbids it (kernel.perf_event_paranoid)",
    errno.EPERM: "the host forbids it (kernel.perf_event_paranoid, or a sandbox)",
    errno.ENOSYS: "the host's kernel is built without perf_event_open",
}


def available(events: Sequence[str] = EVENTS) -> Counting:
    """Tries each, in this process, and in the host's kernel too, where that is let."""
    for kernel in (True, False):
        why = {event: reason for event in events if (reason := _refusal(event, kernel))}
        found = tuple(event for event in events if event not in why)
        if found or not kernel:
            break
    reasons = dict.fromkeys(why.values())
    said = [f"{', '.join(e for e in why if why[e] == one)}: {one}" for one in reasons]
    return Counting(found, kernel and bool(found), "; ".join(said))


def _refusal(event: str, kernel: bool) -> str:
    try:
        counted = count_events((event,), kernel, lambda: sum(range(10_000)))[event]
    except OSError as error:
        return REASONS.get(error.errno or 0, os.strerror(error.errno or 0))
    # No miss is possible; that nothing was loaded is not.
    return "" if counted or event.endswith("misses") else "the counter stands still"
