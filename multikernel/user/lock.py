"""Locks between processes that share memory, of every kind that the native core has.

Guarantees: one holder at a time (`readers`: or many that read). `ticket`, `mcs` and `hapax` serve
in the order of arrival; `ttas`, `readers` and `robust` in any. A process that waits in vain gets an
error that names the lock, its holder, and what to try. Only `robust` outlives a holder that dies:
the next one is told.

The locks themselves, and the papers that they come from: multikernel/native/locks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

from multikernel.errors import BadInput, LockTimeout
from multikernel.native._native import LOCKS, LockEnd, lock_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["LOCKS", "Lock", "lock_bytes"]


def _state(process: int) -> str:
    """Of a process, as one word."""
    try:
        status = psutil.Process(process).status()
    except psutil.NoSuchProcess:
        return "dead"
    if status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
        return "dead"
    return "stopped" if status == psutil.STATUS_STOPPED else "alive"


class Lock:
    """One process's handle of a lock.

    kind: a key of `LOCKS`, which says whether it is FIFO. memory: `lock_bytes(cores)` of it, shared
    and zeroed, aligned to 128 bytes. core: this process's place, from 0 on, nobody else's. name:
    what errors call it. fresh: the one process that lays it out, before all others. Raises
    BadInput.
    """

    def __init__(
        self,
        kind: str,
        memory: Buffer,
        core: int,
        cores: int,
        *,
        name: str = "",
        fresh: bool = False,
    ) -> None:
        try:
            self._end = LockEnd(kind, memory, core, cores, fresh)
        except (ValueError, OverflowError, TypeError, BufferError) as error:
            raise BadInput(
                f"no lock can lie there: {error}", value=name or None, where="Lock"
            ) from None
        self.kind = kind
        self.name = name or "without a name"
        self._core = core

    def acquire(self, timeout_s: float = 10.0, *, reads: bool = False) -> bool:
        """Waits for it. True: its last holder died while it held it (`robust` alone), and what it
        guards is as that one left it.

        Raises LockTimeout. In a FIFO lock the place in the queue cannot be left: after that error
        nobody gets the lock any more. A signal is handled when the wait is over.
        """
        if reads and self.kind != "readers":
            raise BadInput("only a readers lock is shared by readers", value=self.kind)
        taken, died = self._end.acquire(max(1, int(timeout_s * 1e9)), reads)
        if not taken:
            raise self._timeout(timeout_s)
        return died

    def release(self, *, reads: bool = False) -> None:
        """Of the process that has acquired it."""
        self._end.release(reads)

    @contextmanager
    def held(self, timeout_s: float = 10.0, *, reads: bool = False) -> Iterator[bool]:
        """While the block runs."""
        died = self.acquire(timeout_s, reads=reads)
        try:
            yield died
        finally:
            self.release(reads=reads)

    def _timeout(self, timeout_s: float) -> LockTimeout:
        processes = self._end.processes()
        states = {core: _state(process) for core, process in processes.items()}
        holder = self._end.holder()
        where = "its holder does not show"
        if holder == self._core:
            where = f"core {holder} itself holds it, or had it last"
        elif holder is not None:
            where = f"held, or last held, by core {holder}"
        if holder in processes:
            where += f", process {processes[holder]}, {states[holder]}"
        dead = [core for core, state in states.items() if state == "dead" and core != holder]
        if dead:
            where += "; dead too: " + ", ".join(f"core {core}" for core in dead)
        if "dead" in states.values():
            hint = "a dead process never releases it: lay it out anew, or take a robust lock"
        elif holder == self._core:
            hint = "a lock is not taken twice: release it first"
        elif "stopped" in states.values():
            hint = "let the stopped process go on (SIGCONT), or give it more time"
        else:
            hint = "give it more time, or look what its holder waits for: two locks in two orders?"
        return LockTimeout(
            f"the {self.kind} lock was not acquired in {timeout_s:g} s",
            core=holder,
            value=self.name,
            where=where,
            hint=hint,
        )
