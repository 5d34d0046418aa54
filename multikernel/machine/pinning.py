"""Pin a process to a CPU, and check that it is where it was put.

Guarantees: `pin` returns only when the calling thread runs on that CPU and on no other; where a
thread runs is asked of the kernel, not assumed from the mask. A mask belongs to a thread: threads
and processes started later inherit it, threads started earlier do not, so a core pins itself before
it starts anything.

Source: sched_setaffinity(2), proc(5): field 39 of /proc/…/stat is the CPU last run on, which for a
thread that reads its own file is the one it is running on.
"""

import os
from dataclasses import dataclass

from multikernel.errors import BadInput, BootFailed
from multikernel.machine.topology import format_cpu_list


@dataclass(frozen=True, slots=True)
class ProcessPlace:
    """Where another process is: the CPU it last ran on, its mask (sorted), and psutil's name of its
    state.
    """

    pid: int
    cpu: int
    affinity: tuple[int, ...]
    status: str


def processor_field(stat: str) -> int:
    """CPU number out of the text of a /proc stat file.

    The process name, field 2, may hold blanks and brackets: count from the last ')'. Raises
    ValueError if garbled.
    """
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 37:
        raise ValueError(f"a stat line with {len(fields) + 2} fields has no processor field")
    return int(fields[36])


def current_cpu() -> int:
    """The CPU the calling thread is running on, now; may be another by the time the caller looks at
    the answer.
    """
    # /proc/self is the whole process, that is its first thread; a core may be asked from any
    # thread.
    try:
        with open("/proc/thread-self/stat", encoding="utf-8", errors="replace") as file:
            return processor_field(file.read())
    except FileNotFoundError:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            return processor_field(file.read())


def pin(cpu: int) -> None:
    """Pin the calling thread to `cpu` and verify it.

    Raises BadInput if the CPU does not exist or is not allowed, BootFailed if the kernel agreed and
    the thread runs elsewhere all the same.
    """
    try:
        os.sched_setaffinity(0, {cpu})
    except (OSError, ValueError, OverflowError) as error:
        allowed = format_cpu_list(os.sched_getaffinity(0))
        raise BadInput(
            "cannot pin to this CPU",
            value=cpu,
            where=str(error),
            hint=f"now allowed are CPUs {allowed}",
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
            hint=(
                "something else changes affinity masks here (a tuning daemon, a control group being"
                " edited)"
            ),
        )


def place_of(pid: int) -> ProcessPlace:
    """Where process `pid` is. Raises BadInput if there is no such process (any more)."""
    # Imported here: a core pins itself before it needs anything else, and never inspects others.
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return ProcessPlace(
                pid=pid,
                cpu=process.cpu_num(),
                affinity=tuple(sorted(process.cpu_affinity())),
                status=process.status(),
            )
    except psutil.Error as error:
        raise BadInput("cannot inspect process", value=pid, where=type(error).__name__) from None
