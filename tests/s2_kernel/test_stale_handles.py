"""Would the histories notice that a handle of what is gone acts on what has its place now? What is
sent in them is often such a handle.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from s2_kernel import mutants
from s2_kernel.stale_bugs import BUGS


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_seen(name: str, tmp_path: Path) -> None:
    file, select = BUGS[name].seen_by
    mutants.histories(tmp_path, BUGS[name], str(Path(__file__).with_name(file)), select)
