"""A core polls as long as the kept cost of blocking says, then sleeps."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import multikernel
from multikernel.knowledge import block_cost
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology
from multikernel.runtime.plan import Kernel


@pytest.mark.parametrize("kernel", ["multikernel", "shared"])
def test_cores_poll_for_what_is_kept(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that polls for a second after its last work has not slept after a hundredth of one;
    else it has.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = Topology.read()
    for us, sleeps in ((1e6, False), (1.0, True)):
        block_cost.save(us, here, Host.read())
        with multikernel.boot([here.allowed[0]], kernel=kernel) as system:
            assert system.poll.us == us
            core = system.cores[0]
            for _ in range(1000):  # others may keep this process from looking in time
                core.run(abs, -1)
                before = core.counters()["parks"]
                time.sleep(0.01)
                if (core.counters()["parks"] > before) == sleeps:
                    break
            else:
                pytest.fail(
                    f"polling for {us} µs, a core {'never slept' if sleeps else 'always slept'}"
                )
