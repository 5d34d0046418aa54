"""A running system, as its launcher has it: memory, groups, trees, and its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, SupportsIndex

from multikernel.errors import BadInput, MultikernelError
from multikernel.knowledge.block_cost import Budget
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.topology.model import Topology
from multikernel.markup import element, table
from multikernel.native._native import KINDS, tsc
from multikernel.routing.choosing import Choice, choose, of_kind, to_all
from multikernel.routing.measuring import placement
from multikernel.runtime import inspection
from multikernel.runtime.inspection import Words
from multikernel.runtime.launch import Launched
from multikernel.runtime.plan import (
    Plan,
)
from multikernel.system.core import Core
from multikernel.timeline.events import Traced, kept
from multikernel.timeline.steps import Step, steps
from multikernel.timeline.telling import Told, tell
from multikernel.timeline.trace import Kept, Trace
from multikernel.user import memory, task
from multikernel.user.access import ClientAccess
from multikernel.user.capability import Capability, ram_of
from multikernel.user.group import Group, Groups
from multikernel.user.memory import Frame, Page
from multikernel.user.outcome import OK, error_of
from multikernel.user.shared import ADAPTIVE, Form, Kind, Shared
from multikernel.user.trees import Edges, install

CHOSEN = "chosen"
WATCH_SECONDS = 5.0
"""For the last answers of what was watched to arrive."""


class System:
    """A running kernel. kernel: which; cores: its cores, in order; poll: how long an idle one
    polls, and why.
    """

    def __init__(self, plan: Plan, poll: Budget) -> None:
        self.plan = plan
        self._trace: tuple[Kept, int, bool] | None = None
        self.poll = poll
        self.launched = Launched(plan)
        try:
            self.kernel = plan.kernel
            self._access = ClientAccess(self.launched)
            memory.booted(plan.system, self._access)
            self._groups = Groups(self._access)
            self.trees: dict[int, Choice] = {}
            self.cores = [Core(self, index) for index in range(plan.cores)]
        except BaseException:  # Ctrl-C
            self.launched.close()
            raise

    def __enter__(self) -> System:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.launched.closed else "running"
        cpus = sorted(set(self.plan.cpus))
        cores = "1 core" if len(self.cores) == 1 else f"{len(self.cores)} cores"
        return f"<{self.kernel} system {self.plan.system}: {cores} on CPUs {cpus}, {state}>"

    def _repr_html_(self) -> str:
        top = element("b", repr(self)[1:-1])
        try:
            rows = [
                (str(core.index), str(core.cpu), str(core.pid), core.mode,
                 "–" if (task := core.task) is None else task.function)
                for core in self.cores
            ]  # fmt: skip
        except MultikernelError as error:
            return element("div", top, element("p", str(error)))
        shown = table(("core", "CPU", "process", "mode", "runs"), rows, right=(0, 1, 2))
        return element("div", top, shown)

    def close(self) -> None:
        """Takes the system down: every process of it is gone when this returns. Then what was
        traced is written: raises OutputError. Idempotent.
        """
        self.launched.close()
        traced, self._trace = self._trace, None
        if traced is not None:
            trace, since, whole = traced
            trace.add(self.traced(since))
            if whole and isinstance(trace, Trace):
                trace.write()

    def trace_to(self, trace: Kept, *, whole: bool) -> None:
        """From now on what is traced is for that file. whole: of this system alone."""
        self._trace = trace, tsc(), whole

    @contextmanager
    def watching(self) -> Iterator[list[Step]]:
        """Of a system booted with trace: what its cores do within the block, as steps that say what
        they mean; the list is filled when the block ends, and nothing is under way any more.
        """
        if not self.plan.trace:
            raise BadInput(
                "this system keeps no trace", value=repr(self), where="watching",
                hint="boot(…, trace=True)",
            )  # fmt: skip
        self._told_whole(0)
        since, found = tsc(), list[Step]()
        yield found
        found += steps(self._told_whole(since), tsc_rate().hz)

    def _told_whole(self, since: int) -> Told:
        """Once all that was sent has arrived."""
        until = time.monotonic() + WATCH_SECONDS
        while (told := tell(self.traced(since))).unreceived and time.monotonic() < until:
            time.sleep(0.001)
        return told

    def traced(self, since: int) -> Traced:
        """What its cores did since then (cycles) and until now, where that is kept."""
        segment, plan = self.launched.segment, self.plan
        cores = tuple(
            kept(f"core {core} (CPU {cpu})", segment.trace(core))
            for core, cpu in enumerate(plan.cpus)
        )
        by = "" if plan.transport == "call-line" else f", by {plan.transport}"
        title = f"{self.kernel}, {plan.cores} cores of this host{by}"
        return Traced(title, tsc_rate().hz, cores, since)

    def own(self, handle: object, kind: type[Frame] | type[Page], where: str) -> None:
        """Raises SystemClosed when the system is closed, BadInput unless it is such a handle,
        ForeignHandle unless it is this system's.
        """
        self.launched.check()
        memory.own(handle, kind, self.plan.system, where)

    def ask(self, core: int, kind: str, *words: int) -> tuple[int, ...]:
        """A request to a core's driver by name; its words. For this room's own use and the
        experiments'.
        """
        verdict, named, reply = self.launched.request(core, KINDS[kind], *words)
        if verdict != OK:
            raise error_of(verdict, named, kind.lower(), core=core)
        return reply

    def ram(
        self, size: int, *, to: Capability | None = None, slot: int | None = None
    ) -> Capability:
        """A capability to `size` bytes of untyped memory, on core 0 in a CNode of it, by default
        its root; see Capability. Raises BadSize unless it is whole pages, OutOfMemory, CNodeFull,
        SlotInUse.
        """
        return ram_of(self._access, self.plan.system, size, to, slot)

    def allocate(self, size: int) -> Frame:
        """A frame of at least `size` bytes, in whole pages, all zero; core 0 keeps it. Raises
        BadInput, OutOfMemory.
        """
        return memory.allocate(self._access, self.plan.system, size)

    def free(self, frame: Frame) -> None:
        """Gives a frame back. Raises BadInput while any core maps it, DeadHandle when it was freed
        before.
        """
        self.own(frame, Frame, "free")
        memory.free(self._access, frame)

    def map(
        self,
        frame: Frame,
        cores: Iterable[SupportsIndex] | None = None,
        rights: memory.Rights = "read-write",
    ) -> Page:
        """Maps a frame at one address on those cores, by default on all. Raises BadInput,
        DeadHandle when the frame was freed, OutOfSlots.
        """
        self.own(frame, Frame, "map")
        return memory.map_frame(self._access, self.plan.system, frame, cores, rights)

    def unmap(self, page: Page, protocol: memory.Protocol = "two-phase") -> None:
        """When this returns no core can read the page. Raises NotMapped; PagePinned when a core
        holds a pin, and then the page stays mapped everywhere. The shared kernel has no use for
        `protocol` and ignores it.

        A clock around this call measures the request from this process to a core, some hundred
        microseconds, and not the unmap, which takes a few: here().unmap on a core, or
        multikernel.measure("unmap") for what it takes there.
        """
        self.own(page, Page, "unmap")
        memory.unmap(self._access, page, protocol)

    def protect(self, page: Page, rights: memory.Rights = "read-only") -> None:
        """Changes what every core may do with the page. Raises NotMapped, PagePinned."""
        self.own(page, Page, "protect")
        memory.protect(self._access, page, rights)

    def inspect(self) -> dict[str, Any]:
        """What the system looks like now, as `multikernel inspect --json -` prints it: by core the
        digests and counts of its replica, and every object of memory with its owner, its
        capabilities on all cores and what it was made of.
        """
        return inspection.inspect(self._ask_many, self.plan, self.launched.segment)

    def _ask_many(self, kind: str, by_core: Mapping[int, Words]) -> dict[int, Words]:
        replies = self.launched.request_many(KINDS[kind], by_core)
        for core, (verdict, named, _) in replies.items():
            if verdict != OK:
                raise error_of(verdict, named, kind.lower(), core=core)
        return {core: words for core, (_, _, words) in replies.items()}

    def group(
        self, cores: Iterable[SupportsIndex] | None = None, *, root: SupportsIndex | None = None
    ) -> Group:
        """A group of those cores, by default all, for barriers, reductions and broadcasts; root:
        its tree is used, by default the first. At most 8 at a time. Raises BadInput, OutOfSlots.
        """
        self.launched.check()
        return self._groups.open(cores, root)

    def shared(self, kind: Kind, form: Form = ADAPTIVE, **options: Any) -> Any:
        """An object that programs on the cores share: a "counter", a "map" or a "queue", in that
        form or in the one that is cheapest as it goes. See Shared, whose options these are.
        """
        self.launched.check()
        return Shared(kind, form, system=self, **options)

    def on_each(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """Runs function(*args, **kwargs) on every core at once; its values, in the cores' order. It
        may ask here().core which it is. What one of them raises is raised, of the first in order,
        when all have ended; after `timeout` seconds what still runs is cancelled, and TimedOut
        raised. Raises CoreBusy, before anything is run, while a core runs another program.
        """  # fmt: skip
        return task.run_on_each(self.launched, function, args, kwargs, timeout)

    def close_group(self, group: Group) -> None:
        """Gives its place back. No member may be in a collective. Raises BadInput."""
        self.launched.check()
        self._groups.close(group)

    def install(self, root: int, edges: Edges) -> None:
        """Makes this the tree by which core `root` reaches the others, by agreement of all cores
        (in a shared kernel that was booted with trees: under its lock): edges (parent, child) in
        sending order. Operations under way are not disturbed. Raises BadInput, TreeOvertaken.
        """
        install(self._access, root, edges)
        self.trees[root] = Choice(Tree(root, tuple(edges), "given"), "installed by hand")

    def placement(self) -> dict[int, tuple[int | None, int]]:
        """Whether messages lie with their receivers: by core, the memory node of the lines by which
        it is reached (None where the host does not say), and that of its CPU.
        """
        return placement(self, Site(Topology.read(), self.plan.cpus))

    def choose_trees(self, kind: str = CHOSEN, *, fresh: bool = False) -> dict[int, Choice]:
        """Gives every root a tree and says why: of that kind, or for "chosen" the one that is
        fastest on the cores of those that the knowledge base proposes; in `trees` afterwards. Where
        cores share CPUs nothing can be judged, and every root sends to all. fresh: forget what was
        measured before. Raises BadInput.
        """
        choices = choose(self, fresh=fresh) if kind == CHOSEN else of_kind(self, kind)
        for root, choice in choices.items():
            before = (
                self.trees[root].tree.edges if root in self.trees else to_all(root, self.plan.cores)
            )
            if choice.tree.edges != before:
                install(self._access, root, choice.tree.edges)
        self.trees = choices
        return choices
