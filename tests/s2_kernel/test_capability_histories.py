"""Capabilities, all cores at once: what programs were told can be explained by one order of what they asked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from site import getsitepackages
from typing import Any

import pytest
from s2_kernel import capability_system as model
from s2_kernel import history_programs as programs
from s2_kernel.capability_programs import PAGE, ROOT, Record
from s2_kernel.capability_system import SYSTEMS, TOP, Copy, Object, Request, State
from s2_kernel.history_programs import Round
from s2_kernel.linearizability import Event, order

import multikernel
from multikernel import System
from multikernel.native._native import KINDS

ROOM = Path(__file__).resolve().parents[2]
NATIVE = ROOM / "multikernel" / "native"
CORES = 3


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(CORES, **SYSTEMS[request.param]) as booted:
        memory = ROOT, programs.SLOTS[-1]
        booted.launched.request(0, KINDS["CAP_CREATE"], programs.PAGES * 2 * PAGE, *memory)
        yield booted


def step(state: State, request: Request, response: tuple[str, int | None]) -> Iterable[State]:
    verdict, after, made = model.ask(state, request, CORES, 16)
    if verdict != response[0]:
        return []
    for copy in made:
        assert response[1] is not None
        after = model.learn(after, copy, response[1])
    return [after]


def seen(looks: list[list[Record]]) -> State:
    """What the cores saw of themselves, one after the other in their numbers."""
    return frozenset(
        Copy(core, TOP, index, Object(one.type, one.address, one.size), one.rights, one.reference)
        for core, records in enumerate(looks)
        for index, one in zip(programs.SLOTS, records, strict=True)
        if one.type
    )


def explain(rounds: tuple[Round, ...]) -> list[Event]:
    """The order of a round on all cores; it leads to what was there in the end."""
    history = [event for one in rounds for event in one.events]
    final = Event(-1, "look", seen([one.after for one in rounds]), 1 << 63, 1 << 63)

    def until(state: State, request: Any, response: Any) -> Iterable[State]:
        if request == "look":
            return [state] if state == response else []
        return step(state, request, response)

    return order([*history, final], seen([one.before for one in rounds]), until)


def record(system: System, seed: int, rounds: int, operations: int) -> list[tuple[Round, ...]]:
    group = system.group()
    tasks = [
        core.start(programs.capabilities, group, 1000 * seed + core.index, rounds, operations)
        for core in system.cores
    ]
    done = [task.result() for task in tasks]
    system.close_group(group)
    return list(zip(*done, strict=True))


def overlaps(history: list[Event]) -> int:
    """Pairs of operations of which neither was done when the other began."""
    return sum(
        a.called <= b.returned and b.called <= a.returned
        for i, a in enumerate(history)
        for b in history[:i]
        if a.process != b.process
    )


def test_histories(system: System) -> None:
    met: Counter[str] = Counter()
    together = 0
    recorded = record(system, 1, 60, 6)
    assert len(recorded) == 60
    for rounds in recorded:
        events = explain(rounds)
        together += overlaps(events[:-1])
        met.update(f"{event.operation.kind} {event.response[0]}" for event in events[:-1])
    print(together, sorted(met.items()))
    assert together


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_histories(system: System, seed: int) -> None:
    recorded = record(system, seed, 400, seed)
    for rounds in recorded:
        explain(rounds)
    assert len(recorded) == 400


MUTANTS = ["RETYPE_VOTE_IGNORED", "MOVE_KEEPS_SOURCE", "REVOKE_HERE_ALONE", "RANGE_NOT_TAKEN", "LOCK_IGNORED"]


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_seeded_bug_is_seen(mutant: str, tmp_path: Path) -> None:
    """The product itself, built with a bug (monitor.h), into a virtual environment of its own."""
    number = re.findall(r"^ {4}MUTANT_(\w+)", (NATIVE / "monitor.h").read_text(), re.MULTILINE).index(mutant) + 1
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    site = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)
    # What ours has, but not our multikernel: an editable installation's hook is not looked for there.
    Path(site.strip(), "others.pth").write_text("\n".join(set(getsitepackages())) + "\n")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    flags = os.environ | {"CFLAGS": f"-DMK_MUTANT={number}", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([*install, "--no-build-isolation", ROOM], env=flags, check=True)
    test = [python, "-m", "pytest", "-q", "-x", "-m", "full", "-k", "many_histories"]
    done = subprocess.run([*test, __file__], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no order explains this history" in done.stdout
