"""The two processes of a peer from the side that measures: started, asked, ended.

Guarantees: every wait is bounded; both processes are gone when a block of `spawned` ends, however
it ends. Counts are chosen so that a slice lasts as long as the plan says, and batches so that
reading the clock does not count.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from . import worker
from .peer import Failed, Place, Plan, ProcessPeer, Slice

FIRST = 64
"""Messages before the first that counts, and of the first estimate."""
BATCH_NS = 100_000
"""What a batch lasts at least: reading the clock costs a thousandth of it."""
LEAST_BATCHES = 16
PATIENCE = 1.0
"""Seconds in which a worker that was asked to stop ends by itself."""
STREAMS = 8


@dataclass(slots=True)
class Pair:
    """Controls of the workers with roles 0 and 1. errors: where each of them complains."""

    controls: tuple[Connection, Connection]
    errors: tuple[Path, Path]
    timeout: float

    def order(self, *words: Any) -> Any:
        """Both do it, the second first; what the first answered."""
        for role in (1, 0):
            try:
                self.controls[role].send(words)
            except OSError:
                raise Failed(self._gone(role)) from None
        return self.answers()[0]

    def answers(self) -> tuple[Any, Any]:
        """One answer of each. Raises Failed as soon as one has failed."""
        found: dict[int, Any] = {}
        until = time.monotonic() + self.timeout
        while len(found) < 2:
            waiting = [self.controls[role] for role in (0, 1) if role not in found]
            ready = wait(waiting, max(0.0, until - time.monotonic()))
            if not ready:
                raise Failed(f"no answer within {self.timeout:g} s")
            for control in ready:
                role = 0 if control is self.controls[0] else 1
                found[role] = self._answer(role)
        return found[0], found[1]

    def _answer(self, role: int) -> Any:
        try:
            verdict, result = self.controls[role].recv()
        except (EOFError, OSError):
            raise Failed(self._gone(role)) from None
        if verdict != "ok":
            raise Failed(result)
        return result

    def _gone(self, role: int) -> str:
        try:
            lines = self.errors[role].read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return "its process ended" + (f": {lines[-1][:200]}" if lines else "")


@contextmanager
def spawned(peer: ProcessPeer, sides: tuple[Any, Any], place: Place, plan: Plan) -> Iterator[Pair]:
    """Two workers with their ends open. Raises Failed."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        controls, errors = [], []
        patience: list[float] = []
        try:
            for role in (0, 1):
                ours, theirs = context.Pipe()
                stack.callback(ours.close)
                controls.append(ours)
                errors.append(place.directory / f"{peer.key}-{role}.log")
                process = context.Process(
                    target=worker.main,
                    args=(
                        peer,
                        role,
                        place.cpus[role],
                        sides[role],
                        theirs,
                        os.getpid(),
                        errors[role],
                    ),
                    daemon=True,
                )
                process.start()
                stack.callback(_ended, process, patience)
                theirs.close()
        finally:
            peer.give_up(sides)
        pair = Pair((controls[0], controls[1]), (errors[0], errors[1]), plan.timeout)
        pair.answers()
        yield pair
        pair.order("stop")
        patience.append(PATIENCE)


def _ended(process: multiprocessing.process.BaseProcess, patience: list[float]) -> None:
    """Waits for one that was asked to stop; ends any other at once."""
    process.join(sum(patience))
    if process.is_alive():
        process.kill()
    process.join()
    process.close()


def measured(pair: Pair, plan: Plan, round_trips: bool, streams: bool) -> Slice:
    """One slice: warmed, estimated, measured."""
    return Slice(
        round_trip_ns=_round_trips(pair, plan) if round_trips else None,
        messages_per_second=_stream(pair, plan) if streams else None,
    )


def _round_trips(pair: Pair, plan: Plan) -> float:
    first = min(FIRST, plan.most)
    pair.order("round_trips", first, first)
    one = max(pair.order("round_trips", first, first)[0] / first, 1.0)
    batch = max(1, min(int(BATCH_NS / one), plan.most // LEAST_BATCHES))
    batches = max(LEAST_BATCHES, min(int(plan.seconds * 1e9 / one), plan.most) // batch)
    times: list[int] = pair.order("round_trips", batches * batch, batch)
    return statistics.median(times) / batch


def _stream(pair: Pair, plan: Plan) -> float:
    """The median of several streams: one in which another program took a CPU does not count more
    than that.
    """
    count, seconds = min(FIRST, plan.most), plan.seconds / STREAMS
    # Each estimate has the answer to the last message in it, so it grows until that no longer
    # matters.
    for _ in range(3):
        took = max(pair.order("stream", count), 1)
        count = max(count, min(int(count * seconds * 1e9 / took), 50 * count, plan.most // STREAMS))
    times: list[int] = [pair.order("stream", count) for _ in range(STREAMS)]
    return count * 1e9 / max(statistics.median(times), 1)
