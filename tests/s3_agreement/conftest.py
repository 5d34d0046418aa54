"""The explorer, built once a session, and once more for each seeded bug that is asked for."""

import functools
import os
import subprocess
from pathlib import Path

import pytest
from s3_agreement.exploring import HERE, Explore
from seeded import NATIVE, Bug, sources_with

MODEL = sorted(HERE.glob("*.c"))
PROTOCOL = sorted([*(NATIVE / "monitor").rglob("*.c"), *(NATIVE / "capability").glob("*.c")])
# One page a piece, so that two are agreed about in several; one capability a call, so that what is
# half done is seen.
SMALL = ("-DMK_PIECE_SLOTS=1", "-DMK_CAPABILITY_WORK=1")
FLAGS = ("-std=gnu11", "-O2", *SMALL, "-g")
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror")


def compiled(sources: list[Path], into: Path, *flags: str) -> list[Path]:
    into.mkdir(exist_ok=True)
    cc = os.environ.get("CC", "cc").split()
    includes = [f"-I{NATIVE}", f"-I{HERE}"]
    subprocess.run([*cc, *FLAGS, *flags, *includes, "-c", *map(str, sources)], cwd=into, check=True)
    return sorted(into.glob("*.o"))


def linked(objects: list[Path], program: Path) -> Path:
    cc = os.environ.get("CC", "cc").split()
    subprocess.run([*cc, *map(str, objects), "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="session")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The library's own monitor, as objects."""
    return compiled(PROTOCOL, tmp_path_factory.mktemp("monitor"), *WARNINGS)


@pytest.fixture(scope="session")
def replayer(protocol: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that replays the log of a core's monitor."""
    into = tmp_path_factory.mktemp("replay")
    own = compiled(sorted((HERE / "replay").glob("*.c")), into, *WARNINGS)
    return linked([*own, *protocol], into / "replay")


@pytest.fixture(scope="session")
def explore(protocol: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Explore:
    """explore(*arguments, bug=None) runs an explorer, built on first use."""
    root = tmp_path_factory.mktemp("explorer")

    @functools.cache
    def parts() -> list[Path]:
        return [*compiled(MODEL, root / "parts", *WARNINGS), *protocol]

    @functools.cache
    def built(bug: Bug | None) -> Path:
        into = root / (bug.name if bug else "none")
        into.mkdir()
        changed: list[Path] = []
        if bug:  # what it leaves unused is no concern
            sources = sources_with(bug, into, [*MODEL, *PROTOCOL])
            changed = compiled(sources, into, f"-I{into}", "-w")
        names = {one.name for one in changed}
        objects = changed + [one for one in parts() if one.name not in names]
        return linked(objects, into / "explorer")

    @functools.cache  # the same arguments visit the same worlds
    def run(*arguments: str, bug: Bug | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run([built(bug), *arguments], capture_output=True, text=True, check=False)

    return run
