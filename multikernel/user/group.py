"""Groups of cores, and what their members do together: barrier, reduction, broadcast, atomic
broadcast.

    group = system.group()                     # of all cores; cores=[…], root=…
    system.cores[k].run(work, group)           # on every member

    def work(group):
        group.barrier()
        total = group.all_reduce([1, 2], "sum")
        group.broadcast(b"from the root") if group.core == group.root else group.receive()
        group.order(b"everybody gets this, and all in one order")

Guarantees: collectives are called by all members, in the same order, as in MPI; a member that calls
something else gets BadInput and the others wait. Messages travel along the tree that the root had
when the group was opened. A message that `broadcast` or `order` returned for is in every member's
box; a member that takes nothing for long holds up its group. Real sums are joined in the order of
arrival: their last bits may differ from run to run. Source: native/driver/collective.h.
"""

from __future__ import annotations

import secrets
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Literal, SupportsIndex

from multikernel.errors import BadInput, OutOfSlots, SystemClosed
from multikernel.hints import one_of
from multikernel.markup import element, table
from multikernel.native import _native
from multikernel.native._native import KINDS
from multikernel.runtime import local
from multikernel.runtime.launch import Reply
from multikernel.user.access import Access, core_number, core_numbers
from multikernel.user.memory import local_access
from multikernel.user.outcome import OK, error_of

Join = Literal["sum", "min", "max", "and", "or"]
GROUPS, VALUES, BYTES = 8, 5, 39
"""Groups of a system at a time; values, and bytes, that a message carries."""

_WHOLE = {"sum": 1, "min": 2, "max": 3, "and": 4, "or": 5}
_REAL = {"sum": 6, "min": 7, "max": 8}
_NOTHING = (1 << 64) - 1
_TRIES = 100
_CLOSE, _MAY_CLOSE = 0xFFFF, 0xFFFE


_taken: dict[tuple[str, int], deque[bytes]] = {}
"""By group and core: messages out of the box that its program has not received yet."""


