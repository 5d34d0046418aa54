"""A system in virtual time: what `boot(machine="8x4-amd")` returns.

    with multikernel.boot(machine="8x4-amd") as system:
        page = system.map(system.allocate(4096))
        before = system.now
        system.unmap(page)
        print(system.now - before, "cycles on 32 cores")

Guarantees: the same calls as a running system has, for memory, capabilities, trees and programs,
and the same handles and errors; `now` is the modelled machine's time, in cycles. Nothing of the
host is used but one CPU; no core is a process. Counters and policies are not modelled, nor, in the
shared kernel, groups and timelines.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, SupportsIndex

from multikernel.errors import BadInput
from multikernel.machine.models.model import Model
from multikernel.machine.models.tables import MOST_CORES, topology_of
from multikernel.markup import element, table
from multikernel.native._native import KINDS, VERDICTS, VirtualKernel
from multikernel.runtime import local, plan
from multikernel.runtime.launch import Reply
from multikernel.runtime.plan import PAGE, LockScope, Plan
from multikernel.timeline.events import Traced, kept
from multikernel.timeline.steps import Step, steps
from multikernel.timeline.telling import tell
from multikernel.timeline.trace import Kept, Trace
from multikernel.user import memory
from multikernel.user.access import READ_BYTES, WRITE_BYTES, core_number, handle_word
from multikernel.user.capability import Capability, ram_of, root_of
from multikernel.user.group import Group, Groups
from multikernel.user.memory import Frame, Page
from multikernel.user.outcome import error_of
from multikernel.user.trees import Edges, encoded, install
from multikernel.virtual.calibrating import asked
from multikernel.virtual.kernel import Kernel, Shared, machine
from multikernel.virtual.programs import Program, Programs, current
from multikernel.virtual.trees import build
from multikernel.virtual.work import Work

OK = VERDICTS["OK"]


class VirtualAccess:
    """The way into a modelled kernel: of the program that asks, or from outside of core 0."""

    def __init__(self, plan: Plan, kernel: Kernel) -> None:
        self.plan = plan
        self.programs = Programs(kernel)

    @property
    def home(self) -> int:
        """The core that asks."""
        program = current()
        return 0 if program is None else program.core

    def request(self, core: int, kind: int, *words: int, kept: bytes = b"") -> Reply:
        """To that core's kernel; from outside, by a program there."""
        core = core_number(self.plan.cores, core, "request")
        asks = core if current() is None else self.home
        return self.programs.request(asks, core, kind, words, kept)

    def allocate(self, length: int) -> Reply:
        """Core 0 keeps all frames."""
        return self.request(0, KINDS["ALLOCATE"], length)

    def read(self, core: int, slot: int, generation: int, address: int, length: int) -> bytes:
        """By the page table of that core. Raises PageFault."""
        parts = []
        for at in range(0, length, READ_BYTES):
            piece = min(READ_BYTES, length - at)
            words = self._touch("READ", core, slot, generation, address + at, piece)
            parts.append(b"".join(word.to_bytes(8, "little") for word in words)[:piece])
        return b"".join(parts)

    def write(self, core: int, slot: int, generation: int, address: int, data: bytes) -> None:
        """The same for writing."""
        for at in range(0, len(data), WRITE_BYTES):
            piece = data[at : at + WRITE_BYTES]
            padded = piece.ljust(WRITE_BYTES, b"\0")
            words = [int.from_bytes(padded[i : i + 8], "little") for i in range(0, WRITE_BYTES, 8)]
            self._touch("WRITE", core, slot, generation, address + at, len(piece), *words)

    def _touch(self, kind: str, core: int, slot: int, generation: int, address: int,
               *words: int) -> tuple[int, ...]:  # fmt: skip
        handle = handle_word(slot, generation)
        verdict, named, reply = self.request(core, KINDS[kind], handle, address, *words)
        if verdict != OK:
            raise error_of(verdict, named, kind.lower(), core=core, address=address)
        return reply


class VirtualTask:
    """A program that was started."""

    def __init__(self, programs: Programs, program: Program) -> None:
        self._programs = programs
        self._program = program

    def done(self) -> bool:
        """Whether it has ended. Time does not go on meanwhile."""
        return self._program.ended

    def result(self, timeout: float | None = None) -> Any:
        """Time goes on until it ends: its value, or raises what it raised. Raises BadInput for a
        timeout.
        """
        _no_timeout(timeout, "result")
        return self._programs.finish(self._program)


