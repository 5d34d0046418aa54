"""The explorer, linked once a session with the very objects of the product, and once more for each
seeded bug that is asked for.
"""

import functools
import os
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from s3_agreement.exploring import HERE, Explore
from seeded import NATIVE, Bug, product_build, product_object, sources_with

MODEL = sorted(HERE.glob("*.c"))
PROTOCOL = sorted(
    [
        *(NATIVE / "monitor").rglob("*.c"),
        *(NATIVE / "capability").glob("*.c"),
        NATIVE / "memory" / "frames.c",
        NATIVE / "memory" / "mapping_table.c",
    ]
)
FLAGS = ("-std=gnu11", "-O2", "-g")
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror")


def compiled(sources: Iterable[Path], into: Path, *flags: str) -> list[Path]:
    """The objects, in the order of their sources, which are compiled side by side on all CPUs."""
    into.mkdir(parents=True, exist_ok=True)
    cc = os.environ.get("CC", "cc").split()
    includes = [f"-I{NATIVE}", f"-I{HERE}"]

    def build(file: Path) -> Path:
        command = [*cc, *FLAGS, *flags, *includes, "-c", str(file)]
        subprocess.run(command, cwd=into, check=True)
        return into / f"{file.stem}.o"

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(build, sources))


def linked(objects: list[Path], program: Path) -> Path:
    cc = os.environ.get("CC", "cc").split()
    subprocess.run([*cc, *map(str, objects), "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="session")
def replayer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that replays the log of a core's monitor."""
    into = tmp_path_factory.mktemp("replay")
    own = compiled(sorted((HERE / "replay").glob("*.c")), into, *WARNINGS)
    return linked([*own, product_build() / "libmultikernel_native.a"], into / "replay")


@pytest.fixture(scope="session")
def contention(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that has two cores want the same page, under a clock of its own."""
    into = tmp_path_factory.mktemp("contention")
    own = compiled(sorted((HERE / "contention").glob("*.c")), into, *WARNINGS)
    return linked([*own, *map(product_object, PROTOCOL)], into / "contention")


@pytest.fixture(scope="session")
def explore(tmp_path_factory: pytest.TempPathFactory) -> Explore:
    """explore(*arguments, bug=None, asserting=False) runs an explorer, built on first use. The
    product is built without its assertions; asserting: its sources are compiled with them.
    """
    root = tmp_path_factory.mktemp("explorer")

    @functools.cache
    def model() -> dict[Path, Path]:
        return dict(zip(MODEL, compiled(MODEL, root / "model", *WARNINGS), strict=True))

    @functools.cache
    def built(bug: Bug | None, asserting: bool) -> Path:
        into = root / ((bug.name if bug else "none") + "-asserting" * asserting)
        into.mkdir()
        objects = model() | {one: product_object(one) for one in PROTOCOL if not asserting}
        if asserting:
            objects |= zip(PROTOCOL, compiled(PROTOCOL, into, *WARNINGS), strict=True)
        if bug:  # what it leaves unused is no concern
            changed = sources_with(bug, into, [*MODEL, *PROTOCOL])
            anew = compiled(changed.values(), into, f"-I{into}", "-DNDEBUG", "-w")
            objects |= zip(changed, anew, strict=True)
        return linked(list(objects.values()), into / "explorer")

    @functools.cache  # the same arguments visit the same worlds
    def run(
        *arguments: str, bug: Bug | None = None, asserting: bool = False
    ) -> subprocess.CompletedProcess[str]:
        command = [built(bug, asserting), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run