class Group:
    """A group, as its members and its maker see it. cores: the members, in order; root: the core
    whose tree it uses; number: its name among all that the system has opened
    (native/driver/collective.h).
    """

    def __init__(
        self, system: str, number: int, cores: tuple[int, ...], root: int, token: str
    ) -> None:
        self._system = system
        self._token = token
        self.number = number
        self.cores = cores
        self.root = root

    def __reduce__(self) -> tuple[Any, ...]:
        return Group, (self._system, self.number, self.cores, self.root, self._token)

    def __repr__(self) -> str:
        return (
            f"<Group {self.number & 0xFF} of cores {list(self.cores)}, root {self.root}, of system"
            f" {self._system}>"
        )

    def _repr_html_(self) -> str:
        facts = (
            ("cores", ", ".join(map(str, self.cores))),
            ("root", str(self.root)),
            ("of system", self._system),
        )
        return element("div", element("b", f"Group {self.number & 0xFF}"), table(("", ""), facts))

    @property
    def core(self) -> int:
        """The member that asks. Raises BadInput outside of them."""
        return self._own().home

    def barrier(self) -> None:
        """Returns when all members have called it."""
        self._gather("barrier", 0, (), everybody=True)

    def reduce(
        self, values: Sequence[int] | Sequence[float], join: Join = "sum"
    ) -> list[Any] | None:
        """The members' values joined place by place, at the root; None elsewhere, perhaps before
        the root has them.

        Whole numbers are signed and of 64 bits, a sum wraps around. As many values as you like, in
        messages of five.
        """
        found = self._join(values, join, everybody=False)
        return found if self.core == self.root else None

    def all_reduce(self, values: Sequence[int] | Sequence[float], join: Join = "sum") -> list[Any]:
        """The same, at every member."""
        return self._join(values, join, everybody=True)

    def broadcast(self, data: bytes) -> None:
        """From the root to all others, who `receive` it; returns when they have it in their boxes.
        At most 39 bytes.
        """
        self._only_at_root()
        self._put("SPREAD", self.root, data)

    def order(self, data: bytes) -> None:
        """To all members, the sender too, from any of them: all `receive` all such messages in one
        order. At most 39 bytes.
        """
        # With an empty box: while this waits nobody takes from it, and it has to hold what the
        # others send before.
        while (message := self._take(wait=False)) is not None:
            _taken.setdefault((self._token, self.core), deque()).append(message)
        self._put("ORDER", self.root, data)

    def receive(self, *, wait: bool = True) -> bytes | None:
        """The next message; None if there is none and wait is False."""
        taken = _taken.get((self._token, self.core))
        return taken.popleft() if taken else self._take(wait)

    # --- inside ---

    def _take(self, wait: bool) -> bytes | None:
        verdict, named, words = self._ask(KINDS["TAKE"], self.number, 0 if wait else 1)
        if verdict != OK:
            raise self._error(verdict, named, "receive")
        if words[0] == _NOTHING:
            return None
        raw = struct.pack("<5Q", *words[1:6])
        return raw[1 : 1 + raw[0]]

    def _own(self) -> Access:
        """The member's way into its kernel. Raises BadInput outside of them."""
        access: Access | None = getattr(local.modelled, "access", None)
        if access is None and local.plan is not None and local.plan.system == self._system:
            access = local_access(self._system)
        if access is None or access.plan.system != self._system:
            raise BadInput(
                "collectives are called by programs on the group's cores",
                value=repr(self),
                hint="system.cores[k].run(function, group) on every member",
            )
        if access.home not in self.cores:
            raise BadInput(
                "not a member of this group", value=f"core {access.home}", where=repr(self)
            )
        return access

    def _ask(self, kind: int, *words: int, to: int | None = None) -> Reply:
        """Of the own kernel, or that core's."""
        access = self._own()
        return access.request(access.home if to is None else to, kind, *words)

    def _only_at_root(self) -> None:
        if self.core != self.root:
            raise BadInput(
                "only the root broadcasts",
                value=f"core {self.core}",
                where=repr(self),
                hint="order() does it from any",
            )

    def _error(self, verdict: int, named: int, doing: str) -> Exception:
        if verdict == _native.VERDICTS["BAD_REQUEST"]:
            return BadInput(
                "the group was closed, or its members called different things at the same time",
                where=f"{doing} on core {self.core}, {self!r}",
            )
        return error_of(verdict, named, doing, core=self.core)

    def _gather(
        self, doing: str, join: int, values: tuple[int, ...], *, everybody: bool
    ) -> tuple[int, ...]:
        word = self.number | join << 8 | len(values) << 16 | everybody << 24
        verdict, named, words = self._ask(KINDS["GATHER"], word, *values)
        if verdict != OK:
            raise self._error(verdict, named, doing)
        return words[1 : 1 + len(values)]

    def _join(
        self, values: Sequence[int] | Sequence[float], join: str, *, everybody: bool
    ) -> list[Any]:
        real = any(isinstance(value, float) for value in values)
        table = _REAL if real else _WHOLE
        if join not in table:
            raise BadInput(
                "cannot join these so",
                value=join,
                where="reduce",
                hint=one_of(join, table),
            )
        code = "d" if real else "q"
        try:
            raw = struct.pack(f"<{len(values)}{code}", *values)
        except (struct.error, TypeError) as error:
            raise BadInput(
                f"not numbers of 64 bits: {error}", value=list(values)[:8], where="reduce"
            ) from None
        words = struct.unpack(f"<{len(values)}Q", raw)
        found: list[int] = []
        for at in range(0, len(words), VALUES):
            found += self._gather(
                "reduce", table[join], words[at : at + VALUES], everybody=everybody
            )
        return list(struct.unpack(f"<{len(found)}{code}", struct.pack(f"<{len(found)}Q", *found)))

    def _put(self, kind: str, to: int, data: bytes) -> None:
        if len(data) > BYTES:
            raise BadInput(
                f"a message carries {BYTES} bytes", value=f"{len(data)} bytes", where=kind.lower()
            )
        words = struct.unpack("<5Q", bytes([len(data)]) + data.ljust(BYTES, b"\0"))
        verdict, named, _ = self._ask(KINDS[kind], self.number, *words, to=to)
        if verdict != OK:
            raise self._error(verdict, named, kind.lower())


