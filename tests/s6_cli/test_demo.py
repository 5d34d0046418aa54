"""The lab: every program and the notebook run, and show what they say they show."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from s6_cli.command import run

import multikernel
from multikernel import channels, demo
from multikernel.demo import killed, message

SHOWN = {
    "launch": r"core 0 of 2: process \d+, on CPU",
    "message": r"20002 calls were answered; one took [\d,]+ ns",
    "unmap": r"core 1 votes yes[\s\S]*it is decided: core 2 forgets[\s\S]*2 cores voted",
    "tree": r"sequential +[\d,]+ cycles[\s\S]*tree is [\d.]+ times as fast as one core",
    "killed": r"core 2 died \(killed by signal 9\)[\s\S]*processes that are left: none",
}


def test_the_sheet_has_every_program() -> None:
    sheet = (demo.HERE / "README.md").read_text()
    for number, name in enumerate(demo.PROGRAMS, 1):
        assert f"## {number} `{name}`: " in sheet
        assert demo.path_of(name).read_text().startswith(f'"""{number}  ')
    assert set(SHOWN) == set(demo.PROGRAMS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.full] * (name == "message"))
             for name in demo.PROGRAMS]
)  # fmt: skip
def test_a_program_shows_what_it_is_about(name: str) -> None:
    done = run("demo", name)
    assert done.returncode == 0, done.stderr
    assert re.search(SHOWN[name], done.stdout), done.stdout


def test_a_message_is_answered() -> None:
    """What `message` does before it measures."""
    with multikernel.boot(cores=2) as system:
        page = system.map(system.allocate(channels.page_bytes("calls")))
        system.cores[0].run(channels.make, page, "calls")
        server = system.cores[1].start(message.serve, page)
        assert system.cores[0].run(message.call, page) > 0
        assert server.result() == message.CALLS + 2


@pytest.mark.parametrize(
    ("name", "old", "new", "shown"),
    [("launch", "cores=2", "cores=5", r"core 4 of 5: process \d+"),
     ("launch", "cores=2", 'cores=2, kernel="shared"', r"core 1 of 2: process \d+"),
     ("unmap", "cores=3", "cores=4", "3 cores voted"),
     ("unmap", "unmap(page)", 'unmap(page, protocol="one-phase")', r"unmap apply(?![\s\S]*voted)"),
     ("unmap", "        with system.watching", "        page.pin(1)\n        with system.watching",
      r"core 1 votes no: pinned[\s\S]*core 2 has all as it was[\s\S]*core 0 still reads"),
     ("tree", "CORES = 64", "CORES = 4", "No tree answers sooner"),
     ("tree", 'machine="4x16", cores=CORES', 'machine="8x4-amd", cores=32', "times as fast")],
)  # fmt: skip
def test_what_the_sheet_tells_to_change_shows_something_else(
    tmp_path: Path, name: str, old: str, new: str, shown: str
) -> None:
    text = demo.path_of(name).read_text()
    assert text.count(old) == 1
    file = tmp_path / f"{name}.py"
    file.write_text(text.replace(old, new))
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(shown, done.stdout), done.stdout


def test_whoever_waits_is_told_that_the_supervisor_was_killed() -> None:
    with multikernel.boot(cores=2) as system:
        task = system.cores[1].start(killed.sleep)
        psutil.Process(psutil.Process(system.cores[1].pid).ppid()).kill()
        with pytest.raises(multikernel.CoreDied, match="supervisor"):
            task.result()


def test_the_notebook_is_one() -> None:
    nbformat.validate(nbformat.read(demo.HERE / demo.NOTEBOOK, as_version=nbformat.NO_CONVERT))


@pytest.mark.parametrize("measuring", [False, pytest.param(True, marks=pytest.mark.full)])
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, measuring: bool) -> None:
    assert run("demo", "--copy", str(tmp_path / "lab")).returncode == 0
    book = json.loads((tmp_path / "lab" / demo.NOTEBOOK).read_text())
    code = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    kept = [cell for cell in code if measuring or not cell.startswith("multikernel.measure")]
    assert len(kept) == len(code) - (not measuring)
    done = subprocess.run([sys.executable, "-c", "\n\n".join(kept)],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in ("core 1 speaks", "a call takes", "core 1 votes yes", "page fault",
                  "64 cores, binary", "core 1 died"):  # fmt: skip
        assert words in done.stdout


def test_programs_are_listed_copied_once_and_found_by_what_is_nearly_their_name(
    tmp_path: Path,
) -> None:
    listed = run("demo").stdout
    assert all(name in listed for name in demo.PROGRAMS)
    assert "launch.py" in run("demo", "--copy", str(tmp_path)).stdout
    assert {f"{name}.py" for name in demo.PROGRAMS} < {one.name for one in tmp_path.iterdir()}
    again = run("demo", "--copy", str(tmp_path))
    assert again.returncode == 2
    assert "--copy" in again.stderr
    assert "did you mean launch" in run("demo", "lanch").stderr
    assert "1 to 5" in run("demo", "6").stderr
    near = run("demo", "unmpa")
    assert near.returncode == 2
    assert "did you mean unmap" in near.stderr
