"""A deletion that a pin forbids, of a Frame that is mapped often or of a CNode with much in it: it
changes nothing, on any core, and all there was can be used as before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from s4_user import capability_on_core as on_core
from s4_user.capability_checks import digests, fixtures, held, readers

from multikernel import CNODE, FRAME, MAPPING, RAM, Capability, Page, System, errors

PAGE = 4096
CORES = 3
ALL = list(range(CORES))

KERNELS: dict[str, dict[str, Any]] = {
    "two-phase": {"capabilities": "two-phase"},
    "owner": {"capabilities": "owner"},
    "owner, along a chain": {"capabilities": "owner", "trees": "sequential"},
    "shared": {"kernel": "shared"},
    "shared, by region": {"kernel": "shared", "lock_scope": "region"},
}


booted, system = fixtures(KERNELS, CORES)


def refused(
    system: System, take: Callable[[], None], pages: list[Page], pinned: Page, core: int
) -> None:
    """While that page is pinned there. And nothing has changed, twice."""
    pinned.pin(core)
    before, seen = digests(system), [readers(system, page) for page in pages]
    for _ in range(2):
        with pytest.raises(errors.PagePinned) as caught:
            take()
        assert caught.value.core == core
        assert digests(system) == before
        assert [readers(system, page) for page in pages] == seen
    pinned.unpin(core)


def all_gone(system: System, pages: list[Page]) -> None:
    assert [readers(system, page) for page in pages] == [[]] * len(pages)
    assert not [one for core in ALL for one in held(system, core) if one.type == MAPPING]
    digests(system)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("at", ALL)
@pytest.mark.parametrize("which", [0, 2, 4])
def test_a_frame_with_many_pages(system: System, at: int, which: int) -> None:
    (frame,) = system.ram(PAGE).retype(FRAME)
    pages = [
        frame.map(),
        frame.map([0]),
        frame.map([1, 2]),
        frame.map([1], "read-only"),
        frame.map([at]),
    ]
    core = {0: at, 2: 1 + at % 2, 4: at}[which]
    refused(system, frame.delete, pages, pages[which], core)
    pages.append(frame.map())
    frame.delete()
    all_gone(system, pages)


def test_the_last_frame_of_its_core_with_one_elsewhere(system: System) -> None:
    """The owner's: the holder of the other one inherits."""
    (frame,) = system.ram(PAGE).retype(FRAME)
    other, pages = frame.copy(1), [frame.map(), frame.map([2])]
    kept = other.map([1])
    refused(system, frame.delete, [*pages, kept], pages[1], 2)
    frame.delete()
    assert [readers(system, page) for page in [*pages, kept]] == [[], [], [1]]
    refused(system, other.delete, [kept], kept, 1)
    other.delete()
    all_gone(system, [kept])


def test_pages_that_lie_far_apart_in_the_table(system: System) -> None:
    """More than a message has room for."""
    (frame,) = system.ram(PAGE).retype(FRAME)
    plain = system.allocate(PAGE)
    pages = []
    for _ in range(4):
        pages.append(frame.map())
        for _ in range(200):
            system.unmap(system.map(plain, cores=[0]))
    refused(system, frame.delete, pages, pages[3], 1)
    refused(system, frame.delete, pages, pages[0], 2)
    frame.delete()
    all_gone(system, pages)
    system.free(plain)


def furnished(system: System) -> tuple[Capability, list[Page]]:
    """A CNode with all there is: Frames and Mappings in it and in one within, copies, and what has
    nothing to do with pages.
    """
    ram, home = system.ram(64 * PAGE), system.ram(16 * PAGE)
    (outer,) = home.retype(CNODE)
    (inner,) = home.retype(CNODE, offset=4 * PAGE, to=outer)
    ram.retype(RAM, 2, PAGE, to=outer)
    frames = ram.retype(FRAME, 3, PAGE, offset=8 * PAGE, to=outer)
    (within,) = ram.retype(FRAME, 1, 2 * PAGE, offset=16 * PAGE, to=inner)
    ram.copy(to=inner)
    frames[0].copy(to=inner)
    frames[1].copy(2)
    (outside,) = ram.retype(FRAME, 1, PAGE, offset=20 * PAGE)
    pages = [
        frames[0].map(),
        frames[0].map([1]),
        frames[1].map(to=inner),
        within.map([0, 2], to=outer),
        within.map([2]),
        outside.map(to=inner),
    ]
    return outer, pages


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("which", range(6))
def test_a_cnode_with_much_in_it(system: System, which: int) -> None:
    outer, pages = furnished(system)
    cores = readers(system, pages[which])
    refused(system, outer.delete, pages, pages[which], cores[-1])
    refused(system, outer.delete, pages, pages[which], cores[0])
    # It is as open as before.
    (more,) = system.ram(PAGE).retype(FRAME, to=outer)
    pages.append(more.map())
    outer.delete()
    all_gone(system, pages)
    assert not more.alive


@pytest.mark.parametrize("which", range(4))
def test_ram_that_is_revoked_with_a_cnode_in_it(system: System, which: int) -> None:
    """What the CNode holds is other memory; on one core, which need not ask."""
    home, other = system.ram(256 * PAGE), system.ram(4 * PAGE)
    (cnode,) = home.retype(CNODE)
    home.retype(FRAME, 150, PAGE, offset=64 * PAGE)
    (near,) = home.retype(FRAME, 1, PAGE, offset=32 * PAGE, to=cnode)
    (beside,) = home.retype(FRAME, 1, PAGE, offset=33 * PAGE)
    far, outside = other.retype(FRAME, 2, PAGE, to=cnode)
    outside.copy()
    pages = [near.map(), beside.map([1]), far.map([2]), outside.map(to=cnode)]
    kept = outside.map()
    refused(system, home.revoke, [*pages, kept], pages[which], readers(system, pages[which])[-1])
    home.revoke()
    assert [readers(system, page) for page in [*pages, kept]] == [[], [], [], [], ALL]
    assert home.alive
    assert not cnode.alive
    other.revoke()
    all_gone(system, [*pages, kept])


def test_a_cnode_whose_frame_is_elsewhere_too(system: System) -> None:
    """The Frame's pages stay with the other one; then they are that one's to lose."""
    (cnode,) = system.ram(4 * PAGE).retype(CNODE)
    (frame,) = system.ram(PAGE).retype(FRAME, to=cnode)
    other, page = frame.copy(), frame.map()
    page.pin(1)
    cnode.delete()
    assert readers(system, page) == ALL
    page.unpin(1)
    refused(system, other.delete, [page], page, 1)
    other.delete()
    all_gone(system, [page])


def test_a_cnode_that_is_elsewhere_too(system: System) -> None:
    (cnode,) = system.ram(4 * PAGE).retype(CNODE)
    (frame,) = system.ram(PAGE).retype(FRAME, to=cnode)
    other, page = cnode.copy(), frame.map()
    page.pin(1)
    cnode.delete()
    assert readers(system, page) == ALL
    page.unpin(1)
    refused(system, other.delete, [page], page, 2)
    other.delete()
    all_gone(system, [page])


def test_all_cores_at_once(system: System) -> None:
    tasks = [core.start(on_core.build_and_delete, core.index, 30) for core in system.cores]
    assert all(task.result() > 0 for task in tasks)
    all_gone(system, [])
