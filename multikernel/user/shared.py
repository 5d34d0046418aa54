"""Objects that programs on several cores share: a counter, a map, a queue, in the form that is
asked for, or in the one that is cheapest as it goes (multikernel/native/object/object.h).

    counter = system.shared("counter", form="adaptive")
    tasks = [core.start(count, counter) for core in system.cores]  # count: counter.add(1), often
    counter.value()
    counter.switch("delegated")                # while they run

Guarantees: every operation takes effect once, at one moment between its call and its return, on
whichever core and in whichever form, also while the form changes. A handle is pickled to cores;
there an operation is a system call, elsewhere a request to the owner. The owner answers and
replicas keep up whatever runs on their cores, or nothing: each core's driver has the ends of its
core and does their duties on every turn; a core that computes is interrupted. Threads of a program
may share a handle; they operate one after the other. Of an owner that does not answer ObjectTimeout
says so, after a while; where a core dies the system does.

An object goes, memory and all, when it is closed, or with its maker's handle; one that a program
returns belongs to whoever gets it. Keys and values are whole numbers from 0 on.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Literal, Self, SupportsIndex, overload

from multikernel.errors import (
    BadInput,
    NoSuchKey,
    NotAMember,
    ObjectClosed,
    ObjectFull,
    ObjectTimeout,
    UnknownKind,
)
from multikernel.native._native import (
    KINDS,
    OBJECT_FORMS,
    OBJECT_OPERATIONS,
    OBJECT_STATUS,
    VERDICTS,
    ObjectEnd,
)
from multikernel.runtime import local
from multikernel.user import memory, object_block, object_cost, object_picture
from multikernel.user.access import Access, ClientAccess, LocalAccess
from multikernel.user.object_block import ADAPTIVE, FORMS, Block, access_of, whole
from multikernel.user.object_cost import Cost, Seen
from multikernel.user.outcome import OK, error_of

__all__ = ["ADAPTIVE", "FORMS", "Cost", "Shared", "SharedCounter", "SharedMap", "SharedQueue"]

Kind = Literal["counter", "map", "queue"]
Form = Literal[
    "adaptive", "locked", "fifo", "optimistic", "delegated", "replicated", "lock-free", "combined"
]
_SIZES = {"counter": 1, "map": 1024, "queue": 1024}
_LOG = 256
PATIENCE = 10.0
"""Seconds that a core is waited for that was asked."""
_NAMES = {number: name for name, number in OBJECT_FORMS.items()}
_ADD, _SUM = OBJECT_OPERATIONS["add"], OBJECT_OPERATIONS["sum"]
_GET, _PUT = OBJECT_OPERATIONS["map get"], OBJECT_OPERATIONS["map put"]
_REMOVE, _MAP_ADD = OBJECT_OPERATIONS["map remove"], OBJECT_OPERATIONS["map add"]
_QUEUE_PUT, _QUEUE_TAKE = OBJECT_OPERATIONS["queue put"], OBJECT_OPERATIONS["queue take"]
_FRONT = OBJECT_OPERATIONS["queue front"]
_ABSENT, _FULL = OBJECT_STATUS["absent"], OBJECT_STATUS["full"]
_EMPTY = OBJECT_STATUS["empty"]


class Shared:
    """kind: "counter", "map" or "queue"; form: one of FORMS. size: of a counter, how many there are
    (1 to 32, a line each); of a map, slots, of which 7 of 8 may be in use, and of a queue, places:
    powers of two. cores: the members, who may use it, by default all; owner: the one that changes
    the form and answers where it is delegated, by default the first. log: of the replicated form,
    how many operations a replica may be behind. system: by default the program's own, or the only
    one that was booted here.

    Raises UnknownKind, UnknownForm, NoLockFreeForm, NotAMember, BadInput, OutOfMemory, OutOfSlots.
    """

    @overload
    def __new__(
        cls, kind: Literal["counter"], form: Form = ..., **options: Any
    ) -> SharedCounter: ...
    @overload
    def __new__(cls, kind: Literal["map"], form: Form = ..., **options: Any) -> SharedMap: ...
    @overload
    def __new__(cls, kind: Literal["queue"], form: Form = ..., **options: Any) -> SharedQueue: ...
    def __new__(cls, kind: str, form: str = ADAPTIVE, **options: Any) -> Any:
        object_block.type_number(kind)
        if not issubclass(_CLASSES[kind], cls):
            raise UnknownKind(
                "this is another kind", value=kind, where=cls.__name__, hint="Shared(kind)"
            )
        return super().__new__(_CLASSES[kind])

    def __init__(
        self,
        kind: Kind,
        form: Form = ADAPTIVE,
        *,
        size: int | None = None,
        cores: Iterable[SupportsIndex] | None = None,
        owner: SupportsIndex | None = None,
        log: int = _LOG,
        system: object_block.HasAccess | None = None,
    ) -> None:
        access = access_of(system)
        size = _SIZES[kind] if size is None else size
        block = object_block.make(access, kind, form, size, cores, owner, log)
        self._begin(block, access, [], owns=True)

    def _begin(
        self, block: Block, access: Access | None, measured: list[Cost], *, owns: bool
    ) -> None:
        self._block = block
        self._given = access
        self._end: ObjectEnd | None = None
        self.measured = measured
        self._finalizer: weakref.finalize[..., Any] | None = None
        if owns:
            self._finalizer = weakref.finalize(self, object_block.forgotten, self._access, block)
            self._finalizer.atexit = False

    def __reduce__(self) -> tuple[Any, ...]:
        # A program's result: whoever gets it is to close it.
        hands_over = local.plan is not None and self._owns
        if hands_over and self._finalizer is not None:
            self._finalizer.detach()
        return _arrived, (self._block, self.measured, hands_over)

    @property
    def _owns(self) -> bool:
        return self._finalizer is not None and self._finalizer.alive

    # --- what it is ---

    @property
    def kind(self) -> str:
        """Counter, map or queue."""
        return self._block.kind

    @property
    def size(self) -> int:
        """As it was made."""
        return self._block.size

    @property
    def cores(self) -> tuple[int, ...]:
        """The members."""
        return self._block.cores

    @property
    def owner(self) -> int:
        """Who changes the form, and answers where it is delegated."""
        return self._block.owner

    def __repr__(self) -> str:
        block = self._block
        return (
            f"<Shared {block.kind} of size {block.size} on cores {list(block.cores)}, owner"
            f" {block.owner}, of system {block.system}>"
        )

    def _repr_html_(self) -> str:
        return object_picture.html(self)

    # --- forms ---

    @property
    def form(self) -> str:
        """The form that is set now."""
        return _NAMES[self._look(self.owner)[0] & 0xFF]

    @property
    def switches(self) -> int:
        """How often the form has changed."""
        return self._look(self.owner)[0] >> 8

    @property
    def adaptive(self) -> bool:
        """Whether it chooses its form by itself."""
        return bool(self._ask(self.owner, "OBJECT_CHANGES", 0)[2])

    @property
    def forms(self) -> tuple[str, ...]:
        """Those that it has, "adaptive" last."""
        lock_free = self.kind == "queue" or (self.kind == "counter" and self.size == 1)
        return tuple(one for one in FORMS if lock_free or one != "lock-free")

    def switch(self, form: Form) -> None:
        """The form from now on; "adaptive": whichever is cheapest. Operations under way are not
        lost. Raises UnknownForm, NoLockFreeForm.
        """
        number = object_block.form_number(form, "switch")
        words = self._ask(self.owner, "OBJECT_FORM", number)
        if words[0]:
            raise object_block.refused(words[0], self.kind, self.size, form, "switch")

    # --- what it has done, and what it costs ---

    def seen(self) -> Seen:
        """What it has done so far, on each core, and what that took."""
        return object_cost.seen(self)

    def measure(
        self,
        form: Form | None = None,
        *,
        reads: float = 0.0,
        think: int = 0,
        seconds: float = 0.05,
    ) -> Cost:
        """What an operation costs where all members operate at once, in that form (by default in
        the one that it has now): on another object just like this one, for so long. reads: the
        share of operations that only read; think: cycles between two. The result is also kept, in
        `measured`, for the picture. Outside of programs, and where none runs on the members.
        Raises CoreBusy, BadInput.
        """
        cost = object_cost.measure(self, form, reads, think, seconds)
        self.measured.append(cost)
        return cost

    # --- its end ---

    def close(self) -> None:
        """Every core's end is closed, and the memory given back; using it raises ObjectClosed from
        now on. Idempotent.
        """
        if self._finalizer is not None:
            self._finalizer.detach()
        object_block.release(self._access, self._block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- inside ---

    def _twin(self, form: Form) -> Shared:
        """Another one like this one."""
        block = object_block.make(
            self._access, self.kind, form, self.size, self.cores, self.owner, self._block.log
        )
        made = object.__new__(type(self))
        made._begin(block, self._access, [], owns=True)
        return made

    def _work(self) -> object_cost.Work:
        raise NotImplementedError

    @property
    def _access(self) -> Access:
        if self._given is None:
            self._given = memory.local_access(self._block.system)
        return self._given

    def _closed(self) -> ObjectClosed:
        return ObjectClosed(
            "this shared object is closed",
            value=repr(self),
            hint="make another one; it lives as long as the handle of who made it",
        )

    def _ask(self, core: int, kind: str, *words: int) -> tuple[int, ...]:
        access = self._access
        if isinstance(access, ClientAccess):
            answer = access.launched.request_within(
                PATIENCE, core, KINDS[kind], self._block.page, *words
            )
            if answer is None:
                raise self._unanswered(core)
            verdict, named, reply = answer
        else:
            verdict, named, reply = access.request(core, KINDS[kind], self._block.page, *words)
        if verdict == VERDICTS["NOT_MAPPED"]:
            raise self._closed()
        if verdict != OK:
            raise error_of(verdict, named, kind.lower(), core=core)
        return reply

    def _look(self, core: int, form: int = 0) -> tuple[int, ...]:
        return self._ask(core, "OBJECT_LOOK", form)

    def _here(self) -> ObjectEnd | None:
        """This core's end; None outside of programs. Raises NotAMember."""
        access = self._access
        if not isinstance(access, LocalAccess):
            return None
        if access.home not in self._block.cores:
            raise NotAMember(
                "this core is no member of the shared object",
                core=access.home,
                value=f"core {access.home}",
                where=repr(self),
                hint="make it with cores=[…], or with none: then all are",
            )
        patience = int(PATIENCE * 1e6) * access.plan.cycles_per_us
        self._end = ObjectEnd(access.driver, self._block.page, patience)
        return self._end

    def _apply(self, kind: int, key: int = 0, value: int = 0, second: int = 0) -> tuple[int, int]:
        """One operation: its status and its value."""
        end = self._end or self._here()
        if end is None:
            words = self._ask(self.owner, "OBJECT_APPLY", kind, key, value, second)
            return words[0], words[1]
        try:
            return end.apply(kind, key, value, second)
        except LookupError:
            raise self._closed() from None
        except TimeoutError:
            raise self._unanswered(self.owner) from None

    def _unanswered(self, core: int) -> ObjectTimeout:
        return ObjectTimeout(
            f"core {core} was asked, and has not answered for {PATIENCE:g} s",
            core=core,
            value=repr(self),
            hint="is its process stopped (SIGCONT)? What was asked may still take effect",
        )

    def _full(self, value: object) -> ObjectFull:
        return ObjectFull(
            f"this {self.kind} is full", value=value, where=repr(self), hint="make a larger one"
        )


