"""The code as it lies here passes scripts/check: format, lint, types, floors, warnings."""

import subprocess
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parent.parent / "scripts" / "check"


@pytest.mark.timeout(540)  # the first run fills every cache
def test_check_passes() -> None:
    done = subprocess.run(
        [CHECK], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        pytest.fail(
            f"scripts/check failed with status {done.returncode}:\n{done.stdout}", pytrace=False
        )
