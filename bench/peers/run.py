"""All peers measured by turns: in every round each has one slice, in an order drawn anew.

Guarantees: what drifts on the machine drifts through all of them, and each is compared with the
floor of its moment; a peer that isn't there or fails is skipped by name with the reason, and the
run goes on; whatever was made in /dev/shm is gone when the run ends, and when it is killed.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multikernel.errors import BadInput
from multikernel.machine.host.cpus import resolve
from multikernel.machine.topology.model import Topology

from . import libraries, mpi, ours, stdlib
from .peer import Failed, Peer, Place, Plan, Slice

FLOOR = "floor"
SHM = Path("/dev/shm")
SCHEMA = 1
FLOOR_SECONDS = 0.02
QUICK = Plan(seconds=0.005, most=10_000)
MOST_ROUNDS = 100

JANITOR = """
import glob, os, shutil, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
orderly = sys.stdin.buffer.read()
for _ in range(1 if orderly else 10):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    for name in glob.glob(glob.escape(sys.argv[2]) + "*"):
        try:
            os.unlink(name)
        except OSError:
            pass
    if not orderly:
        time.sleep(0.1)
"""
"""Outlives the run by a moment: its standard input ends with the run, however that ends. Of a run
that was killed it waits for the last to die.
"""


def all_peers() -> list[Peer]:
    """Every peer there is, the floor first."""
    return [*ours.peers(), *stdlib.peers(), *libraries.peers(), *mpi.peers()]


def selected(names: Sequence[str] | None) -> list[Peer]:
    """Those of the given keys and groups, and the floor; all without any. Raises BadInput."""
    every = all_peers()
    if names is None:
        return every
    known = {peer.key for peer in every} | {peer.group for peer in every}
    for name in names:
        if name not in known:
            raise BadInput(
                "unknown peer",
                value=name,
                where="--only",
                hint="one of " + ", ".join(sorted(known)),
            )
    return [peer for peer in every if peer.key == FLOOR or {peer.key, peer.group} & set(names)]


def two_cpus(text: str | None, topology: Topology | None = None) -> tuple[int, int]:
    """The CPUs of a run. Raises BadInput, on a machine with one CPU too."""
    topology = topology or Topology.read()
    if len(topology.allowed) < 2:
        raise BadInput(
            "peers are compared between two CPUs, and this process may use only one",
            value=",".join(map(str, topology.allowed)),
        )
    cpus = resolve(2 if text is None else text, topology, where="--cpus").cpus
    if len(cpus) != 2 or cpus[0] == cpus[1]:
        raise BadInput(
            "two different CPUs are needed", value=text, where="--cpus", hint="for example 0,1"
        )
    return cpus[0], cpus[1]


@contextmanager
def _scratch(cpus: tuple[int, int]) -> Iterator[Place]:
    base = SHM if os.access(SHM, os.W_OK) else Path(tempfile.gettempdir())
    directory = Path(tempfile.mkdtemp(prefix="mkpeers-", dir=base))
    # Names as they lie in /dev/shm: none of them the beginning of the directory's.
    prefix = directory.name + "-"
    janitor = subprocess.Popen(
        [sys.executable, "-I", "-c", JANITOR, str(directory), str(base / prefix)],
        stdin=subprocess.PIPE,
        # A signal to the run's whole process group does not reach this.
        start_new_session=True,
    )
    try:
        yield Place(cpus, directory, prefix)
    finally:
        assert janitor.stdin is not None
        with suppress(OSError):  # somebody ended it; there is nobody else to ask
            janitor.stdin.write(b"all have ended")
            janitor.stdin.close()
        janitor.wait()


def run(
    peers: Sequence[Peer],
    cpus: tuple[int, int],
    rounds: int,
    plan: Plan,
    progress: Callable[[str], None] = lambda text: None,
    seed: int | None = None,
) -> dict[str, Any]:
    """The document of a run: what machine, a row for each peer that has a figure, and who was
    skipped and why.
    """
    if not 1 <= rounds <= MOST_ROUNDS:
        raise BadInput(
            "the number of rounds", value=rounds, where="--rounds", hint=f"from 1 to {MOST_ROUNDS}"
        )
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    order = random.Random(seed)
    slices: dict[str, dict[int, Slice]] = defaultdict(dict)
    floors: dict[str, dict[int, float | None]] = defaultdict(dict)
    failures: dict[str, str] = {}
    before = os.getloadavg()
    with _scratch(cpus) as place:
        try:
            there = []
            for peer in peers:
                if (why := peer.missing()) is not None or (why := _begun(peer, place)) is not None:
                    failures[peer.key] = why
                else:
                    there.append(peer)
            for number in range(rounds):
                turns = list(there)
                order.shuffle(turns)
                for peer in turns:
                    progress(f"round {number + 1} of {rounds}: {peer.name}")
                    try:
                        near = _floor_now(there, place, plan)
                        slices[peer.key][number] = found = peer.measure(place, plan)
                        floors[peer.key][number] = (
                            found.round_trip_ns if peer.key == FLOOR else near
                        )
                    except Exception as error:
                        # Whatever it is, the others are still measured.
                        failures[peer.key] = _sentence(error)
                        there.remove(peer)
        finally:
            for peer in peers:
                peer.end()
    return {
        "schema": SCHEMA,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "cpus": list(cpus),
        "load": {"before": list(before), "after": list(os.getloadavg())},
        "rounds": rounds,
        "seconds_a_slice": plan.seconds,
        "seed": seed,
        "message_bytes": {"ours": 56, "others": 64},
        "rows": [_row(peer, slices[peer.key],
        floors[peer.key]) for peer in peers if slices.get(peer.key)],
        "skipped": [
            {
                "key": peer.key,
                "name": peer.name,
                "reason": failures[peer.key],
                "rounds_measured": len(slices.get(peer.key, {})),
            }
            for peer in peers
            if peer.key in failures
        ],
    }  # fmt: skip


def _floor_now(there: Sequence[Peer], place: Place, plan: Plan) -> float | None:
    """The floor right before a slice: where two CPUs lie to each other may change under a virtual
    machine.
    """
    floor = next((peer for peer in there if peer.key == FLOOR), None)
    if floor is None:
        return None
    return floor.measure(
        place, replace(plan, seconds=min(plan.seconds, FLOOR_SECONDS))
    ).round_trip_ns


def _begun(peer: Peer, place: Place) -> str | None:
    try:
        peer.begin(place)
    except Exception as error:
        return _sentence(error)
    return None


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no more is said"
    return text if isinstance(error, Failed) else f"{type(error).__name__}: {text}"


def _machine() -> dict[str, Any]:
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "model": model, "architecture": platform.machine(), "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }  # fmt: skip


def _spread(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "rounds": list(values),
    }


def _row(peer: Peer, slices: dict[int, Slice], floors: dict[int, float | None]) -> dict[str, Any]:
    trips = {
        number: one.round_trip_ns for number, one in slices.items() if one.round_trip_ns is not None
    }
    rates = [
        one.messages_per_second / 1e6
        for one in slices.values()
        if one.messages_per_second is not None
    ]
    ratios = [trip / floor for number, trip in trips.items() if (floor := floors.get(number))]
    return {
        "key": peer.key,
        "name": peer.name,
        "group": peer.group,
        "version": peer.version(),
        "round_trip_ns": _spread(list(trips.values())),
        "over_floor": _spread(ratios),
        "million_messages_a_second": _spread(rates),
    }
