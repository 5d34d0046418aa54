"""Seeded bugs: a copy of the native core with some text replaced, to be built and run in its place.

Product source holds the algorithm only. A test that is to see a bug names it here: the file, a
text that occurs in it exactly once, and what stands there instead. A text that has moved, or occurs
twice, fails loudly, and so does a replacement that changes nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NATIVE = Path(__file__).resolve().parents[1] / "multikernel" / "native"


@dataclass(frozen=True, slots=True)
class Edit:
    """In `file` (below multikernel/native) stands `replacement` where `text` stood."""

    file: str
    text: str
    replacement: str

    def made_in(self, source: str) -> str:
        """The file's source with it. Raises ValueError."""
        found = source.count(self.text)
        if found != 1:
            raise ValueError(f"the text occurs {found} times in {self.file}, not once: {self.text}")
        if self.text == self.replacement:
            raise ValueError(f"the replacement in {self.file} is the text: {self.text}")
        return source.replace(self.text, self.replacement)


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug: one edit, given by its parts, or all of `edits`.

    name: upper case, as tests and their ids have it. seen_by: the test that must notice, and its
    parameters.
    """

    name: str
    file: str = ""
    text: str = ""
    replacement: str = ""
    seen_by: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.edits):
            raise ValueError(f"{self.name}: one edit, or edits")
        if self.file:
            one = Edit(self.file, self.text, self.replacement)
            object.__setattr__(self, "edits", (one,))

    def changed(self) -> dict[str, str]:
        """The files that it changes, and what they hold then. Raises ValueError."""
        files: dict[str, str] = {}
        for edit in self.edits:
            source = files.get(edit.file) or (NATIVE / edit.file).read_text()
            try:
                files[edit.file] = edit.made_in(source)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None
        return files

    def apply(self, native: Path) -> list[Path]:
        """Writes the files that it changes below that directory; where they are."""
        written = []
        for file, source in self.changed().items():
            path = native / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
            written.append(path)
        return written


def table(*bugs: Bug) -> dict[str, Bug]:
    """By name. Raises ValueError where two have one."""
    named = {bug.name: bug for bug in bugs}
    if len(named) < len(bugs):
        raise ValueError("two bugs have one name")
    return named


def copy_with(bug: Bug, into: Path) -> Path:
    """A copy of the native core with that bug, below `into`; where it is."""
    native = into / "native"
    shutil.copytree(NATIVE, native, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    bug.apply(native)
    return native


def sources_with(bug: Bug, into: Path, sources: Iterable[Path]) -> dict[Path, Path]:
    """What of a program has to be compiled anew with that bug: the .c files that it changes, and of
    a header those that depend on it; and where each is to be read. What changes is written to
    `into`, where headers are to be looked for before NATIVE.
    """
    changed = {NATIVE / path.relative_to(into): path for path in bug.apply(into)}
    headers = {path for path in changed if path.suffix == ".h"}
    anew = [path for path in sources if path in changed or (headers and headers & included(path))]
    return {path: changed.get(path, path) for path in anew}


def every(step: int, names: Iterable[str]) -> list[Any]:
    """As parameters: every so many-th is for each run, the others for the whole one."""
    return [
        pytest.param(name, marks=pytest.mark.full) if number % step else name
        for number, name in enumerate(names)
    ]


def product_build() -> Path:
    """Where scripts/setup has built the product."""
    build = Path(sys.prefix) / "build"
    if not build.exists():
        pytest.skip("no build directory of scripts/setup to link with")
    return build


def product_object(source: Path) -> Path:
    """What the product has of that file below NATIVE."""
    objects = product_build() / "CMakeFiles" / "multikernel_native.dir"
    return objects / f"{source.relative_to(NATIVE)}.o"


def included(source: Path) -> set[Path]:
    cc = os.environ.get("CC", "cc").split()
    command = [*cc, "-std=gnu11", "-D_GNU_SOURCE", f"-I{NATIVE}", "-MM", str(source)]
    rule = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {Path(path) for path in rule.replace("\\\n", " ").partition(":")[2].split()}
