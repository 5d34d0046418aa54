"""The monitors' channels where the host carries them: a Unix socket pair for each pair of cores.

Guarantees: made by the supervisor, inherited by the two cores they join and by nobody else: every
core closes what is not its own, the supervisor closes a core's ends once it is forked, and a
program that a core executes inherits none (close-on-exec). Nothing has a name, so nothing is left
behind whatever is killed. Made as late as they can be, a core's just before its fork, so that the
supervisor holds at most about a quarter of all at once.
"""

from __future__ import annotations

import os
import resource
from array import array
from collections.abc import Mapping

from multikernel.machine import limits
from multikernel.native import _native
from multikernel.runtime.plan import HOST_TRANSPORTS

SPARE = 64
"""Descriptors that a process has for other things: its streams, segments, connection."""


def needed(transport: str, cores: int) -> int:
    """Descriptors that a process of such a system may come to have open at once."""
    each = 1 if transport in HOST_TRANSPORTS else 0
    most = max((core + 1) * (cores - 1 - core) + cores - 1 for core in range(cores))
    return each * most + SPARE


def allowed() -> int:
    """Descriptors that a process may have open here (the soft RLIMIT_NOFILE)."""
    return limits.soft(resource.RLIMIT_NOFILE) or 1 << 62


class Links:
    """The ends of cores that are not forked yet. None of any, where the transport is in shared
    memory.
    """

    def __init__(self, transport: str, cores: int) -> None:
        self._transport = transport
        self._ends: dict[int, dict[int, int]] = {core: {} for core in range(cores)}

    def make(self, core: int) -> None:
        """In the supervisor, before that core's fork, and that of any after it: joins it to
        those.
        """
        if self._transport not in HOST_TRANSPORTS:
            return
        for other in range(core + 1, len(self._ends)):
            self._ends[core][other], self._ends[other][core] = _native.socket_pair()

    def passed(self, core: int) -> None:
        """In the supervisor, after that core's fork: its ends are its own."""
        _close(self._ends[core])
        self._ends[core] = {}

    def take(self, core: int) -> bytes | None:
        """In the core: closes the others' ends; its own for the driver, a native integer for each
        core.
        """
        if self._transport not in HOST_TRANSPORTS:
            return None
        own = self._ends.pop(core)
        for others in self._ends.values():
            _close(others)
        cores = len(self._ends) + 1
        return array("i", (own.get(other, -1) for other in range(cores))).tobytes()


def _close(ends: Mapping[int, int]) -> None:
    for descriptor in ends.values():
        os.close(descriptor)
