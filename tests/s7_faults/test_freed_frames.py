"""Frames that were freed: no handle of one does anything, on any core, and nobody reads what an
earlier owner of the memory wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from resting import rest

import multikernel
from multikernel import FRAME, Frame, Page, System, errors

PAGE = 4096
PAGES = 16
CORES = 3
KERNELS: dict[str, dict[str, Any]] = {
    "two-phase": {},
    "owner": {"capabilities": "owner"},
    "shared": {"kernel": "shared"},
    "shared, by region": {"kernel": "shared", "lock_scope": "region"},
}


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if name in ("two-phase", "shared") else pytest.mark.full)
        for name in KERNELS
    ]
)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """With so little memory that a place soon has another owner."""
    with multikernel.boot(CORES, memory=PAGES * PAGE, **KERNELS[request.param]) as booted:
        yield booted


def allocates(size: int) -> Frame:
    return multikernel.here().allocate(size)


def frees(frame: Frame) -> None:
    multikernel.here().free(frame)


def maps(frame: Frame, cores: list[int]) -> Page:
    return multikernel.here().map(frame, cores=cores)


def unmaps(page: Page, protocol: str) -> None:
    multikernel.here().unmap(page, protocol)  # type: ignore[arg-type]


def writes(frame: Frame, data: bytes) -> None:
    """By a page of its own, which is gone again."""
    page = maps(frame, [multikernel.here().core])
    page.write(frame.size - len(data), data)
    multikernel.here().unmap(page)


def allocates_all() -> list[Frame]:
    """Single pages, until there are no more."""
    frames = []
    while True:
        try:
            frames.append(allocates(PAGE))
        except errors.OutOfMemory:
            return frames


def dead(use: Callable[..., object], *arguments: object) -> bool:
    try:
        use(*arguments)
    except errors.DeadHandle:
        return True
    return False


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("keeper", range(CORES))
def test_a_freed_frame_is_mapped_by_nobody(system: System, keeper: int) -> None:
    frame = system.cores[keeper].run(allocates, 2 * PAGE)
    system.cores[(keeper + 1) % CORES].run(frees, frame)
    for owner in (None, *system.cores):  # of what lies there now
        new = owner.run(allocates, 2 * PAGE) if owner else None
        for core in system.cores:
            assert core.run(dead, maps, frame, [0, 1, 2])
            assert core.run(dead, maps, frame, [core.index])
            assert core.run(dead, frees, frame)
        if new:
            page = system.map(new)
            page.write(0, b"mine")
            assert page.read(0, 4, core=2) == b"mine"
            system.unmap(page)
            system.free(new)
    rest(system)
    assert [core.digest()[1:] for core in system.cores] == [(0, 0)] * CORES


@pytest.mark.sampled(one_in=8)
@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
@pytest.mark.parametrize("keeper", [0, 2])
def test_a_frame_that_is_mapped_anywhere_is_not_freed(
    system: System, keeper: int, protocol: str
) -> None:
    """Whoever mapped it, and wherever; and once its unmap has returned it is, at once."""
    for turn in range(20):
        frame = system.cores[keeper].run(allocates, PAGE)
        mapper, holder, unmapper = turn % 3, turn // 3 % 3, turn % 2
        page = system.cores[mapper].run(maps, frame, [holder])
        for core in system.cores:
            with pytest.raises(errors.BadInput, match="mapped"):
                core.run(frees, frame)
        system.cores[(mapper, holder)[unmapper]].run(unmaps, page, protocol)
        system.cores[turn % CORES].run(frees, frame)


def test_memory_that_was_freed_is_revoked_for_good(system: System) -> None:
    """What became a capability is read by nobody that had the place before."""
    frame = system.cores[1].run(allocates, PAGE)
    page = system.cores[1].run(maps, frame, [1])
    with pytest.raises(errors.BadInput, match="mapped"):
        system.free(frame)
    system.cores[1].run(unmaps, page, "two-phase")
    system.free(frame)
    ram = system.ram(PAGES * PAGE)
    ram.retype(FRAME)[0].map().write(frame.offset, b"secret")
    for core in (0, 1):
        with pytest.raises(errors.PageFault):
            page.read(0, 6, core=core)
    ram.revoke()


@pytest.mark.sampled(one_in=2)
def test_memory_is_clear_when_it_changes_hands(system: System) -> None:
    """From a frame to a frame, to another core's, to a capability, from there to another, and
    back.
    """
    secret, whole = b"secret", PAGES * PAGE

    def clear(page: Page) -> bool:
        return page.read(page.size - len(secret), len(secret)) == bytes(len(secret))

    for core in (system.cores[1], system.cores[1], system.cores[0], system.cores[2]):
        frames = [core.run(allocates, PAGE) for _ in range(PAGES)]
        for frame in frames:
            page = system.map(frame)
            assert clear(page)
            system.unmap(page)
            core.run(writes, frame, secret)
            system.free(frame)
    ram = system.ram(whole)
    for count in (1, PAGES, 2):
        for part in ram.retype(FRAME, count, whole // count):
            page = part.map()
            assert clear(page)
            page.write(page.size - len(secret), secret)
        ram.revoke()
    # By agreement of all cores, for another one has a copy.
    ram.copy(1)
    page = ram.retype(FRAME, 1, whole)[0].map()
    assert clear(page)
    page.write(whole - len(secret), secret)
    ram.revoke()
    ram.delete()
    assert clear(system.map(system.allocate(whole)))


def test_all_memory_can_be_had_by_any_core(system: System) -> None:
    """What another core was lent and does not use comes back; what it uses does not."""
    for turn in range(3):
        kept = [core.run(allocates, (core.index + 1) * PAGE) for core in system.cores]
        spare = [core.run(allocates, PAGE) for core in system.cores]
        for frame in spare:
            system.free(frame)
        rest = system.cores[turn].run(allocates_all)
        taken = [
            page
            for frame in (*kept, *rest)
            for page in range(frame.offset // PAGE, (frame.offset + frame.size) // PAGE)
        ]
        assert sorted(taken) == list(range(PAGES))
        with pytest.raises(errors.OutOfMemory):
            system.ram(PAGE)
        for frame in (*kept, *rest):
            system.free(frame)
        ram = system.ram(PAGES * PAGE)
        with pytest.raises(errors.OutOfMemory):
            system.cores[1].run(allocates, PAGE)
        ram.delete()


def test_no_page_is_handed_out_twice_however_many_ask(system: System) -> None:
    for _ in range(5):
        tasks = [core.start(allocates_all) for core in system.cores]
        frames = [frame for task in tasks for frame in task.result()]
        places = [frame.offset for frame in frames]
        assert len(places) == len(set(places))
        # a core that asks while another is being lent the last pages may go away with nothing
        frames += system.cores[0].run(allocates_all)
        assert sorted(frame.offset // PAGE for frame in frames) == list(range(PAGES))
        for frame in frames:
            system.free(frame)
