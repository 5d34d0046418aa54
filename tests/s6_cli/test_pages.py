"""The guide: pages that can be found, whose links lead somewhere, and whose commands exist."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest
from s6_cli.command import run

import multikernel
from multikernel.cli.commands import COMMANDS, LazyGroup
from multikernel.cli.help import TOPICS, page_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(multikernel.__file__).parent
FRONT = ROOT / "README.md"
TESTS = ROOT / "tests" / "README.md"
PAGES = sorted({
    FRONT, TESTS, ROOT / "bench" / "README.md",
    *PACKAGE.rglob("README.md"),
})  # fmt: skip
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def outside_of_code(text: str) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)


def links(text: str) -> list[str]:
    plain = outside_of_code(text)
    found = re.findall(r"\]\(([^)\s]+)\)", plain) + re.findall(r'src="([^"]+)"', plain)
    return [one for one in found if not re.match(r"[a-z]+:", one)]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for link in links(page.read_text()):
        target, _, anchor = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            known = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in known, link


def test_the_front_page_is_short_and_needs_nothing_beside_it() -> None:
    text = FRONT.read_text()
    assert len(text.splitlines()) <= 140
    assert len(text.split()) <= 1400
    assert links(text) == []  # it is read on the package index, too


def test_every_room_has_a_page_and_every_page_a_topic() -> None:
    rooms = {path.parent for path in PACKAGE.glob("*/__init__.py")}
    assert not [room.name for room in rooms if not (room / "README.md").exists()]
    assert {page_of(topic) for topic in TOPICS} == {
        page for page in PAGES if PACKAGE in page.parents
    }
    for topic in TOPICS:
        done = run("help", topic)
        assert (done.returncode, done.stdout) == (0, page_of(topic).read_text())


def test_topics_are_listed_and_near_misses_answered() -> None:
    listed = run("help").stdout
    assert all(topic in listed for topic in TOPICS)
    wrong = run("help", "chanels-or-so")
    assert wrong.returncode == 2
    assert all(topic in wrong.stderr for topic in TOPICS)
    assert "did you mean native" in run("help", "nativ").stderr


def test_a_chapter_is_found_by_words_of_its_heading() -> None:
    for words, begins in (
        ("troubleshooting", "## Troubleshooting"), ("exit-codes", "## Exit codes"),
        ("doctor", "## Doctor"), ("topology", "## Topology"), ("capabilities", "## Capabilities"),
    ):  # fmt: skip
        done = run("help", words)
        assert (done.returncode, done.stdout.startswith(begins)) == (0, True), done.stderr
        assert done.stdout.count("\n## ") == 0
    assert "did you mean troubleshooting" in run("help", "trubleshooting").stderr


@pytest.mark.parametrize("width", [60, 100])
def test_on_a_terminal_a_page_is_as_wide_as_the_terminal(width: int) -> None:
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, width))
    environment = {key: text for key, text in os.environ.items() if key not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-m", "multikernel", "help", "machine"], stdin=terminal, stdout=terminal,
        env={**environment, "TERM": "xterm-256color"},
    ) as process:  # fmt: skip
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError), open(master, "rb", buffering=0) as reader:
            while piece := reader.read(65536):
                shown += piece
    assert process.returncode == 0
    plain = re.sub(r"\x1b\][^\x1b]*\x1b\\\\|\x1b\[[0-9;]*m", "", shown.decode())
    lines = [line.rstrip() for line in plain.splitlines()]
    assert width - 10 < max(map(len, lines)) <= width
    assert "## Doctor" not in plain
    assert "Doctor" in lines


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_text_of_a_page_is_at_most_104_columns_wide(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for line in text.splitlines():
        assert len(line) <= 104 or line.startswith(("|", "<img", "    ")), line


def test_the_tests_that_a_change_asks_for_are_there() -> None:
    rows = re.findall(r"^\| (`.*?) \| (`tests/.*?) \|", TESTS.read_text(), re.MULTILINE)
    changed = [one for first, _ in rows for one in re.findall(r"`([^`]+)`", first)]
    for one in changed:
        if one not in ("experiments/X", "_native.pyi"):
            places = (PACKAGE, PACKAGE / "native", ROOT)
            assert any(any(place.glob(f"{one.removesuffix('*')}*")) for place in places), one
    for path in re.findall(r"tests/[a-z0-9_/.]+", TESTS.read_text()):
        assert (ROOT / path).exists(), path
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= {one.split("/")[0] for one in changed}


def commands(text: str) -> list[list[str]]:
    """What is shown of our command line, in code."""
    code = re.findall(r"^```\w*\n(.*?)^```|`([^`\n]+)`", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in code for part in block for line in part.splitlines()]
    lines += re.findall(r"^    (.*)$", text, re.MULTILINE)
    found = []
    for line in lines:
        match = re.match(r"\s*(?:\$ )?(?:scripts/run|multikernel) ([a-z].*)", line)
        if match and " of process " not in line:  # what inspect prints
            try:
                found.append(shlex.split(match[1].split("#")[0]))
            except ValueError:
                continue
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_a_page_shows_is_a_command_with_such_options(page: Path) -> None:
    for words in commands(page.read_text()):
        group: click.Command = LazyGroup()
        at = 0
        while at < len(words) and isinstance(group, click.Group):
            found = group.get_command(click.Context(group), words[at])
            if found is None:
                # A group that is a command itself takes arguments, too.
                assert at or (words[0] not in COMMANDS and not words[0].isalpha()), words
                break
            group, at = found, at + 1
        known = {name for one in group.params for name in one.opts} | {"--help", "-h"}
        for word in words[at:]:
            if word == "--":
                break
            if re.fullmatch(r"--?[a-z][a-z-]*", word):
                assert word in known, words
