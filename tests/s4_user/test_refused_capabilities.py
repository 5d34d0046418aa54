"""What is refused of capabilities: every refusal by its name, with nothing changed; forged and
foreign handles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s4_user import capability_on_core as on_core
from s4_user.capability_checks import SYSTEMS, digests, fixtures

import multikernel
from multikernel import CNODE, FRAME, GRANT, MAPPING, RAM, READ, WRITE, Capability, System, errors
from multikernel.native._native import CAPABILITY_VERDICTS, VERDICT_CAPABILITY_BASE
from multikernel.user.capability_outcome import capability_error

PAGE = 4096
CORES = 3

booted, system = fixtures(SYSTEMS, CORES)


Case = Callable[[System, dict[str, Any]], Any]

REFUSED: list[tuple[str, type[errors.MultikernelError], Case]] = [
    ("retyped already", errors.RetypeConflict, lambda s, c: c["ram"].retype(FRAME, 1, PAGE)),
    (
        "retyped elsewhere",
        errors.RetypeConflict,
        lambda s, c: c["ram"].retype(RAM, 1, PAGE, offset=2 * PAGE),
    ),
    (
        "retyped elsewhere, by a copy",
        errors.RetypeConflict,
        lambda s, c: c["there"].retype(FRAME, 1, PAGE),
    ),
    (
        "overlapping what is there",
        errors.RetypeConflict,
        lambda s, c: c["ram"].retype(FRAME, 1, 2 * PAGE, offset=PAGE),
    ),
    (
        "a type that it does not become",
        errors.WrongType,
        lambda s, c: c["frame"].retype(FRAME, 1, PAGE),
    ),
    ("a Mapping by retype", errors.WrongType, lambda s, c: c["frame"].retype(MAPPING)),
    ("no CNode", errors.WrongType, lambda s, c: c["ram"].copy(to=c["frame"])),
    ("size zero", errors.BadSize, lambda s, c: c["ram"].retype(FRAME, 1, 0)),
    ("count zero", errors.BadSize, lambda s, c: c["ram"].retype(FRAME, 0)),
    ("an odd size", errors.BadSize, lambda s, c: c["ram"].retype(FRAME, 1, PAGE + 1)),
    ("an odd offset", errors.BadSize, lambda s, c: c["ram"].retype(FRAME, 1, PAGE, offset=12)),
    ("a negative size", errors.BadSize, lambda s, c: c["ram"].retype(FRAME, 1, -PAGE)),
    (
        "beyond its end",
        errors.BadSize,
        lambda s, c: c["ram"].retype(FRAME, 5, PAGE, offset=12 * PAGE),
    ),
    (
        "an offset at its end",
        errors.BadSize,
        lambda s, c: c["ram"].retype(FRAME, 1, PAGE, offset=16 * PAGE),
    ),
    ("a size that wraps", errors.BadSize, lambda s, c: c["ram"].retype(FRAME, 3, 1 << 62)),
    ("a count beyond all", errors.BadSize, lambda s, c: c["ram"].retype(FRAME, 1 << 40, PAGE)),
    ("a CNode of another size", errors.BadSize, lambda s, c: c["ram"].retype(CNODE, 1, PAGE)),
    ("RAM of no RAM", errors.BadSize, lambda s, c: s.ram(0)),
    ("an odd size of RAM", errors.BadSize, lambda s, c: s.ram(PAGE // 2)),
    ("more RAM than there is", errors.OutOfMemory, lambda s, c: s.ram(1 << 40)),
    ("a slot in use", errors.SlotInUse, lambda s, c: c["ram"].copy(slot=c["frame"].slot)),
    (
        "a slot in use elsewhere",
        errors.SlotInUse,
        lambda s, c: c["ram"].copy(1, slot=c["there"].slot),
    ),
    (
        "slots in use behind a free one",
        errors.SlotInUse,
        lambda s, c: c["ram"].retype(FRAME, 2, PAGE, offset=8 * PAGE, slot=0, to=c["cnode"]),
    ),
    ("a slot beyond the end", errors.OutOfSlots, lambda s, c: c["ram"].copy(slot=256)),
    ("a slot beyond the end elsewhere", errors.CNodeFull, lambda s, c: c["ram"].copy(1, slot=4000)),
    ("more than a CNode holds", errors.CNodeFull, lambda s, c: c["big"].retype(FRAME, 300, PAGE)),
    (
        "more CNodes than a core has room for",
        errors.OutOfCNodes,
        lambda s, c: c["big"].retype(CNODE, 40),
    ),
    ("a deleted one", errors.RevokedCapability, lambda s, c: c["gone"].copy(1)),
    ("a deleted one, retyped", errors.RevokedCapability, lambda s, c: c["gone"].retype(FRAME)),
    ("a deleted one, deleted", errors.RevokedCapability, lambda s, c: c["gone"].delete()),
    ("a deleted one, revoked", errors.RevokedCapability, lambda s, c: c["gone"].revoke()),
    ("a deleted CNode", errors.RevokedCapability, lambda s, c: c["ram"].copy(to=c["gone cnode"])),
    ("a forged slot", errors.RevokedCapability, lambda s, c: forged(c["ram"], slot=777).copy(1)),
    (
        "a slot of no core",
        errors.RevokedCapability,
        lambda s, c: forged(c["ram"], slot=1 << 30).delete(),
    ),
    (
        "a forged generation",
        errors.RevokedCapability,
        lambda s, c: forged(c["ram"], later=3).revoke(),
    ),
    ("a forged core", errors.RevokedCapability, lambda s, c: forged(c["frame"], core=1).delete()),
    ("rights never had", errors.RightsExceeded, lambda s, c: c["reader"].mint(WRITE)),
    ("rights that mean nothing", errors.RightsExceeded, lambda s, c: c["ram"].mint(64)),
    ("deriving without write", errors.RightsExceeded, lambda s, c: c["reader"].retype(FRAME)),
    ("copying without grant", errors.RightsExceeded, lambda s, c: c["writer"].copy(1)),
    ("moving without grant", errors.RightsExceeded, lambda s, c: c["writer"].move(2)),
    ("revoking without grant", errors.RightsExceeded, lambda s, c: c["writer"].revoke()),
    (
        "filling a CNode without write",
        errors.RightsExceeded,
        lambda s, c: c["ram"].copy(to=c["full cnode"]),
    ),
    ("a CNode in itself", errors.CNodeCycle, lambda s, c: c["cnode"].copy(to=c["cnode"])),
    ("the root in a CNode", errors.CNodeCycle, lambda s, c: s.cores[0].cnode.copy(to=c["cnode"])),
    ("a CNode on another core", errors.NotCopyable, lambda s, c: c["cnode"].copy(1)),
    ("the root deleted", errors.PermanentCapability, lambda s, c: s.cores[0].cnode.delete()),
    ("the root revoked", errors.PermanentCapability, lambda s, c: s.cores[1].cnode.revoke()),
    ("no core", errors.BadInput, lambda s, c: c["ram"].copy(CORES)),
    ("no core either", errors.BadInput, lambda s, c: c["ram"].copy(-1)),
    ("a CNode of another core", errors.BadInput, lambda s, c: c["ram"].copy(1, to=c["cnode"])),
    ("half a byte", errors.BadInput, lambda s, c: c["ram"].retype(FRAME, 1, 0.5)),
    ("a core that is no number", errors.BadInput, lambda s, c: c["ram"].copy("1")),
    ("a CNode that is no capability", errors.BadInput, lambda s, c: c["ram"].copy(to=5)),
    ("rights that are no number", errors.BadInput, lambda s, c: c["ram"].mint("read")),
    (
        "a handle on a core that is not there",
        errors.BadInput,
        lambda s, c: forged(c["ram"], core=99).delete(),
    ),
    (
        "a handle on a core below all",
        errors.BadInput,
        lambda s, c: forged(c["ram"], core=-1).delete(),
    ),
    ("a CNode mapped", errors.WrongType, lambda s, c: c["cnode"].map()),
    ("mapped where there is no core", errors.BadInput, lambda s, c: c["frame"].map([CORES])),
    ("mapped nowhere", errors.BadInput, lambda s, c: c["frame"].map([])),
    (
        "mapped to write without the right",
        errors.RightsExceeded,
        lambda s, c: c["read frame"].map(),
    ),
    ("as a frame of allocate", errors.BadInput, lambda s, c: s.map(c["frame"])),
    ("a negative slot", errors.BadInput, lambda s, c: c["ram"].copy(slot=-1)),
]


def forged(
    capability: Capability, *, slot: int | None = None, later: int = 0, core: int | None = None
) -> Capability:
    """A handle that nobody was given."""
    number = capability.slot if slot is None else slot
    generation = (capability.reference >> 32) + later + (1000 if core is not None else 0)
    return Capability(
        capability._system,
        capability.core if core is None else core,
        number | generation << 32,
        capability.type,
        capability.address,
        capability.size,
        7,
    )


def setting(system: System) -> dict[str, Any]:
    """RAM whose first two pages are Frames here and whose third is one on core 1, and what the
    cases need beside it.
    """
    ram = system.ram(16 * PAGE)
    frame, _ = ram.retype(FRAME, 2, PAGE)
    there = ram.copy(1)
    there.retype(FRAME, 1, PAGE, offset=2 * PAGE)
    (cnode,) = ram.retype(CNODE, offset=4 * PAGE)
    ram.copy(to=cnode, slot=1)
    big = system.ram(512 * PAGE)
    gone = system.ram(PAGE)
    (gone_cnode,) = system.ram(4 * PAGE).retype(CNODE)
    gone_cnode.delete()
    gone.delete()
    found = {
        "ram": ram, "frame": frame, "there": there, "cnode": cnode, "big": big, "gone": gone,
        "gone cnode": gone_cnode, "reader": big.mint(READ | GRANT),
        "writer": big.mint(READ | WRITE),
        "full cnode": cnode.mint(GRANT),
        "read frame": frame.mint(READ | GRANT),
    }  # fmt: skip
    return found


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(("what", "kind", "case"), REFUSED, ids=[what for what, _, _ in REFUSED])
def test_what_is_refused_has_a_name_and_changes_nothing(
    system: System, what: str, kind: type[errors.MultikernelError], case: Case
) -> None:
    given = setting(system)
    before = digests(system)
    with pytest.raises(kind) as caught:
        case(system, given)
    assert digests(system) == before
    assert "\n" not in str(caught.value)
    assert caught.value.where
    assert caught.value.value is not None
    if isinstance(caught.value, errors.CapabilityError):
        assert caught.value.core is None or caught.value.hint


def test_a_refusal_names_what_it_is_about(system: System) -> None:
    """The slot, the rights, the number asked for; a CNode, if it is the one that is gone; the core
    that voted no.
    """
    given = setting(system)
    ram, gone, reader = given["ram"], given["gone cnode"], given["reader"]

    def said(action: Callable[[], Any]) -> str:
        with pytest.raises(errors.CapabilityError) as caught:
            action()
        return str(caught.value)

    assert "(copy, slot 1, on core 0)" in said(lambda: ram.copy(slot=1))
    assert "(mint with read+write on core 0)" in said(lambda: reader.mint(READ | WRITE))
    assert f"any more): {gone!r} (into it: copy on core 0)" in said(lambda: ram.copy(to=gone))
    assert f"any more): {given['gone']!r} (copy on core 0)" in said(
        lambda: given["gone"].copy(to=gone)
    )
    assert f"is no CNode: {given['frame']!r}" in said(lambda: ram.copy(to=given["frame"]))
    assert "RAM comes in whole pages: 100 bytes" in said(lambda: system.ram(100))
    elsewhere = said(lambda: ram.retype(FRAME, 1, PAGE, offset=2 * PAGE))
    assert ("on core 0, refused by core 1)" in elsewhere) == (system.kernel == "multikernel")


def test_every_verdict_has_a_class_of_its_own_cause() -> None:
    seen = set()
    for name, number in CAPABILITY_VERDICTS.items():
        if name in ("ok", "more", "needs-agreement"):
            continue
        error = capability_error(VERDICT_CAPABILITY_BASE + number, 0, "copy", 1, "it")
        assert isinstance(error, errors.CapabilityError), name
        assert (error.core, error.value, error.where) == (
            1,
            "it",
            "copy on core 1, refused by core 0",
        )
        seen.add(type(error))
    catalogue = {
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.CapabilityError)
    }
    assert seen == catalogue - {errors.CapabilityError}


@pytest.mark.sampled(one_in=2)
@settings(max_examples=60, deadline=None, database=None)
@given(st.data())
def test_forged_words_change_nothing(booted: System, data: st.DataObject) -> None:
    """References as they might be guessed, by every operation: named errors, and no replica
    changes.
    """
    core = data.draw(st.integers(0, CORES - 1))
    reference = data.draw(st.one_of(st.integers(0, (1 << 64) - 1), st.integers(1, 5000)))
    fake = Capability(booted.plan.system, core, reference, RAM, 0, 4 * PAGE, 7)
    before = digests(booted)
    operation: Callable[[], Any] = data.draw(
        st.sampled_from(
            [
                fake.delete,
                fake.revoke,
                fake.copy,
                fake.move,
                lambda: fake.copy(1),
                lambda: fake.retype(FRAME),
            ]
        )
    )
    if reference != booted.cores[core].cnode.reference:
        with pytest.raises(errors.RevokedCapability):
            operation()
    assert digests(booted) == before


def test_handles_of_another_system_are_refused(system: System) -> None:
    ram = system.ram(PAGE)
    with multikernel.boot(cores=1) as other:
        foreign = other.ram(PAGE)
        before = digests(system)
        with pytest.raises(errors.ForeignHandle):
            ram.copy(to=other.cores[0].cnode)
        with pytest.raises(errors.ForeignHandle):
            system.cores[0].run(on_core.revoke, foreign)
        assert digests(system) == before
