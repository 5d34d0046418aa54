"""What tests of capabilities share: the systems that they run on, what lies in the slots of a core,
and whether any replica has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from resting import rest

import multikernel
from multikernel import GRANT, MAPPING, Capability, System, errors
from multikernel.native._native import CAPABILITY_TYPES

# Of the capability protocols, and of the scopes of the shared kernel's locks.
SYSTEMS: dict[str, dict[str, Any]] = {
    "two-phase": {},
    "owner": {"capabilities": "owner"},
    "big": {"kernel": "shared"},
    "region": {"kernel": "shared", "lock_scope": "region"},
}
NAMES = {number: name for name, number in CAPABILITY_TYPES.items()}


def held(system: System, core: int) -> list[Capability]:
    """What lies in the slots of a core, without its root CNode's own capability."""
    found = []
    slot, slots = 1, system.ask(core, "CAP_DIGEST")[3]
    while slot < slots:
        words = system.ask(core, "CAP_LOOK", slot, 1)
        kind = words[4] >> 16 & 0xFF
        if not kind:
            break
        one = Capability(
            system.plan.system,
            core,
            words[0],
            NAMES[kind],
            words[1],
            words[2],
            words[4] >> 24 & 0xFF,
        )
        found.append(one)
        slot = one.slot + 1
    return found


def digests(system: System) -> list[tuple[int, ...]]:
    """Of every replica, capabilities and mappings; no lock is left, and every invariant holds."""
    found = []
    rest(system)
    for core in system.cores:
        digest, count, locks, _, broken, *_ = system.ask(core.index, "CAP_DIGEST")
        assert not locks
        assert not broken
        mappings = core.digest()
        assert not mappings[2]
        found.append((digest, count, *mappings))
    return found


def clear(system: System) -> None:
    """Takes away all capabilities but the roots."""
    for core in system.cores:
        for capability in held(system, core.index):
            if capability.alive:
                if GRANT in capability.rights and capability.type != MAPPING:
                    capability.revoke()
                capability.delete()
    assert not any(held(system, core.index) for core in system.cores)
    rest(system)
    assert [core.digest()[1] for core in system.cores] == [0] * len(system.cores)


def readers(system: System, page: object) -> list[int]:
    """The cores that can read a page now."""
    found = []
    for core in system.cores:
        try:
            core.read(page, 0, 1)  # type: ignore[arg-type]
        except errors.PageFault:
            continue
        found.append(core.index)
    return found


def fixtures(options: dict[str, dict[str, Any]], cores: int) -> tuple[Any, Any]:
    """A file's `booted` and `system`: booted once with each of those options. Every test leaves the
    system as it found it, with no capabilities but the roots, and no pages. What differs by its
    trees alone is for the whole run.
    """
    names = [
        pytest.param(name, marks=pytest.mark.full) if "trees" in name else name for name in options
    ]

    @pytest.fixture(params=names, scope="module")
    def booted(request: pytest.FixtureRequest) -> Iterator[System]:
        with multikernel.boot(cores=cores, **options[request.param]) as system:
            yield system

    @pytest.fixture
    def system(booted: System) -> Iterator[System]:
        yield booted
        clear(booted)

    return booted, system
