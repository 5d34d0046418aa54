"""Tables in the terminal's width, `-v` and `-q` of every command, hints of what was meant."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s6_cli.command import assert_one_line_and_code_2

from multikernel import columns
from multikernel.cli import main
from multikernel.cli.commands import COMMANDS, group
from multikernel.hints import one_of

Run = Callable[..., subprocess.CompletedProcess[str]]
CELL = st.text(st.characters(codec="ascii", exclude_characters="\n\r"), max_size=9)


@given(st.data())
def test_a_table_loses_no_cell_and_lines_up(data: st.DataObject) -> None:
    cells = CELL.map(str.strip).filter(bool)
    count = data.draw(st.integers(1, 5))
    rows = data.draw(st.lists(st.tuples(*[cells] * count), min_size=1, max_size=6))
    right = data.draw(st.sets(st.integers(0, count - 1)))
    lines = columns.aligned(rows, right)
    starts, at = [], 0
    for i in range(count):
        starts.append(at)
        at += max(len(row[i]) for row in rows) + len(columns.GAP)
    for row, line in zip(rows, lines, strict=True):
        assert line == line.rstrip()
        for i, cell in enumerate(row):
            width = (starts[i + 1] if i + 1 < count else at) - len(columns.GAP) - starts[i]
            place = line[starts[i] : starts[i] + width]
            assert place.strip() == cell
            assert place.endswith(cell) if i in right else place.startswith(cell)


class Terminal(io.StringIO):
    """As rich and we ask for one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize(
    "arguments", [("bench", "list"), ("machine", "list"), ("skb", "list"), ("doctor",)]
)
def test_a_table_is_no_wider_than_the_terminal(
    arguments: tuple[str, ...], width: int, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = here(*arguments).stdout
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    assert main(arguments) == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).partition("What helps")[0]
    assert max(map(len, text.splitlines())) <= width
    if arguments != ("doctor",):  # where it says more on a terminal
        letters = Counter(text) - Counter(whole)
        assert not set(letters) - set(" ─\n"), letters
        assert not set(Counter(whole) - Counter(text)) - set(" -\n")


def leaves(command: click.Command) -> list[click.Command]:
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for below in command.commands.values() for leaf in leaves(below)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_more_or_less(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    for leaf in leaves(command):
        options = [one.opts for one in leaf.params]
        assert ["-v", "--verbose"] in options, leaf.name
        assert ["-q", "--quiet"] in options, leaf.name


def test_quiet_a_measurement_says_where_its_documents_are_and_no_more(
    tmp_path: Path, here: Run
) -> None:
    asked = ("bench", "run", "floor", "--boots", "1", "--size", "smoke", "-o")
    loud = here(*asked, f"{tmp_path}/loud", "--oversubscribe", "--cores", "2")
    assert loud.returncode == 0, loud.stderr
    quiet = here(*asked, f"{tmp_path}/quiet", "-q", "--oversubscribe", "--cores", "2")
    assert quiet.stderr == f"result documents: {tmp_path}/quiet\n"
    assert len(loud.stderr.splitlines()) > 1


def test_verbose_an_error_says_where_it_was_raised(here: Run) -> None:
    quiet = here("machine", "show", "nowhere")
    verbose = here("machine", "show", "nowhere", "--verbose")
    assert_one_line_and_code_2(quiet, "nowhere")
    assert verbose.returncode == 2
    assert verbose.stderr.endswith(quiet.stderr)
    assert "models/reading.py" in verbose.stderr


def test_of_more_and_less_one(here: Run) -> None:
    done = here("ps", "-q", "-v")
    assert done.returncode == 2
    assert "not both" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("inspekt",), "inspect"),
        (("bench", "run", "unmpa"), "unmap"),
        (("bench", "run", "unmap", "--only", "multikernl"), "multikernel"),
        (("bench", "run", "unmap", "--machine", "8x4-adm"), "8x4-amd"),
        (("machine", "show", "8x4-amdd"), "8x4-amd"),
        (("topology", "--machine", "4x4-adm"), "4x4-amd"),
        (("skb", "query", "multicast_tre", "--machine", "8x4"), "multicast_tree"),
        (("skb", "facts", "distanc", "--machine", "8x4"), "distance"),
        (("boot", "--trees", "binari"), "binary"),
        (("replay", "unmpa"), "unmap"),
        (("help", "chanels"), "channels"),
        (("demo", "kill"), "killed"),
        (("reproduce", "--figure", "77"), "7"),
    ],
)
def test_what_is_nearly_a_name_is_answered_with_it(
    arguments: tuple[str, ...], meant: str, here: Run
) -> None:
    done = here(*arguments)
    assert_one_line_and_code_2(done, f"did you mean {meant}?")


def test_a_hint_lists_all_and_guesses_only_what_is_near() -> None:
    assert one_of("reed", ["read", "write"]) == "did you mean read? one of read, write"
    assert one_of("frob", ["read", "write"]) == "one of read, write"
    assert one_of(None, ["read"]) == "one of read"