class VirtualCore:
    """A modelled core. index: its number."""

    def __init__(self, system: VirtualSystem, index: int) -> None:
        self._system = system
        self.index = index

    def __index__(self) -> int:
        return self.index

    def __repr__(self) -> str:
        return f"<Core {self.index} of a modelled machine>"

    @property
    def cnode(self) -> Capability:
        """The core's root CNode."""
        return root_of(self._system._access, self._system.plan.system, self.index)

    def read(self, page: Page, offset: int, length: int) -> bytes:
        """Bytes of a page as this core sees them. Raises PageFault."""
        return page.read(offset, length, core=self.index)

    def write(self, page: Page, offset: int, data: bytes) -> None:
        """Writes to a page from this core. Raises PageFault."""
        page.write(offset, data, core=self.index)

    def start(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> VirtualTask:
        """Starts function(*args, **kwargs) on this core. Raises CoreBusy."""
        programs = self._system._access.programs
        body = partial(_as_program, self._system._access, function, args, kwargs)
        return VirtualTask(programs, programs.start(self.index, body))

    def run(
        self, function: Callable[..., Any], /, *args: Any, timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:  # fmt: skip
        """The same, waited for. Raises BadInput for a timeout."""
        _no_timeout(timeout, "run")
        return self.start(function, *args, **kwargs).result()

    def digest(self, other: SupportsIndex | None = None) -> tuple[int, int, int]:
        """(hash, mapped, locked): of this core's replica of the mappings; see Core.digest."""
        cores = self._system.plan.cores
        only = (1 << 64) - 1 if other is None else core_number(cores, other, "digest")
        access = self._system._access
        _, _, words = access.request(self.index, KINDS["DIGEST"], only)
        return words[0], words[1], words[2]


def _no_timeout(timeout: float | None, where: str) -> None:
    if timeout is not None:
        raise BadInput(
            "programs in virtual time have no timeout: the host's seconds are not theirs",
            value=repr(timeout), where=where, hint="leave it out",
        )  # fmt: skip


def _as_program(
    access: VirtualAccess, function: Callable[..., Any], args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:  # fmt: skip
    local.modelled.access = access
    return function(*args, **kwargs)


class VirtualSystem:
    """A kernel on a modelled machine. machine: which; cores: its cores, in order; virtual: its
    kernel and native: its machine, for this package.
    """

    simulated = True

    def __init__(
        self, model: Model, cores: int, *, memory_bytes: int, slots: int | None,
        capabilities: str, trees: Mapping[int, Edges], where: str = "machine",
        work: Work | None = None, kernel: plan.Kernel = "multikernel",
        lock_scope: LockScope = "big",
    ) -> None:  # fmt: skip
        """trees: a shared kernel that has any notifies along them. Raises BadInput."""
        self.machine, self.kernel = model, kernel
        shared = Shared(lock_scope, bool(trees)) if kernel == "shared" else None
        cycles_per_us = max(1, round(1000 * model.ghz.value))
        self.plan = Plan(
            kernel, tuple(range(cores)), memory_bytes, slots or 16, cycles_per_us,
            system=f"virtual-{secrets.token_hex(4)}", trees=encoded(trees, cores),
        )  # fmt: skip
        self.native = machine(model, cores, where)
        self.virtual = Kernel(
            self.native, (work or Work.reference()).on(model), {} if shared else dict(trees),
            slots=self.plan.slots, pages=memory_bytes // PAGE, cnodes=16,
            owner=capabilities == "owner", shared=shared,
        )  # fmt: skip
        self._access = VirtualAccess(self.plan, self.virtual)
        memory.booted(self.plan.system, self._access)
        self._groups = Groups(self._access)
        if shared:
            for root, edges in trees.items():
                self.install(root, edges)
        self.cores = [VirtualCore(self, index) for index in range(cores)]
        self._trace: tuple[Kept, bool] | None = None

    def __enter__(self) -> VirtualSystem:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def __repr__(self) -> str:
        return f"<virtual {self.kernel}: {len(self.cores)} cores of {self.machine.title}>"

    def _repr_html_(self) -> str:
        facts = (
            ("cores", str(len(self.cores))),
            ("now", f"{self.now:,} cycles"),
            ("simulated", self.machine.title),
        )
        return element("div", element("b", repr(self)[1:-1]), table(("", ""), facts))

    @property
    def now(self) -> int:
        """Cycles of the modelled machine since it was booted; a program's own, in a program."""
        program = current()
        return self.virtual.now if program is None else program.now

    def compute(self, cycles: int) -> None:
        """The program that calls this computes for so long; from outside, all cores are idle."""
        program = current()
        if program is None:
            self.virtual.now += cycles
        else:
            program.now += cycles

    def settle(self) -> None:
        """Until nothing is under way."""
        self.virtual.settle()

    def close(self) -> None:
        """Ends all programs. Then what was traced is written: raises OutputError. Idempotent."""
        self._access.programs.close()
        traced, self._trace = self._trace, None
        if traced is not None:
            trace, whole = traced
            self.virtual.settle()  # what is under way arrives
            trace.add(self.traced())
            if whole and isinstance(trace, Trace):
                trace.write()

    def trace_to(self, trace: Kept, *, whole: bool) -> None:
        """Before anything runs: what the cores do is traced, for that file. whole: of this system
        alone. Raises BadInput in the shared kernel.
        """
        self._traceable().keep_trace(trace.events(self.plan.cores))
        self._trace = trace, whole

    @contextmanager
    def watching(self) -> Iterator[list[Step]]:
        """See System.watching."""
        if self._trace is None:
            raise BadInput(
                "this system keeps no trace", value=repr(self), where="watching",
                hint="boot(…, trace=True)",
            )  # fmt: skip
        self.virtual.settle()
        since, found = self.virtual.now, list[Step]()
        yield found
        self.virtual.settle()
        traced = self.traced(since)
        found += steps(tell(traced), traced.hz)

    def traced(self, since: int = 0) -> Traced:
        """What its cores did since then (cycles) and until now, where that is kept."""
        count = self.plan.cores
        native = self._traceable()
        cores = [kept(f"core {core}", native.trace(core)) for core in range(count)]
        title = f"{self.kernel}, {count} cores of {self.machine.title}"
        return Traced(title, self.machine.ghz.value * 1e9, tuple(cores), since, simulated=True)

    def _traceable(self) -> VirtualKernel:
        native = self.virtual.native
        if not isinstance(native, VirtualKernel):
            raise BadInput("a modelled shared kernel has no timeline", value="trace", where="trace")
        return native

    def ram(
        self, size: int, *, to: Capability | None = None, slot: int | None = None
    ) -> Capability:
        """See System.ram."""
        return ram_of(self._access, self.plan.system, size, to, slot)

    def allocate(self, size: int) -> Frame:
        """See System.allocate."""
        return memory.allocate(self._access, self.plan.system, size)

    def free(self, frame: Frame) -> None:
        """See System.free."""
        memory.own(frame, Frame, self.plan.system, "free")
        memory.free(self._access, frame)

    def map(
        self, frame: Frame, cores: Iterable[SupportsIndex] | None = None,
        rights: memory.Rights = "read-write",
    ) -> Page:  # fmt: skip
        """See System.map."""
        memory.own(frame, Frame, self.plan.system, "map")
        return memory.map_frame(self._access, self.plan.system, frame, cores, rights)

    def unmap(self, page: Page, protocol: memory.Protocol = "two-phase") -> None:
        """See System.unmap."""
        memory.own(page, Page, self.plan.system, "unmap")
        memory.unmap(self._access, page, protocol)

    def protect(self, page: Page, rights: memory.Rights = "read-only") -> None:
        """See System.protect."""
        memory.own(page, Page, self.plan.system, "protect")
        memory.protect(self._access, page, rights)

    def on_each(
        self, function: Callable[..., Any], /, *args: Any, timeout: float | None = None,
        **kwargs: Any,
    ) -> list[Any]:  # fmt: skip
        """See System.on_each. Raises BadInput for a timeout."""
        _no_timeout(timeout, "on_each")
        tasks = [core.start(function, *args, **kwargs) for core in self.cores]
        return [task.result() for task in tasks]

    def group(
        self, cores: Iterable[SupportsIndex] | None = None, *, root: SupportsIndex | None = None
    ) -> Group:
        """See System.group. Raises BadInput in the shared kernel."""
        if self.kernel == "shared":
            raise BadInput("no groups of a modelled shared kernel", value="group", where="group")
        return self._groups.open(cores, root)

    def close_group(self, group: Group) -> None:
        """See System.close_group."""
        self._groups.close(group)

    def install(self, root: int, edges: Edges) -> None:
        """See System.install."""
        install(self._access, root, edges)


ROOTS_MOST = 64
"""Cores up to which every root has a tree; beyond, core 0 alone."""


def booted(
    model: Model, cores: int | None, memory_bytes: int, slots: int | None, capabilities: str,
    trees: str | Mapping[int, Edges] | None, kernel: plan.Kernel, lock_scope: LockScope,
    calibration: str | None = None,
) -> VirtualSystem:  # fmt: skip
    """As `boot` has it. Raises BadInput, BootFailed."""
    where = "boot machine"
    most = len(topology_of(model, where).cpus) * model.servers
    count = min(most, MOST_CORES) if cores is None else cores
    if isinstance(trees, Mapping):
        checked = {root: list(edges) for root, edges in trees.items()}
        encoded(checked, count)
    elif count > 2 and not (kernel == "shared" and trees is None):
        roots = range(count) if count <= ROOTS_MOST else (0,)
        kind = "chosen" if trees is None else trees
        checked = {root: build(kind, root, model, count, where) for root in roots}
    else:
        checked = {}
    return VirtualSystem(
        model, count, memory_bytes=memory_bytes, slots=slots, capabilities=capabilities,
        trees=checked, where=where, work=asked(calibration, "boot calibration"),
        kernel=kernel, lock_scope=lock_scope,
    )  # fmt: skip
