"""Capabilities on real cores: operations from all of them at once against what must hold of all
replicas together; in both kernels, where a core of the shared one shows its own part of the one
state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from s2_kernel import capability_programs as programs
from s2_kernel.capability_programs import (
    CNODE,
    FRAME,
    NAMES,
    PAGE,
    RAM,
    ROOT,
    SLOTS,
    Record,
    copy_word,
    retype_word,
)

import multikernel
from multikernel import System
from multikernel.errors import BadInput
from multikernel.native._native import CAPABILITY_FLAGS, KINDS, VERDICTS
from multikernel.runtime.plan import Transport

CORES = 3


@pytest.fixture(params=["two-phase", "owner", "shared-big", "shared-region"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """Both kernels, each in both its ways: what they cost differs, what comes of it does not."""
    way = request.param
    how: dict[str, Any] = (
        {"kernel": "shared", "lock_scope": way.removeprefix("shared-")}
        if way.startswith("shared")
        else {"capabilities": way}
    )
    with multikernel.boot(cores=CORES, **how) as booted:
        yield booted


def ask(system: System, core: int, kind: str, *words: int) -> tuple[str, tuple[int, ...]]:
    verdict, _, reply = system.launched.request(core, KINDS[kind], *words)
    return NAMES.get(verdict, str(verdict)), reply


def ram(system: System, pages: int, index: int = 1) -> int:
    verdict, words = ask(system, 0, "CAP_CREATE", pages * PAGE, ROOT, index)
    assert verdict == "ok"
    return words[0]


def replicas(system: System) -> list[tuple[int, Record]]:
    """Every capability but the roots, with its core."""
    found = []
    for core in range(CORES):
        for slot in range(1, SLOTS + 1):  # the last is for what programs leave alone
            one = programs.record(ask(system, core, "CAP_LOOK", slot)[1])
            if one.type:
                found.append((core, one))
    return found


def digests(system: System) -> list[tuple[int, ...]]:
    return [ask(system, core, "CAP_DIGEST")[1] for core in range(CORES)]


def same(a: Record, b: Record) -> bool:
    return (a.address, a.size, a.type) == (b.address, b.size, b.type)


def derived(outer: Record, inner: Record) -> bool:
    inside = outer.address <= inner.address and inner.end <= outer.end
    return outer.type == RAM and inside and (inner.size < outer.size or inner.type != RAM)


def check(system: System, *, heirs: bool = True) -> list[tuple[int, Record]]:
    """heirs: nobody has taken a CNode from others together with what was in it, so every owner has
    a copy. In the shared kernel nobody owns anything.
    """
    owned = system.kernel == "multikernel"
    for _, _, locks, _, broken, *_ in digests(system):
        assert not locks
        assert not broken
    found = replicas(system)
    for a, one in found:
        if owned and heirs:
            assert any(core == one.owner and same(one, other) for core, other in found), (a, one)
        for b, other in found:
            if one.address >= other.end or other.address >= one.end:
                continue
            assert same(one, other) or derived(one, other) or derived(other, one), (
                a,
                one,
                b,
                other,
            )
            if owned and a != b and same(one, other):
                assert one.owner == other.owner
                assert one.owner != a or one.flags & CAPABILITY_FLAGS["remote-copies"]
            if owned and a != b and derived(one, other) and one.owner == a:
                assert one.flags & CAPABILITY_FLAGS["remote-descendants"], (a, one, b, other)
    return found


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("cnodes", [False, True])
def test_all_cores_at_once(system: System, cnodes: bool) -> None:
    total: Counter[str] = Counter()
    # Under one lock the three cores take turns, and where they share CPUs each turn is the host's
    # to grant.
    rounds = 100 if system.plan.kernel == "shared" else 400
    for turn in range(3):
        # Behind what the programs use: what they do to the RAM itself, they do to copies.
        whole = ram(system, 24, SLOTS + turn)
        for core in range(CORES):
            for index in range(1, SLOTS):
                if ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(index, 7, core))[0] == "ok":
                    break
        tasks = [
            core.start(programs.churn, 10 * turn + core.index, rounds, cnodes)
            for core in system.cores
        ]
        for task in tasks:
            total.update(task.result())
        check(system, heirs=not cnodes)
    for outcome in ("COPY ok", "MOVE ok", "RETYPE ok", "RETYPE retype-conflict", "DELETE ok"):
        assert total[outcome], total
    assert not [outcome for outcome in total if outcome.split()[1].isdigit()], total
    assert "busy" not in " ".join(total)
    assert "needs-agreement" not in " ".join(total)


def test_a_page_is_one_thing_on_all_cores(system: System) -> None:
    """Three cores make something of each page of one RAM at the same time: each page goes to one of
    them.
    """
    pages = 8
    whole = ram(system, pages)
    for core in (1, 2):
        assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, core))[0] == "ok"
    kinds = (FRAME, RAM, FRAME)
    tasks = [core.start(programs.retype_all, 1, kinds[core.index], pages) for core in system.cores]
    outcomes = [task.result() for task in tasks]
    for page in range(pages):
        assert sorted(outcome[page] for outcome in outcomes) == [
            "ok",
            "retype-conflict",
            "retype-conflict",
        ]
    check(system)


def test_revoke_leaves_nothing_elsewhere(system: System) -> None:
    whole = ram(system, 16)
    for core in (1, 2):
        assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, core))[0] == "ok"
        system.cores[core].run(programs.retype_all, 1, FRAME, 4)
    assert len(check(system)) == 3 + 4
    # A foreign copy revokes: the owner's goes too, and the core that revoked owns it, alone.
    reference = ask(system, 2, "CAP_LOOK", 1)[1][0]
    assert ask(system, 2, "CAP_REVOKE", reference)[0] == "ok"
    ((core, left),) = check(system)
    assert (core, left.owner, left.flags & CAPABILITY_FLAGS["remote-copies"]) == (2, 2, 0)


def test_ownership_is_inherited(system: System) -> None:
    whole = ram(system, 2)
    for core in (1, 2):
        assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, core))[0] == "ok"
    assert ask(system, 0, "CAP_DELETE", whole)[0] == "ok"
    owners = [(core, one.owner) for core, one in check(system)]
    assert owners == ([(1, 1), (2, 1)] if system.kernel == "multikernel" else [(1, 1), (2, 2)])
    mine = ask(system, 1, "CAP_LOOK", 1)[1][0]
    assert ask(system, 1, "CAP_COPY", mine, ROOT, copy_word(5, 7, 2, move=True))[0] == "ok"
    assert [(core, one.owner) for core, one in check(system)] == [(2, 2), (2, 2)]


def test_a_cnode_goes_with_what_it_holds(system: System) -> None:
    """An owner's last copy lies in it: its deletion waits for somebody to inherit."""
    whole = ram(system, 8)
    verdict, (cnode, *_) = ask(
        system, 0, "CAP_RETYPE", whole, ROOT, retype_word(2, CNODE), 0, 4 * PAGE
    )
    assert verdict == "ok"
    verdict, (frame, *_) = ask(
        system, 0, "CAP_RETYPE", whole, cnode, retype_word(0, FRAME, 2), 4 * PAGE, PAGE
    )
    assert verdict == "ok"
    assert ask(system, 0, "CAP_COPY", frame, ROOT, copy_word(1, 7, 2))[0] == "ok"
    assert ask(system, 0, "CAP_DELETE", cnode)[0] == "ok"
    assert [(core, one.type, one.owner) for core, one in check(system)] == [
        (0, RAM, 0),
        (2, FRAME, 2),
    ]


