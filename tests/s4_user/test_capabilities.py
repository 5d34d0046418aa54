"""Capabilities as programs and the launcher see them: every operation, and handles on their way
between processes.
"""

from __future__ import annotations

import pickle

import pytest
from s4_user import capability_on_core as on_core
from s4_user.capability_checks import SYSTEMS, fixtures, held

from multikernel import (
    CNODE,
    FRAME,
    GRANT,
    RAM,
    READ,
    WRITE,
    CapabilityRights,
    CapabilityType,
    System,
    errors,
)
from multikernel.native._native import CAPABILITY_RIGHTS, CAPABILITY_TYPES

PAGE = 4096
CORES = 3

booted, system = fixtures(SYSTEMS, CORES)


def test_the_names_are_the_tables() -> None:
    assert {str(kind): CAPABILITY_TYPES[kind] for kind in CapabilityType} == {
        name: number for name, number in CAPABILITY_TYPES.items() if number
    }
    assert {
        right.name.lower(): right.value for right in CapabilityRights if right.name
    } == CAPABILITY_RIGHTS


def test_ram_is_split_evenly(system: System) -> None:
    ram = system.ram(64 << 10)
    frames = ram.retype(FRAME, 4)
    assert [(f.type, f.size, f.address - ram.address, f.core, f.owner) for f in frames] == [
        (FRAME, 16 << 10, i * (16 << 10), 0, 0) for i in range(4)
    ]
    assert all(frame.alive for frame in frames)
    assert len({frame.slot for frame in frames}) == 4


def test_the_names_of_types_may_be_written_out(system: System) -> None:
    (frame,) = system.ram(PAGE).retype("Frame")
    assert (frame.type, frame.size) == (FRAME, PAGE)
    with pytest.raises(errors.BadInput, match="no such type of capability: frame"):
        system.ram(PAGE).retype("frame")


@pytest.mark.parametrize(("kind", "size"), [(FRAME, 8 * PAGE), (CNODE, 4 * PAGE)])
def test_every_type_has_its_size(system: System, kind: CapabilityType, size: int) -> None:
    (one,) = system.ram(8 * PAGE).retype(kind)
    assert (one.type, one.size) == (kind, size)


def test_a_copy_on_another_core_can_do_the_same(system: System) -> None:
    ram = system.ram(4 * PAGE)
    there = ram.copy(system.cores[1])
    # The core that decides: in the shared kernel every core for itself.
    owner = 0 if system.kernel == "multikernel" else 1
    assert (there.core, there.owner, there.type, there.size, there.rights) == (
        1, owner, RAM, 4 * PAGE, READ | WRITE | GRANT,
    )  # fmt: skip
    frames = there.retype(FRAME, 2, PAGE)
    assert {frame.core for frame in frames} == {1}
    with pytest.raises(errors.RetypeConflict):
        ram.retype(FRAME, 1, PAGE, offset=PAGE)
    assert ram.retype(FRAME, 1, PAGE, offset=2 * PAGE)[0].core == 0


def test_minted_rights_bound_what_follows(system: System) -> None:
    ram = system.ram(4 * PAGE)
    reader = ram.mint(READ | GRANT, 2)
    assert reader.rights == READ | GRANT
    assert reader.copy(1).rights == READ | GRANT
    with pytest.raises(errors.RightsExceeded, match="read\\+grant"):
        reader.retype(FRAME)
    with pytest.raises(errors.RightsExceeded):
        reader.mint(READ | WRITE)
    with pytest.raises(errors.RightsExceeded):
        ram.mint(READ).copy()


def test_move_leaves_nothing_behind(system: System) -> None:
    ram = system.ram(PAGE)
    there = ram.move(2)
    assert (there.core, there.owner) == (2, 2)
    assert not ram.alive
    with pytest.raises(errors.RevokedCapability):
        _ = ram.owner
    back = there.move(0)
    assert back.owner == 0
    again = back.move()
    assert again.alive
    assert not back.alive


