"""Which software produced a result: versions, compiler and flags, source revision.

Guarantees: never fails; what cannot be found out is None or left out. Asking does not import the
packages asked about.

Idea: the build recorded in the product (contourpy).
"""

import contextlib
import importlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

PACKAGES = ("multikernel", "numpy", "msgspec", "psutil", "posix_ipc")
"""Packages whose versions a result document records."""


def command_line(arguments: Sequence[str]) -> list[str]:
    """The command as it was given, of every path only the last part: the others may name a user or
    a project.
    """
    found = []
    for argument in arguments:
        option, equals, path = argument.partition("=")
        if not (option.startswith("-") and equals):
            option, equals, path = "", "", argument
        last = path.rstrip("/").rpartition("/")[2] or path[:1]
        found.append(option + equals + last)
    return found


def python_version() -> str:
    """Implementation and version, such as "CPython 3.11.7"."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Version of every installed package of `names`."""
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def build_info() -> dict[str, str]:
    """What the native module says of its own build (compiler, flags, …), as text; empty if it is
    not built.
    """
    try:
        info = importlib.import_module("multikernel.native._native").build_info()
    except ImportError:
        return {}
    return {str(key): str(value) for key, value in info.items()}


def revision(start: str | os.PathLike[str] = __file__) -> str | None:
    """The git revision of the checkout this package lies in, or None.

    40 hex digits; "+changes" is appended when tracked files differ from it. A package installed
    into an environment inside a checkout counts as from that checkout.
    """
    for top in Path(start).resolve().parents:
        if (top / ".git").exists():
            # Some other repository may hold the environment: then its revision says nothing of this
            # package.
            return _git_revision(top) if (top / "multikernel/machine").is_dir() else None
    return None


def _git_revision(top: Path) -> str | None:
    """None if there is no git, or it fails (no commit yet)."""
    describe = ("describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=+changes")
    command = ["git", "--no-optional-locks", "-C", str(top), *describe]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
