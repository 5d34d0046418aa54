"""Seeded bugs: a copy of the native core with one text replaced, to be built and run in its place.

Product source holds the algorithm only. A test that is to see a bug names it here: the file, a
text that occurs in it exactly once, and what stands there instead. A text that has moved, or occurs
twice, fails loudly, and so does a replacement that changes nothing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

NATIVE = Path(__file__).resolve().parents[1] / "multikernel" / "native"


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug: in `file` (below multikernel/native) stands `replacement` where `text` stood.

    name: upper case, as tests and their ids have it. seen_by: the test that must notice, and its
    parameters.
    """

    name: str
    file: str
    text: str
    replacement: str
    seen_by: tuple[str, ...] = ()

    def apply(self, native: Path) -> Path:
        """Seeds it into a copy of the native core; the file that changed. Raises ValueError."""
        path = native / self.file
        source = path.read_text()
        found = source.count(self.text)
        if found != 1:
            raise ValueError(f"{self.name}: its text occurs {found} times in {self.file}, not once")
        if self.text == self.replacement:
            raise ValueError(f"{self.name}: its replacement is its text")
        path.write_text(source.replace(self.text, self.replacement))
        return path


def copy_with(bug: Bug, into: Path) -> Path:
    """A copy of the native core with that bug, below `into`; where it is."""
    native = into / "native"
    shutil.copytree(NATIVE, native, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    bug.apply(native)
    return native
