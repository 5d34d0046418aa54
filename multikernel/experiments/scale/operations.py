"""What all cores of a modelled machine do together, and what it takes of links and cores.

Guarantees: every operation is of core 0, alone, when nothing else is under way. Messages are
counted until the last has been handled; how busy links and cores are, until core 0 has its answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multikernel.experiments.instrument.capability_loops import RIGHTS, ROOT
from multikernel.experiments.instrument.loops import PAGE
from multikernel.experiments.instrument.modelled import ModelledBench, NotModelled
from multikernel.experiments.instrument.rig import Bench
from multikernel.native._native import CAPABILITY_TYPES, PROTOCOLS, cores_word
from multikernel.results.document import Scalar
from multikernel.virtual.kernel import Answer

Counts = NDArray[np.int64]
SOURCE, MADE = 1, 16
"""Slots of a core's root CNode: memory that all have a capability to, and what is made of it."""
FRAME = MADE | CAPABILITY_TYPES["Frame"] << 16 | 1 << 32


class Traffic:
    """What operations took of a machine, in all its boots: messages; how often each link was passed
    and how many cycles each core was busy by the time that core 0 had its answers; and how many
    cycles those took.
    """

    def __init__(self, bench: ModelledBench) -> None:
        self.operations = self.cycles = self.messages = 0
        self.passed, self.busy = (0 * one for one in _counters(bench))

    def add(self, bench: ModelledBench, kind: str, *words: int) -> Answer:
        """One more, of core 0; until nothing is under way. Raises NotModelled if it is refused."""
        virtual = bench.virtual
        before, sent = _counters(bench), virtual.native.counts()[1]
        answer = virtual.request(0, kind, *words)
        after = _counters(bench)
        virtual.settle()
        if answer.reply[0]:
            raise NotModelled(f"{kind}, which is refused")
        self.passed += after[0] - before[0]
        self.busy += after[1] - before[1]
        self.messages += virtual.native.counts()[1] - sent
        self.cycles += answer.took
        self.operations += 1
        return answer

    def about(self, bench: ModelledBench) -> dict[str, Scalar]:
        """Parameters of a series: messages an operation; the link that most lines passed, how many
        an operation, and for which share of the time; the busiest core, and its share.
        """
        core = int(self.busy.argmax())
        found: dict[str, Scalar] = {
            "messages": self.messages / self.operations,
            "busiest_core": f"core {core}",
            "core_busy": round(min(1.0, float(self.busy[core]) / self.cycles), 4),
        }
        if self.passed.any():
            link = int(self.passed.argmax())
            lines, interval = float(self.passed[link]), bench.model.transfer.link.value
            found["busiest_link"] = _link(*bench.tables.link_names[link])
            found["link_lines"] = lines / self.operations
            found["link_busy"] = round(lines * interval / self.cycles, 4)
        return found


def _counters(bench: ModelledBench) -> tuple[Counts, Counts]:
    native = bench.virtual.native
    return np.array(native.links(), dtype=np.int64), np.array(native.busy(), dtype=np.int64)


def _link(one: int, other: int) -> str:
    if one < 0:
        return f"switch to server {other}"
    return f"server {one} to switch" if other < 0 else f"package {one} to package {other}"


def furnish(bench: Bench) -> None:
    """Memory that every core has a capability to."""
    assert isinstance(bench, ModelledBench)
    made = bench.ask(0, "CAP_CREATE", PAGE, ROOT, SOURCE)[0]
    for core in range(1, bench.cores):
        bench.ask(0, "CAP_COPY", made, ROOT, SOURCE | RIGHTS << 16 | core << 32)


def _unmaps(bench: ModelledBench, traffic: Traffic, count: int, protocol: str) -> list[int]:
    """Of a page that all cores hold."""
    word, kept = cores_word((1 << bench.cores) - 1, bench.cores)
    offset, name = bench._frame
    times = []
    for _ in range(count):
        page = bench.ask(0, "MAP", offset, PAGE, 3, word, name, kept=kept)[0]
        bench.think()
        times.append(traffic.add(bench, "UNMAP", page, PROTOCOLS[protocol]).took)
        bench.think()
    return times


def agreements(bench: ModelledBench, traffic: Traffic, count: int) -> list[int]:
    """Unmaps in two phases: all vote, and all know the outcome."""
    return _unmaps(bench, traffic, count, "two-phase")


def unmaps(bench: ModelledBench, traffic: Traffic, count: int) -> list[int]:
    """In one phase, which nobody can refuse."""
    return _unmaps(bench, traffic, count, "one-phase")


def retypes(bench: ModelledBench, traffic: Traffic, count: int) -> list[int]:
    """Of the memory that all have a capability to, in two phases."""
    memory = bench.ask(0, "CAP_LOOK", SOURCE)[0]
    times = []
    for _ in range(count):
        bench.think()
        done = traffic.add(bench, "CAP_RETYPE", memory, ROOT, FRAME, 0, PAGE)
        times.append(done.took)
        bench.ask(0, "CAP_DELETE", done.reply[2][0])
    return times


OPERATIONS: dict[str, Callable[[ModelledBench, Traffic, int], list[int]]] = {
    "agreement": agreements, "unmap": unmaps, "retype": retypes,
}  # fmt: skip
"""The kernel's, by name: so many times, with cycles of each."""
