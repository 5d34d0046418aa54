"""What `boot()` is asked for, checked, and the plan of it.

Guarantees: nothing is started for what cannot be: an error names the argument, its value and what
to ask for instead.
"""

from __future__ import annotations

import os
import resource
import secrets
import sys
from collections.abc import Callable, Sequence

from multikernel.errors import BadInput
from multikernel.hints import one_of
from multikernel.machine import limits
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.cpus import resolve
from multikernel.machine.topology.model import Topology
from multikernel.runtime import links
from multikernel.runtime.plan import (
    ADDRESS_BYTES,
    CAPABILITY_PROTOCOLS,
    HOST_TRANSPORTS,
    KERNELS,
    LOCK_SCOPES,
    PAGE,
    TRANSPORTS,
    CapabilityProtocol,
    Kernel,
    LockScope,
    Plan,
    Transport,
)

RING_CORES = 64
"""Up to so many cores every pair has rings; beyond, only call lines."""
HOST_TRANSPORT_CORES = 64
"""Up to so many cores the host carries the monitors' messages: a descriptor or two for each core in
every core.
"""


def planned(
    topology: Topology,
    cores: int | str | Sequence[int] | None,
    *,
    kernel: Kernel,
    memory: int,
    slots: int | None,
    channels: int,
    transport: Transport,
    capabilities: CapabilityProtocol,
    lock_scope: LockScope,
    record: str | os.PathLike[str] | None,
    trace: Callable[[int], int] | None,
) -> Plan:
    """The plan of a system, but for its trees and its poll budget. trace: events that each of so
    many cores is to keep. Raises BadInput.
    """
    check_known(KERNELS, kernel, "kernel", "kernel")
    cpus = resolve(cores, topology, where="cores").cpus
    count = len(cpus)
    if _whole(memory, "memory") < PAGE:
        raise BadInput(
            f"physical memory of less than a page of {PAGE} bytes", value=memory, where="memory"
        )
    if not 0 <= _whole(channels, "channels") <= 64:
        raise BadInput("0 to 64 channels for each pair of cores", value=channels, where="channels")
    if slots is not None and not 1 <= _whole(slots, "slots") <= 1 << 16:
        raise BadInput("1 to 65536 mappings for each core", value=slots, where="slots")
    check_known(TRANSPORTS, transport, "transport", "transport")
    check_known(CAPABILITY_PROTOCOLS, capabilities, "protocol for capabilities", "capabilities")
    if capabilities != "two-phase" and kernel != "multikernel":
        raise _other_kernel(
            f"the {kernel} kernel's cores agree by a lock", capabilities, "capabilities"
        )
    check_known(LOCK_SCOPES, lock_scope, "lock scope", "lock_scope")
    if lock_scope != "big" and kernel != "shared":
        why = f"the {kernel}'s cores share no state, so they lock none"
        raise _other_kernel(why, lock_scope, "lock_scope", "shared")
    directory = _record_directory(record, kernel)
    if trace is not None and kernel != "multikernel":
        raise _other_kernel(f"the {kernel} kernel has no monitors to trace", kernel, "trace")
    refusal = refusal_of(transport, count, kernel) if transport in HOST_TRANSPORTS else None
    if refusal is not None:
        raise refusal
    if transport == "ring" and count > RING_CORES:
        raise BadInput(
            f"rings for more than {RING_CORES} cores",
            value=count,
            where="transport",
            hint="use call-line",
        )
    mappings = slots if slots is not None else max(64, min(4096, 65536 // count))
    return Plan(
        kernel=kernel,
        cpus=cpus,
        memory=(memory + PAGE - 1) // PAGE * PAGE,
        slots=mappings,
        cycles_per_us=max(1, round(tsc_rate().hz / 1e6)),
        channels=2 + channels,
        ring_slots=32 if count <= RING_CORES else 0,
        transport=transport,
        capabilities=capabilities,
        record=directory,
        trace=0 if trace is None else trace(count),
        lock_scope=lock_scope,
        addresses=_addresses(count, mappings),
        sys_path=tuple(sys.path),
        system=secrets.token_hex(4),
        launcher=os.getpid(),
    )


def _addresses(cores: int, mappings: int) -> int:
    """Of the range: half of what each core's process may have, the other half is for what else it
    does. Raises BadInput where that is less than a page and a guard for each mapping.
    """
    limit = limits.soft(resource.RLIMIT_AS)
    if limit is None or limit // 2 >= ADDRESS_BYTES:
        return ADDRESS_BYTES
    needed = 2 * PAGE * mappings * cores
    if limit // 2 < needed:
        raise BadInput(
            f"too few addresses are allowed for {mappings} mappings on each of {cores} cores",
            value=limits.mib(limit),
            where="RLIMIT_AS",
            hint=f"ulimit -v unlimited, or at least {2 * needed >> 10}, or fewer cores or slots",
        )
    return limit // 2


def check_known(known: Sequence[str], value: str, what: str, where: str) -> None:
    """Raises BadInput unless it is one of these."""
    if value not in known:
        raise BadInput(f"unknown {what}", value=value, where=where, hint=one_of(value, known))


def refusal_of(transport: Transport, cores: int, kernel: Kernel = "multikernel") -> BadInput | None:
    """Why the host cannot carry the messages of such a system; None if it can."""
    if kernel != "multikernel":
        return _other_kernel(
            f"the {kernel} kernel's cores send each other no messages", transport, "transport"
        )
    if cores > HOST_TRANSPORT_CORES:
        return BadInput(
            f"a {transport} for each pair of more than {HOST_TRANSPORT_CORES} cores",
            value=cores,
            where="transport",
            hint="use call-line",
        )
    allowed, needed = links.allowed(), links.needed(transport, cores)
    if allowed < needed:
        return BadInput(
            f"too few open files are allowed for a {transport} for each pair of {cores} cores",
            value=allowed,
            where="RLIMIT_NOFILE",
            hint=f"ulimit -n {needed}, or fewer cores",
        )
    return None


def _other_kernel(what: str, value: str, where: str, needed: Kernel = "multikernel") -> BadInput:
    return BadInput(what, value=value, where=where, hint=f'kernel="{needed}", or leave {where} out')


def _record_directory(record: str | os.PathLike[str] | None, kernel: Kernel) -> str:
    if kernel != "multikernel":
        if record:
            why = f"the {kernel} kernel has no monitors to record"
            raise _other_kernel(why, os.fspath(record), "record")
        return ""
    if record is None:
        record = os.environ.get("MULTIKERNEL_RECORD")
    if not record:
        return ""
    try:
        os.makedirs(record, exist_ok=True)
    except OSError as error:
        raise BadInput(
            "no directory for logs",
            value=os.fspath(record),
            where="record",
            hint=str(error.strerror),
        ) from error
    return os.path.abspath(record)


def _whole(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadInput("this is a whole number", value=repr(value), where=where)
    if value >= 1 << 60:
        raise BadInput("no machine has as much", value=value, where=where)
    return value
