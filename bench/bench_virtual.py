"""Virtual time: how many events a second the simulator gets done, booting and agreeing on a rack.

Aims: 4 096 cores boot in 10 s; 1 000 agreements take 10 s among 1 024 cores with one root, 20 s
with 64 roots, and 60 s among 4 096. A round here is fewer; `extra_info` has events a second.
"""

from __future__ import annotations

from typing import Any

import pytest

from multikernel.machine.models.reading import read
from multikernel.native._native import PROTOCOLS, cores_word
from multikernel.virtual.kernel import Edges, Kernel, machine
from multikernel.virtual.trees import build
from multikernel.virtual.work import Work

PAGE, WRITE = 4096, 3
RACK = read("rack-32")
AGREEMENTS = 100
"""Of a round: maps and unmaps, by turns on every root."""


def booted(cores: int, roots: int) -> Kernel:
    apart = cores // roots
    trees: dict[int, Edges] = {
        root * apart: build("hierarchical", root * apart, RACK, cores, "bench")
        for root in range(roots)
    }
    return Kernel(machine(RACK, cores, "bench"), Work.reference(), trees, slots=4, pages=1024)


def agreements(kernel: Kernel, roots: int) -> None:
    """Each root maps and unmaps a page of its own on all cores, all roots at once."""
    word, kept = cores_word((1 << kernel.cores) - 1, kernel.cores)
    cores = [root * (kernel.cores // roots) for root in range(roots)]
    frames = [kernel.request(0, "ALLOCATE", PAGE).reply[2][:2] for _ in cores]
    done, pages = 0, dict.fromkeys(cores, -1)
    waiting: dict[int, int] = {}

    def ask(at: int) -> None:
        core, (offset, name) = cores[at], frames[at]
        if pages[core] < 0:
            words = offset, PAGE, WRITE, word, name
            waiting[kernel.ask(core, "MAP", *words, kept=kept)] = at
        else:
            waiting[kernel.ask(core, "UNMAP", pages[core], PROTOCOLS["two-phase"])] = at

    for at in range(roots):
        ask(at)
    while waiting:
        ticket, answer = kernel.wait_any(waiting)
        at, done = waiting.pop(ticket), done + 1
        assert not answer.reply[0]
        pages[cores[at]] = answer.reply[2][0] if pages[cores[at]] < 0 else -1
        if done + len(waiting) < AGREEMENTS:
            ask(at)
    kernel.settle()


@pytest.mark.parametrize("cores", [1024, 4096])
def test_boot(benchmark: Any, cores: int) -> None:
    benchmark.pedantic(lambda: booted(cores, 1), rounds=3)


@pytest.mark.parametrize(("cores", "roots"), [(32, 1), (1024, 1), (1024, 64), (4096, 1)])
def test_agreements(benchmark: Any, cores: int, roots: int) -> None:
    kernels: list[Kernel] = []

    def fresh() -> tuple[tuple[Kernel, int], dict[str, Any]]:
        kernels.append(booted(cores, roots))
        return (kernels[-1], roots), {}

    benchmark.pedantic(agreements, setup=fresh, rounds=3)
    events = kernels[-1].native.counts()[3]
    benchmark.extra_info["agreements_a_round"] = AGREEMENTS
    benchmark.extra_info["events_a_second"] = round(events / benchmark.stats.stats.min)
