"""The lower steps of the ladder once more, with a native core that is built under the address and
the undefined-behaviour sanitizer, with assertions: real core processes, histories, the explorer,
and the C of the tests.

The module goes into a Python of its own, which is started with the sanitizers' runtimes before all
else (LD_PRELOAD), and so is whatever it starts. A report of theirs ends the process that it is
about; and it is a file, so that none goes unseen whatever becomes of that process.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from s2_kernel.mutants import installed
from seeded import NATIVE

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

TESTS = Path(__file__).resolve().parent
CC = shlex.split(os.environ.get("CC", "cc"))
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
BASE = "0x200000000000"
"""Where mappings lie: the address sanitizer has its shadow memory at the usual place."""

EXPLORED = (
    "unmap-2-mixed", "map-again-one", "protect-pin", "tree-rivals", "move-owned", "retype",
    "revoke-2", "delete-cnode", "owner-sends", "page-revoke-one", "page-delete-pin",
    "reclaim-move",
)  # fmt: skip
PARTS: dict[str, tuple[str, ...]] = {
    "s0": (
        "s0_native", "-k",
        # What is under these sanitizers anyway, reads the product's objects, or seeds bugs.
        "not (fuzz or deferred or rooms or stub or state_sizes or seeded or noticed)",
    ),
    "s1": ("s1_machine/test_clock.py", "s1_machine/test_pinning.py"),
    "s2": ("s2_kernel",),
    "s3": (
        "s3_agreement", "-k",
        "assertions_hold or replay or contention or "
        + " or ".join(f"(no_order and {one})" for one in EXPLORED),
    ),
}  # fmt: skip
"""What is run of each step, as pytest is told it."""


def runtimes() -> str:
    """The sanitizers' libraries, in the order in which they must be loaded."""
    found = []
    for name in ("libasan.so", "libubsan.so"):
        command = [*CC, f"-print-file-name={name}"]
        path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if not os.path.isabs(path):
            pytest.skip(f"{CC[0]} has no {name}")
        found.append(os.path.realpath(path))
    return " ".join(found)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with a native module under the sanitizers. What it is made of lies beside it, where
    tests look for the product's objects.
    """
    root = tmp_path_factory.mktemp("sanitized")
    module = installed(root)
    build = root / "build"
    modules = subprocess.run(
        [sys.executable, "-c", "import cython_cmake as c; print(c.__path__[0])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    options = {
        "MULTIKERNEL_SANITIZE": "address,undefined",
        "MULTIKERNEL_ADDRESS_BASE": BASE,
        "MULTIKERNEL_DEBUG": "ON",
        "CMAKE_MODULE_PATH": f"{modules}/cmake",
        "Python_EXECUTABLE": sys.executable,
    }
    given = [f"-D{name}={value}" for name, value in options.items()]
    for command in (
        ["cmake", "-S", str(NATIVE), "-B", str(build), *generator, *given],
        ["cmake", "--build", str(build), "--parallel"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (built,) = build.glob("_native*.so")
    shutil.copy(built, module)
    return root / "bin" / "python"


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_reported(python: Path, part: str, tmp_path: Path) -> None:
    reports = f"log_path={tmp_path}/report"
    environment = os.environ | {
        "CC": shlex.join([*CC, *SANITIZERS]),
        "LD_PRELOAD": runtimes(),
        # No leaks: the interpreter keeps what it has to its end, and so does a driver. A driver has
        # made a stack for signals; and some tests have a core die of SIGSEGV, and look whether it
        # does.
        "ASAN_OPTIONS": "detect_leaks=0:use_sigaltstack=0:handle_segv=0:handle_sigbus=0"
        f":allocator_may_return_null=1:max_allocation_size_mb=4096:{reports}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:{reports}",
    }
    # At most as long as it takes with two CPUs, many times over.
    command = [str(python), "-m", "pytest", "-q", "-o", "timeout=600"]
    command += ["-m", "(not full)"]  # in other words than the default: nothing is sampled
    command += ["-o", f"cache_dir={tmp_path}/cache"]
    done = subprocess.run(
        [*command, *PARTS[part]], capture_output=True, text=True, check=False, cwd=TESTS,
        env=environment, errors="replace",
    )  # fmt: skip
    said = [path.read_text(errors="replace") for path in tmp_path.glob("report*")]
    wrong = "".join(one for one in said if "ERROR: " in one or "runtime error: " in one)
    assert not wrong, wrong + done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
