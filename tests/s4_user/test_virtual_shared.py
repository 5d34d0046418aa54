"""The shared kernel in virtual time: it ends where a real one does, and its locks are first come,
first served.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from s4_user.test_virtual_time import contend, operations

import multikernel
from multikernel.errors import BadInput, MultikernelError
from multikernel.machine.models import reading
from multikernel.native._native import CAPABILITY_TYPES, cores_word
from multikernel.virtual.calibrating import free_machine
from multikernel.virtual.kernel import COMPUTES, Kernel, Shared, machine
from multikernel.virtual.work import Work

AMD = "8x4-amd"
ROOT, FRAME, PAGE = 1 << 32, CAPABILITY_TYPES["Frame"] << 16 | 1 << 32, 4096
TREES = (None, "sequential", "cluster")


def boot(**options: Any) -> Any:
    return multikernel.boot(machine=AMD, kernel="shared", **options)


@pytest.mark.parametrize("trees", [None, "sequential"])
@pytest.mark.parametrize("seed", range(2))
def test_a_real_and_a_simulated_run_of_the_same_operations_end_in_the_same_mappings(
    seed: int, trees: str | None
) -> None:
    with multikernel.boot(cores=[0, 0, 0], kernel="shared", trees=trees, slots=16) as real:
        expected = operations(real, seed, 40)
        digests = [core.digest() for core in real.cores]
    with boot(cores=3, trees=trees, slots=16) as modelled:
        assert operations(modelled, seed, 40) == expected
        assert [core.digest() for core in modelled.cores] == digests


@pytest.mark.parametrize("seed", range(3))
def test_both_kernels_come_to_the_same(seed: int) -> None:
    """Not the same addresses, which each gives out in its own order. Looked at is the core that
    asked for all of them, which has all of the multikernel's mappings too.
    """
    found = []
    for kernel in ("multikernel", "shared"):
        with multikernel.boot(machine=AMD, kernel=kernel, cores=3, slots=16) as system:
            said = [(one[0], one[4:]) for one in operations(system, seed, 30)]
            system.settle()
            found.append((said, system.cores[0].digest()[1:]))
    assert found[0] == found[1]


@pytest.mark.parametrize("trees", TREES)
def test_the_same_run_comes_to_the_same_times(trees: str | None) -> None:
    logs = []
    for _ in range(2):
        with boot(trees=trees) as system:
            logs.append(contend(system, 1))
            system.settle()
            assert len({core.digest() for core in system.cores}) == 1
    assert logs[0] == logs[1]
    assert "ok" in {how for _, _, how in logs[0]}


def test_groups_are_refused() -> None:
    with boot(cores=2) as system, pytest.raises(BadInput):
        system.group()


@pytest.mark.parametrize("scope", ["big", "region"])
def test_capabilities_go_with_what_they_were_made_of(scope: Any) -> None:
    with boot(cores=8, lock_scope=scope) as system:
        ram = system.ram(1 << 20)
        copy = ram.copy(7)
        (frame,) = copy.retype("Frame", size=PAGE)
        with pytest.raises(MultikernelError):
            ram.retype("Frame", size=PAGE)
        ram.revoke()
        with pytest.raises(MultikernelError):
            frame.copy(3)


# --- The lock


def kernel_of(cores: int, shared: Shared, cores_of_it: str = AMD) -> Kernel:
    on = machine(reading.shipped(cores_of_it), cores, "here")
    return Kernel(on, Work.reference(), cnodes=16, shared=shared)


def mapped(kernel: Kernel) -> list[int]:
    """A page on all cores for each of them."""
    word, kept = cores_word((1 << kernel.cores) - 1, kernel.cores)
    pages = []
    for core in range(kernel.cores):
        offset, name = kernel.request(0, "ALLOCATE", PAGE).reply[2][:2]
        reply = kernel.request(core, "MAP", offset, PAGE, 3, word, name, kept=kept).reply
        assert reply[0] == 0
        pages.append(reply[2][0])
    kernel.settle()
    return pages


def rams_of(kernel: Kernel, *, common: bool = False) -> list[int]:
    """On every core RAM of its own, or a copy of what all have."""
    cores, everything = range(kernel.cores), 7 << 16
    size = PAGE * kernel.cores
    rams = [kernel.request(0, "CAP_CREATE", size, ROOT, 1 + core).reply[2][0] for core in cores]
    for core in cores[1:]:
        where = 60 | everything | core << 32
        reply = kernel.request(0, "CAP_COPY", rams[0 if common else core], ROOT, where).reply
        assert reply[0] == 0
        rams[core] = reply[2][0]
    kernel.settle()
    return rams


def retypes(kernel: Kernel, rams: list[int], at: list[int]) -> list[tuple[int, int]]:
    """Each core makes a Frame at that time: when they have ended, in that order, and on which."""
    ended = []
    tickets = {
        kernel.ask(core, "CAP_RETYPE", ram, ROOT, 100 | FRAME, PAGE * core, PAGE, at=time): core
        for core, (ram, time) in enumerate(zip(rams, at, strict=True))
    }
    while tickets:
        ticket, answer = kernel.wait_any(tickets)
        assert answer.reply[0] == 0
        ended.append((answer.time, tickets.pop(ticket)))
    return ended


def test_who_comes_first_is_served_first_and_nobody_meanwhile() -> None:
    kernel, order = kernel_of(16, Shared()), list(range(16))
    rams = rams_of(kernel)
    random.Random(1).shuffle(order)
    at = [kernel.now + 1000 + 100 * order.index(core) for core in range(16)]
    ended = retypes(kernel, rams, at)
    assert [core for _, core in ended] == order
    model = reading.shipped(AMD)
    held = model.local.clear.value + 100 * model.local.work_scale.value
    assert all(later - earlier > held for (earlier, _), (later, _) in pairwise(ended))


def test_a_page_is_changed_by_one_at_a_time() -> None:
    for along in (False, True):
        kernel = kernel_of(8, Shared(along_trees=along))
        pages = mapped(kernel)
        alone = kernel.request(0, "PROTECT", pages[0], 1).took
        kernel.settle()
        tickets = [kernel.ask(core, "UNMAP", page, 0) for core, page in enumerate(pages)]
        times = sorted(kernel.wait(ticket).time for ticket in tickets)
        assert all(later - earlier > alone / 2 for earlier, later in pairwise(times))


def at_once(cores: int, shared: Shared, *, common: bool = False) -> int:
    """Cycles until all have their Frame."""
    kernel = kernel_of(cores, shared)
    rams = rams_of(kernel, common=common)
    begun = kernel.now + 1000
    return retypes(kernel, rams, [begun] * cores)[-1][0] - begun


def test_under_one_lock_time_grows_with_those_that_want_it() -> None:
    took = [at_once(cores, Shared("big")) for cores in (1, 2, 4, 8, 16)]
    assert took == sorted(took)
    assert took[-1] > 10 * took[0]
    steps = [b - a for a, b in pairwise(took)]
    assert all(b > 1.5 * a for a, b in pairwise(steps[1:]))


def test_locks_of_regions_keep_apart_what_lies_in_several() -> None:
    one, several = at_once(16, Shared("big")), at_once(16, Shared("region"))
    assert several < one / 5
    assert at_once(16, Shared("region"), common=True) > one / 2


@pytest.mark.parametrize("along", [False, True])
def test_an_unmap_takes_longer_with_more_cores_and_where_they_compute(along: bool) -> None:
    took = []
    for cores, computing in ((2, False), (8, False), (32, False), (32, True)):
        kernel = kernel_of(cores, Shared(along_trees=along))
        page = mapped(kernel)[0]
        for core in range(1, cores if computing else 1):
            kernel.native.idle(core, COMPUTES)
        took.append(kernel.request(0, "UNMAP", page, 0).took)
    assert took[0] < took[1] < took[2] < took[3]


def test_where_nothing_costs_anything_no_time_goes_by() -> None:
    for along in (False, True):
        on = machine(free_machine(), 4, "free")
        kernel = Kernel(on, Work.of_steps("none", 1.0), cnodes=16, shared=Shared(along_trees=along))
        for page in mapped(kernel):
            assert kernel.request(3, "UNMAP", page, 0).took == 0
        assert kernel.now == 0
