"""A system at rest: what has been decided has been heard everywhere. An operation that has returned
may still be news to some core for a moment, which keeps locked what it is about until then.
"""

from __future__ import annotations

import time

from multikernel import System
from multikernel.native._native import KINDS

PATIENCE_S = 30


def rest(system: System) -> None:
    """Waits until no core has anything locked. Fails where some core always has."""
    until = time.monotonic() + PATIENCE_S
    while any(
        core.digest()[2] or system.launched.request(core.index, KINDS["CAP_DIGEST"])[2][2]
        for core in system.cores
    ):
        assert time.monotonic() < until, "something stays locked"
        time.sleep(0.001)