class SharedCounter(Shared):
    """Counters, one by default. Each has room for 2^63."""

    def add(self, amount: int = 1, at: int = 0) -> int:
        """Adds a whole number from 1 to 2^32 to counter `at`; what it was before."""
        more = whole(amount, 1 << 32, "the amount", 1) - 1
        return self._apply(_ADD, whole(at, self.size - 1, "the counter"), 1, more)[1]

    def value(self, at: int | None = None) -> int:
        """What counter `at` has come to; None: the sum of all, at one moment."""
        if at is None:
            return self._apply(_SUM, 0, self.size)[1]
        return self._apply(_SUM, whole(at, self.size - 1, "the counter"), 1)[1]

    def _work(self) -> object_cost.Work:
        add = (_ADD, 0, self.size, 0)
        return (add, add, (_SUM, 0, self.size, 0)), 0


class SharedMap(Shared):
    """A map from whole numbers below 2^64 - 1 to whole numbers below 2^64."""

    def _key(self, key: int) -> int:
        return whole(key, (1 << 64) - 2, "a key") + 1

    def __getitem__(self, key: int) -> int:
        status, value = self._apply(_GET, self._key(key))
        if status == _ABSENT:
            raise NoSuchKey("this map has no such key", value=key)
        return value

    @overload
    def get(self, key: int) -> int | None: ...
    @overload
    def get(self, key: int, default: int) -> int: ...
    def get(self, key: int, default: int | None = None) -> int | None:
        """Its value, or that default."""
        status, value = self._apply(_GET, self._key(key))
        return default if status == _ABSENT else value

    def __contains__(self, key: int) -> bool:
        return self._apply(_GET, self._key(key))[0] != _ABSENT

    def __setitem__(self, key: int, value: int) -> None:
        """Raises ObjectFull."""
        if self._apply(_PUT, self._key(key), whole(value, (1 << 64) - 1, "a value"))[0] == _FULL:
            raise self._full(f"key {key}")

    def __delitem__(self, key: int) -> None:
        if self._apply(_REMOVE, self._key(key))[0] == _ABSENT:
            raise NoSuchKey("this map has no such key", value=key)

    def add(self, key: int, amount: int = 1) -> int:
        """Adds to a key's value, which is 0 where there is none; what it was before. Raises
        ObjectFull.
        """
        more = whole(amount, (1 << 64) - 1, "the amount")
        status, value = self._apply(_MAP_ADD, self._key(key), more)
        if status == _FULL:
            raise self._full(f"key {key}")
        return value

    def __iter__(self) -> Iterator[int]:
        raise BadInput(
            "a shared map does not list its keys", value=repr(self), hint="keep them beside it"
        )

    def _work(self) -> object_cost.Work:
        add = (_MAP_ADD, 1, 1, 0)
        return (add, add, (_GET, 1, 0, 0)), max(1, self.size // 2)


class SharedQueue(Shared):
    """A FIFO queue of whole numbers below 2^32, which holds `size` of them."""

    def put(self, value: int) -> None:
        """At the end. Raises ObjectFull, and does not wait."""
        if self._apply(_QUEUE_PUT, 0, whole(value, (1 << 32) - 1, "a value"))[0] == _FULL:
            raise self._full(value)

    def take(self) -> int | None:
        """The first, which is gone then; None where the queue is empty."""
        status, value = self._apply(_QUEUE_TAKE)
        return None if status == _EMPTY else value

    def front(self) -> int | None:
        """The first, which stays; None where the queue is empty."""
        status, value = self._apply(_FRONT)
        return None if status == _EMPTY else value

    def _work(self) -> object_cost.Work:
        return ((_QUEUE_PUT, 0, 7, 0), (_QUEUE_TAKE, 0, 0, 0), (_FRONT, 0, 0, 0)), 0


_CLASSES: dict[str, type[Shared]] = {
    "counter": SharedCounter,
    "map": SharedMap,
    "queue": SharedQueue,
}


def _arrived(block: Block, measured: list[Cost], owns: bool) -> Shared:
    """Unpickled, here or on a core."""
    made = object.__new__(_CLASSES[block.kind])
    made._begin(block, None, measured, owns=owns)
    return made
