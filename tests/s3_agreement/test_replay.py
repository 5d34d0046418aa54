"""Real runs, written down and replayed: a log of a monitor's inputs gives, in a fresh state, the
same questions to the MMU, the same output at every step, and the same bytes in the end.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s2_kernel import capability_programs, crowd
from s4_user import capability_on_core
from s5_experiments.smoke import placement

import multikernel
from multikernel import FRAME, Page, System
from multikernel.errors import BadInput, CoreDied
from multikernel.experiments import registry
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.native._native import KINDS

PAGE = 4096
SAID = re.compile(
    r"core \d+ of \d+: (\d+) steps, (\d+) answers, (\d+) rounds, the same bytes(.*)\n"
)


def run(replayer: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([replayer, *arguments], capture_output=True, text=True, check=False)


def replayed(replayer: Path, logs: Path) -> tuple[int, Counter[str]]:
    """Replays all the logs there are, and removes them; steps, and how many logs end how."""
    steps, ends = 0, Counter[str]()
    for log in sorted(logs.iterdir()):
        done = run(replayer, log)
        said = SAID.fullmatch(done.stdout)
        assert done.returncode == 0, (log.name, done.stdout)
        assert said, done.stdout
        steps += int(said[1])
        ends[said[4].strip()] += 1
    for log in logs.iterdir():
        log.unlink()
    return steps, ends


def pages(system: System) -> None:
    """Random programs over pages."""
    happened = crowd.everybody_at_once(system, seed=1, rounds=60)
    assert {"map: ok", "pin: ok", "protect: ok"} <= happened.keys()


def trees(system: System) -> None:
    """The same, while trees are installed."""
    rng, cores = random.Random(1), len(system.cores)
    frames = [system.allocate(PAGE) for _ in system.cores]
    tasks = [
        core.start(map_and_unmap, frame) for core, frame in zip(system.cores, frames, strict=True)
    ]
    for _ in range(8):
        root = rng.randrange(cores)
        system.install(root, crowd.any_tree(cores, root, rng))
    for task in tasks:
        task.result()


def map_and_unmap(frame: multikernel.Frame) -> None:
    here = multikernel.here()
    for turn in range(100):
        here.unmap(here.map(frame), "one-phase" if turn % 2 else "two-phase")


def capabilities(system: System) -> None:
    """Random programs over copies of three RAMs, by all cores at once."""
    ask, root = system.launched.request, capability_programs.ROOT
    for number in range(3):
        place = capability_programs.SLOTS + number  # behind what the programs use
        verdict, _, words = ask(0, KINDS["CAP_CREATE"], 24 * PAGE, root, place)
        assert verdict == 0
        for core in system.cores:
            word = capability_programs.copy_word(1 + number, 7, core.index)
            assert ask(0, KINDS["CAP_COPY"], words[0], root, word)[0] == 0
    churn = capability_programs.churn
    tasks = [core.start(churn, core.index, 200, True) for core in system.cores]
    total = sum((task.result() for task in tasks), Counter[str]())
    for what in ("COPY", "MOVE", "RETYPE", "DELETE"):
        assert total[f"{what} ok"], total


def frames(system: System) -> None:
    """Random programs over Frames that are mapped, copied, deleted and revoked."""
    cores = len(system.cores)
    ram = system.ram(16 * PAGE)
    made = ram.retype(FRAME, 16)
    for i, frame in enumerate(made):
        frame.copy(i % cores)
    churn = capability_on_core.churn
    tasks = [core.start(churn, [ram], made, core.index, 60) for core in system.cores]
    for task in tasks:
        task.result()
    ram.revoke()


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    ("program", "cores", "options"),
    [
        (pages, 2, {}),
        (pages, 4, {"trees": crowd.chain(4)}),
        (trees, 4, {"transport": "ring"}),
        (capabilities, 4, {}),
        (capabilities, 4, {"capabilities": "owner"}),
        (frames, 2, {}),
        (frames, 4, {"capabilities": "owner"}),
    ],
)
def test_random_programs(
    program: Callable[[System], None],
    cores: int,
    options: dict[str, Any],
    replayer: Path,
    tmp_path: Path,
) -> None:
    with multikernel.boot(cores, record=tmp_path, **options) as system:
        program(system)
    steps, ends = replayed(replayer, tmp_path)
    assert steps > 100 * cores
    assert ends == {"": cores}


@pytest.mark.full
def test_experiment(replayer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment: an experiment boots its systems itself."""
    monkeypatch.setenv("MULTIKERNEL_RECORD", str(tmp_path))
    registry.get("unmap")(Request(placement(), SIZES["smoke"])).run()
    steps, ends = replayed(replayer, tmp_path)
    assert steps > 1000
    assert set(ends) == {""}


