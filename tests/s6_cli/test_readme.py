"""The pages' Python examples run as they stand, and print what is said that they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = "".join(
    (ROOT / page).read_text()
    for page in (
        "README.md",
        "multikernel/user/README.md",
        "multikernel/user/channels/README.md",
        "multikernel/virtual/README.md",
    )
)
FOUND = re.findall(
    r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", PAGES, re.DOTALL | re.MULTILINE
)
BLOCKS = [(code, printed) for code, printed in FOUND if "import" in code and "./double" not in code]
"""Whole programs; the others are lines out of one."""


def masked(text: str) -> list[str]:
    """Without what differs from run to run: the system's name, pids, CPUs, what cores do, who was
    first to refuse, and the widths of columns, which follow from them.
    """
    text = re.sub(r"system [0-9a-f]{8} of process \d+", "system S of process P", text)
    text = re.sub(
        r"^( +\d+) +\d+ +\d+  (parked|polling|user) +", r"\1 CPU P state ", text, flags=re.MULTILINE
    )
    text = re.sub(r"refused by core \d", "refused by core C", text)
    return [re.sub(r"(-| )\1+", r"\1", line).strip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("code", "printed"), BLOCKS, ids=[f"block {i}" for i in range(len(BLOCKS))]
)
def test_an_example(code: str, printed: str, tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(code)
    done = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    if "# raises PageFault\n" in code:
        assert "multikernel.errors.PageFault: page fault: 0x" in done.stderr.splitlines()[-1]
    else:
        assert (done.returncode, done.stderr) == (0, "")
    if printed:
        assert masked(done.stdout) == masked(printed)


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 4
    assert any(printed for _, printed in BLOCKS)
