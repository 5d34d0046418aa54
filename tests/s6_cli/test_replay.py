"""A replay's page: the steps of the run, each once and in order, over cores at their places."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from s6_cli.command import run

import multikernel
from multikernel.report.page import replay
from multikernel.timeline.steps import Step

VOID = {"meta", "link", "input"}


class Page(HTMLParser):
    """Balanced, with nothing fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.data = ""
        self.cores: list[int] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not {"src", "srcset"} & given.keys()
        assert tag != "link" or given["href"] == "data:,"
        if "data-core" in given:
            self.cores.append(int(given["data-core"] or -1))
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and data.startswith("{"):
            self.data = data


def data_of(text: str) -> tuple[dict[str, Any], list[int]]:
    page = Page(text)
    found: dict[str, Any] = json.loads(page.data)
    return found, page.cores


@pytest.mark.parametrize(
    "arguments",
    [("unmap",), ("map",), ("protect",), ("unmap", "--protocol", "one-phase"),
     ("unmap", "--machine", "8x4-amd", "--cores", "32", "--trees", "numa-aware")],
)  # fmt: skip
def test_a_page_has_a_run_that_took_place(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "page.html"
    done = run("replay", *arguments, "-o", str(file))
    assert done.returncode == 0, done.stderr
    data, cores = data_of(file.read_text())
    assert sorted(cores) == list(range(len(data["places"])))
    assert len({tuple(place) for place in data["places"]}) == len(cores)
    steps, states = data["steps"], data["states"]
    assert [step["sent"] for step in steps] == sorted(step["sent"] for step in steps)
    messages = [step for step in steps if step["kind"] == "message"]
    assert all(step["received"] >= step["sent"] for step in messages)
    assert len(states) == len(steps)
    assert set(states[-1]) == {2}  # decided everywhere in the end
    for before, after in pairwise(states):
        assert all(a <= b for a, b in zip(before, after, strict=True))
    if "one-phase" not in arguments:
        # Nobody is told to commit before everybody has voted.
        names = [step["name"].partition(" ")[2] for step in messages]
        assert names.count("prepare") == names.count("vote") == len(cores) - 1
        last = max(at for at, name in enumerate(names) if name == "vote")
        tops = [at for at, step in enumerate(messages) if "commit" in step["name"]
                and step["sender"] == 0]  # fmt: skip
        assert last < min(tops) or "--trees" in arguments
    again = run("replay", *arguments, "-o", str(file))
    assert again.returncode == 2
    assert "--output" in again.stderr


def test_whatever_a_step_says_is_escaped() -> None:
    evil = "</script><script>alert(1)</script>"
    step = Step("message", "unmap prepare", 0, 1, 0.0, 1.0, evil)
    text = replay.page(replay.Replay("unmap", evil, [[0], [1]], [step]))
    data, _ = data_of(text)
    assert data["steps"][0]["sentence"] == evil
    assert evil not in text


def test_what_is_watched_is_what_was_done() -> None:
    with multikernel.boot(cores=3, trace=True) as system:
        page = system.map(system.allocate(4096))
        with system.cores[1]._system.watching() as nothing:
            pass
        assert nothing == []
        with system.watching() as steps:
            system.unmap(page)
        assert [step.name for step in steps if step.kind != "message"] == ["unmap", "unmap done"]
    with (
        multikernel.boot(cores=2) as system,
        pytest.raises(multikernel.BadInput, match="trace"),
        system.watching(),
    ):
        pass


def test_the_script_runs(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no interpreter of scripts here")
    (tmp_path / "script.js").write_text(replay.SCRIPT)
    done = subprocess.run([node, "--check", tmp_path / "script.js"], capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"ArrowRight", replay.SCRIPT)
