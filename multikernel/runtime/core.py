"""The life of a core process, from the fork to its end.

Pinned before it is forked; gone with the supervisor that forked it; named mk-core-N. It backs
and first touches its own region of the kernel segment, opens its driver, says that it is ready, and
enters the driver's loop, which it leaves only to run a program. Everything it needs was imported
before the fork.
"""

from __future__ import annotations

import json
import os
import signal
from typing import NoReturn

from multikernel.errors import MultikernelError, SegmentFull
from multikernel.machine import limits
from multikernel.machine.host import pinning
from multikernel.native import _native
from multikernel.runtime import local, programs, segments
from multikernel.runtime.handlers import Handlers
from multikernel.runtime.links import Links
from multikernel.runtime.plan import (
    CAPABILITY_PROTOCOLS,
    LOCK_SCOPES,
    TRANSPORTS,
    Plan,
)

CNODES = 16
"""That a core's capabilities have room for: 4096 slots in 256 KiB, of which only what is used is
touched.
"""


def be_core(
    plan: Plan,
    me: int,
    segment: _native.Segment,
    kernel_fd: int,
    memory_fd: int,
    ready: int,
    go: int,
    supervisor: int,
    links: Links,
) -> NoReturn:
    """Called in the child right after the fork. ready: the descriptor to report on; go: ends when
    all are ready; links: of all cores, of which it keeps its own.
    """
    status = 1
    try:
        with limits.naming("prctl(PR_SET_PDEATHSIG)"):
            _native.adopt(f"mk-core-{me}")
        if os.getppid() != supervisor:
            os._exit(0)  # it died before the death signal was in place
        pinning.verify(plan.cpus[me])  # pinned since before the fork
        driver = _open(plan, me, segment, kernel_fd, memory_fd, links.take(me))
        os.close(memory_fd)
        signal.signal(signal.SIGINT, programs.on_interrupt)  # whoever hears of it may send one
        _report(ready, {"core": me})
        os.close(ready)
        os.read(go, 1)  # end of file when every core is ready
        os.close(go)
        if segment.going:
            _serve(plan, me, driver)
        status = 0
    except BaseException as error:
        _report(ready, {"core": me, **_described(error)})
    finally:
        os._exit(status if programs.flush() else 1)


def _open(
    plan: Plan,
    me: int,
    segment: _native.Segment,
    kernel_fd: int,
    memory_fd: int,
    links: bytes | None,
) -> _native.Driver:
    offset, length = segment.region(me)
    segments.back(kernel_fd, offset, length)
    options = {
        "me": me,
        "shared_kernel": plan.kernel == "shared",
        "transport": TRANSPORTS.index(plan.transport),
        "crowded": plan.crowded,
        "slots_per_core": plan.slots,
        "cnodes": CNODES,
        "capability_protocol": CAPABILITY_PROTOCOLS.index(plan.capabilities),
        "lock_scope": LOCK_SCOPES.index(plan.lock_scope),
        "cancel_signal": programs.CANCEL_SIGNAL,
        "address_base": _native.ADDRESS_BASE,
        "address_size": plan.address_bytes,
        "memory_bytes": plan.memory,
        "cycles_per_us": plan.cycles_per_us,
        "record": os.fsencode(plan.record and f"{plan.record}/{plan.system}-core-{me}.log"),
        "spin_cycles": round(plan.poll_us * plan.cycles_per_us),
    }
    try:
        return _native.Driver(segment, memory_fd, options, plan.trees, links)
    except OSError as error:
        raise limits.refusal(error, error.strerror or "a core") from error


def _serve(plan: Plan, me: int, driver: _native.Driver) -> None:
    local.enter(driver, plan)
    os.register_at_fork(after_in_child=local.leave)
    where = f"core {me}"
    signal.signal(programs.CANCEL_SIGNAL, programs.on_cancel)
    ours = Handlers()
    while driver.run():
        result = programs.execute(driver.code(), where, ours.put_back)
        programs.flush()
        driver.finish(result)


def _report(ready: int, record: dict[str, object]) -> None:
    try:
        os.write(ready, json.dumps(record).encode() + b"\n")
    except OSError:
        return  # ready already, or nobody there to hear it


def _described(error: BaseException) -> dict[str, object]:
    if isinstance(error, SegmentFull):
        return {"full": [str(error), error.path, error.available, error.needed]}
    text = str(error) if isinstance(error, MultikernelError) else f"{type(error).__name__}: {error}"
    return {"error": text}
