"""Booting: a plan from what was asked, a system from the plan, and the one that a program finds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from multikernel.errors import BadInput
from multikernel.knowledge.block_cost import budget
from multikernel.knowledge.trees import KINDS as TREE_KINDS
from multikernel.machine.topology.model import Topology
from multikernel.routing.choosing import to_all
from multikernel.runtime import local
from multikernel.runtime.asked import check_known, planned
from multikernel.runtime.plan import (
    KERNELS,
    LOCK_SCOPES,
    CapabilityProtocol,
    Kernel,
    LockScope,
    Transport,
)
from multikernel.system import notebook
from multikernel.system.system import CHOSEN, System
from multikernel.timeline.trace import Kept, Trace
from multikernel.user.trees import Edges, encoded

TREES = (CHOSEN, *TREE_KINDS)
DEFAULT_MEMORY = 16 << 20


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
    trace: str | os.PathLike[str] | Kept | bool | None = None,
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
    made it writes it. True: for System.watching, without a file.) machine: in virtual time on that
    modelled machine, by name, file or shape (machine.models); then cores is a number, by default
    all, and what comes back is a VirtualSystem. calibration: of local work there, "here" or a file
    (virtual.work), by default the reference. In a notebook a cell that boots again closes what it
    had booted before.
    Raises BadInput, BootFailed, SegmentFull.
    """
    if local.driver is not None:
        # A module that boots when it is imported would be imported by its cores, which boot, ….
        raise BadInput(
            "a core boots no system", where="boot",
            hint='in a module that is imported, boot below: if __name__ == "__main__"',
        )  # fmt: skip
    _check_text(machine, "boot machine", "a machine's name, or shape, is text", str)
    _check_text(calibration, "boot calibration", 'a calibration is "here", or a file', str)
    _check_text(record, "boot record", "a directory is text, or a path", str, os.PathLike)
    if not isinstance(trace, (bool, Kept)):
        _check_text(trace, "boot trace", "a file is text, or a path", str, os.PathLike)
    whole = isinstance(trace, (str, os.PathLike))
    file = _kept(trace)
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
        check_known(TREES, trees, "kind of tree", "trees")
    if trees is None and kernel == "multikernel":
        trees = CHOSEN
    planted = dict(trees) if isinstance(trees, Mapping) else {}
    if kernel == "shared" and isinstance(trees, str):
        planted = {0: to_all(0, plan.cores)}  # so that it has trees; then those are installed
    poll = budget(topology)
    plan = replace(plan, poll_us=poll.us, trees=encoded(planted, plan.cores))
    where = notebook.place()
    notebook.close_before(where)
    system = System(plan, poll)
    notebook.remember(where, system)
    if isinstance(trees, str):
        try:
            system.choose_trees(trees)
        except BaseException:
            system.close()
            raise
    if file is not None:
        system.trace_to(file, whole=whole)
    return system


def _check_text(value: object, where: str, what: str, *kinds: type) -> None:
    if value is not None and not isinstance(value, kinds):
        raise BadInput(what, value=repr(value), where=where)


def _kept(trace: str | os.PathLike[str] | Kept | bool | None) -> Kept | None:
    if isinstance(trace, bool):
        return Kept() if trace else None
    return trace if trace is None or isinstance(trace, Kept) else Trace(trace)


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
    trace: Kept | None,
    whole: bool,
) -> System:
    from multikernel.machine.models.reading import read
    from multikernel.virtual.system import booted

    check_known(KERNELS, kernel, "kernel", "kernel")
    check_known(LOCK_SCOPES, lock_scope, "lock scope", "lock_scope")
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
