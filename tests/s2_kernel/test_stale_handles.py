"""Would the histories notice that a handle of what is gone acts on what has its place now? What is
sent in them is often such a handle.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from s2_kernel import mutants
from s2_kernel.stale_bugs import BUGS

import multikernel
from multikernel import errors


@pytest.mark.parametrize("kernel", ["multikernel", "shared"])
def test_a_handle_of_before_names_nothing_now(kernel: str) -> None:
    """A frame that is mapped again has the slot and the address that it had."""
    with multikernel.boot(2, kernel=kernel) as system:  # type: ignore[arg-type]
        frame = system.allocate(4096)
        before = system.map(frame)
        system.unmap(before)
        now = system.map(frame)
        assert now.address == before.address
        now.write(0, b"now")
        for core in system.cores:
            with pytest.raises(errors.PageFault):
                core.read(before, 0, 3)
            with pytest.raises(errors.NotMapped):
                before.pin(core.index)
        with pytest.raises(errors.NotMapped):
            system.unmap(before)
        assert [core.read(now, 0, 3) for core in system.cores] == [b"now"] * 2


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_seen(name: str, tmp_path: Path) -> None:
    file, select = BUGS[name].seen_by
    mutants.histories(tmp_path, BUGS[name], str(Path(__file__).with_name(file)), select)
