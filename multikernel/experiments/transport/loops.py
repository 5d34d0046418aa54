"""Messages over channels and over what the host offers, as programs.

Guarantees: a core takes its ends once, from the process that made them, and keeps them; it holds no
end of the other side, so where the transport is a pipe or socket a side that dies is noticed. Every
message is looked at; one that is wrong is an error.
"""

import errno
import mmap
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import Loop, Plan, Report, Watch
from multikernel.native import _native
from multikernel.native._native import Histogram
from multikernel.user.channels import End, Side

WARM = 16
"""Messages there and back before the first that counts: then both are there."""
MOST_DESCRIPTORS = 250
"""As many as the host carries in one message."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One side of a transport.

    form: bytes, eventfd or futex, as host.c has them, or a channel, and then side is its text.
    descriptors: in the process that made it; they travel beside.
    """

    name: str
    form: str
    descriptors: tuple[int, ...]
    side: str = ""


@dataclass(slots=True)
class _Held:
    """A side in use. passed: messages that went each way so far."""

    form: str
    end: End | None = None
    descriptors: tuple[int, ...] = ()
    memory: mmap.mmap | None = None
    passed: int = 0


_held: dict[str, _Held] = {}


def take(address: bytes, tickets: tuple[Ticket, ...]) -> None:
    """Fetches the descriptors of these sides from the listener at that address, and opens them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(address)
        _, descriptors, _, _ = socket.recv_fds(connection, 1, MOST_DESCRIPTORS)
    wanted = sum(len(ticket.descriptors) for ticket in tickets)
    if len(descriptors) != wanted:
        raise ProtocolError("descriptors did not arrive", value=f"{len(descriptors)} of {wanted}")
    arrived = iter(descriptors)
    for ticket in tickets:
        _held[ticket.name] = _opened(ticket, tuple(islice(arrived, len(ticket.descriptors))))


def _opened(ticket: Ticket, own: tuple[int, ...]) -> _Held:
    if ticket.side:
        return _Held(ticket.form, end=Side.parse(ticket.side, own).open())
    if ticket.form == "bytes":
        return _Held(ticket.form, descriptors=(own[0], own[-1]))
    memory = mmap.mmap(own[0], _native.HOST_BYTES_OF_MEMORY)
    os.close(own[0])
    return _Held(ticket.form, descriptors=own[1:], memory=memory)


def _pass(
    held: _Held, loop: Loop, what: str, role: int, count: int, batch: int, times: Histogram
) -> None:
    """Messages, "echo" there and back or "stream" one way. Raises ProtocolError."""
    how: dict[str, Any] = {"role": role, "count": count, "batch": batch, "times": times}
    if held.end is not None:
        wrong = loop.driver.probe(f"channel-{what}", channel=held.end, **how)
    else:
        how["receive"], how["send"] = held.descriptors or (-1, -1)
        if what == "echo":
            how.update(form=held.form, memory=held.memory, base=held.passed)
            held.passed += count
        wrong = loop.driver.probe(f"host-{what}", **how)
    loop.right(wrong, held.form)


def echo(
    name: str, role: int, plan: Plan, counted: int, events: tuple[str, ...], kernel: bool,
    watch: Watch | None
) -> Report:  # fmt: skip
    """Messages there and back; role 0 asks. Samples: by the plan's names.

    counted: how many more are sent while the processor counts these events, in the host's kernel
    too or not; 0: it cannot. Counts, of role 0: each event, for all of these.
    """
    loop, some = Loop(watch), partial(_pass, _held[name])
    with loop.watched():
        some(loop, "echo", role, WARM, 1, Histogram())
        for what, count, batch in plan:
            some(loop, "echo", role, count, batch, loop.samples(what))
    if counted:
        more = partial(some, loop, "echo", role, counted, counted, Histogram())
        # The other side only answers.
        loop.counts.update(count_events(() if role else events, kernel, more))
    return loop.done(samples=role == 0)


def stream(name: str, role: int, count: int, batch: int, watch: Watch | None) -> Report:
    """Messages one way; role 0 sends. Samples, of the other side: times, cycles of a batch."""
    loop, held = Loop(watch), _held[name]
    with loop.watched():
        _pass(held, loop, "echo", role, WARM, 1, Histogram())
        _pass(held, loop, "stream", role, count, batch, loop.samples("times"))
    return loop.done(samples=role == 1)


# --- What the processor counts of a thread: perf_event_open(2)

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
