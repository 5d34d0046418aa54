"""The lab: every program and the notebook run, and show what they say they show."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from s6_cli.command import run

from multikernel import demo

SHOWN = {
    "launch": r"core 0 of 2: process \d+, on CPU",
    "message": r"20002 calls were answered; one took [\d,]+ ns",
    "unmap": r"core 1 votes yes[\s\S]*it is decided: core 2 forgets[\s\S]*2 cores voted",
    "tree": r"sequential +[\d,]+ cycles[\s\S]*times as fast as one core that sends to all",
    "killed": r"core 2 died \(killed by signal 9\)[\s\S]*processes that are left: none",
}


def test_the_sheet_has_every_program() -> None:
    sheet = (demo.HERE / "README.md").read_text()
    for number, name in enumerate(demo.PROGRAMS, 1):
        assert f"| {number} `{name}` |" in sheet
        assert demo.path_of(name).read_text().startswith(f'"""{number}  ')
    assert set(SHOWN) == set(demo.PROGRAMS)


@pytest.mark.parametrize("name", demo.PROGRAMS)
def test_a_program_shows_what_it_is_about(name: str) -> None:
    done = run("demo", name)
    assert done.returncode == 0, done.stderr
    assert re.search(SHOWN[name], done.stdout), done.stdout


@pytest.mark.full
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    assert run("demo", "--copy", str(tmp_path / "lab")).returncode == 0
    book = json.loads((tmp_path / "lab" / demo.NOTEBOOK).read_text())
    assert book["nbformat"] == 4
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    code = "\n\n".join(
        "".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "core 1 votes yes" in done.stdout


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
    near = run("demo", "unmpa")
    assert near.returncode == 2
    assert "did you mean unmap" in near.stderr
