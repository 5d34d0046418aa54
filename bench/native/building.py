"""The harness, built against the native core of this checkout or of another commit's."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".venv" / "bench-native"
HARNESS = Path("bench") / "native"


def run(*command: str | Path, **options: object) -> str:
    """Its output. Raises SystemExit with what it said where it fails."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, **options
    )  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr or done.stdout}")
    return str(done.stdout)


def build(tree: Path, into: Path) -> Path:
    """The folder with the programs."""
    run("cmake", "-S", tree / HARNESS, "-B", into)
    run("cmake", "--build", into, "--parallel")
    return into


def here() -> Path:
    """Of the files as they lie here."""
    return build(ROOT, CACHE / "here")


def of_commit(name: str) -> Path:
    """Of that commit, with its own harness; one of before there was any gets this one."""
    commit = run("git", "-C", ROOT, "rev-parse", "--verify", f"{name}^{{commit}}").strip()
    into = CACHE / commit[:12]
    if (into / "pair").exists():
        return into
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        archive = tree / "tree.tar"
        run("git", "-C", ROOT, "archive", "-o", archive, commit)
        run("tar", "-xf", archive, "-C", tree)
        if not (tree / HARNESS / "CMakeLists.txt").exists():
            run("cp", "-r", ROOT / HARNESS, tree / "bench")
        return build(tree, into)
