"""What is built from the source archive, installed elsewhere, works there as it does here: the
commands, the guide, the header for C programs, the types.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this tree as git has it, and as it is now."""
    into = tmp_path_factory.mktemp("archive")
    code = f"from scikit_build_core.build import build_sdist; print(build_sdist({str(into)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return into / done.stdout.split()[-1]


def test_the_archive_has_all_that_its_pages_name(archive: Path) -> None:
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"README.md", "LICENSE", "scripts/run", "multikernel/py.typed"} < names
    assert {"multikernel/native/channel_header.h.in", "multikernel/demo/lab.ipynb"} < names
    pages = {str(page.relative_to(ROOT)) for page in (ROOT / "multikernel").rglob("README.md")}
    assert pages < names


@pytest.mark.full
def test_it_is_installed_elsewhere_and_compares_there(archive: Path, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (packages,) = (home / "lib").glob("python*/site-packages")
    install = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--no-build-isolation", "--target", packages, archive,
    ]  # fmt: skip
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(install, check=True, env=environment, cwd=tmp_path)
    # What it depends on is here already; a path that a .pth adds reads no further .pth.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    clean = {name: value for name, value in os.environ.items() if "PYTHON" not in name}

    def run(*arguments: str) -> str:
        return subprocess.run(
            [home / "bin" / "python", *arguments], cwd=tmp_path, env=clean, text=True,
            capture_output=True, check=True,
        ).stdout  # fmt: skip

    where = run("-c", "import multikernel; print(multikernel.__file__)").strip()
    assert Path(where).is_relative_to(packages)
    assert "Shared" in run("-m", "multikernel", "help", "user")
    header = "from multikernel import channels as c; print((c.C_HEADERS / 'multikernel').exists())"
    assert run("-c", header) == "True\n"
    assert "multikernel" in run("-m", "multikernel", "compare", "--quick", "--size", "smoke")
