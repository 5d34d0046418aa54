"""Segments: gone by name before anybody could leave them behind, swept where somebody did, refused
where there is no room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from s7_faults import hosts

import multikernel
from multikernel.errors import SegmentFull
from multikernel.runtime import segments

HERE = Path(__file__).resolve().parent


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_sweeping_takes_what_dead_makers_left_and_nothing_else(tmp_path: Path) -> None:
    dead = dead_pid()
    left = [f"multikernel-{dead}-0123456789abcdef", f"multikernel-{dead}-x"]
    others = [
        f"multikernel-{os.getpid()}-0123456789abcdef",
        "multikernel-1-0123456789abcdef",
        "multikernel-nobody-0",
        "multikernel-",
        "multikernel",
        f"else-{dead}-0",
        f"{dead}",
    ]
    for name in left + others:
        (tmp_path / name).touch()
    assert sorted(segments.sweep(tmp_path)) == sorted(left)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    assert segments.sweep(tmp_path) == []


def test_a_boot_sweeps(tmp_path: Path) -> None:
    path = segments.DIRECTORY / f"multikernel-{dead_pid()}-{'0' * 16}"
    path.touch(mode=0o600)
    with multikernel.boot(2):
        assert not path.exists()


def test_a_segment_has_no_name(tmp_path: Path) -> None:
    descriptor = segments.create(8192)
    try:
        assert list(segments.DIRECTORY.glob(f"multikernel-{os.getpid()}-*")) == []
        assert os.fstat(descriptor).st_nlink == 0
        hosts.is_private_and_backs(descriptor)
    finally:
        os.close(descriptor)


def test_more_than_there_is(kernel: str) -> None:
    free = segments.available()
    with pytest.raises(SegmentFull) as caught:
        multikernel.boot(2, kernel=kernel, memory=free + (1 << 30))  # type: ignore[arg-type]
    error = caught.value
    assert error.path == str(segments.DIRECTORY)
    assert error.needed > free + (1 << 30)
    assert 0 < error.available < error.needed
    assert str(error.needed) in str(error)
    assert str(error.available) in str(error)


SMALL = """
import multikernel
from multikernel.errors import SegmentFull
from multikernel.runtime import segments
assert segments.available() < 5 << 20, segments.available()
for memory in (64 << 20, 6 << 20):
    with multikernel.boot(2, kernel={kernel!r}, memory=memory) as system:
        print("in a memory file", segments.available() == 4 << 20)
try:
    segments.require(1 << 50)
except SegmentFull as error:
    print("full", error.needed == 1 << 50, 0 <= error.available < 5 << 20, "4194304" in str(error))
# Enough when it is looked at, and not when it is wanted: somebody else was faster.
segments.available = lambda: 1 << 40
import os
os.environ["LOOK"] = "elsewhere"
try:
    descriptor = segments.create(16 << 20)
    segments.back(descriptor, 0, 16 << 20)
except SegmentFull as error:
    print("full when backed", error.needed == 16 << 20)
os.close(descriptor)
with multikernel.boot(2, kernel={kernel!r}, memory=1 << 20, slots=64) as system:
    print(system.map(system.allocate(4096)).read(0, 1))
print(sorted(os.listdir("/dev/shm")))
"""


def test_a_small_file_system_that_is_full(kernel: str) -> None:
    """A /dev/shm of 4 MiB, in a mount namespace of its own."""
    if not shutil.which("unshare") or os.getuid() != 0:
        pytest.skip("mounting needs root and unshare")
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o size=4m none /dev/shm && exec "$@"',
        "sh",
    ]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    done = subprocess.run(
        [*command, sys.executable, "-c", SMALL.format(kernel=kernel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "in a memory file True",
        "in a memory file True",
        "full True True True",
        "full when backed True",
        "b'\\x00'",
        "[]",
    ]
