"""What programs on cores leave behind: children of theirs that would outlive the system.

Guarantees: ends all that are in the supervisor's session, which is the cores' and, by inheritance,
their children's, and nobody else: a session's number is nobody else's while its leader has not been
reaped. Children that have made a session of their own (setsid, a daemon) stay: they have asked for
that.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

GRACE_SECONDS = 0.5
KILLED_SECONDS = 5.0
"""After that, what the host does not end (it waits for a disk) is left to the host."""


def members(leader: int) -> list[psutil.Process]:
    """Of the session of that leader: all but the leader, and but those that have ended."""
    pids = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile, or no process
            if int(name) != leader and os.getsid(int(name)) == leader:
                pids.append(int(name))
    if not pids:
        return []
    import psutil

    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end(leader: int) -> None:
    """Ends all of them: SIGTERM, and SIGKILL to those that are there after a moment. Call it in the
    leader, or while the leader has ended and was not reaped.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    told: set[psutil.Process] = set()
    while (left := members(leader)) and time.monotonic() < deadline + KILLED_SECONDS:
        import psutil

        for process in left:
            with contextlib.suppress(psutil.Error):
                if time.monotonic() > deadline:
                    process.kill()
                elif process not in told:
                    told.add(process)
                    process.terminate()
        time.sleep(0.005)
