"""Where a shared object lies, and its ends: made, opened on every member, and given back.

Guarantees: the block is a Frame of RAM that is made for it, so that `multikernel inspect` shows it;
it is mapped at one address on the members alone. Each member's driver has an end, and the page
pinned, from `make` to `release`. What `make` began and did not finish is given back; so is what
nobody holds any more, at the latest when the next object is made.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, SupportsIndex

from multikernel.errors import (
    BadInput,
    MultikernelError,
    NoLockFreeForm,
    NotAMember,
    OutOfSlots,
    UnknownForm,
    UnknownKind,
)
from multikernel.hints import one_of
from multikernel.native._native import (
    KINDS,
    OBJECT_ADAPTIVE,
    OBJECT_ENDS_OF_A_CORE,
    OBJECT_FORMS,
    OBJECT_LOGS,
    OBJECT_MEMBERS,
    OBJECT_SHAPES,
    OBJECT_TYPES,
    OBJECT_VERDICTS,
    VERDICTS,
    object_block,
    object_made_of,
    object_says,
)
from multikernel.runtime import local
from multikernel.runtime.launch import REQUESTS
from multikernel.runtime.plan import PAGE, Plan
from multikernel.user import memory
from multikernel.user.access import Access, ClientAccess, LocalAccess, core_number
from multikernel.user.capability import FRAME, Capability, ram_of
from multikernel.user.outcome import OK, error_of

ADAPTIVE: Final = "adaptive"
FORMS = (*OBJECT_FORMS, ADAPTIVE)
_LEAST = {"counter": 1, "map": 8, "queue": 2}


@dataclass(frozen=True)
class Block:
    """ram: its memory; page: slot and generation of its mapping, as they travel; cores: the
    members, in order, of which `owner` changes the form.
    """

    system: str
    kind: str
    size: int
    log: int
    cores: tuple[int, ...]
    owner: int
    page: int
    ram: Capability


class HasAccess(Protocol):
    """A running system."""

    @property
    def plan(self) -> Plan:
        """What it is to be."""
        ...


def access_of(system: HasAccess | None) -> Access:
    """The way into that system; None: the own core's, or the only one booted here. Raises
    BadInput.
    """
    if system is not None:
        plan = getattr(system, "plan", None)  # callers may be untyped
        access = memory.local_access(plan.system) if isinstance(plan, Plan) else None
    elif getattr(local.modelled, "access", None) is not None:
        access = local.modelled.access
    elif local.plan is not None:
        access = memory.local_access(local.plan.system)
    else:
        access = memory.only_booted("Shared")
    if not isinstance(access, (ClientAccess, LocalAccess)):
        raise BadInput(
            "shared objects lie in a running system of this host",
            value=repr(system) if system is not None else None,
            where="Shared system",
            hint="boot() without machine=",
        )
    return access


def whole(value: object, most: int, what: str, least: int = 0) -> int:
    """A number that a caller gave. Raises BadInput."""
    if not isinstance(value, int) or not least <= value <= most:
        raise BadInput(
            f"{what} is a whole number from {least} to {most}", value=repr(value), where=what
        )
    return value


def form_number(form: object, where: str) -> int:
    """Of a form's name. Raises UnknownForm."""
    if form == ADAPTIVE:
        return OBJECT_ADAPTIVE
    if not isinstance(form, str) or form not in OBJECT_FORMS:
        raise UnknownForm("no such form", value=repr(form), where=where, hint=one_of(form, FORMS))
    return OBJECT_FORMS[form]


def type_number(kind: object) -> int:
    """Of a kind's name. Raises UnknownKind."""
    if not isinstance(kind, str) or kind not in OBJECT_TYPES:
        raise UnknownKind(
            "no such kind of shared object",
            value=repr(kind),
            where="Shared",
            hint=one_of(kind, OBJECT_TYPES),
        )
    return OBJECT_TYPES[kind]


def refused(verdict: int, kind: str, size: int, form: str, where: str) -> BadInput:
    """What an object's verdict comes to."""
    value = f"{kind} of size {size}, {form}"
    if verdict == OBJECT_VERDICTS["not-lock-free"]:
        return NoLockFreeForm(
            "this object has no lock-free form",
            value=value,
            where=where,
            hint='a single counter has one, and a queue; or form="adaptive"',
        )
    if verdict == OBJECT_VERDICTS["no-such-shape"]:
        bounds = f"{_LEAST[kind]} to {OBJECT_SHAPES[kind]}"
        if kind != "counter":
            bounds += ", a power of two"
        return BadInput(f"a {kind} has no such size", value=size, where=where, hint=bounds)
    return BadInput(f"the object was refused: {object_says(verdict)}", value=value, where=where)


