"""Whole systems with a seeded bug: the native core linked once more, with -D of one or with what it
changes, for a Python of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from site import getsitepackages

import pytest
from s0_native import shared_bugs
from seeded import Bug, sources_with

ROOM = Path(__file__).resolve().parents[2]
NATIVE = ROOM / "multikernel" / "native"
HEADER = "monitor/operation.h"
"""Where the protocol's bugs are numbered, from 1."""


def flag(name: str, prefix: str = "MUTANT") -> str | Bug:
    """What seeds that bug: a compiler's argument, or the shared kernel's."""
    if prefix == "SHARED_MUTANT":
        return shared_bugs.BUGS[name]
    names = re.findall(rf"^ {{4}}{prefix}_(\w+)", (NATIVE / HEADER).read_text(), re.MULTILINE)
    return f"-DMK_{prefix}={names.index(name) + 1}"


def relink(root: Path, seeded: str | Bug) -> Path:
    """A Python whose multikernel has that bug, in a virtual environment of its own at root."""
    build = Path(sys.prefix) / "build"
    if not build.exists():
        pytest.skip("no build directory of scripts/setup to link with")
    (face,) = build.rglob("_native.c.o")
    cc = os.environ.get("CC", "cc").split()
    venv.create(root, symlinks=True)
    (site,) = root.glob("lib/python*/site-packages")
    # What our own environment has, but not its multikernel: an editable installation's hook is not
    # looked for there.
    (site / "others.pth").write_text("\n".join(getsitepackages()))
    package = site / "multikernel"
    ignored = shutil.ignore_patterns("*.[cho]", "*.so", "__pycache__")
    shutil.copytree(ROOM / "multikernel", package, ignore=ignored)
    library = build / "libmultikernel_native.a"
    flags = ["-std=gnu11", "-O1", "-DNDEBUG", "-D_GNU_SOURCE", "-fPIC"]
    if isinstance(seeded, Bug):
        buggy = sources_with(seeded, root / "changed", sorted(NATIVE.rglob("*.c")))
        flags.append(f"-I{root / 'changed'}")
    else:
        buggy = [path for path in NATIVE.rglob("*.c") if "MUTANT(" in path.read_text()]
        flags.append(seeded)
    flags.append(f"-I{NATIVE}")
    objects = [root / f"{number}.o" for number in range(len(buggy))]
    for path, into in zip(buggy, objects, strict=True):
        subprocess.run([*cc, *flags, "-c", path, "-o", into], check=True)
    module = package / "native" / f"_native{EXTENSION_SUFFIXES[0]}"
    # What the objects define is not looked for in the library.
    parts = [face, *objects, library, "-lpthread", "-lrt", "-lm"]
    subprocess.run([*cc, "-shared", *parts, "-o", module], check=True)
    return root / "bin" / "python"


def histories(root: Path, seeded: str | Bug, file: str, select: str) -> str:
    """What those tests of histories say with that bug; they must not pass, and must have ended by
    themselves.
    """
    python = relink(root / "venv", seeded)
    test = [python, "-m", "pytest", "-q", "-x", "-m", "full or not full", "-k", select, file]
    done = subprocess.run(test, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout
