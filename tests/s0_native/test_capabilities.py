"""Capabilities of one core against a plain model: the same verdict for every operation, the same
slots, the same order after it, and after an error the same bytes. Then one thing at a time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from s0_native.building import Shell
from s0_native.capability_model import (
    CNODE,
    DERIVES,
    FIXED,
    FRAME,
    LEAVES_CORE,
    MAPPING,
    MORE,
    OK,
    PAGE,
    RAM,
    RIGHTS,
    V,
)
from s0_native.capability_replicas import ME, ROOT_ADDRESS, Replica
from s0_native.capability_world import World
from sampling import more

from multikernel.native import _native

NAMES = {number: name for name, number in V.items()}

any_ = st.integers(0, 4095)
index = st.integers(0, 14)
operation = st.sampled_from((0, 0, 0, 1, 2))


Shells = Callable[[int], Shell]


class CapabilityMachine(RuleBasedStateMachine):
    shell: Shell

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.shell)

    @initialize(furnished=st.booleans())
    def begin(self, furnished: bool) -> None:
        if furnished:
            self.world.furnish()

    @rule(page=st.integers(0, 63), pages=st.integers(-1, 64), cnode=any_, index=index)
    def create_ram(self, **numbers: int) -> None:
        self.world.create_ram(**numbers)

    @rule(
        kind=st.integers(0, 5),
        page=st.integers(0, 63),
        pages=st.integers(0, 8),
        rights=st.integers(0, 7),
        owner=st.integers(0, 4),
        relations=st.integers(0, 7),
        cnode=any_,
        index=index,
    )
    def receive(self, **numbers: int) -> None:
        self.world.receive(**numbers)

    @rule(source=any_, rights=st.integers(0, 8), cnode=any_, index=index, operation=operation)
    def mint(self, **numbers: int) -> None:
        self.world.mint(**numbers)

    @rule(
        source=any_,
        kind=st.integers(0, 5),
        page=st.integers(0, 20),
        pages=st.integers(-1, 8),
        count=st.integers(0, 5) | st.just(300),
        cnode=any_,
        index=index,
        operation=operation,
    )
    def retype(self, **numbers: int) -> None:
        self.world.retype(**numbers)

    @rule(
        source=any_,
        page=st.integers(-1, 3),
        rights=st.integers(0, 7),
        cnode=any_,
        index=index,
    )
    def map(self, **numbers: int) -> None:
        self.world.map(**numbers)

    @rule(choice=any_, work=st.integers(0, 5), operation=operation)
    def delete(self, **numbers: int) -> None:
        self.world.delete(**numbers)

    @rule(choice=any_)
    def revoke_begin(self, **numbers: int) -> None:
        self.world.revoke_begin(**numbers)

    @rule(choice=any_, work=st.integers(0, 8), operation=operation)
    def revoke_step(self, **numbers: int) -> None:
        self.world.revoke_step(**numbers)

    @rule(page=st.integers(0, 63), pages=st.integers(0, 8), operation=st.integers(1, 2))
    def lock(self, **numbers: int) -> None:
        self.world.lock(**numbers)

    @rule(operation=st.integers(1, 2))
    def unlock(self, **numbers: int) -> None:
        self.world.unlock(**numbers)

    @rule(choice=any_, owner=st.integers(2, 4), relations=st.integers(0, 7))
    def relate(self, **numbers: int) -> None:
        self.world.relate(**numbers)

    @rule(choice=any_, kind=st.integers(1, 5))
    def find_object(self, **numbers: int) -> None:
        self.world.find_object(**numbers)

    @rule(page=st.integers(0, 63), pages=st.integers(1, 8))
    def derived_elsewhere(self, **numbers: int) -> None:
        self.world.derived_elsewhere(**numbers)

    @rule(
        page=st.integers(0, 63),
        pages=st.integers(1, 16),
        first=st.integers(0, 8),
        count=st.integers(1, 8),
    )
    def conflict(self, **numbers: int) -> None:
        self.world.conflict(**numbers)

    @invariant()
    def the_replicas_are_the_same(self) -> None:
        self.world.same()


CapabilityMachine.TestCase.settings = settings(
    deadline=None, max_examples=more(15, 60), stateful_step_count=60
)
TestCapabilityMachine = CapabilityMachine.TestCase


@pytest.fixture(scope="module", autouse=True)
def machine_shell(capabilities: Shells) -> None:
    CapabilityMachine.shell = capabilities(0)


def test_every_verdict_is_met(capabilities: Shells) -> None:
    """Long random runs, too, agree with the model; between them they see all that can be answered
    here: only a monitor knows of pages.
    """
    seen = dict.fromkeys(V.values(), 0)
    for seed in range(more(40, 60)):
        world = World(capabilities(0), slot_bits=8 if seed % 2 else 4)
        world.furnish()
        choose = random.Random(seed)
        for _ in range(300):
            world.random_step(choose)
        for verdict, times in world.seen.items():
            seen[verdict] += times
    assert [NAMES[verdict] for verdict, times in seen.items() if not times] == ["mapped"]


# --- one thing at a time


def made(answer: tuple[int, ...]) -> int:
    verdict, reference = answer
    assert NAMES[verdict] == "ok"
    return reference


@pytest.fixture
def replica(capabilities: Shells) -> Replica:
    return Replica(capabilities(0))


@pytest.fixture
def ram(replica: Replica) -> int:
    return made(replica.create_ram(0, 64 * PAGE, replica.root, 1))


def test_the_table_is_what_the_model_knows() -> None:
    table = _native.capability_rule_table()
    assert [row[0] for row in table] == ["Null", "RAM", "Frame", "CNode", "Mapping"]
    for kind, (_, derives, rights, copyable, remote, size) in enumerate(table):
        derived = {other for other in range(len(table)) if derives >> other & 1}
        assert derived == DERIVES.get(kind, set())
        assert all(other >= kind for other in derived), "the order of the database: ancestors first"
        assert rights == RIGHTS.get(kind, 0)
        assert copyable == (kind not in (0, MAPPING))
        assert remote == (kind in LEAVES_CORE)
        assert size == FIXED.get(kind, 0)


def test_deleted_memory_can_be_retyped(replica: Replica, ram: int) -> None:
    for kind, size in (
        (FRAME, 3 * PAGE),
        (CNODE, 4 * PAGE),
        (RAM, PAGE),
    ):
        one = made(replica.retype(ram, kind, 0, size, 1, replica.root, 2))
        assert replica.retype(ram, FRAME, 0, PAGE, 1, replica.root, 3)[0] == V["retype-conflict"]
        other = made(replica.copy(one, replica.root, 4))
        assert replica.delete(one, 9)[0] == OK
        assert replica.retype(ram, FRAME, 0, PAGE, 1, replica.root, 3)[0] == V["retype-conflict"]
        assert replica.delete(other, 9)[0] == OK


def test_a_reference_outlives_its_capability(replica: Replica, ram: int) -> None:
    first = made(replica.retype(ram, FRAME, 0, PAGE, 1, replica.root, 2))
    assert replica.delete(first, 1)[0] == OK
    second = made(replica.retype(ram, FRAME, 0, PAGE, 1, replica.root, 2))
    assert first != second
    assert replica.copy(first, replica.root, 3)[0] == V["stale"]
    assert replica.delete(first, 1)[0] == V["stale"]


def nested(replica: Replica, ram: int, depth: int) -> list[int]:
    """CNodes, each in the one before, three slots of every one used."""
    cnodes, outer = [], replica.root
    for level in range(depth):
        cnodes.append(made(replica.retype(ram, CNODE, level * 4 * PAGE, 4 * PAGE, 1, outer, 2)))
        outer = cnodes[-1]
        made(replica.retype(ram, FRAME, (40 + 2 * level) * PAGE, PAGE, 2, outer, 200))
    return cnodes


@pytest.mark.parametrize("work", [1, 2, 7, 1000])
def test_a_nest_of_cnodes_goes_in_steps(replica: Replica, ram: int, work: int) -> None:
    before = [row for row in replica.slots() if row[0] < 2]
    cnodes = nested(replica, ram, 3)
    steps = 0
    while (answer := replica.delete(cnodes[0], work))[0] != OK:
        assert NAMES[answer[0]] == "more"
        assert answer[1] == work
        assert replica.check() is None
        # From the first step on nobody can use what is inside.
        assert replica.copy(ram, cnodes[1], 9)[0] == V["stale"]
        steps += 1
    assert steps <= (3 * 3 + 3) // work
    assert replica.slots() == before
    assert len(replica) == 2


def test_deeper_than_can_be_told(capabilities: Shells) -> None:
    replica = Replica(capabilities(0), 12, 0, ROOT_ADDRESS)
    cnodes = nested(replica, made(replica.create_ram(0, 64 * PAGE, replica.root, 1)), 8)
    inside = replica.retype(1 << 32 | 1, CNODE, 36 * PAGE, 4 * PAGE, 1, cnodes[-1], 5)
    assert NAMES[inside[0]] == "cnode-cycle"
    for inner, outer in itertools.product(cnodes, cnodes):
        place = cnodes.index(outer)
        verdict, _ = replica.copy(inner, outer, 10 + cnodes.index(inner))
        assert NAMES[verdict] == ("ok" if place < cnodes.index(inner) else "cnode-cycle")


def test_a_revoke_may_saw_off_its_own_branch(replica: Replica, ram: int) -> None:
    """Memory is revoked by a capability that lies in a CNode made of that memory: all of it
    goes.
    """
    part = made(replica.retype(ram, RAM, 0, 16 * PAGE, 1, replica.root, 2))
    cnode = made(replica.retype(part, CNODE, 0, 4 * PAGE, 1, replica.root, 3))
    held = made(replica.copy(part, cnode, 7))
    made(replica.retype(part, FRAME, 8 * PAGE, PAGE, 8, cnode, 8))
    verdict, revocation = replica.revoke_begin(held)
    assert verdict == OK
    while replica.revoke_step(revocation, 2)[0] == MORE:
        assert replica.check() is None
    assert [row[0] for row in replica.slots()] == [0, 1]


def test_a_copy_elsewhere_blocks_what_contains_it(replica: Replica, ram: int) -> None:
    cnode = made(replica.retype(ram, CNODE, 0, 4 * PAGE, 1, replica.root, 2))
    frame = made(replica.retype(ram, FRAME, 8 * PAGE, PAGE, 1, cnode, 7))
    assert replica.relate(frame, ME, 1) == OK
    assert replica.retype(ram, FRAME, 9 * PAGE, PAGE, 1, cnode, 8)[0] == V["needs-agreement"]
    assert replica.revoke_begin(ram)[0] == V["needs-agreement"]
    assert replica.delete(cnode, 9)[0] == MORE  # marked
    state = replica.state()
    blocked = replica.delete(cnode, 9)
    assert (NAMES[blocked[0]], blocked[1:]) == ("needs-agreement", (0, frame & 0xFFFF_FFFF))
    assert replica.state() == state
    assert replica.delete(frame, 9)[0] == V["needs-agreement"]
    assert replica.delete(frame, 9, 5)[0] == OK  # the engine's operation 5 has agreed with all
    assert replica.delete(cnode, 9)[0] == OK


def test_operations_on_different_parts_of_one_ram_never_meet(replica: Replica, ram: int) -> None:
    """What agreement does on each core: lock what is asked for, ask, do, unlock. The RAM around it
    is nobody's.
    """
    assert replica.lock(0, 4 * PAGE, 7) == OK
    assert replica.lock(4 * PAGE, 4 * PAGE, 8) == OK
    assert replica.lock(3 * PAGE, 2 * PAGE, 9) == V["busy"]
    for page, operation in ((0, 7), (4, 8)):
        wanted = ram, FRAME, page * PAGE, PAGE, 4, replica.root, 10 + page
        assert replica.retype(*wanted)[0] == V["busy"]
        assert replica.retype(*wanted, 15 - operation)[0] == V["busy"]
        assert replica.retype(*wanted, operation)[0] == OK
    assert replica.retype(ram, FRAME, 8 * PAGE, PAGE, 1, replica.root, 20)[0] == OK
    assert replica.copy(ram, replica.root, 21)[0] == OK
    frame = 1 << 32 | 10
    assert replica.copy(frame, replica.root, 22)[0] == V["busy"]
    assert replica.delete(frame, 1)[0] == V["busy"]
    assert replica.revoke_begin(ram)[0] == V["busy"], "a revoke would reach into both"
    replica.unlock(7)
    assert replica.copy(frame, replica.root, 22)[0] == OK
    assert replica.revoke_begin(ram)[0] == V["busy"]
    replica.unlock(8)
    assert replica.revoke_begin(ram)[0] == OK
    assert replica.locks() == []


def test_the_parts_of_an_agreement_between_two_cores(capabilities: Shells) -> None:
    """By hand what a two-phase commit does by messages: copy to another core, retype, move,
    revoke.
    """
    mine, other = (Replica(capabilities(core), 2, core, ROOT_ADDRESS) for core in (0, 1))
    ram = made(mine.create_ram(0, 8 * PAGE, mine.root, 1))
    # Copy: what is sent is the record, and both know of one another.
    assert mine.relate(ram, 0, 1) == OK
    there = made(other.receive(RAM, 0, 8 * PAGE, 7, 0, 1, other.root, 1))
    # Retype, on either side: prepare, commit, unlock.
    for core, far, source, page, operation in (
        (mine, other, ram, 0, 1),
        (other, mine, there, 4, 2),
    ):
        wanted = source, FRAME, page * PAGE, PAGE, 4, core.root, 8
        start, end = page * PAGE, (page + 4) * PAGE
        assert core.retype(*wanted)[0] == V["needs-agreement"]
        for each in (core, far):
            assert each.lock(start, end - start, operation) == OK
        assert far.conflict(0, 8 * PAGE, start, end) == OK
        made(core.retype(*wanted, operation))
        far.derived_elsewhere(start, end)
        for each in (core, far):
            each.unlock(operation)
        assert far.conflict(0, 8 * PAGE, start, end) == OK, "nothing of that is there"
        assert core.conflict(0, 8 * PAGE, start, end) == V["retype-conflict"]
    # Move of a Frame: sent as owned by the other, then deleted here.
    frame = 1 << 32 | 8
    row = next(row for row in mine.slots() if row[0] == 8)
    assert mine.lock(0, PAGE, 3) == other.lock(0, PAGE, 3) == OK
    made(other.receive(*row[2:5], row[6], 1, 4, other.root, 20, 3))
    assert mine.delete(frame, 1, 3)[0] == OK
    mine.derived_elsewhere(0, PAGE)
    mine.unlock(3)
    other.unlock(3)
    # Revoke: there by range, for no reference of ours means anything there; here by reference.
    assert mine.revoke_begin(ram)[0] == V["needs-agreement"]
    assert mine.lock(0, 8 * PAGE, 4) == other.lock(0, 8 * PAGE, 4) == OK
    revocation = (ram, 0, 8 * PAGE, 0, RAM)
    assert other.revoke_step((0, *revocation[1:]), 100, 4)[0] == OK
    assert mine.revoke_step(revocation, 100, 4)[0] == OK
    assert [len(each) for each in (mine, other)] == [2, 1]
    assert mine.relate(ram, 0, 0) == OK
    mine.unlock(4)
    assert mine.retype(ram, FRAME, 0, PAGE, 8, mine.root, 8)[0] == OK
    assert mine.find_object(0, 8 * PAGE, RAM) == (OK, 1)
    assert other.find_object(0, 8 * PAGE, RAM)[0] == V["stale"]


def test_mappings_go_with_their_frame(replica: Replica, ram: int) -> None:
    frame, second = (
        made(replica.retype(ram, FRAME, i * PAGE, PAGE, 1, replica.root, 2 + i)) for i in (0, 1)
    )
    for i in range(3):
        made(replica.map(frame, i * PAGE, 1, replica.root, 30 + i))
    assert replica.map(frame, PAGE, 1, replica.root, 40)[0] == V["retype-conflict"]
    made(replica.map(second, PAGE, 3, replica.root, 40))
    made(replica.copy(frame, replica.root, 5))
    assert replica.delete(frame, 1)[0] == OK, "another capability shows it still"
    last = 1 << 32 | 5
    assert replica.delete(last, 3)[0] == MORE
    assert replica.copy(last, replica.root, 50)[0] == V["stale"]
    assert replica.delete(last, 9) == (OK, 1, 5)
    assert [row[0] for row in replica.slots()] == [0, 1, 3, 40]


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(6)))
def test_the_digest_knows_no_history(capabilities: Shells, order: list[int]) -> None:
    """Equal slots, equal digest, in whatever order they were filled; another slot, right or lock,
    another digest.
    """
    digests = set()
    for turn in (order, range(6)):
        replica = Replica(capabilities(0), 2)
        ram = made(replica.create_ram(0, 8 * PAGE, replica.root, 1))
        for i in turn:
            made(replica.retype(ram, FRAME, i * PAGE, PAGE, 1, replica.root, 10 + i))
        digests.add(replica.digest())
    assert len(digests) == 1
    made(replica.mint(ram, 5, replica.root, 30))
    digests.add(replica.digest())
    assert replica.lock(0, PAGE, 9) == OK
    digests.add(replica.digest())
    replica.unlock(9)
    assert replica.digest() in digests
    assert len(digests) == 3


def test_equal_histories_make_equal_bytes(capabilities: Shells) -> None:
    states = []
    for _ in range(2):
        world, choose = World(capabilities(0)), random.Random(11)
        world.furnish()
        for _ in range(100):
            world.random_step(choose)
        states.append(world.real.state())
    assert states[0] == states[1]


@pytest.mark.parametrize("cnodes", [0, (1 << 20) + 1])
def test_a_replica_of_no_size(cnodes: int) -> None:
    with pytest.raises(ValueError, match="CNodes"):
        _native.Capabilities(cnodes)


def test_probes_leave_what_they_found(capabilities: Shells) -> None:
    count, replica = 700, Replica(capabilities(0))
    assert replica.do("F", count) == (OK,)
    before, held = replica.digest(), {row[0]: row[2:] for row in replica.slots()}
    assert sum(row[4] == 2 * PAGE and row[2] == RAM for row in replica.slots()) == count
    assert replica.do("P", 100, 5) == (OK, 100, 100, 200)
    assert replica.do("V", 1000, 2) == (OK, 2)
    assert replica.digest() == before
    assert replica.do("Q", 300, 5) == (OK, 300)  # to the same slots, with other generations
    assert {row[0]: row[2:] for row in replica.slots()} == held
    assert replica.check() is None


def test_probes_without_room() -> None:
    with pytest.raises(ValueError, match="no-cnodes"):
        _native.Capabilities(20).probe_fill(10_000)
