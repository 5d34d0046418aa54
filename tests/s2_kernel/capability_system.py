"""A naive model of the capabilities of a whole system: a set of copies, and what a request must be
answered.

An object is a range of memory with a type; a copy is an object, with rights, at a place on a core.
What is derived from what is containment, nothing else. There are no owners, no locks, no trees and
no messages: a request changes the set at one moment, or is refused and changes nothing. Real cores
are held against it, one request after another (test_capability_model.py) and many at once
(test_capability_histories.py).

A kernel chooses what a copy is called; the model learns it afterwards (`learn`). Names that were
not learnt cannot be used."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from s2_kernel.capability_programs import PAGE, ROOT, copy_word, retype_word

from multikernel.native._native import CAPABILITY_ANY_SLOT

SYSTEMS: dict[str, dict[str, Any]] = {
    "multikernel": {},
    "multikernel-owner": {"capabilities": "owner"},
    "shared-big": {"kernel": "shared"},
    "shared-region": {"kernel": "shared", "lock_scope": "region"},
}
"""What is held against the model, and how it is booted."""

NULL, RAM, FRAME, CNODE, MAPPING = range(5)
READ, WRITE, GRANT = 1, 2, 4
SLOTS, ANY = 256, CAPABILITY_ANY_SLOT
LEVELS = 8

DERIVES = {RAM: {RAM, FRAME, CNODE}, FRAME: {MAPPING}}
SIZE = {CNODE: 4 * PAGE}
RIGHTS = {RAM: 7, FRAME: 7, CNODE: 6, MAPPING: 3}
REMOTE = {RAM, FRAME}
"""Types that may leave their core."""


class Object(NamedTuple):
    type: int
    address: int
    size: int
    about: int = 0
    """CNode: how deep it lies below the root; Mapping: the number of its page."""

    @property
    def end(self) -> int:
        return self.address + self.size

    def overlaps(self, start: int, end: int) -> bool:
        return self.address < end and start < self.end

    def below(self, outer: Object) -> bool:
        """Derived from outer, perhaps by way of others?"""
        if self == outer or not (outer.address <= self.address and self.end <= outer.end):
            return False
        if self.type == MAPPING and outer.type == FRAME:
            return (self.address, self.size) == (outer.address, outer.size)
        return outer.type == RAM


TOP = Object(CNODE, -1, 0)
"""Stands for a core's root CNode."""


class Copy(NamedTuple):
    core: int
    cnode: Object
    index: int
    object: Object
    rights: int
    name: int | None = None
    """The reference by which its core's programs know it, once they do."""

    @property
    def place(self) -> tuple[int, Object, int]:
        return self.core, self.cnode, self.index


State = frozenset[Copy]


class Request(NamedTuple):
    """What a program on a core asks. Fields that the kind has no use for are 0."""

    kind: str
    core: int
    source: int
    cnode: int = ROOT
    index: int = 0
    rights: int = 0
    to: int = 0
    type: int = 0
    count: int = 1
    offset: int = 0
    size: int = 0
    about: int = 0
    """MAP: the number that its page gets, which does not travel; `to` are the holders, a bit each.
    """

    @property
    def call(self) -> tuple[object, ...]:
        """As capability_programs.here takes it."""
        match self.kind:
            case "COPY" | "MOVE":
                word = copy_word(self.index, self.rights, self.to, self.kind == "MOVE")
                return "CAP_COPY", self.source, self.cnode, word
            case "RETYPE":
                word = retype_word(self.index, self.type, self.count)
                return "CAP_RETYPE", self.source, self.cnode, word, self.offset, self.size
            case "MAP":
                return "CAP_MAP", self.source, self.cnode, self.index | self.rights << 16, self.to
            case _:
                return f"CAP_{self.kind}", self.source


class Refused(Exception):
    """With the verdict's name."""


# --- looking
# --------------------------------------------------------------------------------------------------


def find(state: State, core: int, name: int) -> Copy:
    for copy in state:
        if copy.core == core and copy.name == name:
            return copy
    if name == ROOT:
        return Copy(core, TOP, 0, TOP, WRITE | GRANT, ROOT)
    raise Refused("stale")


def copies(state: State, object: Object, core: int | None = None) -> set[Copy]:
    return {copy for copy in state if copy.object == object and core in (None, copy.core)}


def place(state: State, core: int, cnode: int, index: int, count: int = 1) -> tuple[Object, int]:
    """The CNode, if it has room there, and where."""
    holder = find(state, core, cnode)
    if holder.object.type != CNODE:
        raise Refused("not-a-cnode")
    if not holder.rights & WRITE:
        raise Refused("rights-exceeded")
    used = {copy.index for copy in state if copy.core == core and copy.cnode == holder.object}
    if holder.object == TOP:
        used |= {0}  # the root's own capability
    if index == ANY:
        free = (i for i in range(SLOTS + 1 - count) if used.isdisjoint(range(i, i + count)))
        index = next(free, SLOTS) if count else 0
    if index + count > SLOTS or index >= SLOTS:
        raise Refused("no-slots")
    if not used.isdisjoint(range(index, index + count)):
        raise Refused("slot-in-use")
    return holder.object, index


def without(state: State, going: Iterable[Copy]) -> State:
    """And without what goes with them: with the last copy on a core its Mappings, with a CNode what
    it holds.
    """
    gone: set[Copy] = set()
    ahead = set(going)
    while ahead:
        gone |= ahead
        ahead = set()
        for copy in gone:
            mine = {other for other in state if other.core == copy.core}
            if copies(state, copy.object, copy.core) <= gone:
                ahead |= {other for other in mine if other.cnode == copy.object}
                if copy.object.type != RAM:
                    ahead |= {other for other in mine if other.object.below(copy.object)}
        ahead -= gone
    return state - gone


