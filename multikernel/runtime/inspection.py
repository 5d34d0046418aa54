"""What a running system looks like from outside: its replicas, who owns which memory, how objects
are related, and digests.

Guarantees: looks and changes nothing. Cores are asked one after another while they go on, so with
operations under way two of them may show two moments; at rest what is shown is the state. Idea:
Barrelfish's `capability dump` of usr/skb and kernel debug caps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikernel.native import _native
from multikernel.runtime.plan import Plan

SCHEMA = "multikernel-inspection/1"
MODES = {0: "absent", 1: "polling", 2: "user", 3: "parked", 4: "parked"}
EVERY_PAIR = 16
"""Up to so many cores every two replicas are compared; beyond, each with the next."""
_EVERYTHING = (1 << 64) - 1
_TYPES = {number: name for name, number in _native.CAPABILITY_TYPES.items()}
_ROOT_SLOT = _native.CAPABILITY_ROOT & 0xFFFFFFFF

Ask = Callable[..., tuple[int, ...]]
"""ask(core, kind by name, words…): the reply's six words, or an exception."""


def inspect(ask: Ask, plan: Plan, segment: _native.Segment) -> dict[str, Any]:
    """The whole system as plain data: numbers in bytes, digests as hexadecimal text, addresses as
    numbers.
    """
    cores = [_core(ask, plan, segment, core) for core in range(plan.cores)]
    capabilities = [one for core in range(plan.cores) for one in _capabilities(ask, core)]
    pairs = _pairs(plan.cores)
    differing = [pair for pair in pairs if _shared(ask, *pair) != _shared(ask, *reversed(pair))]
    return {
        "schema": SCHEMA,
        "system": plan.system,
        "kernel": plan.kernel,
        "capabilities": plan.capabilities if plan.kernel == "multikernel" else None,
        "lock_scope": plan.lock_scope if plan.kernel == "shared" else None,
        "launcher": plan.launcher,
        "memory": plan.memory,
        "cores": cores,
        "replicas": {"compared": len(pairs), "differing": [list(pair) for pair in differing]},
        "objects": _objects(capabilities),
    }


def _core(ask: Ask, plan: Plan, segment: _native.Segment, core: int) -> dict[str, Any]:
    mode, pid, _, served, interrupts, parks = segment.core_state(core)
    digest, count, locks, slots, broken, *_ = ask(core, "CAP_DIGEST")
    mappings, mapped, locked, *_ = ask(core, "DIGEST", _EVERYTHING)
    return {
        "core": core,
        "cpu": plan.cpus[core],
        "pid": pid,
        "mode": MODES.get(mode, "unknown"),
        "served": served,
        "interrupts": interrupts,
        "parks": parks,
        "mapped": mapped,
        "mappings_locked": locked,
        "mappings_digest": f"{mappings:016x}",
        "capabilities": count,
        "slots": slots,
        "ranges_locked": locks,
        "capabilities_digest": f"{digest:016x}",
        "invariants_hold": not broken,
    }


def _capabilities(ask: Ask, core: int) -> list[dict[str, Any]]:
    """All of a core, in the order of their slots."""
    found: list[dict[str, Any]] = []
    slots, slot = ask(core, "CAP_DIGEST")[3], 0
    while slot < slots:
        reference, address, size, about, more, _ = ask(core, "CAP_LOOK", slot, 1)
        kind, rights, flags = more >> 16 & 0xFF, more >> 24 & 0xFF, more >> 32 & 0xFF
        if not kind or kind not in _TYPES:
            break
        slot = max(slot, reference & 0xFFFFFFFF)
        found.append(
            {
                "core": core,
                "slot": slot,
                "generation": reference >> 32,
                "type": _TYPES[kind],
                "address": address,
                "size": size,
                "about": about,
                "owner": more & 0xFFFF,
                "rights": [name for name, bit in _native.CAPABILITY_RIGHTS.items() if rights & bit],
                "relations": [
                    name for name, bit in _native.CAPABILITY_FLAGS.items() if flags & bit
                ],
            }
        )
        slot += 1
    return found


def _pairs(cores: int) -> list[tuple[int, int]]:
    if cores <= EVERY_PAIR:
        return [(a, b) for a in range(cores) for b in range(a + 1, cores)]
    return [(a, a + 1) for a in range(cores - 1)]


def _shared(ask: Ask, core: int, other: int) -> int:
    """The digest of those mappings of a core that the other one holds too."""
    return ask(core, "DIGEST", other)[0]


def _objects(capabilities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each object once, outermost first, with its capabilities; parent: the index of the object
    that it lies in and was made of.
    """
    order = list(_native.CAPABILITY_TYPES)
    by_key: dict[tuple[int, int, int, int], list[dict[str, Any]]] = {}
    for one in capabilities:
        key = (one["address"], -one["size"], order.index(one["type"]), one["about"])
        if one["type"] == "CNode":
            key = (*key[:3], one["core"])  # its number is its core's own
        by_key.setdefault(key, []).append(one)
    found: list[dict[str, Any]] = []
    around: list[int] = []
    for key in sorted(by_key):
        copies = by_key[key]
        first = copies[0]
        while around and not _inside(first, found[around[-1]]):
            around.pop()
        found.append(
            {
                "type": first["type"],
                "address": first["address"],
                "size": first["size"],
                "about": first["about"],
                "owner": first["owner"],
                "depth": len(around),
                "parent": around[-1] if around else None,
                "root": first["type"] == "CNode" and first["slot"] == _ROOT_SLOT,
                "copies": [
                    {
                        name: one[name]
                        for name in ("core", "slot", "generation", "rights", "owner", "relations")
                    }
                    for one in copies
                ],
            }
        )
        if first["type"] != "Mapping":
            around.append(len(found) - 1)
    return found


def _inside(inner: dict[str, Any], outer: dict[str, Any]) -> bool:
    first, last = outer["address"], outer["address"] + outer["size"]
    return bool(first <= inner["address"] and inner["address"] + inner["size"] <= last)