def _members(
    access: Access, cores: Iterable[SupportsIndex] | None, owner: SupportsIndex | None
) -> tuple[tuple[int, ...], int]:
    count = access.plan.cores
    named = range(count) if cores is None else cores
    members = tuple(sorted({core_number(count, core, "Shared cores") for core in named}))
    if not 0 < len(members) <= OBJECT_MEMBERS:
        raise BadInput(
            f"an object has 1 to {OBJECT_MEMBERS} members",
            value=len(members),
            where="Shared cores",
            hint="cores=[…] names them",
        )
    owns = members[0] if owner is None else core_number(count, owner, "Shared owner")
    if owns not in members:
        raise NotAMember(
            "the owner is a member",
            core=owns,
            value=f"core {owns}",
            where="Shared owner",
            hint=f"members are {list(members)}",
        )
    return members, owns


def _opened(access: Access, block: Block, address: int, core: int, made_of: int, form: str) -> None:
    who = block.cores.index(core) | block.owner << 16
    verdict, named, words = access.request(
        core, KINDS["OBJECT_OPEN"], block.page, address, who, made_of, block.size
    )
    if verdict == VERDICTS["NO_SLOT"]:
        raise OutOfSlots(
            f"a core has ends of at most {OBJECT_ENDS_OF_A_CORE} shared objects",
            value=f"core {core}",
            where="Shared",
            hint="close some, or let other cores be members",
        )
    if verdict != OK:
        raise error_of(verdict, named, "Shared", core=core)
    if words[0]:
        raise refused(words[0], block.kind, block.size, form, f"Shared on core {core}")


def make(
    access: Access,
    kind: str,
    form: str,
    size: int,
    cores: Iterable[SupportsIndex] | None,
    owner: SupportsIndex | None,
    log: int,
) -> Block:
    """Raises BadInput and its kin, OutOfMemory, OutOfSlots, CNodeFull."""
    number, wanted = type_number(kind), form_number(form, "Shared form")
    members, owns = _members(access, cores, owner)
    for what, value in (("size", size), ("log", log)):
        if not isinstance(value, int) or not 0 <= value < 1 << 32:  # type: ignore[redundant-expr]  # callers may be untyped
            raise BadInput(
                f"{what} is a whole number",
                value=repr(value),
                where="Shared",
                hint=f"without {what}= a usual one is taken",
            )
    if log & (log - 1) or not OBJECT_LOGS[0] <= log <= OBJECT_LOGS[1]:
        raise BadInput(
            "no such log",
            value=log,
            where="Shared log",
            hint=f"a power of two, {OBJECT_LOGS[0]} to {OBJECT_LOGS[1]}",
        )
    place = members.index(owns)
    length, verdict = object_block(number, size, len(members), place, log)
    if not length:
        raise refused(verdict, kind, size, form, "Shared")
    give_back()
    ram = ram_of(access, access.plan.system, (length + PAGE - 1) // PAGE * PAGE)
    block = Block(access.plan.system, kind, size, log, members, owns, 0, ram)
    try:
        page = ram.retype(FRAME)[0].map(members)
        block = Block(access.plan.system, kind, size, log, members, owns, page.handle, ram)
        made_of = object_made_of(number, wanted, len(members), place, log)
        for core in (owns, *(one for one in members if one != owns)):
            _opened(access, block, page.address, core, made_of if core == owns else 0, form)
    except BaseException:
        release(access, block)
        raise
    return block


def release(access: Access, block: Block) -> None:
    """Closes every end, and gives the memory back. Whoever is in an operation ends it first, and
    may need the owner to answer: its end is the last.
    """
    others = [core for core in block.cores if core != block.owner]
    for core in (*others, block.owner) if block.page else ():
        with contextlib.suppress(MultikernelError):  # closed already
            access.request(core, KINDS["OBJECT_CLOSE"], block.page)
    with contextlib.suppress(MultikernelError):
        block.ram.revoke()
        block.ram.delete()


# --- What nobody holds any more ---

_left: deque[tuple[Access, Block]] = deque()


def _can_ask(access: Access, block: Block) -> bool:
    """Here and now, wherever an object happens to be freed: in the middle of a request too."""
    if isinstance(access, LocalAccess):
        return True
    if not isinstance(access, ClientAccess) or access.launched.owner != os.getpid():
        return False
    locks = (access.launched.lock(core, REQUESTS) for core in {0, *block.cores})
    return not any(lock.locked() for lock in locks)


def give_back() -> None:
    """What was freed where nothing could be asked."""
    while _left:
        access, block = _left.popleft()
        if not isinstance(access, ClientAccess) or not access.launched.closed:
            release(access, block)


def forgotten(access: Access, block: Block) -> None:
    """Nobody holds the object any more. Raises nothing."""
    if isinstance(access, ClientAccess) and access.launched.closed:
        return
    try:
        if _can_ask(access, block):
            release(access, block)
            return
    except Exception:  # a thread of a core that is in its driver
        pass
    _left.append((access, block))