def test_revoke_takes_back_what_others_made(system: System) -> None:
    ram = system.ram(8 * PAGE)
    copies = [ram.copy(core) for core in (0, 1, 2)]
    frames = copies[1].retype(FRAME, 2, PAGE) + copies[2].retype(FRAME, 2, PAGE, offset=2 * PAGE)
    further = frames[0].copy(2)
    ram.revoke()
    assert [one.alive for one in (ram, *copies, *frames, further)] == [True] + [False] * 8
    with pytest.raises(errors.RevokedCapability):
        frames[0].copy(0)
    assert len(ram.retype(FRAME, 8)) == 8


def test_deleting_the_owners_copy_passes_ownership_on(system: System) -> None:
    ram = system.ram(PAGE)
    there = ram.copy(2)
    ram.delete()
    assert there.owner == 2


def test_a_cnode_holds_more_and_takes_it_along(system: System) -> None:
    ram = system.ram(64 * PAGE)
    (cnode,) = ram.retype(CNODE)
    frames = ram.retype(FRAME, 32, PAGE, offset=4 * PAGE, to=cnode)
    assert {frame.slot >> 8 for frame in frames} != {0}
    cnode.delete()
    assert not any(frame.alive for frame in frames)
    assert ram.alive


def test_slots_are_found(system: System) -> None:
    """Holes are filled first, and several together go where so many are free in a row."""
    ram = system.ram(16 * PAGE)
    frames = ram.retype(FRAME, 4, PAGE)
    frames[1].delete()
    (one,) = ram.retype(FRAME, 1, PAGE, offset=8 * PAGE)
    assert one.slot == frames[1].slot
    one.delete()
    two = ram.retype(FRAME, 2, PAGE, offset=8 * PAGE)
    assert two[0].slot == frames[3].slot + 1


def test_a_reused_slot_is_not_the_old_capability(system: System) -> None:
    old = system.ram(PAGE)
    old.delete()
    new = system.ram(PAGE)
    assert new.slot == old.slot
    assert new.alive
    with pytest.raises(errors.RevokedCapability):
        old.copy(1)


def test_memory_comes_back_when_its_last_capability_goes(system: System) -> None:
    """What was revoked and deleted where it was made can be had again: more than there is in
    all.
    """
    half = system.plan.memory // 2
    for _ in range(5):
        ram = system.ram(half)
        ram.copy(1).retype(FRAME, 2)
        ram.revoke()
        ram.delete()
    kept = system.ram(half).retype(FRAME, 2)
    held(system, 0)[0].delete()
    assert all(frame.alive for frame in kept)
    with pytest.raises(errors.OutOfMemory):
        system.ram(system.plan.memory - PAGE)


def test_programs_use_them(system: System) -> None:
    ram = system.ram(16 * PAGE)
    frames = system.cores[1].run(on_core.split, ram, 4)
    assert [(frame.core, frame.size) for frame in frames] == [(1, 4 * PAGE)] * 4
    assert frames[0].owner == 1
    # A capability of one core in a program on another: the operation runs where it lies.
    passed = system.cores[2].run(on_core.copy_to, frames[0], 0)
    assert (passed.core, passed.alive) == (0, True)
    assert system.cores[1].run(on_core.refused, ram) == "RetypeConflict"
    system.cores[2].run(on_core.revoke, ram)
    assert not passed.alive


def test_a_program_gets_memory_itself(system: System) -> None:
    ram, root = system.cores[2].run(on_core.own_ram, 2 * PAGE)
    assert (ram.core, ram.size, root.core, root.type) == (2, 2 * PAGE, 2, CNODE)


def test_handles_travel(system: System) -> None:
    ram = system.ram(PAGE)
    back = pickle.loads(pickle.dumps(ram))
    assert back == ram
    assert {back} == {ram}
    assert back.copy(1).alive
    assert repr(ram).startswith("<RAM capability: 4096 bytes at 0x")