def pin_often(page: Page, times: int) -> None:
    for _ in range(times):
        page.pin()
        page.unpin()


def test_many_cores_and_a_full_log(replayer: Path, tmp_path: Path) -> None:
    """Sets of cores that fit into no word lie outside of the messages; and a log has an end."""
    cores = 62
    with multikernel.boot(cores, record=tmp_path, slots=16, trees="sequential") as system:
        frame = system.allocate(PAGE)
        for holders in ((0, 2, 4, 6, 8, 61), (0, 3, 5, 7, 60)):
            page = system.map(frame, cores=holders)
            assert page.read(0, 1, core=holders[-1]) == b"\0"
            system.unmap(page)
        system.cores[1].run(pin_often, system.map(frame, cores=(1,)), 60000)
    steps, ends = replayed(replayer, tmp_path)
    assert steps > 100000
    assert ends == {"": cores - 1, "up to where the log is full": 1}


def test_killed_core(replayer: Path, tmp_path: Path) -> None:
    """A log has what was done up to then, and the state of that moment."""
    with multikernel.boot(3, record=tmp_path) as system:
        task = system.cores[1].start(map_and_unmap, system.allocate(PAGE))
        os.kill(system.cores[2].pid, signal.SIGKILL)
        with pytest.raises(CoreDied):
            task.result()
    _, ends = replayed(replayer, tmp_path)
    assert sum(ends.values()) == 3
    assert set(ends) <= {"", "up to the step in which the core ended"}


def changed(log: Path, place: int) -> None:
    with log.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 4]))


@pytest.mark.parametrize(
    ("where", "noticed"),
    [
        ("message", "step"),
        ("verdict", "step"),
        ("question", "asks for protect"),
        ("output", "puts out something else"),
        ("state", "of the state differs"),
    ],
)
def test_one_changed_byte_is_noticed(
    where: str, noticed: str, replayer: Path, tmp_path: Path
) -> None:
    with multikernel.boot(2, record=tmp_path, slots=64) as system:
        frame = system.allocate(PAGE)
        for _ in range(2):
            system.unmap(system.map(frame))
        system.map(frame)
    log = max(tmp_path.iterdir())
    said = run(replayer, "--steps", log).stdout
    messages, questions = (
        [int(place) for place in re.findall(pattern, said)]
        for pattern in (r"@(\d+) \d+ message", r"@(\d+) protect")
    )
    places = {
        "message": messages[0] + 4 * 8,  # its attempt
        "verdict": questions[0] + 1,
        "question": questions[0] + 4,  # the slot
        "output": messages[-1] - 8,  # of the step before
        "state": 4096 + 64,
    }
    changed(log, places[where])
    done = run(replayer, log)
    assert done.returncode == 1
    assert noticed in done.stdout


def test_a_log_of_another_build_is_refused(replayer: Path, tmp_path: Path) -> None:
    with multikernel.boot(1, record=tmp_path):
        pass
    (log,) = tmp_path.iterdir()
    build = int.from_bytes(log.read_bytes()[8:16], "little")
    changed(log, 8)
    done = run(replayer, log)
    assert done.returncode == 1
    assert f"of build {build ^ 4:016x}," in done.stdout
    assert f"is of build {build:016x}\n" in done.stdout


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no monitors"):
        multikernel.boot(1, kernel="shared", record=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="no directory"):
        multikernel.boot(1, record=tmp_path / "file")
