"""Threads of a program on a core call the kernel like the program itself, while others' messages
interrupt the core; and threads of the launcher call everything at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import multikernel
from multikernel import Frame, Page, System
from multikernel.errors import CoreBusy, PagePinned

SECONDS = 1.0


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def maps(seconds: float) -> int:
    here = multikernel.here()
    frame = here.allocate(4096)
    until, done = time.monotonic() + seconds, 0
    while not done or time.monotonic() < until:
        here.unmap(here.map(frame))
        done += 1
    return done


def maps_in_threads(seconds: float, how: str) -> list[int]:
    here = multikernel.here()
    until = time.monotonic() + seconds

    def work(number: int) -> int:
        frame, done = here.allocate(4096), 0
        while not done or time.monotonic() < until:  # a busy host may let it wait, not for ever
            page = here.map(frame)
            page.write(0, bytes([number]))
            assert page.read(0, 1) == bytes([number])
            view = page.view()
            assert view[0] == number
            view.release()
            here.unmap(page)
            done += 1
        return done

    async def together() -> list[int]:
        return list(await asyncio.gather(*(asyncio.to_thread(work, one) for one in range(3))))

    if how == "asyncio":
        return asyncio.run(together())
    with ThreadPoolExecutor(3) as pool:
        beside = pool.map(work, range(3))
        done = maps(seconds)  # and the first thread too
        return [done, *beside]


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("how", ["pool", "asyncio"])
def test_threads_of_a_program(system: System, how: str) -> None:
    tasks = [system.cores[1].start(maps_in_threads, SECONDS, how)]
    tasks += [system.cores[core].start(maps, SECONDS) for core in (0, 2)]
    done = [task.result(timeout=60) for task in tasks]
    assert all(done[0]), done
    assert all(done[1:]), done
    assert system.inspect()["replicas"]["differing"] == []


def leaves_a_view(page: Page, seconds: float) -> None:
    view = page.view()

    def later(view: memoryview) -> None:
        time.sleep(seconds)
        view.release()

    threading.Thread(target=later, args=(view,), daemon=True).start()


def test_a_view_that_is_dropped_after_its_program(system: System) -> None:
    page = system.map(system.allocate(4096))
    system.cores[1].run(leaves_a_view, page, 0.3)
    with pytest.raises(PagePinned):
        system.unmap(page)
    for _ in range(100):
        time.sleep(0.1)
        try:
            system.unmap(page)
            return
        except PagePinned:
            continue
    pytest.fail("nobody has a view any more, and the page is still pinned")


def calls_of(system: System, frame: Frame) -> dict[str, Callable[[], object]]:
    """One of each kind, which leaves nothing behind."""

    def pages() -> None:
        page = system.map(frame)
        page.write(0, b"x", core=1)
        page.read(0, 1, core=2)
        system.protect(page)
        system.unmap(page)

    def capabilities() -> None:
        ram = system.ram(8192)
        copy = ram.copy(1)
        copy.delete()
        ram.delete()

    def program() -> None:
        try:
            assert system.cores[2].run(abs, -2) == 2
        except CoreBusy:  # another thread's program runs there
            return

    def trees() -> None:
        if system.kernel == "multikernel":  # the shared one was booted without
            system.install(0, [(0, 1), (0, 2)])

    return {
        "pages": pages,
        "frames": lambda: system.free(system.allocate(4096)),
        "capabilities": capabilities,
        "groups": lambda: system.close_group(system.group()),
        "programs": program,
        "inspect": system.inspect,
        "trees": trees,
        "counters": system.cores[1].counters,
    }


def test_every_call_is_safe_from_any_thread(system: System, switching: None) -> None:
    calls = list(calls_of(system, system.allocate(4096)).items())
    until, failed = time.monotonic() + 2 * SECONDS, []

    def work(number: int) -> None:
        turn = number
        while time.monotonic() < until:
            name, call = calls[turn % len(calls)]
            turn += 1
            try:
                call()
            except Exception as error:
                failed.append((name, type(error).__name__, str(error)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[:3]
    system.cores[0].run(os.getpid)
