"""Collectives by real cores against what they must come to: over flat trees and random ones, all
and some members, in both kernels, with programs that come late, send more than boxes hold, or call
the wrong thing.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s2_kernel.crowd import any_tree

import multikernel
from multikernel import System
from multikernel.errors import BadInput, OutOfSlots
from multikernel.user.group import Group


def on_all(system: System, group: Group, function: Any, *arguments: Any) -> list[Any]:
    tasks = [system.cores[core].start(function, group, *arguments) for core in group.cores]
    return [task.result() for task in tasks]


def meet_often(group: Group, counters: Any, rounds: int, seed: int) -> int:
    """Nobody leaves a barrier before all have come: each writes its round, meets, and reads the
    others'.
    """
    chosen = random.Random(seed + group.core)
    early = 0
    for round_ in range(1, rounds + 1):
        counters.write(8 * group.core, struct.pack("<Q", round_))
        if chosen.random() < 0.1:
            time.sleep(0.001)
        group.barrier()
        for other in group.cores:
            (seen,) = struct.unpack("<Q", counters.read(8 * other, 8))
            early += seen < round_
        group.barrier()
    return early


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("cores", [1, 2, 3, 6])
def test_nobody_leaves_a_barrier_early(kernel: Any, cores: int) -> None:
    """Over the tree that was booted, then over another one."""
    root = cores - 1
    with multikernel.boot(cores, kernel=kernel, trees="sequential") as system:
        for planted in (False, True) if cores > 1 else (False,):
            if planted:
                system.install(root, any_tree(cores, root, random.Random(cores)))
            group = system.group(root=root)
            page = system.map(system.allocate(4096))
            assert (
                on_all(system, group, meet_often, page, 30 if cores < 6 else 12, cores)
                == [0] * cores
            )


def say(group: Group) -> None:
    group.broadcast(b"hello")


def hear(group: Group, seconds: float) -> bytes | None:
    until = time.monotonic() + seconds
    while (message := group.receive(wait=False)) is None and time.monotonic() < until:
        time.sleep(0.001)
    return message


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("trees", [None, "sequential"])
def test_a_group_s_messages_take_the_edges_of_the_root_s_tree(kernel: Any, trees: Any) -> None:
    with multikernel.boot(4, kernel=kernel, trees=trees) as system:
        flat = kernel == "shared" and not trees
        if not flat:
            system.install(0, [(0, 1), (1, 2), (2, 3)])
        group = system.group()
        os.kill(system.cores[2].pid, signal.SIGSTOP)
        saying = system.cores[0].start(say, group)
        assert system.cores[1].run(hear, group, 60) == b"hello"
        assert system.cores[3].run(hear, group, 60 if flat else 0.2) == (b"hello" if flat else None)
        os.kill(system.cores[2].pid, signal.SIGCONT)
        saying.result()
        assert system.cores[3].run(hear, group, 0) == (None if flat else b"hello")


def reduce_all(group: Group, values: list[list[Any]], join: str) -> tuple[Any, Any]:
    mine = values[group.cores.index(group.core)]
    return group.reduce(mine, join), group.all_reduce(mine, join)  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_reductions_are_python_s(data: st.DataObject) -> None:
    system = shared_system()
    members = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True))
    root = data.draw(st.sampled_from(members))
    real = data.draw(st.booleans())
    join = data.draw(
        st.sampled_from(["sum", "min", "max"] if real else ["sum", "min", "max", "and", "or"])
    )
    number = (
        st.floats(-1e6, 1e6).map(lambda x: float(round(x)))
        if real
        else st.integers(-(2**63), 2**63 - 1)
    )
    width = data.draw(st.integers(1, 12))
    values = [data.draw(st.lists(number, min_size=width, max_size=width)) for _ in members]
    if data.draw(st.booleans()):
        system.install(root, any_tree(5, root, random.Random(data.draw(st.integers(0, 99)))))
    group = system.group(members, root=root)
    try:
        found = on_all(system, group, reduce_all, values, join)
    finally:
        system.close_group(group)

    def joined(column: tuple[Any, ...]) -> Any:
        if join in ("min", "max"):
            return (min if join == "min" else max)(column)
        total = column[0]
        for value in column[1:]:
            total = (
                total + value
                if join == "sum"
                else total & value
                if join == "and"
                else total | value
            )
        return total if real else (total + 2**63) % 2**64 - 2**63

    expected = [joined(column) for column in zip(*values, strict=True)]
    for core, (at_root, everywhere) in zip(group.cores, found, strict=True):
        assert everywhere == expected
        assert at_root == (expected if core == root else None)


_systems: list[System] = []


def shared_system() -> System:
    if not _systems:
        _systems.append(multikernel.boot(5))
    return _systems[0]


@pytest.fixture(scope="module", autouse=True)
def closing() -> Any:
    yield
    while _systems:
        _systems.pop().close()


def talk(group: Group, count: int, late: int) -> list[bytes]:
    if group.core == late:
        time.sleep(0.05)  # its box fills
    if group.core == group.root:
        for number in range(count):
            group.broadcast(b"%d" % number)
        return [b"%d" % number for number in range(count)]
    return [group.receive() or b"" for _ in range(count)]


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("cores", [2, 5])
def test_a_broadcast_reaches_all_in_order_though_boxes_overflow(kernel: Any, cores: int) -> None:
    with multikernel.boot(cores, kernel=kernel, trees="sequential") as system:
        system.install(1, any_tree(cores, 1, random.Random(1)))
        group = system.group(root=1)
        expected = [b"%d" % number for number in range(300)]
        assert on_all(system, group, talk, 300, cores - 1) == [expected] * cores


def propose(group: Group, each: int, seed: int) -> list[bytes]:
    """Sends and takes by turns as chance has it; all that was ordered, as this core got it."""
    chosen = random.Random(seed * 100 + group.core)
    sent, got = 0, []
    while len(got) < each * len(group.cores):
        if sent < each and chosen.random() < 0.5:
            group.order(b"%d:%d" % (group.core, sent))
            sent += 1
        else:
            message = group.receive(wait=sent == each)
            if message is not None:
                got.append(message)
    return got


@pytest.mark.parametrize("cores", [2, 3, 6])
def test_all_get_all_messages_in_one_order(kernel: Any, cores: int) -> None:
    each = 40 if cores < 6 else 20
    with multikernel.boot(cores, kernel=kernel, trees="sequential") as system:
        for root in (0, cores - 1):
            system.install(root, any_tree(cores, root, random.Random(cores)))
            orders = on_all(system, system.group(root=root), propose, each, cores)
            assert all(order == orders[0] for order in orders)
            assert len(orders[0]) == cores * each
            for core in range(cores):  # what one core sends keeps its order
                mine = [message for message in orders[0] if message.startswith(b"%d:" % core)]
                assert mine == [b"%d:%d" % (core, n) for n in range(each)]


def test_a_member_that_computes_does_not_hold_up_a_broadcast() -> None:
    def say(group: Group) -> None:
        for number in range(20):
            group.broadcast(bytes([number]))

    def compute_then_look(group: Group, flag: Any) -> list[int]:
        while flag.read(0, 1) == b"\0":
            pass
        return [(group.receive() or b"?")[0] for _ in range(20)]

    with multikernel.boot(3) as system:
        group = system.group()
        flag = system.map(system.allocate(4096))
        busy = [system.cores[core].start(compute_then_look, group, flag) for core in (1, 2)]
        system.cores[0].run(say, group)  # returns while both compute
        flag.write(0, b"\1")
        assert [task.result() for task in busy] == [list(range(20))] * 2


def test_two_groups_at_once() -> None:
    def both(group: Group, other: Group, rounds: int) -> list[int]:
        found = []
        for _ in range(rounds):
            found.append(group.all_reduce([group.core])[0])
            if group.core in other.cores:
                found.append(other.all_reduce([1])[0])
        return found

    with multikernel.boot(4) as system:
        everybody, some = system.group(root=3), system.group([1, 2], root=2)
        found = on_all(system, everybody, both, some, 50)
        assert found[0] == found[3] == [6] * 50
        assert found[1] == found[2] == [6, 2] * 50


def test_what_cannot_be(kernel: Any) -> None:
    def wrong(group: Group, late: int) -> str:
        """The second to come is refused, and then does as the first. late: the one that probably is
        second.
        """
        calls = [lambda: repr(group.all_reduce([1 + group.core])), lambda: repr(group.barrier())]
        if group.core == late:
            time.sleep(0.02)
        try:
            return calls[group.core]()
        except BadInput as error:
            return f"{error}; {calls[1 - group.core]()}"

    def outside(group: Group) -> None:
        group.barrier()

    def not_root(group: Group) -> None:
        group.broadcast(b"")

    def too_long(group: Group) -> None:
        group.order(bytes(40))

    with multikernel.boot(3, kernel=kernel) as system:
        group = system.group([0, 1])
        for late in (1, 0):
            first, second = sorted(on_all(system, group, wrong, late), key=len)
            assert first in ("[3]", "None")
            assert "called different things" in second
            assert second.endswith(f"; {first}")
        with pytest.raises(BadInput, match="not a member"):
            system.cores[2].run(outside, group)
        with pytest.raises(BadInput, match="programs on the group's cores"):
            group.barrier()
        with pytest.raises(BadInput, match="only the root broadcasts"):
            system.cores[1].run(not_root, group)
        with pytest.raises(BadInput, match="39 bytes: 40 bytes"):
            system.cores[1].run(too_long, group)
        for options, says in [
            ({"cores": []}, "at least one member"),
            ({"cores": [7]}, "no such core: 7"),
            ({"cores": [1], "root": 0}, "the root is a member: 0"),
        ]:
            with pytest.raises(BadInput, match=says):
                system.group(**options)  # type: ignore[arg-type]
        more = [system.group([0]) for _ in range(7)]
        with pytest.raises(OutOfSlots, match="8 groups are open"):
            system.group()
        system.close_group(more[0])
        with pytest.raises(BadInput, match="not open"):
            system.close_group(more[0])
        system.group()


def waits(group: Group) -> str:
    group.barrier()
    return "passed"


def test_a_group_in_which_a_member_waits_is_not_closed(kernel: Any) -> None:
    with multikernel.boot(cores=3, kernel=kernel) as system:
        group = system.group(root=1)
        first = system.cores[0].start(waits, group)
        time.sleep(0.2)
        with pytest.raises(BadInput, match="a member waits in this group: core 0"):
            system.close_group(group)
        others = [system.cores[core].start(waits, group) for core in (1, 2)]
        assert [task.result() for task in (first, *others)] == ["passed"] * 3
        system.close_group(group)
        again = system.group(root=1)
        assert on_all(system, again, waits) == ["passed"] * 3


def uses(group: Group) -> list[str]:
    """What a member is told that uses it in every way."""
    said = []
    for use in (
        group.barrier,
        lambda: group.all_reduce([1]),
        lambda: group.order(b""),
        lambda: group.receive(wait=False),
    ):
        try:
            use()
            said.append("done")
        except BadInput:
            said.append("refused")
    return said


def test_a_closed_group_is_not_the_next_one_in_its_place(kernel: Any) -> None:
    with multikernel.boot(cores=2, kernel=kernel) as system:
        closed = system.group()
        system.close_group(closed)
        assert on_all(system, closed, uses) == [["refused"] * 4] * 2
        group = system.group()
        assert group.number & 0xFF == closed.number & 0xFF
        assert on_all(system, closed, uses) == [["refused"] * 4] * 2
        assert on_all(system, group, waits) == ["passed"] * 2