def pages(state: Iterable[Copy]) -> set[int]:
    return {copy.object.about for copy in state if copy.object.type == MAPPING}


# --- requests
# --------------------------------------------------------------------------------------------------


def ask(
    state: State, request: Request, cores: int, cnodes: int, pinned: Collection[int] = ()
) -> tuple[str, State, tuple[Copy, ...]]:
    """The verdict, the state after it, and what was made. cnodes: how many there can be on a core,
    its root among them. pinned: numbers of pages.
    """
    try:
        match request.kind:
            case "COPY" | "MOVE":
                after, made = _copy(state, request, cores)
            case "RETYPE":
                after, made = _retype(state, request, cnodes)
            case "REVOKE":
                after, made = _revoke(state, request), ()
            case "DELETE":
                after, made = _delete(state, request), ()
            case "MAP":
                after, made = _map(state, request)
            case _:
                raise ValueError(request.kind)
        if pages(state - after).intersection(pinned):
            raise Refused("pinned")
    except Refused as refusal:
        return str(refusal), state, ()
    return "ok", after, made


def _copy(state: State, r: Request, cores: int) -> tuple[State, tuple[Copy, ...]]:
    move = r.kind == "MOVE"
    if r.to >= cores:
        raise Refused("bad-request")
    source = find(state, r.core, r.source)
    if move and source.object == TOP:
        raise Refused("permanent")
    rights = source.rights if move else r.rights
    allowed = source.rights & GRANT and not rights & ~source.rights
    if r.to == r.core:
        cnode, index = place(state, r.core, r.cnode, r.index)
        if source.object.type == MAPPING:
            raise Refused("not-copyable")
        if not allowed:
            raise Refused("rights-exceeded")
        if source.object.type == CNODE and cnode.about >= source.object.about:
            raise Refused("cnode-cycle")
    else:
        # Of a CNode nobody asks what it holds: it never goes to another core.
        if move and source.object.type != CNODE and pages(state - without(state, {source})):
            raise Refused("mapped")
        if source.object.type not in REMOTE:
            raise Refused("not-copyable")
        if not allowed:
            raise Refused("rights-exceeded")
        if r.index >= SLOTS and r.index != ANY:
            raise Refused("no-slots")
        cnode, index = place(state, r.to, r.cnode, r.index)
    made = Copy(r.to, cnode, index, source.object, rights)
    # Without the source alone: on another core the Mappings stay behind no more than on this one,
    # where a copy is left.
    after = state | {made}
    return without(after, {source}) if move else after, (made,)


def _retype(state: State, r: Request, cnodes: int) -> tuple[State, tuple[Copy, ...]]:
    if r.type == MAPPING:
        raise Refused("wrong-type")
    source = find(state, r.core, r.source)
    cnode, index = place(state, r.core, r.cnode, r.index, r.count)
    if r.type not in DERIVES.get(source.object.type, ()):
        raise Refused("wrong-type")
    if not source.rights & WRITE:
        raise Refused("rights-exceeded")
    old = source.object
    fits = (
        r.size and r.size % PAGE == r.offset % PAGE == 0 and r.offset + r.size * r.count <= old.size
    )
    whole = r.type == old.type and r.size == old.size
    if not fits or not r.count or whole or SIZE.get(r.type, r.size) != r.size:
        raise Refused("bad-size")
    if r.type == CNODE and cnode.about == LEVELS:
        raise Refused("cnode-cycle")
    if r.type == CNODE and r.count > cnodes - 1 - len(_cnodes(state, r.core)):
        raise Refused("no-cnodes")
    start, end = old.address + r.offset, old.address + r.offset + r.size * r.count
    if any(copy.object.below(old) and copy.object.overlaps(start, end) for copy in state):
        raise Refused("retype-conflict")
    about = cnode.about + 1 if r.type == CNODE else 0
    new = [Object(r.type, start + r.size * i, r.size, about) for i in range(r.count)]
    made = tuple(
        Copy(r.core, cnode, index + i, one, source.rights & RIGHTS[r.type])
        for i, one in enumerate(new)
    )
    return state | set(made), made


def _map(state: State, r: Request) -> tuple[State, tuple[Copy, ...]]:
    source = find(state, r.core, r.source)
    if source.object.type != FRAME:
        raise Refused("wrong-type")
    cnode, index = place(state, r.core, r.cnode, r.index)
    if r.rights & ~source.rights:
        raise Refused("rights-exceeded")
    page = Object(MAPPING, source.object.address, source.object.size, r.about)
    made = Copy(r.core, cnode, index, page, r.rights)
    return state | {made}, (made,)


def _cnodes(state: State, core: int) -> set[Object]:
    return {copy.object for copy in state if copy.core == core and copy.object.type == CNODE}


def _revoke(state: State, r: Request) -> State:
    source = find(state, r.core, r.source)
    if source.object == TOP:
        raise Refused("permanent")
    if not source.rights & GRANT:
        raise Refused("rights-exceeded")
    below = {copy for copy in state if copy.object.below(source.object)}
    return without(state, (copies(state, source.object) | below) - {source})


def _delete(state: State, r: Request) -> State:
    source = find(state, r.core, r.source)
    if source.object == TOP:
        raise Refused("permanent")
    return without(state, {source})


def learn(state: State, copy: Copy, name: int) -> State:
    return state - {copy} | {copy._replace(name=name)}
