"""The loops over channels and over what the host offers: every message arrives whole, and what
cannot be is refused.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from functools import partial

import pytest

import multikernel
from multikernel.experiments.transport import loops
from multikernel.experiments.transport.ends import (
    Both,
    channel,
    eventfds,
    futexes,
    give,
    pipes,
    sockets,
)
from multikernel.experiments.transport.loops import EVENTS, available, count_events
from multikernel.native import _native
from multikernel.native._native import Histogram
from multikernel.user.channels import Form
from multikernel.user.here import here

FORMS: tuple[Form, ...] = ("epoch-ring", "used-ring", "call-line", "calls", "socket", "pipe")
CHANNELS: dict[str, Callable[[], Both]] = {form: partial(channel, form, form) for form in FORMS}
MAKERS: dict[str, Callable[[], Both]] = {
    **CHANNELS,
    **{
        f"{name}-{blocking}": partial(make, f"{name}-{blocking}", blocking, *more)
        for blocking in (True, False)
        for name, make, more in (
            ("pipes", pipes, ()),
            ("stream", sockets, (socket.SOCK_STREAM,)),
            ("packet", sockets, (socket.SOCK_SEQPACKET,)),
            ("eventfd", eventfds, ()),
        )
    },
    "futex": partial(futexes, "futex"),
}
STREAMING = [name for name in MAKERS if not name.startswith(("eventfd", "futex", "calls"))]
ECHOES, BATCH = 30, 10
STREAMED, STRETCH = 3000, 700
"""More than any buffer holds, and no multiple of a stretch."""


def _counted(
    role: int, names: tuple[str, ...], streaming: tuple[str, ...]
) -> dict[str, tuple[int, int]]:
    """By name: batches timed there and back, and one way."""
    found = {}
    for name in names:
        plan = (("some", ECHOES, BATCH),)
        echoes = loops.echo(name, role, plan, 0, (), False, None).samples
        stretches = (
            loops.stream(name, role, STREAMED, STRETCH, None).samples if name in streaming else {}
        )
        found[name] = tuple(
            one[key][0] if one else 0 for one, key in ((echoes, "some"), (stretches, "times"))
        )
    return found


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("cpus", ["apart", "together"])
def test_messages_arrive_over_everything_there_is(cpus: str) -> None:
    usable = sorted(os.sched_getaffinity(0))
    if cpus == "apart" and len(usable) < 2:
        pytest.skip("needs 2 CPUs")
    with multikernel.boot(cores=[usable[0], usable[1 if cpus == "apart" else 0]]) as system:
        give(system, MAKERS.values())
        names, streaming = tuple(MAKERS), tuple(STREAMING)
        answering = system.cores[1].start(_counted, 1, names, streaming)
        asked, answered = system.cores[0].run(_counted, 0, names, streaming), answering.result()
    for name in names:
        assert asked[name] == (ECHOES // BATCH, 0), name
        assert answered[name] == (0, STREAMED // STRETCH if name in streaming else 0), name


def _open_descriptors() -> set[str]:
    return {
        os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd") if _is_open(one)
    }


def _is_open(descriptor: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{descriptor}")


def test_who_gave_the_ends_away_keeps_none() -> None:
    with multikernel.boot(cores=2) as system:
        before = _open_descriptors()
        give(system, MAKERS.values())
        assert _open_descriptors() == before


def _received(held: loops._Held) -> int:
    receive, send = held.descriptors
    return here().driver.probe(
        "host-stream", receive=receive, send=send, role=1, count=4, batch=1, times=Histogram()
    )


def _wrong(role: int) -> int:
    """Role 0 writes messages that are not those which role 1 waits for; how many role 1 finds
    wrong.
    """
    held = loops._held["pipe"]
    if role == 0:
        for number in (0, 1, 7, 3):
            words = (number, ~number & 2**64 - 1, 2, 3, 4, 5, 6, number + 7)
            os.write(held.descriptors[1], b"".join(word.to_bytes(8, "little") for word in words))
        return 0
    return _received(held)


def test_a_message_that_was_not_sent_is_found() -> None:
    with multikernel.boot(cores=2) as system:
        give(system, [partial(pipes, "pipe", True)])
        receiving = system.cores[1].start(_wrong, 1)
        system.cores[0].run(_wrong, 0)
        assert receiving.result() == 1


def _abandoned(role: int) -> int:
    held = loops._held["pipe"]
    if role == 0:
        for descriptor in held.descriptors:
            os.close(descriptor)
        return 0
    try:
        _received(held)
    except OSError as error:
        return error.errno or 0
    return 0


@pytest.mark.parametrize("blocking", [True, False])
def test_who_waits_for_a_side_that_is_gone_hears_of_it(blocking: bool) -> None:
    with multikernel.boot(cores=2) as system:
        give(system, [partial(pipes, "pipe", blocking)])
        receiving = system.cores[1].start(_abandoned, 1)
        system.cores[0].run(_abandoned, 0)
        assert receiving.result() == errno.EPIPE


def _refused() -> list[str]:
    driver, found, memory = here().driver, [], bytearray(4096)
    echo = partial(driver.probe, "host-echo", role=0, base=0, times=Histogram())
    tries: list[Callable[[], object]] = [
        lambda: echo(form="telegraph", receive=-1, send=-1, count=1, batch=1),
        lambda: echo(form="futex", memory=bytearray(64), receive=-1, send=-1, count=1, batch=1),
        lambda: echo(form="futex", receive=-1, send=-1, count=1, batch=1),
        lambda: echo(form="bytes", memory=memory, receive=0, send=1, count=1, batch=1),
        lambda: echo(form="futex", memory=memory, receive=-1, send=-1, count=3, batch=2),
        lambda: driver.probe(
            "host-stream", receive=-1, send=-1, role=0, count=1, batch=1, times=Histogram()
        ),
    ]
    for one in tries:
        try:
            one()
        except (ValueError, OSError) as error:
            found.append(f"{type(error).__name__} {error}")
    return found


def test_what_cannot_be_is_refused() -> None:
    with multikernel.boot(cores=1) as system:
        telegraph, *rest, closed = system.cores[0].run(_refused)
    assert "telegraph" in telegraph
    assert [one.split()[0] for one in rest] == ["ValueError"] * 4
    assert f"[Errno {errno.EBADF}]" in closed


# --- What is counted
# ----------------------------------------------------------------------------------------------


def test_events_are_counted_or_refused_with_a_reason() -> None:
    def sleep() -> None:
        for _ in range(5):
            time.sleep(0.001)

    try:
        counts = count_events(("context-switches",), True, sleep)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOSYS):
            raise
        pytest.skip(f"the host counts nothing for us: {error}")
    assert counts["context-switches"] >= 5


def test_what_cannot_be_counted_has_a_reason() -> None:
    found = available()
    assert all(event in found.events or event in found.why for event in EVENTS)
    still = available(("context-switches",))
    for _ in range(1000):  # none happen meanwhile, unless the host has something else to run
        if still.events == ():
            break
        still = available(("context-switches",))
    assert still.events == ()
    assert still.why.startswith("context-switches: ")


def test_events_are_counted_for_the_messages_of_the_side_that_asks() -> None:
    cpu = min(os.sched_getaffinity(0))
    counted, event = 50, "context-switches"
    with multikernel.boot(cores=[cpu, cpu]) as system:
        give(system, [partial(pipes, "pipe", True)])
        answering = system.cores[1].start(loops.echo, "pipe", 1, (), counted, (event,), True, None)
        try:
            asked = system.cores[0].run(loops.echo, "pipe", 0, (), counted, (event,), True, None)
        except OSError as error:
            pytest.skip(f"the host counts nothing for us: {error}")
        assert answering.result().counts == {}
    # On one CPU the answer cannot come before the asking side has left it.
    assert asked.counts[event] >= counted // 2


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(ValueError, match="no such event: luck"):
        _native.counter("luck", False)
