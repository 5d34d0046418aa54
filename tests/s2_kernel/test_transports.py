"""Trees and transports: whatever the routes, whoever starts, nothing waits for ever, and replicas
agree in the end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s2_kernel import programs
from s2_kernel.crowd import (
    Trees,
    any_tree,
    any_trees,
    at_rest,
    binary,
    chain,
    everybody_at_once,
    flat,
    ring_road,
)

import multikernel
from multikernel import Frame, Page
from multikernel.errors import BadInput

TRANSPORTS = ("call-line", "ring", "socket")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("transport", "cores", "trees"),
    [
        *product(TRANSPORTS, (2,), (chain,)),  # two cores have but one tree
        *product(TRANSPORTS[:2], (3,), (ring_road,)),
        *product(TRANSPORTS, (5,), (chain, binary)),
        *product(TRANSPORTS[:2], (8,), (flat,)),
    ],
)
def test_all_cores_start_operations_at_once(
    cores: int, trees: Callable[[int], Trees], transport: Any
) -> None:
    with multikernel.boot(cores, transport=transport, trees=trees(cores)) as system:
        happened = everybody_at_once(system, seed=cores, rounds=80 if cores < 8 else 60)
    assert happened["unmap: ok"] > 0


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from([3, 5, 6, 8]),
    st.integers(0, 2**20),
    st.integers(0, 2**20),
    st.sampled_from(TRANSPORTS),
)
def test_any_trees_will_do(cores: int, trees: int, seed: int, transport: Any) -> None:
    with multikernel.boot(cores, transport=transport, trees=any_trees(cores, trees)) as system:
        everybody_at_once(system, seed, rounds=100)


@pytest.mark.full
@settings(max_examples=80, deadline=None)
@given(
    st.integers(2, 12), st.integers(0, 2**20), st.integers(0, 2**20), st.sampled_from(TRANSPORTS)
)
def test_any_trees_will_do_for_long(cores: int, trees: int, seed: int, transport: Any) -> None:
    with multikernel.boot(cores, transport=transport, trees=any_trees(cores, trees)) as system:
        everybody_at_once(system, seed, rounds=150)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("cores", "transport"),
    [(2, "call-line"), *product([5], TRANSPORTS), (9, "ring"), (9, "socket")],
)
def test_trees_are_installed_while_operations_run(cores: int, transport: Any) -> None:
    """Cores are given one random tree after the other, by a thread each; nothing is lost, and all
    agree in the end.
    """
    import threading

    chosen = random.Random(cores)
    with multikernel.boot(cores, transport=transport) as system:
        stop = threading.Event()
        failed: list[BaseException] = []
        installed: dict[int, int] = {}

        def plant(root: int, mine: random.Random) -> None:
            try:
                while not stop.is_set():
                    system.install(root, any_tree(cores, root, mine))
                    installed[root] = installed.get(root, 0) + 1
            except BaseException as error:
                failed.append(error)

        roots = chosen.sample(range(cores), min(cores, 3))
        threads = [
            threading.Thread(target=plant, args=(root, random.Random(root))) for root in roots
        ]
        for thread in threads:
            thread.start()
        try:
            everybody_at_once(system, seed=cores, rounds=100 if cores < 8 else 40)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert failed == []
        assert all(installed[root] > 0 for root in roots)
        assert len({system.ask(core.index, "TREES")[0] for core in system.cores}) == 1
        at_rest(system)
        page = system.map(system.allocate(4096))
        system.unmap(page)


def test_a_tree_from_a_program_and_from_outside() -> None:
    def give(root: int) -> None:
        multikernel.here().install(root, [(root, (root + 1) % 3), ((root + 1) % 3, (root + 2) % 3)])

    with multikernel.boot(3) as system:
        before = system.ask(0, "TREES")[0]
        system.cores[1].run(give, 1)
        mine = system.ask(0, "TREES")[0]
        assert mine != before
        system.cores[2].run(give, 1)  # by a call to core 1, whose tree it is
        second = {system.ask(core, "TREES", 1)[:2] for core in range(3)}
        assert second == {(system.ask(2, "TREES")[0], 2)}
        system.install(1, [(1, 0), (1, 2)])
        third = {system.ask(core, "TREES", 1)[:2] for core in range(3)}
        assert third == {(system.ask(2, "TREES")[0], 3)}
        assert len({before, mine, *(digest for digest, _ in second | third)}) == 4
        with pytest.raises(BadInput, match="does not span all cores"):
            system.install(0, [(0, 1)])
        system.unmap(system.map(system.allocate(4096)))


@pytest.mark.parametrize("cores", [2, 3, 5])
def test_the_shared_kernel_too(cores: int) -> None:
    with multikernel.boot(cores, kernel="shared") as system:
        everybody_at_once(system, seed=cores, rounds=200)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_operations_of_one_core_run_side_by_side(transport: Any) -> None:
    """The client's threads, all through core 0: more at once than it has lanes."""
    import threading

    with multikernel.boot(5, transport=transport, trees=chain(5)) as system:
        frame = system.allocate(4096)
        failed: list[BaseException] = []

        def churn(seed: int) -> None:
            chosen = random.Random(seed)
            try:
                for _ in range(12):
                    page = system.map(frame, cores=chosen.sample(range(5), chosen.randint(1, 5)))
                    system.unmap(page, protocol=chosen.choice(("two-phase", "one-phase")))  # type: ignore[arg-type]
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(8)]
        tasks = [core.start(unmap_own, frame, 12) for core in system.cores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for task in tasks:
            task.result()
        assert failed == []
        at_rest(system)


def unmap_own(frame: Frame, times: int) -> None:
    here = multikernel.here()
    for _ in range(times):
        here.unmap(here.map(frame))


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
def test_a_program_asks_another_core_about_a_page_that_is_being_unmapped(
    kernel: str, protocol: Any
) -> None:
    """Its request waits there for the outcome, and the outcome must not wait for its request."""

    def ask(page: Page, core: int) -> int:
        answered = 0
        try:
            while True:
                page.read(0, 8, core=core)
                answered += 1
        except multikernel.errors.PageFault:
            return answered

    with multikernel.boot(3, kernel=kernel) as system:  # type: ignore[arg-type]
        frame = system.allocate(4096)
        for _ in range(30):
            page = system.map(frame)
            tasks = [core.start(ask, page, (core.index + 1) % 3) for core in system.cores]
            programs.sleep(0.002)
            system.unmap(page, protocol=protocol)
            for task in tasks:
                task.result()


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({0: []}, r"does not span all cores: \[1, 2\]"),
        ({3: []}, "no such core: 3"),
        ({0: [(0, 1), (1, 5)]}, "no such core: 5"),
        ({0: [(0, 1), (1, 1)]}, "in the tree already: 1 → 1"),
        ({0: [(0, 1), (1, 0)]}, "in the tree already: 1 → 0"),
        ({0: [(1, 2), (0, 1)]}, "nothing has led to yet: 1 → 2"),
    ],
)
def test_trees_that_are_none(tree: Trees, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        multikernel.boot(3, trees=tree)


def test_other_input_that_cannot_be() -> None:
    for options, says in [
        ({"cores": 0}, "1 to 1024"),
        ({"cores": 1025}, "1 to 1024"),
        ({"cores": "998-999"}, "99[89]"),
        ({"cores": [2**20]}, str(2**20)),
        ({"kernel": "mono"}, "unknown kernel: mono"),
        ({"transport": "pigeon"}, "unknown transport: pigeon"),
        ({"memory": 0}, "less than a page"),
        ({"slots": 0}, "mappings for each core"),
        ({"channels": 65}, "channels"),
    ]:
        with pytest.raises(BadInput, match=says):
            multikernel.boot(**{"cores": 2, **options})  # type: ignore[arg-type]
