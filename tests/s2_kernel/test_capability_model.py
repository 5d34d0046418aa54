"""Random histories of capabilities on real cores, and the naive model of the whole system: after
every request the same verdict, and the same capabilities on all cores. Pages of Frames among them,
and pins: what is refused for one has changed nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from s2_kernel import capability_programs as programs
from s2_kernel import capability_system as model
from s2_kernel.capability_programs import NAMES, PAGE, ROOT, Record
from s2_kernel.capability_system import (
    CNODE,
    FRAME,
    MAPPING,
    RAM,
    SYSTEMS,
    TOP,
    Copy,
    Object,
    Request,
)
from sampling import more

import multikernel
from multikernel import System
from multikernel.native._native import KINDS, VERDICTS

CORES = 3
MOST = 24
"""Capabilities in a history: looking at them is what takes the time."""
MAPPED = 6
"""Pages of a core, and the slots that it has for them: soon each has had several."""

CORE = st.integers(0, CORES - 1)
WHICH = st.integers(0, 99)
# Mostly what makes sense.
INDEX = st.sampled_from([*range(1, 15), *range(1, 15), 0, 255, 256, 4094, model.ANY])
ALLOWED = st.sampled_from([*[7] * 8, 6, 5, 3, 1, 0, 8, 15])
TYPE = st.sampled_from([*[RAM, FRAME, CNODE] * 5, 0, 4, 5, 6])
PAGES = st.sampled_from([*[1, 2, 3, 4] * 4, 0, 0.5, 1.5, 64, 2**40])
OFFSET = st.sampled_from([*range(12), *range(12), 0.5, 2**40])
COUNT = st.sampled_from([*[1] * 8, 2, 2, 3, 0, 200, 2**32 - 1])
TO = st.sampled_from([*range(CORES)] * 4 + [CORES])
FORGED = (0, 1 << 63 | 1, 1 << 32 | 77, 1 << 32 | 1 << 20, 2 << 32, (1 << 64) - 1)

VERDICT = NAMES | {
    VERDICTS[name]: name.lower().replace("_", "-")
    for name in ("BAD_REQUEST", "NO_MEMORY", "PINNED", "NOT_MAPPED")
}


class Page(NamedTuple):
    handle: int
    address: int
    home: int
    holders: int


class Place:
    """A system with nothing in it but one RAM, for one history after another. After one that
    failed, another system.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.system: System | None = None
        self.memory: Copy
        self.clean = False

    def enter(self) -> tuple[System, Copy]:
        if self.system is None or not self.clean:
            self.close()
            self.system = multikernel.boot(CORES, slots=MAPPED, **self.options)
            size = 32 * PAGE
            _, _, words = self.system.launched.request(0, KINDS["CAP_CREATE"], size, ROOT, 254)
            self.memory = Copy(0, TOP, 254, Object(RAM, words[1], size), 7, words[0])
        self.clean = False
        return self.system, self.memory

    def close(self) -> None:
        if self.system is not None:
            self.system.close()


