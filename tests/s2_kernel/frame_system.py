"""A naive model of Frames that are mapped: that of all capabilities (capability_system.py), with
pages and memory beside.

A page is there while its Mapping is: both go together, on all cores at one moment. Memory is one
byte for each page of RAM, through whichever mapping; what it holds in the beginning is open until
the first read.

Three things are weaker. In the multikernel, to delete a core's last Frame is first to unmap what
the core has mapped of it, and then to delete it, and what others do may come in between (UNMAPS).
There, too, the core that has a page's Mapping hears last of an unmap by another one, by a message
that nobody waits for: when the page is gone (UNMAP-FIRST) its Mapping may be there for a moment
(HOME-HEARS), take its slot, and be deleted. And where two things forbid a retype, a slot in use and
a conflict, either may be the answer: they are known on different cores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from s2_kernel import capability_system as model
from s2_kernel.capability_programs import PAGE
from s2_kernel.capability_system import FRAME, MAPPING, READ, WRITE, Copy, Object, Refused, Request

from multikernel.native._native import RIGHTS


class Page(NamedTuple):
    """What a program needs to use a page, and knows of it. handle: slot and generation; holders: a
    bit each.
    """

    handle: int
    address: int
    frame: int
    holders: int


class Mapped(NamedTuple):
    page: Page
    rights: int


class State(NamedTuple):
    copies: model.State
    pages: frozenset[Mapped] = frozenset()
    memory: frozenset[tuple[int, int]] = frozenset()
    """By address, what was last written or read there."""
    begun: frozenset[tuple[int, int]] = frozenset()
    """By core and source, deletions that have unmapped a page, and have yet to end."""


class Act(NamedTuple):
    """What a program asks that is about a page: MAP, UNMAP, READ or WRITE; or UNMAPS, of a deletion
    of that source the first half; or UNMAP-FIRST and HOME-HEARS, the halves of an unmap. Fields
    that the kind has no use for are 0.
    """

    kind: str
    core: int
    page: Page = Page(0, 0, 0, 0)
    value: int = 0
    source: int = 0
    index: int = 0
    rights: int = 0


Response = tuple[str, int | None, Page | None]
"""The verdict; the reference of what was made, or the value read; the page."""


def step(state: State, asked: Request | Act, response: Response, cores: int) -> Iterable[State]:
    """The states that may follow, if that is the answer: none or one."""
    try:
        after = (
            _act(state, asked, response)
            if isinstance(asked, Act)
            else _request(state, asked, response, cores)
        )
    except Refused as refusal:
        after = state if response[0] == str(refusal) else None
    return [] if after is None else [after]


def _request(state: State, asked: Request, response: Response, cores: int) -> State | None:
    if (
        asked.kind == "MOVE"
        and asked.to != asked.core
        and _mapped(state.copies, asked.core, asked.source)
    ):
        raise Refused("mapped")
    if (asked.core, asked.source) in state.begun:
        state = state._replace(begun=state.begun - {(asked.core, asked.source)})
        if asked.source not in {copy.name for copy in state.copies if copy.core == asked.core}:
            return state if response[0] == "ok" else None  # others did the rest
    verdict, copies, made = model.ask(state.copies, asked, cores, 16)
    if (verdict, asked.kind) == ("slot-in-use", "RETYPE"):  # or for another reason
        elsewhere, _, _ = model.ask(state.copies, asked._replace(index=model.ANY), cores, 16)
        verdict = elsewhere if response[0] == elsewhere == "retype-conflict" else verdict
    if verdict != response[0]:
        return None
    memory = dict(state.memory)
    for copy in made:
        assert response[1] is not None
        copies = model.learn(copies, copy, response[1])
        if (asked.kind, copy.object.type) == ("RETYPE", FRAME):  # which clears it
            end = copy.object.address + copy.object.size
            memory.update(dict.fromkeys(range(copy.object.address, end, PAGE), 0))
    return settled(state._replace(copies=copies, memory=frozenset(memory.items())))


def _mapped(copies: model.State, core: int, name: int) -> set[Copy]:
    """The Mappings that would go with that capability."""
    source = model.find(copies, core, name)
    if source.object.type == MAPPING:
        return {source}
    if source.object.type != FRAME or len(model.copies(copies, source.object, core)) > 1:
        return set()
    mine = {one for one in copies if one.core == core and one.object.type == MAPPING}
    return {one for one in mine if one.object.below(source.object)}


def settled(state: State) -> State:
    """Without the pages whose Mappings are gone."""
    mapped = {copy.object.about for copy in state.copies if copy.object.type == MAPPING}
    return state._replace(pages=frozenset(one for one in state.pages if one.page.address in mapped))


def _act(state: State, act: Act, response: Response) -> State | None:
    if act.kind == "MAP":
        return _map(state, act, response)
    if act.kind == "UNMAPS":
        return _unmaps(state, act)
    found = next((one for one in state.pages if one.page == act.page), None)
    gone = {
        copy
        for copy in state.copies
        if copy.object.about == act.page.address and copy.object.type == MAPPING
    }
    if act.kind == "HOME-HEARS":
        return None if found else settled(state._replace(copies=state.copies - gone))
    if act.kind in ("UNMAP", "UNMAP-FIRST"):
        if found is None:
            raise Refused("not-mapped")
        if response[0] != "ok":
            return None
        if act.kind == "UNMAP" or {copy.core for copy in gone} == {act.core}:
            return settled(state._replace(copies=state.copies - gone))
        return state._replace(pages=state.pages - {found})
    if found is None or not act.page.holders >> act.core & 1:
        raise Refused("fault")
    if act.kind == "WRITE" and not found.rights & WRITE:
        raise Refused("fault")
    held = dict(state.memory)
    value = act.value if act.kind == "WRITE" else response[1]
    if response[0] != "ok" or value is None:
        return None
    if act.kind == "READ" and held.setdefault(act.page.frame, value) != value:
        return None
    held[act.page.frame] = value
    return state._replace(memory=frozenset(held.items()))


def _unmaps(state: State, act: Act) -> State:
    try:
        gone = _mapped(state.copies, act.core, act.source)
    except Refused:
        return state  # others did it
    begun = state.begun | {(act.core, act.source)} if gone else state.begun
    return settled(state._replace(copies=state.copies - gone, begun=begun))


def _map(state: State, act: Act, response: Response) -> State | None:
    source = model.find(state.copies, act.core, act.source)
    if source.object.type != FRAME:
        raise Refused("wrong-type")
    cnode, index = model.place(state.copies, act.core, model.ROOT, act.index)
    if act.rights & ~source.rights:
        raise Refused("rights-exceeded")
    verdict, reference, page = response
    if verdict != "ok":
        return None
    assert page is not None
    if any(one.page.address == page.address for one in state.pages):
        return None
    view = Object(MAPPING, source.object.address, source.object.size, page.address)
    mapped = Mapped(page, act.rights)
    return state._replace(
        copies=state.copies | {Copy(act.core, cnode, index, view, act.rights, reference)},
        pages=state.pages | {mapped},
    )


READ_ONLY, READ_WRITE = RIGHTS["read-only"], RIGHTS["read-write"]
assert (READ_ONLY, READ_WRITE) == (READ, READ | WRITE)
