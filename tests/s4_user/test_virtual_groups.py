"""Groups on modelled cores: the same programs as on real ones, with the same outcomes, and times
that a barrier has to have.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

import multikernel
from multikernel.errors import BadInput, OutOfSlots
from multikernel.user.group import Group
from multikernel.user.here import here


def modelled(cores: int, **options: Any) -> Any:
    return multikernel.boot(machine="8x4-amd", cores=cores, **options)


def on_all(system: Any, group: Group, function: Any, *arguments: Any) -> list[Any]:
    tasks = [system.cores[core].start(function, group, *arguments) for core in group.cores]
    return [task.result() for task in tasks]


def everything(group: Group, seed: int) -> list[Any]:
    """A bit of all; what it saw."""
    draw = random.Random(seed)  # the same on all members
    seen: list[Any] = []
    for round_ in range(12):
        what = draw.choice(["barrier", "reduce", "all", "real", "broadcast", "order"])
        if what == "barrier":
            group.barrier()
        elif what == "reduce":
            seen.append(group.reduce([group.core, round_], "max"))
        elif what == "all":
            seen.append(group.all_reduce(list(range(group.core, group.core + 7))))
        elif what == "real":
            seen.append(group.all_reduce([group.core + 0.5], "min"))
        elif what == "broadcast":
            if group.core == group.root:
                group.broadcast(b"round %d" % round_)
            else:
                seen.append(group.receive())
        else:
            group.order(b"from %d" % group.core)
            seen.append(sorted(str(group.receive()) for _ in group.cores))
        group.barrier()
    return seen


@pytest.mark.parametrize("seed", range(3))
def test_real_and_modelled_members_see_the_same(seed: int) -> None:
    with multikernel.boot(3) as real, modelled(3) as virtual:
        assert on_all(real, real.group(), everything, seed) == on_all(
            virtual, virtual.group(), everything, seed
        )


@pytest.mark.parametrize("trees", ["sequential", "binary", "cluster", "chosen"])
@pytest.mark.parametrize("members", [None, (3, 5, 6, 12, 17), (9,)])
def test_joined_values_and_one_order(trees: str, members: tuple[int, ...] | None) -> None:
    def work(group: Group) -> tuple[Any, ...]:
        here_ = here()
        total = group.all_reduce([here_.core, 1])
        group.order(bytes([here_.core]))
        return total, [group.receive() for _ in group.cores]

    with modelled(20, trees=trees) as system:
        group = system.group(members)
        found = on_all(system, group, work)
        assert {tuple(total) for total, _ in found} == {(sum(group.cores), len(group.cores))}
        orders = {tuple(order) for _, order in found}
        assert len(orders) == 1
        assert sorted(orders.pop()) == [bytes([core]) for core in group.cores]
        system.close_group(group)


def test_nobody_leaves_a_barrier_before_the_last_has_come() -> None:
    def work(group: Group, system: Any, seed: int) -> list[tuple[int, int]]:
        draw = random.Random(seed * 100 + group.core)
        times = []
        for _ in range(20):
            system.compute(draw.randrange(30_000))
            came = system.now
            group.barrier()
            times.append((came, system.now))
        return times

    with modelled(16) as system:
        group = system.group()
        rounds = list(zip(*on_all(system, group, work, system, 1), strict=True))
        for one in rounds:
            assert min(left for _, left in one) > max(came for came, _ in one)
        again = on_all(system, group, work, system, 1)
    assert [len(times) for times in again] == [20] * 16


def test_a_member_may_be_rounds_ahead_of_others_that_reduce() -> None:
    def work(group: Group, system: Any) -> Any:
        if group.core == group.root:
            system.compute(1_000_000)
        return [group.reduce([group.core + n]) for n in range(5)]

    with modelled(6, trees="binary") as system:
        first, *others = on_all(system, system.group(), work, system)
        assert first == [[15 + 6 * n] for n in range(5)]
        assert all(one == [None] * 5 for one in others)


def test_what_is_wrong_with_a_group_is_said() -> None:
    def differ(group: Group) -> None:
        if group.core == group.root:
            group.barrier()
        else:
            group.all_reduce([1])

    with modelled(4) as system:
        group = system.group([0, 1])
        waits, differs = (system.cores[core].start(differ, group) for core in (0, 1))
        with pytest.raises(BadInput, match="called different things"):
            differs.result()
        with pytest.raises(BadInput, match=r"on cores \[0\]"):
            waits.result()
        with pytest.raises(BadInput, match="not a member"):
            system.cores[3].run(Group.barrier, group)
        with pytest.raises(BadInput, match="only the root"):
            system.cores[1].run(Group.broadcast, group, b"x")
    with modelled(2) as system:
        with pytest.raises(BadInput, match="called by programs"):
            system.group().barrier()
        for _ in range(7):
            system.group()
        with pytest.raises(OutOfSlots):
            system.group()