class Histories(RuleBasedStateMachine):
    place: Place
    heirs: bool
    """Whether an owner is known to the kernel, and is the same in all copies."""
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.system, self.memory = self.place.enter()
        self.state: model.State = frozenset()
        self.known: list[list[int]] = [[] for _ in range(CORES)]
        """By core: all names there ever were."""
        self.numbers: dict[tuple[int, Object], int] = {}
        """By core and CNode: the number that makes its slots'."""
        self.pages: list[Page] = []
        """By number, from 1."""
        self.pins: Counter[tuple[int, int]] = Counter()
        """By page and core."""

    def request(self, core: int, kind: str, *words: int) -> tuple[str, tuple[int, ...]]:
        verdict, _, reply = self.system.launched.request(core, KINDS[kind], *words)
        return VERDICT.get(verdict, str(verdict)), reply

    @property
    def cnodes(self) -> int:
        return self.request(0, "CAP_DIGEST")[1][3] // model.SLOTS

    # --- choosing by number

    def reference(self, core: int, which: int, *kinds: int) -> tuple[int, int]:
        """A core, and a name: mostly that one or another core's, of a capability that is there;
        else that core's, of one that it had, or, seldom, of none.
        """
        there = sorted(
            copy for copy in self.state - {self.memory} if copy.object.type in (kinds or range(9))
        )
        if which < 70 and there:
            copy = there[(core + which) % len(there)]
            return copy.core, copy.name or 0
        names = {copy.name for copy in self.state if copy.core == core}
        gone = [name for name in self.known[core] if name not in names]
        others = [*FORGED, ROOT]
        chosen = gone if gone and which < 95 else others
        return core, chosen[which % len(chosen)]

    def cnode(self, core: int, which: int) -> int:
        """A name that is mostly a CNode's there."""
        mine = sorted(
            copy for copy in self.state if copy.core == core and copy.object.type == CNODE
        )
        if which < 55 or (which < 80 and not mine):
            return ROOT
        return mine[which % len(mine)].name or 0 if which < 80 else self.reference(core, which)[1]

    # --- what is done

    @initialize()
    def begin(self) -> None:
        """All memory is derived from one RAM, which stays."""
        self.state |= {self.memory}
        self.known[0].append(self.memory.name or 0)
        half = self.memory.object.size // 2
        self.ask(Request("RETYPE", 0, self.memory.name or 0, index=1, type=RAM, count=2, size=half))

    @rule(pages=PAGES, index=INDEX, which=WHICH)
    def create(self, pages: float, index: int, which: int) -> None:
        """Only what is refused."""
        cnode, size = self.cnode(0, which), int(pages * PAGE)
        expected = "ok"
        try:
            model.place(self.state, 0, cnode, index)
        except model.Refused as refusal:
            expected = str(refusal)
        if not size or size % PAGE:
            expected = "bad-size"
        elif size > 1 << 30:
            expected = "no-memory"
        if expected != "ok":
            before = self.digests()
            assert self.request(0, "CAP_CREATE", size, cnode, index)[0] == expected
            assert self.digests() == before

    @rule(
        core=CORE, source=WHICH, cnode=WHICH, index=INDEX, rights=ALLOWED, to=TO, move=st.booleans()
    )
    def copy(
        self, core: int, source: int, cnode: int, index: int, rights: int, to: int, move: bool
    ) -> None:
        there = self.cnode(min(to, CORES - 1), cnode)
        kind = "MOVE" if move else "COPY"
        core, name = self.reference(core, source)
        self.ask(Request(kind, core, name, there, index, rights, to), inside=cnode == 7)

    @rule(
        core=CORE,
        source=WHICH,
        cnode=WHICH,
        index=INDEX,
        type=TYPE,
        offset=OFFSET,
        pages=PAGES,
        count=COUNT,
        fits=st.sampled_from([True, True, True, True, False]),
    )
    def retype(
        self,
        core: int,
        source: int,
        cnode: int,
        index: int,
        type: int,
        offset: float,
        pages: float,
        count: int,
        fits: bool,
    ) -> None:
        """fits: with the size that such an object has."""
        kinds = (RAM,) if source < 80 else ()
        size = int(pages * PAGE)
        if fits:
            size = model.SIZE.get(type, size)
        core, name = self.reference(core, source, *kinds)
        request = Request(
            "RETYPE",
            core,
            name,
            self.cnode(core, cnode),
            index,
            type=type,
            count=count,
            offset=int(offset * PAGE),
            size=size,
        )
        self.ask(request, inside=cnode == 7)

    @rule(core=CORE, source=WHICH, go=st.integers(0, 3))
    def revoke(self, core: int, source: int, go: int) -> None:
        """Seldom: it leaves little."""
        if not go:
            self.ask(Request("REVOKE", *self.reference(core, source)), inside=source == 7)

    @rule(core=CORE, source=WHICH, go=st.integers(0, 1))
    def delete(self, core: int, source: int, go: int) -> None:
        if not go:
            self.ask(Request("DELETE", *self.reference(core, source)), inside=source == 7)

    @rule(
        core=CORE,
        source=WHICH,
        cnode=WHICH,
        index=INDEX,
        rights=st.sampled_from([1, 3]),
        holders=st.integers(1, (1 << CORES) - 1),
    )
    def map(
        self, core: int, source: int, cnode: int, index: int, rights: int, holders: int
    ) -> None:
        core, name = self.reference(core, source, *((FRAME,) if source < 80 else ()))
        mapped = [page for page in model.pages(self.state) if self.pages[page - 1].home == core]
        if len(mapped) == MAPPED:
            return
        number = len(self.pages) + 1
        there = self.cnode(core, cnode)
        self.ask(
            Request("MAP", core, name, there, index, rights, holders, about=number),
            inside=source == 7,
        )

    def mapped(self, which: int) -> int:
        """The number of a page: mostly of one that is mapped, if there is one; 0: there has been
        none.
        """
        there = sorted(model.pages(self.state)) if which < 65 else []
        chosen = there or range(min(1, len(self.pages)), len(self.pages) + 1)
        return chosen[which % len(chosen)]

    @rule(core=CORE, which=WHICH)
    def pin(self, core: int, which: int) -> None:
        if number := self.mapped(which):
            page = self.pages[number - 1]
            there = number in model.pages(self.state) and page.holders >> core & 1
            assert self.request(core, "PIN", page.handle)[0] == ("ok" if there else "not-mapped")
            if there:
                self.pins[number, core] += 1

    @rule(core=CORE, which=WHICH)
    def unpin(self, core: int, which: int) -> None:
        there = sorted(self.pins.elements())
        number = self.mapped(which)
        if there and which < 65:
            number, core = there[which % len(there)]
        if not number:
            return
        page = self.pages[number - 1]
        expected = "not-mapped"
        if number in model.pages(self.state) and page.holders >> core & 1:
            expected = "ok" if self.pins[number, core] else "bad-request"
        assert self.request(core, "UNPIN", page.handle)[0] == expected
        if expected == "ok":
            self.pins -= Counter([(number, core)])

    @rule(core=CORE, which=WHICH, one_phase=st.booleans())
    def unmap(self, core: int, which: int, one_phase: bool) -> None:
        """By its home, or a core that has it."""
        if number := self.mapped(which):
            page = self.pages[number - 1]
            there, pinned = (
                number in model.pages(self.state),
                any(pin[0] == number for pin in self.pins),
            )
            expected = "not-mapped" if not there else "pinned" if pinned else "ok"
            core = core if page.holders >> core & 1 else page.home
            assert self.request(core, "UNMAP", page.handle, int(one_phase))[0] == expected
            if expected == "ok":
                gone = {
                    copy
                    for copy in self.state
                    if copy.object.type == MAPPING and copy.object.about == number
                }
                self.state -= gone
                self.compare(0, ())

    def takes_unasked(self, request: Request, after: model.State) -> bool:
        """A revoke that takes a CNode along in which there are pages of other memory: that is
        refused where it has to be agreed, which the model does not know (test_capability_pages.py,
        test_refused_deletions.py).
        """
        if request.kind != "REVOKE" or not model.pages(self.state):
            return False
        gone = {
            (copy.core, copy.object) for copy in self.state - after if copy.object.type == CNODE
        }
        return any(
            (copy.core, copy.cnode) in gone and copy.object.type in (FRAME, MAPPING)
            for copy in self.state
        )

    def ask(self, request: Request, inside: bool = False) -> None:
        """inside: by a program on that core; else from outside, which is quicker."""
        pinned = {number for number, _ in self.pins}
        expected, after, made = model.ask(self.state, request, CORES, self.cnodes, pinned)
        if len(after) > MOST or self.takes_unasked(request, after):
            return
        before = self.digests()
        call: Any = request.call
        if inside:
            verdict, words = self.system.cores[request.core].run(programs.here, *call)
            verdict = "bad-request" if verdict == str(VERDICTS["BAD_REQUEST"]) else verdict
        else:
            verdict, words = self.request(request.core, *call)
        assert verdict == expected, request
        self.seen[f"{request.kind} {verdict}"] += 1
        if verdict != "ok":
            assert self.digests() == before, request
        elif request.kind == "MAP":
            self.pages.append(Page(words[0], words[1], request.core, request.to))
        self.state = after
        self.compare(words[3] if request.kind == "MAP" else words[0], made)

    # --- looking

    def digests(self) -> list[tuple[int, ...]]:
        return [self.request(core, "CAP_DIGEST")[1] for core in range(CORES)]

    def slot(self, copy: Copy) -> int:
        number = 0 if copy.cnode == TOP else self.numbers[copy.core, copy.cnode]
        return number * model.SLOTS + copy.index

    def look(self, copy: Copy) -> Record:
        words = self.request(copy.core, "CAP_LOOK", self.slot(copy))[1]
        if copy.object.type == CNODE:
            assert self.numbers.setdefault((copy.core, copy.object), words[3]) == words[3]
        elif copy.object.type == MAPPING:
            assert words[3] == self.pages[copy.object.about - 1].address
        else:
            assert words[3] == copy.object.about
        return programs.record(words)

    def compare(self, name: int, made: tuple[Copy, ...]) -> None:
        """made: what has no name yet, the first of them the one that the answer names."""
        there = {copy.object for copy in self.state}
        self.numbers = {key: number for key, number in self.numbers.items() if key[1] in there}
        owners: dict[Object, set[int]] = {}
        for copy in sorted(self.state, key=lambda copy: copy.cnode.about):
            real = self.look(copy)
            assert (real.type, real.address, real.size) == copy.object[:3], copy
            assert real.rights == copy.rights, copy
            if copy.name is None:
                assert real.reference not in self.known[copy.core], copy
                assert copy != made[0] or real.reference == name, copy
                self.state = model.learn(self.state, copy, real.reference)
                self.known[copy.core].append(real.reference)
            else:
                assert real.reference == copy.name, copy
            owners.setdefault(copy.object, set()).add(real.owner)
        assert not self.heirs or all(len(names) == 1 for names in owners.values()), owners
        for core, (_, count, locks, _, broken, *_) in enumerate(self.digests()):
            root = 1
            assert count == root + sum(copy.core == core for copy in self.state)
            assert not locks
            assert not broken
        mapped = model.pages(self.state)
        for number, page in enumerate(self.pages, 1):
            for core in range(CORES):
                verdict = self.system.launched.request(
                    core, KINDS["TOUCH"], page.handle, page.address
                )[0]
                assert (verdict == VERDICTS["OK"]) == (
                    number in mapped and page.holders >> core & 1 != 0
                ), page

    def teardown(self) -> None:
        if self.state:
            for number, core in self.pins.elements():
                assert self.request(core, "UNPIN", self.pages[number - 1].handle)[0] == "ok"
            self.pins.clear()
            revoke = Request("REVOKE", 0, self.memory.name or 0)
            if self.takes_unasked(revoke, frozenset({self.memory})):
                while model.pages(self.state):
                    self.unmap(0, 0, False)
            self.ask(revoke)
            assert self.state == {self.memory}
            self.place.clean = True


@pytest.fixture(params=SYSTEMS)
def machine(request: pytest.FixtureRequest) -> Iterator[type[Histories]]:
    place = Place(**SYSTEMS[request.param])
    heirs = request.param.startswith("multikernel")  # in the shared kernel nobody owns anything
    yield type("Machine", (Histories,), {"place": place, "heirs": heirs, "seen": Counter()})
    place.close()


@pytest.mark.sampled(one_in=2)
def test_histories(machine: type[Histories]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=more(10, 20), stateful_step_count=30, deadline=None)
    )
    stale = sum(count for name, count in machine.seen.items() if name.endswith(" stale"))
    assert stale > machine.seen.total() / 10, machine.seen


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_long_histories(machine: type[Histories]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=240, stateful_step_count=60, deadline=None)
    )
