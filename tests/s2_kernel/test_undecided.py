"""An unmap that has returned refuses nothing: what another core knows of it only a moment later
waits there. A slot that its Mapping was in can be used at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s2_kernel import mutants
from s2_kernel import undecided_programs as programs
from s2_kernel.capability_programs import FRAME, NAMES, PAGE, ROOT, retype_word
from seeded import Bug

import multikernel
from multikernel import System
from multikernel.native._native import KINDS, PROTOCOLS


@pytest.fixture(
    scope="module",
    params=[{}, {"trees": {0: [(0, 2), (2, 1)], 1: [(1, 2), (2, 0)]}}, {"transport": "ring"}],
    ids=["flat", "chain", "ring"],
)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    options: dict[str, Any] = request.param
    with multikernel.boot(cores=3, **options) as booted:
        yield booted


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("holders", [[0, 1], [1], [1, 2], [0, 1, 2]], ids=str)
def test_what_an_unmap_frees_can_be_used_on_another_core_at_once(
    system: System, holders: list[int], protocol: str
) -> None:
    def ask(kind: str, *words: int) -> int:
        verdict, _, reply = system.launched.request(0, KINDS[kind], *words)
        assert NAMES.get(verdict) == "ok", kind
        return reply[0]

    ram = ask("CAP_CREATE", PAGE, ROOT, 1)
    frame = ask("CAP_RETYPE", ram, ROOT, retype_word(2, FRAME, 1), 0, PAGE)
    bits = sum(1 << core for core in holders)
    wrong = system.cores[1].run(
        programs.use_what_is_unmapped, frame, bits, PROTOCOLS[protocol], 100
    )
    ask("CAP_REVOKE", ram)
    ask("CAP_DELETE", ram)
    assert wrong == []


BUG = Bug(
    "UNDECIDED_SLOT_IS_IN_USE",
    "capability/cspace.c",
    "!(there->flags & CAP_UNDECIDED) &&",
    "",
)


@pytest.mark.full
def test_a_slot_that_is_refused_is_seen(tmp_path: Path) -> None:
    mutants.histories(tmp_path, BUG, __file__, "can_be_used")