@pytest.fixture(scope="module")
def divided() -> Iterator[tuple[System, int]]:
    """A system with RAM on core 0 and a copy on core 1, which has made a Frame of its first page;
    and that RAM.
    """
    with multikernel.boot(cores=CORES) as system:
        whole = ram(system, 4)
        assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, 1))[0] == "ok"
        assert system.cores[1].run(programs.retype_all, 1, FRAME, 1) == ["ok"]
        yield system, whole


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        ("CAP_COPY", (12345, ROOT, copy_word(1, 7, 1)), "stale"),
        ("CAP_COPY", (None, ROOT, copy_word(1, 7, 1)), "slot-in-use"),
        ("CAP_COPY", (None, 77, copy_word(2, 7, 1)), "stale"),
        ("CAP_COPY", (None, ROOT, copy_word(256, 7, 1)), "no-slots"),
        ("CAP_COPY", (None, ROOT, copy_word(2, 15, 1)), "rights-exceeded"),
        ("CAP_COPY", (None, ROOT, copy_word(2, 7, CORES)), str(VERDICTS["BAD_REQUEST"])),
        ("CAP_COPY", (ROOT, ROOT, copy_word(2, 6, 1)), "not-copyable"),
        ("CAP_RETYPE", (None, ROOT, retype_word(2, FRAME), 0, 0), "bad-size"),
        ("CAP_RETYPE", (None, ROOT, retype_word(2, FRAME), 0, PAGE + 1), "bad-size"),
        ("CAP_RETYPE", (None, ROOT, retype_word(2, FRAME), 0, 64 * PAGE), "bad-size"),
        ("CAP_RETYPE", (None, ROOT, retype_word(2, 99), 0, PAGE), "wrong-type"),
        ("CAP_RETYPE", (None, ROOT, retype_word(1, FRAME), 0, PAGE), "slot-in-use"),
        ("CAP_RETYPE", (None, ROOT, retype_word(2, FRAME), 0, PAGE), "retype-conflict"),
        ("CAP_REVOKE", (ROOT,), "permanent"),
        ("CAP_DELETE", (ROOT,), "permanent"),
        ("CAP_CREATE", (PAGE + 5, ROOT, 2), "bad-size"),
    ],
)
def test_what_is_refused_changes_nothing(
    divided: tuple[System, int], kind: str, words: tuple[int | None, ...], expected: str
) -> None:
    system, whole = divided
    before = digests(system)
    given = [whole if word is None else word for word in words]
    assert ask(system, 0, kind, *given)[0] == expected
    assert digests(system) == before


@pytest.mark.parametrize("transport", ["call-line", "ring", "socket"])
def test_an_owner_is_asked_over_any_transport(transport: Transport) -> None:
    """... and reaches the others through one of them."""
    chain = {
        root: [((root + i) % CORES, (root + i + 1) % CORES) for i in range(CORES - 1)]
        for root in range(CORES)
    }
    with multikernel.boot(
        cores=CORES, transport=transport, capabilities="owner", trees=chain
    ) as system:
        whole = ram(system, 24, SLOTS)
        for core in (1, 2):
            assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, core))[0] == "ok"
        tasks = [core.start(programs.churn, core.index, 120, False) for core in system.cores]
        total = sum((task.result() for task in tasks), Counter())
        assert total["RETYPE ok"], total
        check(system)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capabilities": "three-phase"}, "unknown protocol"),
        ({"capabilities": "owner", "kernel": "shared"}, "lock"),
    ],
)
def test_a_protocol_there_is_not(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        multikernel.boot(cores=2, **arguments)
