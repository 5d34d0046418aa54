"""The explorer, built once a session, and once more for each seeded bug that is asked for."""

import functools
import os
import subprocess
from pathlib import Path

import pytest
from s3_agreement.exploring import HERE, NATIVE, Explore, mutant_names

PROTOCOL = sorted([*(NATIVE / "monitor").rglob("*.c"), *(NATIVE / "capability").glob("*.c")])
# One page a piece, so that two are agreed about in several; one capability a call, so that what is
# half done is seen.
SMALL = ("-DMK_PIECE_SLOTS=1", "-DMK_CAPABILITY_WORK=1")
FLAGS = (
    "-std=gnu11",
    "-O2",
    *SMALL,
    "-g",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Werror",
)


def with_bug(sources: list[Path], mutant: int) -> list[Path]:
    """Those in which that bug is; the others need no build of their own."""
    if not mutant:
        return []
    name = f"MUTANT({mutant_names()[mutant - 1]})"
    if any(name in header.read_text() for header in NATIVE.rglob("*.h")):
        return sources
    return [source for source in sources if name in source.read_text()]


def compiled(sources: list[Path], into: Path, *flags: str) -> list[Path]:
    into.mkdir()
    cc = os.environ.get("CC", "cc").split()
    includes = [f"-I{NATIVE}", f"-I{HERE}"]
    if not sources:
        return []
    subprocess.run([*cc, *FLAGS, *flags, *includes, "-c", *map(str, sources)], cwd=into, check=True)
    return sorted(into.glob("*.o"))


@pytest.fixture(scope="session")
def explore(tmp_path_factory: pytest.TempPathFactory) -> Explore:
    """explore(*arguments, mutant=0) runs an explorer, built on first use."""
    root = tmp_path_factory.mktemp("explorer")
    model = compiled(sorted(HERE.glob("*.c")), root / "model")
    built: dict[int, Path] = {}

    @functools.cache
    def protocol() -> list[Path]:
        return compiled(PROTOCOL, root / "protocol", "-DMK_MUTANT=0")

    @functools.cache  # the same arguments visit the same worlds
    def run(*arguments: str, mutant: int = 0) -> subprocess.CompletedProcess[str]:
        if mutant not in built:
            sources = PROTOCOL
            bugged = compiled(
                with_bug(sources, mutant), root / f"{mutant}", f"-DMK_MUTANT={mutant}"
            )
            other = {one.name for one in bugged}
            objects = bugged + [one for one in protocol() if one.name not in other]
            program = root / f"explorer-{mutant}"
            cc = os.environ.get("CC", "cc").split()
            subprocess.run([*cc, *map(str, model + objects), "-o", str(program)], check=True)
            built[mutant] = program
        return subprocess.run(
            [built[mutant], *arguments], capture_output=True, text=True, check=False
        )

    return run
