"""A tree of small text files: /sys and /proc under some root, or a captured tree in memory.

Guarantees: a file that is missing, no plain file, unreadable or larger than MOST_BYTES has no text,
and a directory that is not there has no names; neither is ever an error. Nothing is waited for (a
pipe in the place of a file).
"""

import os
import stat
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

MOST_BYTES = 1 << 16
"""Longest file of interest: a list of thousands of CPUs takes a few pages."""
MOST_PROC_BYTES = 64 << 20
"""Longest file of /proc: with a column a CPU (interrupts) it takes megabytes on large machines."""


def stripped(text: str) -> str:
    """Without blanks around it, nor the zero byte with which some kernels end some files."""
    return text.strip(" \t\r\n\0")


def text_of(path: Path, most: int = MOST_PROC_BYTES) -> str | None:
    """What a plain file says; None for one of more than so many bytes, and for all that is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        parts, room = [], most + 1
        # /sys hands out a page at a time
        while room > 0 and (part := os.read(descriptor, min(room, 1 << 18))):
            parts.append(part)
            room -= len(part)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "replace") if room > 0 else None


class Tree(Protocol):
    """Paths are relative to the root, parts separated by "/". Texts come without surrounding
    blanks, names sorted.
    """

    def text(self, path: str) -> str | None: ...

    def names(self, path: str) -> list[str]: ...


class Directory:
    """The tree under a root."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def text(self, path: str) -> str | None:
        text = text_of(self.root / path, MOST_BYTES)
        return None if text is None else stripped(text)

    def names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self.root / path))
        except (OSError, ValueError):
            return []


class Captured:
    """A tree in memory: text by path."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self._names: dict[str, set[str]] = defaultdict(set)
        for path in files:
            parts = path.split("/")
            for depth, name in enumerate(parts):
                self._names["/".join(parts[:depth])].add(name)

    def text(self, path: str) -> str | None:
        text = self.files.get(path)
        return None if text is None else stripped(text)

    def names(self, path: str) -> list[str]:
        return sorted(self._names.get(path, ()))