class Groups:
    """A system's groups, as its maker sees them: opens them on every member."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._open: dict[int, Group | None] = {}  # None: a thread is about to open or close it
        self._opened = 0
        self._lock = threading.Lock()

    def open(self, cores: Iterable[SupportsIndex] | None, root: SupportsIndex | None) -> Group:
        """Raises BadInput, OutOfSlots."""
        plan = self._access.plan
        members = core_numbers(plan.cores, cores, "group")
        if not members:
            raise BadInput("a group has at least one member", value="[]", where="group")
        top = members[0] if root is None else core_number(plan.cores, root, "group root")
        if top not in members:
            raise BadInput(
                "the root is a member",
                value=top,
                where="group",
                hint=f"members are {list(members)}",
            )
        with self._lock:
            place = next((place for place in range(GROUPS) if place not in self._open), None)
            if place is None:
                raise OutOfSlots(
                    f"{GROUPS} groups are open", where="group", hint="system.close_group(group)"
                )
            self._open[place] = None
            self._opened += 1
            number = place | (self._opened & 0xFFFFFFFF) << 32
        group = None
        try:
            for _ in range(_TRIES):
                if self._try(number, members, top):
                    group = Group(plan.system, number, members, top, secrets.token_hex(8))
                    return group
                time.sleep(0.001)
            raise SystemClosed(
                "the root's tree does not stay the same for long enough to open a group",
                where="group",
            )
        finally:
            self._is_now(place, group)

    def close(self, group: Group) -> None:
        """Its place may be used again. No member may be in a collective. Raises BadInput."""
        if not isinstance(group, Group):
            raise BadInput("this is no group", value=repr(group), where="close_group")
        place = group.number & 0xFF
        with self._lock:
            if self._open.get(place) is not group:
                raise BadInput("this group is not open", value=repr(group), where="close_group")
            self._open[place] = None
        left: Group | None = group
        try:
            for core in group.cores:
                if self._access.request(core, KINDS["GROUP"], group.number, _MAY_CLOSE)[0] != OK:
                    raise BadInput(
                        "a member waits in this group", value=f"core {core}", where="close_group",
                        hint="let all members call what it waits in, or end its program",
                    )  # fmt: skip
            self._shut(group.number, group.cores)
            left = None
        finally:
            self._is_now(place, left)

    def _is_now(self, place: int, group: Group | None) -> None:
        """That group has the place from now on; None: it is free."""
        with self._lock:
            if group is None:
                del self._open[place]
            else:
                self._open[place] = group

    def _shut(self, number: int, cores: Sequence[int]) -> None:
        for core in cores:
            self._access.request(core, KINDS["GROUP"], number, _CLOSE)

    def _try(self, number: int, members: tuple[int, ...], root: int) -> bool:
        _, _, words = self._access.request(root, KINDS["TREES"], root)
        mask = sum(1 << core for core in members)
        word, kept = _native.cores_word(mask, self._access.plan.cores)
        for place, core in enumerate(members):
            verdict, named, _ = self._access.request(
                core, KINDS["GROUP"], number, root | words[1] << 16, word, kept=kept
            )
            if verdict == OK:
                continue
            self._shut(number, members[:place])
            if verdict != _native.VERDICTS["STALE_VIEW"]:
                raise error_of(verdict, named, "group", core=core)
            return False
        return True
