"""Which software produced a result: versions, compiler and flags, source revision.

Guarantees: never fails; what cannot be found out is None or left out. Asking does not import the
packages asked about.

Idea: the build recorded in the product (contourpy).
"""

import importlib
import importlib.metadata
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGES = ("multikernel", "numpy", "msgspec", "psutil", "posix_ipc")
"""Packages whose versions a result document records."""


def command_line(arguments: Sequence[str]) -> list[str]:
    """The command as it was given, of every path only the last part: the others may name a user or
    a project.
    """
    found = []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        head, path = (
            (option + equals, value) if option.startswith("-") and equals else ("", argument)
        )
        found.append(
            head + (path.rstrip("/").rpartition("/")[2] or "/") if "/" in path else argument
        )
    return found


def python_version() -> str:
    """Implementation and version, such as "CPython 3.11.7"."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Version of every installed package of `names`."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def build_info() -> dict[str, str]:
    """What the native module says of its own build (compiler, flags, …), as text; empty if it is
    not built.
    """
    try:
        info: Mapping[str, Any] = importlib.import_module("multikernel.native._native").build_info()
    except (ImportError, AttributeError):
        return {}
    return {str(key): str(value) for key, value in info.items()}


def revision(directory: Path | None = None) -> str | None:
    """The git revision of the checkout this package lies in, or None.

    40 hex digits; "+changes" is appended when tracked files differ from it. A package installed
    into an environment inside a checkout counts as from that checkout.
    """
    start = Path(__file__).resolve().parent if directory is None else directory.resolve()
    for top in (start, *start.parents):
        if (top / ".git").exists():
            # Some other repository may hold the environment: then its revision says nothing of this
            # package.
            return _git_revision(top) if (top / "multikernel/machine").is_dir() else None
    return None


def _git_revision(top: Path) -> str | None:
    head = _git(top, "rev-parse", "HEAD")
    if head is None or not re.fullmatch(r"[0-9a-f]{40,64}", head.strip()):
        return None
    changes = _git(top, "status", "--porcelain", "--untracked-files=no")
    return head.strip() + ("+changes" if changes is None or changes.strip() else "")


def _git(top: Path, *arguments: str) -> str | None:
    """Standard output of a git command; None if there is no git or it fails (no commit yet,
    another's checkout).
    """
    command = ["git", "--no-optional-locks", "-C", str(top), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
