"""Frames that are capabilities, mapped: no core reads a page whose Frame is gone, whichever way it
went.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from resting import rest
from s4_user import capability_on_core as on_core
from s4_user.capability_checks import digests, fixtures, held, readers

import multikernel
from multikernel import (
    CNODE,
    FRAME,
    GRANT,
    MAPPING,
    RAM,
    READ,
    WRITE,
    Capability,
    System,
    errors,
)

PAGE = 4096
CORES = 3
ALL = list(range(CORES))


KERNELS: dict[str, dict[str, Any]] = {
    "two-phase": {"capabilities": "two-phase"},
    "owner": {"capabilities": "owner"},
    "shared": {"kernel": "shared"},
    "shared, by region": {"kernel": "shared", "lock_scope": "region"},
    "shared, by region and trees": {"kernel": "shared", "lock_scope": "region", "trees": "chosen"},
}


booted, system = fixtures(KERNELS, CORES)


def mappings(system: System) -> list[Capability]:
    return [one for core in ALL for one in held(system, core) if one.type == MAPPING]


def test_a_page_of_a_frame_is_a_page(system: System) -> None:
    (frame,) = system.ram(2 * PAGE).retype(FRAME)
    page = frame.map()
    page.write(0, b"hello")
    assert [core.read(page, 0, 5) for core in system.cores] == [b"hello"] * CORES
    (record,) = mappings(system)
    assert (record.core, record.address, record.size, record.rights) == (
        0,
        frame.address,
        2 * PAGE,
        READ | WRITE,
    )
    system.unmap(page)
    assert readers(system, page) == []
    assert mappings(system) == []
    assert frame.alive


def test_on_some_cores_and_read_only(system: System) -> None:
    (frame,) = system.ram(PAGE).retype(FRAME)
    page = frame.mint(READ).map([1, 2], "read-only")
    assert readers(system, page) == [1, 2]
    with pytest.raises(errors.PageFault):
        system.cores[1].write(page, 0, b"x")
    with pytest.raises(errors.RightsExceeded):
        system.protect(page, "read-write")
    whole = frame.map(rights="read-write")
    system.protect(whole, "read-only")
    system.protect(whole, "read-write")
    system.cores[2].write(whole, 0, b"x")
    assert system.cores[1].read(page, 0, 1) == b"x"


def frame_of(system: System) -> tuple[Capability, Capability]:
    ram = system.ram(4 * PAGE)
    return ram, ram.retype(FRAME, 1, PAGE)[0]


GONE: list[tuple[str, Callable[[System, Capability, Capability], None]]] = [
    ("its Frame deleted", lambda s, ram, frame: frame.delete()),
    ("its Mapping deleted", lambda s, ram, frame: mappings(s)[0].delete()),
    ("its Frame revoked", lambda s, ram, frame: frame.revoke()),
    ("its RAM revoked", lambda s, ram, frame: ram.revoke()),
    ("its RAM revoked by a copy elsewhere", lambda s, ram, frame: ram.copy(2).revoke()),
    (
        "its RAM revoked in a program",
        lambda s, ram, frame: s.cores[1].run(on_core.revoke, ram.copy(1)),
    ),
    (
        "its Frame deleted, with one elsewhere",
        lambda s, ram, frame: (frame.copy(1), frame.delete())[1],
    ),
]


@pytest.mark.parametrize("cores", [None, [0], [1], [1, 2]], ids=str)
@pytest.mark.parametrize(("what", "take"), GONE, ids=[what for what, _ in GONE])
def test_what_goes_unmaps_first(
    system: System,
    what: str,
    take: Callable[[System, Capability, Capability], None],
    cores: list[int] | None,
) -> None:
    ram, frame = frame_of(system)
    page, other = frame.map(cores), ram.retype(FRAME, 1, PAGE, offset=2 * PAGE)[0].map()
    assert readers(system, page) == (cores or ALL)
    take(system, ram, frame)
    assert readers(system, page) == []
    assert not [one for one in mappings(system) if one.address == frame.address]
    assert readers(system, other) == ([] if "RAM" in what else ALL)
    digests(system)


@pytest.mark.parametrize("at", ALL)
def test_frames_map_where_they_lie(system: System, at: int) -> None:
    """The Mapping is on the core of the Frame it was made of, whoever may read the page."""
    ram, frame = frame_of(system)
    there = frame.copy(at)
    if at:
        frame.delete()
    page = there.map([(at + 1) % CORES])
    assert [one.core for one in mappings(system)] == [at]
    assert readers(system, page) == [(at + 1) % CORES]
    system.unmap(page) if at == 0 else system.cores[at].run(on_core.unmap, page)
    assert mappings(system) == []
    page = there.map()
    ram.revoke()
    assert readers(system, page) == []
    assert held(system, at) == ([ram] if at == 0 else [])


def test_a_page_stays_while_its_core_has_a_frame(system: System) -> None:
    _, frame = frame_of(system)
    second = frame.copy()
    page = frame.map()
    frame.delete()
    assert readers(system, page) == ALL
    second.delete()
    assert readers(system, page) == []


def test_one_frame_may_be_mapped_often(system: System) -> None:
    ram, frame = frame_of(system)
    pages = [frame.map() for _ in range(5)] + [frame.copy(1).map([0, 2]) for _ in range(3)]
    pages[0].write(0, b"same")
    assert {page.read(0, 4, core=2) for page in pages} == {b"same"}
    system.unmap(pages[2], protocol="one-phase")
    assert len(mappings(system)) == 7
    frame.delete()
    assert [readers(system, page) for page in pages] == [[]] * 5 + [[0, 2]] * 3
    ram.revoke()
    assert [readers(system, page) for page in pages] == [[]] * 8


def test_a_pin_refuses_and_nothing_changes(system: System) -> None:
    ram, frame = frame_of(system)
    page, _ = frame.map(), frame.map([2])
    frame.copy(1)
    page.pin(2)
    before = digests(system)
    for take in (ram.revoke, frame.revoke, mappings(system)[0].delete):
        with pytest.raises(errors.PagePinned) as caught:
            take()
        assert caught.value.core == 2
        assert digests(system) == before
        assert readers(system, page) == ALL
    page.unpin(2)
    ram.revoke()
    assert readers(system, page) == []


def test_what_is_mapped_does_not_move(system: System) -> None:
    _, frame = frame_of(system)
    page = frame.map()
    before = digests(system)
    with pytest.raises(errors.CapabilityBusy, match="unmap"):
        frame.move(1)
    assert digests(system) == before
    frame.move(to=None, slot=200)
    assert readers(system, page) == ALL


def test_a_cnode_takes_pages_along(system: System) -> None:
    """Of what is in it, be it the Frame or the Mapping; revoked from afar, it is refused while that
    would be unasked.
    """
    ram, frame = frame_of(system)
    (cnode,) = system.ram(4 * PAGE).retype(CNODE)
    page = frame.map(to=cnode)
    cnode.delete()
    assert readers(system, page) == []
    assert frame.alive

    home = system.ram(8 * PAGE)
    (cnode,) = home.retype(CNODE)
    page = frame.move(to=cnode).map()
    away = home.copy(1)
    before = digests(system)
    with pytest.raises(errors.CapabilityBusy):
        away.revoke()
    assert digests(system) == before
    assert readers(system, page) == ALL
    system.unmap(page)
    away.revoke()
    assert not cnode.alive
    ram.revoke()


def test_a_cnode_revoked_where_it_lies_takes_its_pages_along(system: System) -> None:
    ram, frame = frame_of(system)
    home = system.ram(8 * PAGE)
    (cnode,) = home.retype(CNODE)
    frame.copy(to=cnode)
    page, other = (
        frame.move(to=cnode).map(),
        ram.retype(FRAME, 1, PAGE, offset=PAGE)[0].map(to=cnode),
    )
    home.revoke()
    assert not cnode.alive
    assert [readers(system, one) for one in (page, other)] == [[], []]
    assert mappings(system) == []
    digests(system)


def test_all_the_frames_that_a_cnode_holds_count(system: System) -> None:
    """None of the two is the last one, until the other is gone."""
    _, frame = frame_of(system)
    home = system.ram(8 * PAGE)
    (cnode,) = home.retype(CNODE)
    page = frame.map()
    frame.copy(to=cnode)
    frame.move(to=cnode)
    away = home.copy(1)
    with contextlib.suppress(errors.CapabilityBusy):
        away.revoke()
    assert readers(system, page) == (ALL if cnode.alive else [])
    assert len(mappings(system)) == int(cnode.alive)


@pytest.mark.parametrize(("cores", "slots", "each"), [(1, 1024, 200), (2, 1024, 200), (2, 4, 1)])
def test_several_pages_go_at_once(cores: int, slots: int, each: int) -> None:
    """More than a message names, and fewer than it could name in a table so small."""
    with multikernel.boot(cores=cores, slots=slots) as system:
        cnodes = system.ram(4 * 16384).retype(CNODE, 3)
        (frame,) = system.ram(PAGE).retype(FRAME)
        pages = [frame.map(to=cnode) for cnode in cnodes for _ in range(each)]
        frame.delete()
        assert [readers(system, page) for page in pages[::each]] == [[]] * 3
        rest(system)
        assert [core.digest()[1] for core in system.cores] == [0] * cores


@pytest.fixture(params=["two-phase", "shared", "shared, by region"])
def narrow(request: pytest.FixtureRequest) -> Iterator[System]:
    """With a table of two mappings."""
    with multikernel.boot(cores=1, slots=2, **KERNELS[request.param]) as system:
        yield system


def test_a_place_in_the_table_is_used_again(narrow: System) -> None:
    """What was mapped there before as a capability, and the capability, have nothing to do with the
    page there now.
    """
    system = narrow
    _, frame = frame_of(system)
    before = frame.map()
    system.unmap(before)
    plain = system.allocate(PAGE)
    after = [system.map(plain) for _ in range(2)]
    assert before.slot in [page.slot for page in after]
    frame.delete()
    assert [readers(system, page) for page in after] == [[0], [0]]
    with pytest.raises(errors.NotMapped):
        system.unmap(before)
    for page in after:
        system.unmap(page)
    rest(system)
    assert system.cores[0].digest()[1] == 0


def test_a_full_table_makes_no_mapping(narrow: System) -> None:
    system = narrow
    _, frame = frame_of(system)
    pages = [frame.map(), frame.map()]
    before = digests(system)
    with pytest.raises(errors.OutOfSlots):
        frame.map()
    assert digests(system) == before
    frame.delete()
    assert [readers(system, page) for page in pages] == [[], []]
    assert system.cores[0].digest()[1] == 0


@pytest.fixture(params=["two-phase", "shared", "shared, by region"])
def small(request: pytest.FixtureRequest) -> Iterator[System]:
    """With four pages of memory in all, so that what comes next gets the same place."""
    with multikernel.boot(cores=2, memory=4 * PAGE, **KERNELS[request.param]) as system:
        yield system


def test_memory_that_is_somebody_elses_now_is_noticed(small: System) -> None:
    """A handle of a freed frame says nothing about who has the place; a capability does."""
    system = small
    ram, frame = frame_of(system)
    ram.revoke()
    ram.delete()
    again = system.ram(4 * PAGE)
    assert again.address == ram.address
    before = digests(system)
    for use in (frame.map, ram.revoke, lambda: ram.retype(FRAME), frame.delete):
        with pytest.raises(errors.RevokedCapability):
            use()
    assert digests(system) == before


def test_frames_made_up_of_places_get_no_capabilitys_memory(small: System) -> None:
    system = small
    ram = system.ram(4 * PAGE)
    made_up = multikernel.Frame(system.plan.system, ram.address, ram.size, 0, 1)
    for use in (system.map, system.free):
        with pytest.raises(errors.DeadHandle):
            use(made_up)
    ram.revoke()
    ram.delete()
    assert system.ram(4 * PAGE).address == ram.address


@pytest.mark.parametrize(
    ("what", "kind", "case"),
    [
        ("RAM", errors.WrongType, lambda ram, frame, page: ram.map()),
        ("more than the Frame allows", errors.RightsExceeded,
         lambda ram, frame, page: frame.mint(READ).map()),
        ("no core", errors.BadInput, lambda ram, frame, page: frame.map([])),
        ("a core there is not", errors.BadInput, lambda ram, frame, page: frame.map([CORES])),
        ("unknown rights", errors.BadInput, lambda ram, frame, page: frame.map(rights="execute")),
        ("a slot in use", errors.SlotInUse, lambda ram, frame, page: frame.map(slot=ram.slot)),
        ("a full CNode", errors.CNodeFull, lambda ram, frame, page: frame.map(slot=999)),
        ("a copy of a Mapping", errors.NotCopyable, lambda ram, frame, page: page.copy()),
        ("a revoked Mapping", errors.RightsExceeded, lambda ram, frame, page: page.revoke()),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(
    system: System, what: str, kind: type[errors.MultikernelError], case: Callable[..., Any]
) -> None:
    ram, frame = frame_of(system)
    frame.map([1])
    (record,) = mappings(system)
    before = digests(system)
    with pytest.raises(kind):
        case(ram, frame, record)
    if what != "more than the Frame allows":  # a minted Frame is left
        assert digests(system) == before
    assert len(mappings(system)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_all_cores_at_once(system: System, seed: int) -> None:
    """Programs map, unmap, copy, delete and revoke what they find of a few RAMs; then every page
    left has its Frame, and every Mapping its page.
    """
    rams = [system.ram(16 * PAGE) for _ in range(1 + 2 * seed)]
    frames = [frame for ram in rams for frame in ram.retype(FRAME, 16)]
    for i, frame in enumerate(frames):
        frame.copy(i % CORES)
    tasks = [
        core.start(on_core.churn, rams, frames, seed * 10 + core.index, 60) for core in system.cores
    ]
    rng = random.Random(seed)
    for _ in range(4):
        with contextlib.suppress(errors.RevokedCapability):
            rng.choice(frames).revoke()
    pages = [page for task in tasks for page in task.result()]
    digests(system)
    left = [one for core in ALL for one in held(system, core)]
    alive = {(one.core, one.address) for one in left if one.type == FRAME}
    assert {(one.core, one.address) for one in left if one.type == MAPPING} <= alive
    entries = [core.digest()[1] for core in system.cores]
    for ram in rams:
        ram.revoke()
    assert [readers(system, page) for page in pages] == [[]] * len(pages)
    assert [(one.core, one.type) for core in ALL for one in held(system, core)] == [(0, RAM)] * len(
        rams
    )
    rest(system)
    assert [core.digest()[1] for core in system.cores] == [0] * CORES, entries
    assert all(GRANT in ram.rights for ram in rams)
