"""Whole systems with a seeded bug: the native core linked once more, with what the bug changes, for
a Python of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from site import getsitepackages

from seeded import NATIVE, Bug, product_build, sources_with

PACKAGE = NATIVE.parent


RUNS = 8


def installed(root: Path) -> Path:
    """A virtual environment at root, of what our own has, with a multikernel of its own: where that
    one's native module has to be put.
    """
    venv.create(root, symlinks=True)
    (site,) = root.glob("lib/python*/site-packages")
    # An editable installation's hook is not looked for there.
    (site / "others.pth").write_text("\n".join(getsitepackages()))
    package = site / "multikernel"
    ignored = shutil.ignore_patterns("*.[cho]", "*.so", "__pycache__")
    shutil.copytree(PACKAGE, package, ignore=ignored)
    return package / "native" / f"_native{EXTENSION_SUFFIXES[0]}"


def relink(root: Path, bug: Bug) -> Path:
    """A Python whose multikernel has that bug, in a virtual environment of its own at root."""
    build = product_build()
    (face,) = build.rglob("_native.c.o")
    cc = os.environ.get("CC", "cc").split()
    module = installed(root)
    library = build / "libmultikernel_native.a"
    changed = root / "changed"
    includes = [f"-I{changed}", f"-I{NATIVE}"]
    flags = ["-std=gnu11", "-O1", "-DNDEBUG", "-D_GNU_SOURCE", "-fPIC", *includes]
    sources = sources_with(bug, changed, sorted(NATIVE.rglob("*.c")))
    objects = [root / f"{number}.o" for number in range(len(sources))]
    for path, into in zip(sources.values(), objects, strict=True):
        subprocess.run([*cc, *flags, "-c", path, "-o", into], check=True)
    # What the objects define is not looked for in the library.
    parts = [face, *objects, library, "-lpthread", "-lrt", "-lm"]
    subprocess.run([*cc, "-shared", *parts, "-o", module], check=True)
    return root / "bin" / "python"


def histories(root: Path, bug: Bug, file: str, select: str) -> str:
    """What those tests of histories say with that bug; they must not pass, and must have ended by
    themselves.
    """
    python = relink(root / "venv", bug)
    test = [python, "-m", "pytest", "-q", "-x", "-m", "full or not full", "-k", select, file]
    for _ in range(RUNS):  # a race shows only in some interleavings
        done = subprocess.run(test, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            break
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout
