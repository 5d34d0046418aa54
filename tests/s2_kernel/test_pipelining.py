"""Many operations in flight from one core: as many as there are lanes, and none waits for an
unrelated one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from resting import rest
from s2_kernel import pipelining_programs as programs
from s2_kernel.capability_programs import FRAME, NAMES, PAGE, ROOT, copy_word, retype_word
from s2_kernel.programs import sleep

import multikernel
from multikernel import System
from multikernel.native._native import KINDS
from multikernel.system import Core

LANES = 32
CHAIN = {root: [(root, 1 - root), (1 - root, 2)] for root in (0, 1)} | {2: [(2, 1), (1, 0)]}
"""Core 2 is reached through the other one."""
STAR = {root: [(root, core) for core in range(3) if core != root] for root in range(3)}


def ask(system: System, core: int, kind: str, *words: int) -> tuple[int, ...]:
    verdict, _, reply = system.launched.request(core, KINDS[kind], *words)
    assert NAMES.get(verdict) == "ok", (kind, verdict)
    return reply


def ram(system: System, pages: int, index: int) -> int:
    """Of which every core has a copy, so that all have to agree about it. On core 0; elsewhere in
    the same slot.
    """
    whole = ask(system, 0, "CAP_CREATE", pages * PAGE, ROOT, index)[0]
    for core in system.cores[1:]:
        ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(index, 7, core.index))
    return whole


def locks(system: System, core: int) -> int:
    return ask(system, core, "CAP_DIGEST")[2]


@contextmanager
def stopped(core: Core) -> Iterator[None]:
    """Within the block the host does not run it."""
    os.kill(core.pid, signal.SIGSTOP)
    while psutil.Process(core.pid).status() != psutil.STATUS_STOPPED:
        sleep(0.001)
    try:
        yield
    finally:
        os.kill(core.pid, signal.SIGCONT)


@pytest.mark.parametrize("trees", [CHAIN, STAR], ids=["chain", "star"])
def test_as_many_as_there_are_lanes_are_prepared_at_once(
    trees: dict[int, list[tuple[int, int]]],
) -> None:
    """One core does not answer, so nothing ends; the other one has locked what all of them are
    about.
    """
    with multikernel.boot(cores=3, trees=trees) as system:
        whole = ram(system, LANES + 8, 1)
        system.cores[2].run(len, ())  # has acknowledged what was agreed before
        with stopped(system.cores[2]):
            system.cores[0].run(programs.begin, programs.retypes(whole, 100, LANES + 4))
            for _ in range(2000):
                if locks(system, 1) == LANES:
                    break
                sleep(0.001)
            assert locks(system, 1) == LANES
            assert system.cores[0].run(programs.under_way) == LANES + 4
        assert system.cores[0].run(programs.finish) == ["ok"] * (LANES + 4)
        assert [locks(system, core) for core in range(3)] == [0, 0, 0]


def test_what_is_blocked_holds_up_nothing_else() -> None:
    """A retype waits for a core that does not answer, and a second one for the first: copies of
    other memory go on over the same line, more of them than the line has places.
    """
    with multikernel.boot(cores=3, trees=CHAIN) as system:
        whole, other = ram(system, 4, 1), ask(system, 0, "CAP_CREATE", PAGE, ROOT, 2)[0]
        frame = ask(system, 0, "CAP_RETYPE", other, ROOT, retype_word(3, FRAME), 0, PAGE)[0]
        with stopped(system.cores[2]):
            system.cores[0].run(programs.begin, programs.retypes(whole, 100, 1))
            system.cores[0].run(programs.begin, programs.retypes(whole, 110, 1))
            assert system.cores[0].run(programs.hand_on, frame, 50, 1, 100) == 100
            assert system.cores[0].run(programs.under_way) == 2
        assert sorted(system.cores[0].run(programs.finish)) == ["ok", "retype-conflict"]


@pytest.mark.parametrize("trees", [CHAIN, STAR], ids=["chain", "star"])
@pytest.mark.parametrize("transport", ["call-line", "ring"])
def test_all_cores_pipeline_at_once(
    trees: dict[int, list[tuple[int, int]]], transport: str
) -> None:
    """Every core retypes memory of its own that the others hold copies of; all cores vote."""
    pages, rounds = 24, 3
    with multikernel.boot(cores=3, trees=trees, transport=transport) as system:  # type: ignore[arg-type]
        for core in system.cores:
            ram(system, pages, 1 + core.index)
        mine = [ask(system, core.index, "CAP_LOOK", 1 + core.index)[0] for core in system.cores]
        tasks = [
            core.start(programs.fly, mine[core.index], 100, pages, LANES, rounds)
            for core in system.cores
        ]
        assert [task.result() for task in tasks] == [pages * rounds] * 3
        rest(system)  # the last answers are given before the others have done their part
        for core in range(3):
            digest = ask(system, core, "CAP_DIGEST")
            assert (digest[2], digest[4]) == (0, 0)
