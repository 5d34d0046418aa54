"""A multikernel on a modelled machine: its cores' programs ask, and time goes on until they have
their answers.

Guarantees: a run is decided by the machine, the work table and what is asked, in that order; the
host's load and speed change nothing in it. Times are cycles of the modelled machine. Not
thread-safe.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from multikernel.errors import ProtocolError
from multikernel.machine.models.model import Model
from multikernel.machine.models.tables import tables
from multikernel.native._native import KINDS, VirtualKernel, VirtualMachine, VirtualShared
from multikernel.runtime.plan import LockScope
from multikernel.virtual.work import Work

Reply = tuple[int, int, tuple[int, ...]]
Edges = Sequence[tuple[int, int]]
SLOTS, PAGES, CNODES = 16, 4096, 16
POLLS, COMPUTES, SLEEPS = 0, 1, 2
"""What a core does while nothing comes."""


class Answer(NamedTuple):
    """began, time: when the program asked, and goes on."""

    began: int
    time: int
    reply: Reply

    @property
    def took(self) -> int:
        """Cycles."""
        return self.time - self.began


def machine(model: Model, cores: int, where: str) -> VirtualMachine:
    """The first so many cores of it, for the native simulator. Raises BadInput."""
    local, transfer = model.local, model.transfer
    numbers = {
        "hop": transfer.hop.value,
        "home_interval": transfer.home.value,
        "link_interval": transfer.link.value,
        "line_interval": transfer.line.value,
        "probes_all": transfer.coherence == "snoop",
        "fences": transfer.fences,
        "stores_in_order": transfer.gap == "sender",
        "lines_under_way": transfer.lines_under_way,
        "cycles_per_us": max(1, round(1000 * model.ghz.value)),
        **{name: getattr(local, name).value for name in local.__struct_fields__},
    }
    place, home, distance, hops, costs, route, link = tables(model, cores, where).arrays()
    return VirtualMachine(place, home, distance, hops, costs, route, link, numbers)


def packed(edges: Iterable[tuple[int, int]]) -> array[int]:
    """Edges (parent, child) as the native core takes them."""
    return array("I", [parent | child << 16 for parent, child in edges])


class Shared(NamedTuple):
    """A shared kernel. lock_scope: what its capabilities are locked by; along_trees: holders of a
    page are notified so, else by one line that all poll.
    """

    lock_scope: LockScope = "big"
    along_trees: bool = False


class Kernel:
    """The kernel, booted. trees: by root; a root without one sends to all. shared: the shared
    kernel, which is given no trees here, in place of the multikernel.
    """

    def __init__(
        self, on: VirtualMachine, work: Work, trees: dict[int, Edges] | None = None, *,
        slots: int = SLOTS, pages: int = PAGES, cnodes: int = 0, owner: bool = False,
        shared: Shared | None = None,
    ) -> None:  # fmt: skip
        self.native: VirtualKernel | VirtualShared
        if shared is None:
            self.native = VirtualKernel(on, work.table(), slots, pages, cnodes, int(owner))
        else:
            scope = int(shared.lock_scope == "region")
            self.native = VirtualShared(
                on, work.shared_table(), slots, pages, max(cnodes, 1), scope, shared.along_trees
            )
        self.cores = on.cores
        self.now = 0
        self._asked = 0
        self._answers: dict[int, Answer] = {}
        for root, edges in (trees or {}).items():
            assert isinstance(self.native, VirtualKernel)
            self.native.plant(root, packed(edges))

    def ask(self, core: int, kind: str, *words: int, at: int | None = None, of: int | None = None,
            kept: bytes = b"") -> int:  # fmt: skip
        """A program on that core asks its kernel, or that of another core (`of`), at that time, by
        default now: a ticket. kind: a name of KINDS.
        """
        return self.ask_number(core, KINDS[kind], words, at=at, of=of, kept=kept)

    def ask_number(self, core: int, kind: int, words: tuple[int, ...], *, at: int | None = None,
                   of: int | None = None, kept: bytes = b"") -> int:  # fmt: skip
        """The same by the kind's number."""
        self._asked += 1
        self.native.ask(
            self.now if at is None else at, core, core if of is None else of, self._asked, kind,
            words, kept,
        )  # fmt: skip
        return self._asked

    def next(self) -> tuple[int, Answer] | None:
        """Until some program has its answer: its ticket and the answer; None: nothing goes on."""
        found = self.native.run()
        if found is None:
            return None
        ticket, began, time, reply = found
        self.now = max(self.now, time)
        return ticket, Answer(began, time, reply)

    def wait(self, ticket: int) -> Answer:
        """Until this one is answered. Raises ProtocolError if it never is."""
        return self.wait_any((ticket,))[1]

    def wait_any(self, tickets: Iterable[int]) -> tuple[int, Answer]:
        """Until one of these is answered, the first of them that is. Raises ProtocolError."""
        some = set(tickets)
        while not some & self._answers.keys():
            found = self.next()
            if found is None:
                raise ProtocolError("requests in virtual time are never answered", value=some)
            self._answers[found[0]] = found[1]
        ticket = next(one for one in self._answers if one in some)
        return ticket, self._answers.pop(ticket)

    def request(self, core: int, kind: str, *words: int, kept: bytes = b"") -> Answer:
        """Asked and waited for."""
        return self.wait(self.ask(core, kind, *words, kept=kept))

    def settle(self) -> None:
        """Until nothing is under way."""
        while (found := self.next()) is not None:
            self._answers[found[0]] = found[1]
        self.now = max(self.now, self.native.counts()[0])
