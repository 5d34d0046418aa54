"""The transport that shares no memory: what a descriptor alone notifies of, who holds which, and
what a host may refuse.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s2_kernel import programs
from s2_kernel.crowd import at_rest, chain, everybody_at_once

import multikernel
from multikernel import Frame
from multikernel.errors import BadInput, PageFault, PagePinned
from multikernel.runtime import links

HOUR_US = 3_600_000_000
TICK_SECONDS = 0.01


@pytest.fixture
def transport() -> Any:
    return "socket"


@pytest.fixture
def limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def carried(pid: int | str = "self") -> dict[int, str]:
    """The sockets that a process has: what they are, by descriptor."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = os.readlink(path)
        except FileNotFoundError:  # the listing's own
            continue
        if name.startswith("socket:"):
            found[int(path.name)] = name
    return found


def carried_beyond(streams: int) -> dict[int, str]:
    return {one: name for one, name in carried().items() if one > streams}


def seen_by_a_child() -> set[str]:
    """What is open in a program that this core executes, which closes nothing by itself."""
    import subprocess
    import sys

    code = (
        "import os\n"
        "for one in os.listdir('/proc/self/fd'):\n"
        "    try: print(os.readlink('/proc/self/fd/' + one))\n"
        "    except OSError: pass"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], close_fds=False, stdout=subprocess.PIPE, text=True, check=True
    )
    return set(done.stdout.split("\n"))


@pytest.mark.parametrize("cores", [4])
def test_every_core_holds_its_own_ends_and_nobody_else_any(cores: int, transport: Any) -> None:
    before = carried()
    with multikernel.boot(cores, transport=transport) as system:
        held = [core.run(carried_beyond, 2) for core in system.cores]
        assert [len(one) for one in held] == [cores - 1] * cores
        names = [name for one in held for name in one.values()]
        assert len(set(names)) == len(names)
        for core, one in zip(system.cores, held, strict=True):
            assert not core.run(seen_by_a_child) & set(one.values())
        for process in (system.launched.process.pid, "self"):
            assert not set(carried(process).values()) & set(names)
    assert set(carried().values()) == set(before.values())


@pytest.mark.parametrize("cores", [2, 4])
def test_a_parked_core_is_told_by_whoever_asks(cores: int, transport: Any) -> None:
    """Slices of an hour: nothing but a notification ends a park."""
    with multikernel.boot(cores, transport=transport) as system:
        for core in system.cores:
            core.policy(spin_us=0, yields=0, slice_us=HOUR_US)
        frame = system.allocate(4096)
        for initiator in system.cores:
            while any(core.mode != "parked" for core in system.cores):
                time.sleep(0.001)
            before = [core.counters()["parks"] for core in system.cores]
            page = initiator.run(programs.map_here, frame)
            for core in system.cores:
                core.write(page, 0, b"told")
            initiator.run(programs.unmap_here, page)
            for core in system.cores:
                with pytest.raises(PageFault):
                    core.read(page, 0, 4)
            assert all(
                core.counters()["parks"] > old
                for core, old in zip(system.cores, before, strict=True)
            )
        at_rest(system)


def unmaps(frame: Frame, count: int) -> None:
    here = multikernel.here()
    for _ in range(count):
        here.unmap(here.map(frame))


def test_a_computing_core_is_interrupted_by_the_host(transport: Any) -> None:
    """More often than by the tick, which alone would bring every one of these unmaps to its end
    too.
    """
    with multikernel.boot(2, transport=transport) as system:
        frame = system.allocate(4096)
        task = system.cores[1].start(programs.compute, 60.0)
        while True:
            before, began = system.cores[1].counters()["interrupts"], time.monotonic()
            system.cores[0].run(unmaps, frame, 50)
            ticks = (time.monotonic() - began) / TICK_SECONDS
            interrupts = system.cores[1].counters()["interrupts"] - before
            if interrupts >= 50 and interrupts > 2 * ticks:
                break
            assert not task.done(), "notified by nothing but the tick"


def test_a_pinned_page_stays(transport: Any) -> None:
    with multikernel.boot(3, transport=transport) as system:
        page = system.map(system.allocate(4096))
        page.write(0, b"stays")
        page.pin(2)
        for core in system.cores:
            for protocol in ("two-phase", "one-phase"):
                with pytest.raises(PagePinned) as caught:
                    core.run(programs.unmap_here, page, protocol)
                assert caught.value.core == 2
        assert [core.read(page, 0, 5) for core in system.cores] == [b"stays"] * 3
        page.unpin(2)
        system.unmap(page)
        at_rest(system)


def narrow() -> None:
    """The host's buffers as small as they can be made: six messages or so in a socket."""
    import socket

    for descriptor in carried_beyond(2):
        with socket.socket(fileno=os.dup(descriptor)) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)


def test_full_buffers_neither_block_nor_lose(transport: Any) -> None:
    """All operations go through the last but one core to the last, which is stopped until that way
    is full.
    """
    cores = 12
    with multikernel.boot(cores, transport=transport, trees=chain(cores)) as system:
        for core in system.cores:
            core.run(narrow)
        frame = system.allocate(4096)
        stopped = system.cores[-1].pid
        for _ in range(2):
            os.kill(stopped, signal.SIGSTOP)
            try:
                tasks = [core.start(programs.map_here, frame) for core in system.cores[:-1]]
                programs.sleep(0.1)
                assert not any(task.done() for task in tasks)
            finally:
                os.kill(stopped, signal.SIGCONT)
            for task in tasks:
                system.unmap(task.result())
        everybody_at_once(system, seed=cores, rounds=10)


@pytest.mark.usefixtures("limit")
def test_as_many_descriptors_as_are_said_to_be_needed(transport: Any) -> None:
    cores = 20
    enough = links.needed(transport, cores)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough - 1, hard))
    with pytest.raises(BadInput, match=rf"{enough - 1} \(RLIMIT_NOFILE\).*ulimit -n {enough}"):
        multikernel.boot(cores, transport=transport)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    with multikernel.boot(cores, transport=transport) as system:
        page = system.map(system.allocate(4096))
        system.cores[19].write(page, 0, b"far")
        system.unmap(page)
        at_rest(system)


def test_what_cannot_be(transport: Any) -> None:
    with pytest.raises(BadInput, match=r"more than 64 cores: 65.*transport.*call-line"):
        multikernel.boot(65, transport=transport)
    with pytest.raises(
        BadInput, match=f"shared kernel's cores send each other no messages: {transport}"
    ):
        multikernel.boot(2, kernel="shared", transport=transport)
