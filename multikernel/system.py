"""The front door: `boot()` and the handles it gives.

    with multikernel.boot(cores=4) as system:
        frame = system.allocate(4096)
        page = system.map(frame)
        page.write(0, b"hello")
        system.cores[2].read(page, 0, 5)
        system.unmap(page)

Guarantees: what is booted is gone when the block ends, or the process does, however it ends. Every
call is safe from any thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, SupportsIndex, cast

from multikernel.errors import BadInput, MultikernelError
from multikernel.knowledge.block_cost import Budget, budget
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.knowledge.trees import KINDS as TREE_KINDS
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.topology.model import Topology
from multikernel.markup import element, table
from multikernel.native._native import KINDS, tsc
from multikernel.routing.choosing import Choice, choose, of_kind, to_all
from multikernel.routing.measuring import placement
from multikernel.runtime import inspection
from multikernel.runtime.asked import one_of, planned
from multikernel.runtime.inspection import Words
from multikernel.runtime.launch import Launched
from multikernel.runtime.plan import (
    KERNELS,
    LOCK_SCOPES,
    CapabilityProtocol,
    Kernel,
    LockScope,
    Plan,
    Transport,
)
from multikernel.timeline.events import Traced, kept
from multikernel.timeline.trace import Trace
from multikernel.user import memory, task
from multikernel.user.access import ClientAccess, core_number
from multikernel.user.capability import Capability, ram_of, root_of
from multikernel.user.group import Group, Groups
from multikernel.user.memory import Frame, Page
from multikernel.user.outcome import OK, error_of
from multikernel.user.shared import ADAPTIVE, Form, Kind, Shared
from multikernel.user.task import Task
from multikernel.user.trees import Edges, encoded, install

CHOSEN = "chosen"
TREES = (CHOSEN, *TREE_KINDS)
DEFAULT_MEMORY = 16 << 20


class Core:
    """One core of a running system. index: its number; cpu: the CPU it is pinned to; pid: its
    process.
    """

    def __init__(self, system: System, index: int) -> None:
        self._system = system
        self.index = index
        self.cpu = system.plan.cpus[index]
        self.pid = system.launched.pids[index]

    def __index__(self) -> int:
        return self.index

    def __repr__(self) -> str:
        return f"<Core {self.index} on CPU {self.cpu}, pid {self.pid}>"

    @property
    def mode(self) -> str:
        """What the core says it is doing: polling, user (running a program) or parked."""
        return inspection.MODES.get(self.counters()["mode"], "unknown")

    def counters(self) -> dict[str, int]:
        """mode, pid, tid, and since boot: requests served, interrupts taken, times parked."""
        self._system.launched.check()
        names = ("mode", "pid", "tid", "served", "interrupts", "parks")
        return dict(zip(names, self._system.launched.segment.core_state(self.index), strict=True))

    def read(self, page: Page, offset: int, length: int) -> bytes:
        """Bytes of a page as this core sees them. Raises PageFault."""
        self._system.own(page, Page, "read")
        return page.read(offset, length, core=self.index)

    def write(self, page: Page, offset: int, data: bytes) -> None:
        """Writes to a page from this core. Raises PageFault."""
        self._system.own(page, Page, "write")
        page.write(offset, data, core=self.index)

    @property
    def task(self) -> Task | None:
        """The program that runs on this core now, None where there is none."""
        return task.running(self._system.launched, self.index)

    def run(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs function(*args, **kwargs) on this core and returns its value, or raises what it
        raised.

        The core goes on answering other cores meanwhile. Interrupted by Ctrl-C it cancels the
        program; so it does after `timeout` seconds, and raises TimedOut. (A parameter of the
        function's own of that name is given by functools.partial.) Raises CoreBusy while the core
        runs another program, CoreDied; BadInput for what cannot be sent there or back.
        """
        return task.run(self._system.launched, self.index, function, args, kwargs, timeout)

    def start(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        """Starts the same without waiting; see Task."""
        return task.start(self._system.launched, self.index, function, args, kwargs)

    def policy(self, *, spin_us: float, yields: int = 0, slice_us: int = 10_000) -> None:
        """How the core waits when idle: spin so long (microseconds), yield so often, then park for
        at most slice_us.
        """
        for name, value in (("spin_us", spin_us), ("yields", yields), ("slice_us", slice_us)):
            whole = name != "spin_us"
            if not isinstance(value, int if whole else (int, float)) or not 0 <= value < 1 << 32:
                raise BadInput(
                    f"{name} is a {'whole ' if whole else ''}number from 0 on",
                    value=repr(value),
                    where="policy",
                )
        cycles = int(spin_us * self._system.plan.cycles_per_us)
        self._system.ask(self.index, "POLICY", cycles, yields, slice_us)

    @property
    def cnode(self) -> Capability:
        """The core's root CNode, where its capabilities go unless another one is named."""
        return root_of(self._system._access, self._system.plan.system, self.index)

    def digest(self, other: SupportsIndex | None = None) -> tuple[int, int, int]:
        """(hash, mapped, locked): of this core's replica of the mappings, only those `other` holds
        too if it is given. Raises BadInput.
        """
        cores = self._system.plan.cores
        only = (1 << 64) - 1 if other is None else core_number(cores, other, "digest")
        words = self._system.ask(self.index, "DIGEST", only)
        return words[0], words[1], words[2]


class System:
    """A running kernel. kernel: which; cores: its cores, in order; poll: how long an idle one
    polls, and why.
    """

    def __init__(self, plan: Plan, poll: Budget) -> None:
        self.plan = plan
        self._trace: tuple[Trace, int, bool] | None = None
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
            if whole:
                trace.write()

    def trace_to(self, trace: Trace, *, whole: bool) -> None:
        """From now on what is traced is for that file. whole: of this system alone."""
        self._trace = trace, tsc(), whole

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


def boot(
    cores: int | str | Sequence[int] | None = None,
    *,
    kernel: Kernel = "multikernel",
    memory: int = DEFAULT_MEMORY,
    slots: int | None = None,
    channels: int = 0,
    transport: Transport = "call-line",
    capabilities: CapabilityProtocol = "two-phase",
    trees: str | Mapping[int, Edges] | None = None,
    lock_scope: LockScope = "big",
    record: str | os.PathLike[str] | None = None,
    trace: str | os.PathLike[str] | Trace | None = None,
    machine: str | None = None,
    calibration: str | None = None,
) -> System:
    """Boots a kernel and returns it running; close it, or use it as a context manager.

    cores: how many, on CPUs of the inherited mask, or which CPUs of those that the control group
    grants ("0,2-3", [0, 2]); None: one a CPU of the mask. More cores than CPUs share them. memory:
    bytes of physical memory. slots: mappings for each core. channels: further call lines for each
    pair of cores. transport: what the monitors' messages travel by: lines or rings in shared
    memory, or sockets, which share none. capabilities: which core drives
    an operation that needs other cores: "two-phase" the core that asks for it, "owner" the core
    that owns the object. trees: "chosen", a kind of tree for every root (knowledge.trees.KINDS;
    "sequential": every root sends to all), or by root its edges (parent, child) in sending order,
    where a root without one sends to all; see System.choose_trees. None: chosen, but the shared
    kernel then has no trees and notifies all by one line. lock_scope: what the shared kernel's
    capabilities are locked by: "big", the kernel's one lock; "region", one for each region of
    memory. record: a directory, for finding out why replicas differ: there each core of a
    multikernel writes down what its monitor is given, 256 MiB in all at most; by default what
    the environment's MULTIKERNEL_RECORD says. trace: a file for ui.perfetto.dev, of what the cores
    of a multikernel did from the end of this call on, the last 65 536 events of each; it is written
    when the system is closed, and needs the extra `trace`. (A Trace takes several systems; whoever
    made it writes it.) machine: in virtual time on that modelled machine,
    by name, file or shape (machine.models); then cores is a number, by default all, and what comes
    back is a VirtualSystem. calibration: of local work there, "here" or a file (virtual.work), by
    default the reference. Raises BadInput, BootFailed, SegmentFull.
    """
    whole = trace is not None and not isinstance(trace, Trace)
    file = trace if trace is None or isinstance(trace, Trace) else Trace(trace)
    if machine is not None:
        return _modelled(
            machine, cores, kernel, memory, slots, capabilities, trees, lock_scope, calibration,
            file, whole,
        )  # fmt: skip
    if calibration is not None:
        raise BadInput(
            "a calibration is of a modelled machine's work", value=calibration,
            where="boot calibration", hint='add machine="8x4-amd"',
        )  # fmt: skip
    topology = Topology.read()
    plan = planned(
        topology,
        cores,
        kernel=kernel,
        memory=memory,
        slots=slots,
        channels=channels,
        transport=transport,
        capabilities=capabilities,
        lock_scope=lock_scope,
        record=record,
        trace=None if file is None else file.events,
    )
    if trees is not None and not isinstance(trees, (str, Mapping)):
        raise BadInput(
            "trees are a kind, or edges by root",
            value=repr(trees),
            where="trees",
            hint="trees={0: [(0, 1)]}",
        )
    if isinstance(trees, str):
        one_of(TREES, trees, "kind of tree", "trees")
    if trees is None and kernel == "multikernel":
        trees = CHOSEN
    planted = dict(trees) if isinstance(trees, Mapping) else {}
    if kernel == "shared" and isinstance(trees, str):
        planted = {0: to_all(0, plan.cores)}  # so that it has trees; then those are installed
    poll = budget(topology)
    plan = replace(plan, poll_us=poll.us, trees=encoded(planted, plan.cores))
    system = System(plan, poll)
    if isinstance(trees, str):
        try:
            system.choose_trees(trees)
        except BaseException:
            system.close()
            raise
    if file is not None:
        system.trace_to(file, whole=whole)
    return system


def _modelled(
    machine: str,
    cores: int | str | Sequence[int] | None,
    kernel: Kernel,
    memory: int,
    slots: int | None,
    capabilities: CapabilityProtocol,
    trees: str | Mapping[int, Edges] | None,
    lock_scope: LockScope,
    calibration: str | None,
    trace: Trace | None,
    whole: bool,
) -> System:
    from multikernel.machine.models.reading import read
    from multikernel.virtual.system import booted

    one_of(KERNELS, kernel, "kernel", "kernel")
    one_of(LOCK_SCOPES, lock_scope, "lock scope", "lock_scope")
    if cores is not None and not isinstance(cores, int):
        raise BadInput("of a modelled machine so many cores", value=repr(cores), where="boot cores")
    model = read(machine, where="boot machine")
    system = booted(
        model, cores, memory, slots, capabilities, trees, kernel, lock_scope, calibration
    )
    if trace is not None:
        system.trace_to(trace, whole=whole)
    return cast(System, system)


_current: System | None = None


def current() -> System:
    """The system that `multikernel boot … -- program.py` booted for this program. Raises BadInput
    anywhere else.
    """
    if _current is None:
        raise BadInput(
            "no system was booted for this program",
            where="current",
            hint="start it by multikernel boot --cores N -- program.py, or call multikernel.boot()",
        )
    return _current


@contextmanager
def as_current(system: System) -> Iterator[None]:
    """Within the block `current()` gives this system. For the command that runs programs."""
    global _current
    before, _current = _current, system
    try:
        yield
    finally:
        _current = before
