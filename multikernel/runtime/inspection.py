"""What a running system looks like from outside: its replicas, who owns which memory, how objects
are related, and digests.

Guarantees: looks and changes nothing. Cores are asked while they go on, each question many at once,
so with operations under way two of them may show two moments; at rest what is shown is the state.
A core that sleeps takes long to wake up: the answers of many are waited for together. Idea:
Barrelfish's `capability dump` of usr/skb and kernel debug caps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

Words = tuple[int, ...]
Ask = Callable[[str, Mapping[int, Words]], dict[int, Words]]
"""ask(kind by name, by core the request's words): by core the reply's six, or an exception."""


def inspect(ask: Ask, plan: Plan, segment: _native.Segment) -> dict[str, Any]:
    """The whole system as plain data: numbers in bytes, digests as hexadecimal text, addresses as
    numbers.
    """
    everybody = range(plan.cores)
    held = ask("CAP_DIGEST", dict.fromkeys(everybody, ()))
    mapped = ask("DIGEST", dict.fromkeys(everybody, (_EVERYTHING,)))
    cores = [_core(plan, segment, core, held[core], mapped[core]) for core in everybody]
    capabilities = _capabilities(ask, {core: words[1] for core, words in held.items()})
    pairs = _pairs(plan.cores)
    differing = _differing(ask, pairs)
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


def _core(
    plan: Plan, segment: _native.Segment, core: int, of_capabilities: Words, of_mappings: Words
) -> dict[str, Any]:
    mode, pid, _, served, interrupts, parks = segment.core_state(core)
    digest, count, locks, slots, broken, *_ = of_capabilities
    mappings, mapped, locked, *_ = of_mappings
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


def _capabilities(ask: Ask, counts: Mapping[int, int]) -> list[dict[str, Any]]:
    """All, by core and in the order of their slots. counts: how many each core has."""
    found: dict[int, list[dict[str, Any]]] = {core: [] for core in counts}
    ahead = {core: (0, 1) for core, count in counts.items() if count}
    while ahead:
        for core, words in ask("CAP_LOOK", ahead).items():
            one = _capability(core, words)
            if one is not None:
                found[core].append(one)
            if one is None or len(found[core]) >= counts[core]:
                del ahead[core]
            else:
                ahead[core] = (max(one["slot"], ahead[core][0]) + 1, 1)
    return [one for core in sorted(found) for one in found[core]]


def _capability(core: int, words: Words) -> dict[str, Any] | None:
    reference, address, size, about, more, _ = words
    kind, rights, flags = more >> 16 & 0xFF, more >> 24 & 0xFF, more >> 32 & 0xFF
    if not kind or kind not in _TYPES:
        return None
    return {
        "core": core,
        "slot": reference & 0xFFFFFFFF,
        "generation": reference >> 32,
        "type": _TYPES[kind],
        "address": address,
        "size": size,
        "about": about,
        "owner": more & 0xFFFF,
        "rights": [name for name, bit in _native.CAPABILITY_RIGHTS.items() if rights & bit],
        "relations": [name for name, bit in _native.CAPABILITY_FLAGS.items() if flags & bit],
    }


def _pairs(cores: int) -> list[tuple[int, int]]:
    if cores <= EVERY_PAIR:
        return [(a, b) for a in range(cores) for b in range(a + 1, cores)]
    return [(a, a + 1) for a in range(cores - 1)]


def _differing(ask: Ask, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of which one core's mappings that the other one holds too are not the other's. A core
    is asked one thing at a time, so pairs of distinct cores are asked about together.
    """
    left, differing = list(pairs), []
    while left:
        asked: dict[int, Words] = {}
        later = []
        for a, b in left:
            if a in asked or b in asked:
                later.append((a, b))
            else:
                asked |= {a: (b,), b: (a,)}
        seen = ask("DIGEST", asked)
        differing += [(a, b) for a, b in left if asked.get(a) == (b,) and seen[a][0] != seen[b][0]]
        left = later
    return sorted(differing)


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
