"""Pin a process to a CPU, and check that it is where it was put.

Guarantees: `pin` returns only when the calling thread runs on that CPU and on no other; where a
thread runs is asked of the kernel, not assumed from the mask. A mask belongs to a thread: threads
and processes started later inherit it, threads started earlier do not, so a core pins itself before
it starts anything.

Source: sched_setaffinity(2), sched_getcpu(3).
"""

import errno
import os

from multikernel.errors import BadInput, BootFailed
from multikernel.machine import limits
from multikernel.machine.cpu_list import format_cpu_list


def current_cpu() -> int:
    """The CPU the calling thread is running on, now."""
    # Imported here: this room is of use without the native core.
    from multikernel.native import _native

    return _native.current_cpu()


def pin(cpu: int) -> None:
    """Pin the calling thread to `cpu` and verify it.

    Raises BadInput if the CPU does not exist or is not allowed, MultikernelError if the host
    forbids the call, BootFailed if the kernel agreed and the thread runs elsewhere all the same.
    """
    try:
        os.sched_setaffinity(0, {cpu})
    except (OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise limits.refusal(error, "sched_setaffinity") from None
        allowed = format_cpu_list(os.sched_getaffinity(0))
        raise BadInput(
            "cannot pin to this CPU",
            value=cpu,
            where=str(error),
            hint=f"the mask has CPUs {allowed}; this one is not there, or the control group's"
            " cpuset keeps it out",
        ) from None
    verify(cpu)


def verify(cpu: int) -> None:
    """Check that the calling thread runs on `cpu` and may run nowhere else; raises BootFailed if
    not.
    """
    mask, actual = os.sched_getaffinity(0), current_cpu()
    if mask != {cpu} or actual != cpu:
        raise BootFailed(
            f"a thread pinned to CPU {cpu} is not there",
            value=f"runs on {actual}, mask {format_cpu_list(mask)}",
            hint="something else changes affinity masks here (a tuning daemon, a control group"
            " being edited)",
        )
