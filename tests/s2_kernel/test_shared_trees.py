"""The shared kernel notified along trees: whatever the trees nothing waits for ever, and they alone
say which core notifies which.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s2_kernel import programs
from s2_kernel.crowd import (
    Trees,
    any_tree,
    any_trees,
    binary,
    chain,
    everybody_at_once,
    ring_road,
)

import multikernel
from multikernel import Core, Page, System
from multikernel.errors import BadInput, CoreDied, PageFault, PagePinned


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("cores", "trees"),
    [(2, chain), (3, ring_road), (5, chain), (5, ring_road), (5, binary), (8, chain), (8, binary)],
)
def test_all_cores_start_operations_at_once(cores: int, trees: Callable[[int], Trees]) -> None:
    with multikernel.boot(cores, kernel="shared", trees=trees(cores)) as system:
        happened = everybody_at_once(system, seed=cores, rounds=80 if cores < 8 else 30)
    assert happened["unmap: ok"] > 0


@settings(max_examples=3, deadline=None)
@given(st.integers(2, 8), st.integers(0, 2**20), st.integers(0, 2**20))
def test_any_trees_will_do(cores: int, trees: int, seed: int) -> None:
    with multikernel.boot(cores, kernel="shared", trees=any_trees(cores, trees)) as system:
        everybody_at_once(system, seed, rounds=60)


@pytest.mark.full
@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**20), st.integers(0, 2**20))
def test_any_trees_will_do_for_long(cores: int, trees: int, seed: int) -> None:
    with multikernel.boot(cores, kernel="shared", trees=any_trees(cores, trees)) as system:
        everybody_at_once(system, seed, rounds=150)


def test_computing_cores_are_interrupted_and_pass_it_on() -> None:
    """A chain of cores that never enter the kernel by themselves."""
    with multikernel.boot(4, kernel="shared", trees=chain(4)) as system:
        tasks = [core.start(programs.compute, 0.3) for core in system.cores[1:]]
        before = [core.counters()["interrupts"] for core in system.cores[1:]]
        frame = system.allocate(4096)
        for _ in range(5):
            page = system.map(frame)
            page.write(0, b"here")
            system.unmap(page)
            for core in system.cores:
                with pytest.raises(PageFault):
                    core.read(page, 0, 4)
        after = [core.counters()["interrupts"] for core in system.cores[1:]]
        for task in tasks:
            task.result()
    assert all(a > b for a, b in zip(after, before, strict=True))


@contextmanager
def stopped(core: Core) -> Iterator[None]:
    """Within the block the host does not run it."""
    os.kill(core.pid, signal.SIGSTOP)
    while psutil.Process(core.pid).status() != psutil.STATUS_STOPPED:
        programs.sleep(0.001)
    try:
        yield
    finally:
        os.kill(core.pid, signal.SIGCONT)


@contextmanager
def unmapping_without(core: Core, system: System, page: Page) -> Iterator[threading.Thread]:
    """Core 0 is unmapping the page, but `core` does not run; afterwards it does, and the page is
    unmapped.
    """
    thread = threading.Thread(target=system.unmap, args=(page,))
    try:
        with stopped(core):
            thread.start()
            yield thread
    finally:
        thread.join()


def reaches(core: Core, page: Page) -> bool:
    """Whether its page table has the page, which a notification changes before all are notified."""
    for line in Path(f"/proc/{core.pid}/maps").read_text().splitlines():
        addresses, rights, *_ = line.split()
        first, end = (int(word, 16) for word in addresses.split("-"))
        if first <= page.address < end:
            return "r" in rights
    return False


def notified_in_the_end(core: Core, page: Page) -> None:
    for _ in range(2000):
        if not reaches(core, page):
            return
        programs.sleep(0.001)
    pytest.fail(f"{core!r} still has the page")


def test_a_core_is_told_by_its_parent_and_by_nobody_else() -> None:
    """Until all are, one that was notified waits, and one that has not may go on."""
    edges = [(0, 1), (0, 3), (1, 2)]
    seen: list[str] = []

    def read(core: Core, page: Page) -> None:
        seen.append(programs.attempt(core.read, page, 0, 1)[0])

    with multikernel.boot(4, kernel="shared", trees={0: edges}) as system:
        page = system.map(system.allocate(4096))
        page.write(0, b"x")
        with unmapping_without(system.cores[1], system, page) as thread:
            notified_in_the_end(system.cores[3], page)
            reader = threading.Thread(target=read, args=(system.cores[3], page))
            reader.start()
            for _ in range(10):
                assert system.cores[2].read(page, 0, 1) == b"x"
            programs.sleep(0.05)
            assert seen == []
            assert thread.is_alive()
        reader.join()
        assert seen == ["PageFault"]
        with pytest.raises(PageFault):
            system.cores[2].read(page, 0, 1)


def test_a_core_that_does_not_hold_the_page_is_passed_by() -> None:
    with multikernel.boot(4, kernel="shared", trees=chain(4)) as system:
        page = system.map(system.allocate(4096), cores=[0, 2, 3])
        other = system.map(system.allocate(4096), cores=[2, 3])  # not even the root holds it
        with stopped(system.cores[1]):
            system.unmap(page)
            system.unmap(other)
        for core in (system.cores[2], system.cores[3]):
            for one in (page, other):
                with pytest.raises(PageFault):
                    core.read(one, 0, 1)


def test_a_root_without_a_tree_tells_everybody_itself() -> None:
    """By messages, not by the line."""
    with multikernel.boot(3, kernel="shared", trees={1: [(1, 0), (0, 2)]}) as system:
        page = system.map(system.allocate(4096))
        with unmapping_without(system.cores[1], system, page):
            notified_in_the_end(system.cores[2], page)


def test_a_tree_is_installed_under_the_lock() -> None:
    with multikernel.boot(3, kernel="shared", trees=chain(3)) as system:
        system.install(0, [(0, 2), (2, 1)])
        page = system.map(system.allocate(4096))
        page.write(0, b"x")
        with unmapping_without(system.cores[1], system, page):
            notified_in_the_end(system.cores[2], page)
        with pytest.raises(BadInput, match="does not span all cores"):
            system.install(0, [(0, 1)])
    with (
        multikernel.boot(2, kernel="shared") as system,
        pytest.raises(BadInput, match=r"booted without trees.*boot it with trees"),
    ):
        system.install(0, [(0, 1)])


@pytest.mark.parametrize("cores", [2, 9])
def test_trees_are_installed_while_operations_run(cores: int) -> None:
    """More edges than a message carries, of two roots at once."""
    with multikernel.boot(cores, kernel="shared", trees=chain(cores)) as system:
        stop, failed, installed = threading.Event(), [], []

        def plant(root: int) -> None:
            chosen = random.Random(root)
            try:
                while not stop.is_set():
                    system.install(root, any_tree(cores, root, chosen))
                    installed.append(root)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=plant, args=(root,)) for root in (0, 1)]
        for thread in threads:
            thread.start()
        try:
            everybody_at_once(system, seed=cores, rounds=80 if cores < 8 else 30)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert failed == []
        assert set(installed) == {0, 1}


def test_who_waits_for_a_core_that_dies_is_told() -> None:
    """The initiator waits for core 1, which waits for core 2."""
    failed: list[BaseException] = []

    def unmap(system: System, page: Page) -> None:
        try:
            system.unmap(page)
        except BaseException as error:
            failed.append(error)

    with multikernel.boot(4, kernel="shared", trees=chain(4)) as system:
        pids = [core.pid for core in system.cores]
        page = system.map(system.allocate(4096))
        os.kill(pids[2], signal.SIGSTOP)
        thread = threading.Thread(target=unmap, args=(system, page))
        thread.start()
        programs.sleep(0.02)
        os.kill(pids[2], signal.SIGKILL)
        thread.join()
    assert [type(error) for error in failed] == [CoreDied]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_pin_is_seen_before_anybody_is_told() -> None:
    def hold(page: Page) -> None:
        page.pin()

    with multikernel.boot(3, kernel="shared", trees=chain(3)) as system:
        page = system.map(system.allocate(4096))
        page.write(0, b"x")
        system.cores[2].run(hold, page)
        with pytest.raises(PagePinned) as caught:
            system.unmap(page)
        assert caught.value.core == 2
        assert [core.read(page, 0, 1) for core in system.cores] == [b"x"] * 3


def test_more_cores_than_a_word_has_bits() -> None:
    with multikernel.boot(70, kernel="shared", trees=binary(70), slots=16) as system:
        everywhere, some = (
            system.map(system.allocate(4096), cores=cores) for cores in (None, [1, 66, 69])
        )
        system.protect(everywhere, "read-only")
        for page in (everywhere, some):
            system.unmap(page)
            for core in (1, 66, 69):
                with pytest.raises(PageFault):
                    system.cores[core].read(page, 0, 1)
