"""The same random histories against both kernels on real processes and a naive model of what they
should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from resting import rest
from s2_kernel.programs import (
    Outcome,
    allocate_here,
    attempt,
    free_here,
    map_here,
    protect_here,
    read_here,
    unmap_here,
    write_here,
)
from sampling import more

import multikernel
from multikernel import Frame, Page, System

CORES = 3
PAGE = 4096
CORE = st.integers(0, CORES - 1)
RIGHTS = st.sampled_from(["read-write", "read-only"])
PROTOCOL = st.sampled_from(["two-phase", "one-phase"])


@dataclass
class NaiveFrame:
    handles: tuple[Frame, Frame]
    data: bytearray = field(default_factory=lambda: bytearray(16))
    freed: bool = False


@dataclass
class NaivePage:
    frame: NaiveFrame
    cores: tuple[int, ...]
    mapper: int
    rights: str
    handles: tuple[Page, Page]
    mapped: bool = True
    pins: dict[int, int] = field(default_factory=dict)

    def knows(self, core: int) -> bool:
        """Cores that hold the page, and the one that mapped it, may change it."""
        return core in self.cores or core == self.mapper


class Histories(RuleBasedStateMachine):
    """Everything is done thrice: in both kernels, and here."""

    systems: tuple[System, System]
    frames = Bundle("frames")
    pages = Bundle("pages")

    def __init__(self) -> None:
        super().__init__()
        self.all_frames: list[NaiveFrame] = []
        self.all_pages: list[NaivePage] = []

    def on(self, core: int, function: Any, handles: tuple[Any, Any], *args: Any) -> Outcome:
        """A program on that core does it in both kernels, with the same outcome; pages that come
        back, as a pair.
        """
        outcomes = [
            system.cores[core].run(attempt, function, handle, *args)
            for system, handle in zip(self.systems, handles, strict=True)
        ]
        if isinstance(outcomes[0][1], Page):
            assert outcomes[1][0] == "ok"
            return "ok", (outcomes[0][1], outcomes[1][1])
        return self.same(outcomes)

    def from_outside(self, *acts: Any) -> Outcome:
        return self.same([attempt(act) for act in acts])

    def same(self, outcomes: list[Outcome]) -> Outcome:
        assert outcomes[0][0] == outcomes[1][0], outcomes
        # with several pinners the kernels may name different ones
        if outcomes[0][0] != "PagePinned":
            assert outcomes[0] == outcomes[1], outcomes
        self.pinners = {outcome[1] for outcome in outcomes}
        return outcomes[0]

    def expect_change(self, page: NaivePage, outcome: Outcome) -> bool:
        """What unmap and protect have in common; whether the change was made."""
        if not page.mapped:
            assert outcome[0] == "NotMapped"
            return False
        if page.pins:
            assert outcome[0] == "PagePinned"
            assert self.pinners <= page.pins.keys()
            return False
        assert outcome[0] == "ok"
        return True

    @rule(target=frames, pages=st.integers(1, 3), core=CORE)
    def allocate(self, pages: int, core: int) -> Any:
        if sum(not frame.freed for frame in self.all_frames) >= 12:
            return multiple()
        frame = NaiveFrame(
            tuple(  # type: ignore[arg-type]
                system.cores[core].run(allocate_here, pages * PAGE) for system in self.systems
            )
        )
        assert all(frame.handles[0].keeper == core == handle.keeper for handle in frame.handles)
        self.all_frames.append(frame)
        return frame

    @rule(target=pages, frame=frames, cores=st.sets(CORE, min_size=1), mapper=CORE, rights=RIGHTS)
    def map(self, frame: NaiveFrame, cores: set[int], mapper: int, rights: str) -> Any:
        verdict, handles = self.on(mapper, map_here, frame.handles, sorted(cores), rights)
        if frame.freed:
            assert verdict == "DeadHandle"
            return multiple()
        assert verdict == "ok"
        page = NaivePage(frame, tuple(sorted(cores)), mapper, rights, handles)
        self.all_pages.append(page)
        return page

    @rule(page=pages, core=CORE, protocol=PROTOCOL)
    def unmap(self, page: NaivePage, core: int, protocol: str) -> None:
        if page.knows(core) and self.expect_change(
            page, self.on(core, unmap_here, page.handles, protocol)
        ):
            page.mapped = False

    @rule(page=pages, core=CORE, rights=RIGHTS)
    def protect(self, page: NaivePage, core: int, rights: str) -> None:
        if page.knows(core) and self.expect_change(
            page, self.on(core, protect_here, page.handles, rights)
        ):
            page.rights = rights

    @rule(page=pages, core=CORE)
    def pin(self, page: NaivePage, core: int) -> None:
        outcome = self.from_outside(
            *(lambda handle=handle: handle.pin(core) for handle in page.handles)
        )
        if page.mapped and core in page.cores:
            assert outcome == ("ok", None)
            page.pins[core] = page.pins.get(core, 0) + 1
        else:
            assert outcome[0] == "NotMapped"

    @rule(page=pages, core=CORE)
    def unpin(self, page: NaivePage, core: int) -> None:
        outcome = self.from_outside(
            *(lambda handle=handle: handle.unpin(core) for handle in page.handles)
        )
        if not page.mapped or core not in page.cores:
            assert outcome[0] == "NotMapped"
        elif core not in page.pins:
            assert outcome[0] == "BadInput"
        else:
            assert outcome == ("ok", None)
            page.pins[core] -= 1
            if not page.pins[core]:
                del page.pins[core]

    @rule(page=pages, core=CORE, inside=st.booleans())
    def read(self, page: NaivePage, core: int, inside: bool) -> None:
        if inside:
            outcome = self.on(core, read_here, page.handles, 0, 16)
        else:
            outcome = self.from_outside(
                *(lambda handle=handle: handle.read(0, 16, core=core) for handle in page.handles)
            )
        if page.mapped and core in page.cores:
            assert outcome == ("ok", bytes(page.frame.data))
        else:
            assert outcome[0] == "PageFault"

    @rule(
        page=pages,
        core=CORE,
        inside=st.booleans(),
        offset=st.integers(0, 12),
        data=st.binary(min_size=1, max_size=4),
    )
    def write(self, page: NaivePage, core: int, inside: bool, offset: int, data: bytes) -> None:
        if inside:
            outcome = self.on(core, write_here, page.handles, offset, data)
        else:
            outcome = self.from_outside(
                *(
                    lambda handle=handle: handle.write(offset, data, core=core)
                    for handle in page.handles
                )
            )
        if page.mapped and core in page.cores and page.rights == "read-write":
            assert outcome == ("ok", None)
            page.frame.data[offset : offset + len(data)] = data
        else:
            assert outcome[0] == "PageFault"

    @rule(frame=frames, core=st.none() | CORE)
    def free(self, frame: NaiveFrame, core: int | None) -> None:
        users = [page for page in self.all_pages if page.frame is frame and page.mapped]
        if core is None:
            outcome = self.from_outside(
                *(
                    lambda s=s, h=h: s.free(h)
                    for s, h in zip(self.systems, frame.handles, strict=True)
                )
            )
        else:
            outcome = self.on(core, free_here, frame.handles)
        assert outcome[0] == ("DeadHandle" if frame.freed else "BadInput" if users else "ok")
        frame.freed = frame.freed or not users

    @invariant()
    def replicas_agree(self) -> None:
        for system in self.systems:
            for core in system.cores:
                digest, _, locked = core.digest((core.index + 1) % CORES)
                assert locked == 0
                assert digest == system.cores[(core.index + 1) % CORES].digest(core.index)[0]

    def teardown(self) -> None:
        for page in self.all_pages:
            for core, count in page.pins.items():
                for handle in page.handles * count:
                    handle.unpin(core)
            page.pins.clear()
            if page.mapped:
                core = page.cores[0]
                assert self.on(core, unmap_here, page.handles, "two-phase") == ("ok", None)
        for system in self.systems:
            rest(system)
            assert [core.digest()[1:] for core in system.cores] == [(0, 0)] * CORES
        for frame in self.all_frames:
            if not frame.freed:
                for system, handle in zip(self.systems, frame.handles, strict=True):
                    system.free(handle)


@pytest.fixture(scope="module")
def machine() -> Iterator[type[Histories]]:
    """With little memory, so that a place has many owners."""
    memory = 128 * PAGE
    with (
        multikernel.boot(CORES, memory=memory) as one,
        multikernel.boot(CORES, memory=memory, kernel="shared") as other,
    ):
        yield type("Machine", (Histories,), {"systems": (one, other)})


def test_histories(machine: type[Histories]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=more(10, 30), stateful_step_count=30, deadline=None)
    )


@pytest.mark.full
def test_long_histories(machine: type[Histories]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=600, stateful_step_count=80, deadline=None)
    )


def contest(page: Page, gate: Page, times: int, protocol: str) -> list[Outcome]:
    """As soon as the gate is open."""
    while gate.read(0, 1) == b"\0":
        pass
    return [attempt(multikernel.here().unmap, page, protocol) for _ in range(times)]


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("cores", [2, 3, 5])
def test_exactly_one_of_concurrent_unmaps_returns(kernel: str, cores: int) -> None:
    """In two phases, in one, and some cores so, some so; every fifth time the page is pinned."""
    turns = list(
        product(
            [["two-phase"], ["one-phase"], ["two-phase", "one-phase"]],
            range(10 if cores < 5 else 5),
        )
    )
    with multikernel.boot(cores, kernel=kernel) as system:  # type: ignore[arg-type]
        frame = system.allocate(PAGE)
        for protocols, turn in turns:
            gate = system.map(system.allocate(PAGE))
            page = system.cores[turn % cores].run(map_here, frame)
            pinned = turn % 5 == 4
            if pinned:
                page.pin(turn % cores)
            tasks = [
                core.start(contest, page, gate, 2, protocols[core.index % len(protocols)])
                for core in system.cores
            ]
            gate.write(0, b"\1", core=turn % cores)
            outcomes = [outcome for task in tasks for outcome in task.result()]
            if pinned:
                # One phase takes the page away before it knows: until it is back, others
                # find it gone.
                refusals = {("PagePinned", turn % cores)}
                assert refusals <= set(outcomes)
                assert set(outcomes) <= refusals | (
                    {("NotMapped", None)} if "one-phase" in protocols else set()
                )
                page.unpin(turn % cores)
                assert [core.read(page, 0, 1) for core in system.cores] == [b"\0"] * cores
                system.unmap(page)
            else:
                assert sorted(name for name, _ in outcomes) == ["NotMapped"] * (2 * cores - 1) + [
                    "ok"
                ]
            system.unmap(gate)
            system.free(frame)
            frame = system.allocate(PAGE)
