"""The rooms of the native core, as they are built: a file needs its own room and those that its
room may use, no two files need each other, and monitor and capabilities need nothing outside.

Which rooms there are, and which may use which, stands in multikernel/native/README.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from s0_native.building import NATIVE

ROOM = re.compile(r"^ {4}(\w+) {2,}\S.* \((.+)\)$", re.MULTILINE)
SANS_IO = ("capability", "monitor")
WORLD = re.compile(r"(arch|channel|segment|driver)/.*|memory/vspace\.h")
"""What nothing of SANS_IO includes, be it through others."""
OUTSIDE = re.compile(r"mem(set|cpy|move|cmp)|__assert_fail|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail")
"""What SANS_IO may need of the C library: what moves memory, and assert."""


def rooms() -> dict[str, set[str]]:
    """Of each room, lowest first, those that its files may use."""
    found: dict[str, set[str]] = {}
    for name, uses in ROOM.findall((NATIVE / "README.md").read_text()):
        before = set(found)
        if uses == "nothing":
            found[name] = set()
        elif uses.startswith("all before"):
            found[name] = before - set(re.findall(r"\w+", uses.removeprefix("all before but")))
        else:
            found[name] = set(uses.split(", "))
        assert found[name] <= before, name
        found[name].add(name)
    return found


USES = rooms()


def room(file: str) -> str:
    return file.split("/")[0]


def included() -> dict[str, list[str]]:
    """What each file includes of the native core."""
    return {
        str(path.relative_to(NATIVE)): re.findall(r'#include "([^"]+)"', path.read_text())
        for path in sorted(NATIVE.rglob("*.[ch]"))
    }


class Symbols:
    """Of every object of the package's build: what it defines and what it needs."""

    def __init__(self) -> None:
        objects = Path(sys.prefix) / "build" / "CMakeFiles" / "multikernel_native.dir"
        if not objects.exists():
            pytest.skip("no build directory of scripts/setup to look into")
        self.defined_in: dict[str, str] = {}
        self.needs: dict[str, set[str]] = {}
        for path in sorted(objects.rglob("*.c.o")):
            file = str(path.relative_to(objects)).removesuffix(".o")
            if not (NATIVE / file).exists():
                continue  # of a source that has gone
            self.needs[file] = set()
            listing = subprocess.run(["nm", path], capture_output=True, text=True, check=True)
            for line in listing.stdout.splitlines():
                kind, symbol = line.split()[-2:]
                if kind == "U":
                    self.needs[file].add(symbol)
                elif kind in "TDBRVWC":
                    self.defined_in[symbol] = file

    def calls(self, file: str) -> set[str]:
        """The other files that it needs something of."""
        found = {self.defined_in[one] for one in self.needs[file] if one in self.defined_in}
        return found - {file}


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    found = Symbols()
    sources = {str(path.relative_to(NATIVE)) for path in NATIVE.rglob("*.c")}
    assert set(found.needs) == sources, "the build is not of this checkout"
    return found


def test_every_file_lies_in_a_room() -> None:
    folders = {path.name for path in NATIVE.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert folders == set(USES)
    assert not list(NATIVE.glob("*.[ch]"))


def test_includes_are_of_rooms_that_may_be_used() -> None:
    wrong = [
        (file, name)
        for file, names in included().items()
        for name in names
        if room(name) not in USES[room(file)]
        or (name.endswith("_inside.h") and room(name) != room(file))
    ]
    assert not wrong


def test_what_is_sans_io_includes_nothing_of_the_world() -> None:
    headers = included()
    for file in headers:
        if room(file) not in SANS_IO:
            continue
        reached, new = {file}, {file}
        while new:
            new = {name for one in new for name in headers[one]} - reached
            reached |= new
        assert not [name for name in reached if WORLD.fullmatch(name)], file


def test_calls_are_to_rooms_that_may_be_used(symbols: Symbols) -> None:
    wrong = [
        (file, other)
        for file in symbols.needs
        for other in symbols.calls(file)
        if room(other) not in USES[room(file)]
    ]
    assert not wrong


def test_what_is_sans_io_needs_nothing_else(symbols: Symbols) -> None:
    wrong = [
        (file, symbol)
        for file, needs in symbols.needs.items()
        if room(file) in SANS_IO
        for symbol in needs
        if symbol not in symbols.defined_in and not OUTSIDE.fullmatch(symbol)
    ]
    assert not wrong


def test_no_two_files_need_each_other(symbols: Symbols) -> None:
    """Neither directly nor through others: what calls nothing that is left is taken away, until
    nothing is left."""
    left = {file: symbols.calls(file) for file in symbols.needs}
    while leaves := {file for file, calls in left.items() if not calls & left.keys()}:
        left = {file: calls for file, calls in left.items() if file not in leaves}
    # What stays is a circle, or calls one: show the circle's part of it.
    while tops := left.keys() - {one for calls in left.values() for one in calls}:
        left = {file: calls for file, calls in left.items() if file not in tops}
    assert not {file: calls & left.keys() for file, calls in left.items()}
