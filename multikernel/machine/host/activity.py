"""What disturbed a measurement: steal, a CPU quota used up, TLB shootdowns, task switches,
migrations.

Guarantees: `Activity.take` reads counters that only grow, for chosen CPUs and tasks, under any
root; `after - before` is what happened in between. A counter the kernel does not keep is None,
never 0. Reading is a few files of text and must stay outside what is being measured.

Source: proc(5): /proc/stat, /proc/interrupts, /proc/PID/status, /proc/PID/sched (only with
CONFIG_SCHED_DEBUG), /proc/PID/schedstat; cgroups(7): cpu.stat.
"""

import os
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, TypeVar

from multikernel.machine import control_groups
from multikernel.machine.limits import whole
from multikernel.machine.tree import text_of


@dataclass(frozen=True, slots=True)
class CpuActivity:
    """Counters of one CPU.

    steal_ticks: 1/100 s (USER_HZ) in which the hypervisor ran something else; tlb_shootdowns:
    interrupts taken to flush translations, None where Linux sends none or does not count them.
    """

    steal_ticks: int | None
    tlb_shootdowns: int | None


@dataclass(frozen=True, slots=True)
class TaskActivity:
    """Counters of one task (thread): switches it asked for, switches forced on it (a yield is one
    too), moves between CPUs; waited_ns: how long it could have run while another did.
    """

    voluntary: int | None
    involuntary: int | None
    migrations: int | None
    waited_ns: int | None = None


Counters = TypeVar("Counters", CpuActivity, TaskActivity)


@dataclass(frozen=True, slots=True)
class Activity:
    """Counters at one moment (time_ns: CLOCK_MONOTONIC), or the difference of two moments (time_ns:
    their distance).
    """

    time_ns: int
    cpus: dict[int, CpuActivity]
    tasks: dict[int, TaskActivity]
    throttled: int | None = None
    """How often the time that a control group grants was used up."""

    @classmethod
    def take(
        cls, cpus: Iterable[int], tasks: Iterable[int] = (), root: str | os.PathLike[str] = "/"
    ) -> "Activity":
        """Read the counters of `cpus` and of `tasks` (process or thread ids; of a process, its
        first thread); a task that has gone has None throughout.
        """

        def text(name: str) -> str:
            return text_of(Path(root, name)) or ""

        def task_activity(task: int) -> TaskActivity:
            status = text(f"proc/{task}/status")
            waited = text(f"proc/{task}/schedstat").split()
            return TaskActivity(
                _field(status, "voluntary_ctxt_switches"),
                _field(status, "nonvoluntary_ctxt_switches"),
                _field(text(f"proc/{task}/sched"), r"se\.nr_migrations"),
                whole(waited[1]) if len(waited) == 3 else None,
            )

        steal = steal_ticks(text("proc/stat"))
        flushed = shootdowns(text("proc/interrupts"))
        return cls(
            time.monotonic_ns(),
            {cpu: CpuActivity(steal.get(cpu), flushed.get(cpu)) for cpu in cpus},
            {task: task_activity(task) for task in tasks},
            control_groups.throttled(text),
        )

    def __sub__(self, before: "Activity") -> "Activity":
        """What happened between `before` and this moment, for the CPUs and tasks both have."""

        def difference(now: Counters, then: Counters) -> Counters:
            return type(now)(*map(_minus, astuple(now), astuple(then)))

        cpus, tasks = before.cpus, before.tasks
        return Activity(
            self.time_ns - before.time_ns,
            {cpu: difference(now, cpus[cpu]) for cpu, now in self.cpus.items() if cpu in cpus},
            {id_: difference(now, tasks[id_]) for id_, now in self.tasks.items() if id_ in tasks},
            _minus(self.throttled, before.throttled),
        )

    @property
    def steal_ticks(self) -> int:
        """Steal over all CPUs looked at, in ticks of 1/100 s; unknown counts as 0."""
        return sum(cpu.steal_ticks or 0 for cpu in self.cpus.values())

    @property
    def tlb_shootdowns(self) -> int | None:
        """Over all CPUs looked at; None if the machine does not count them."""
        counts = [cpu.tlb_shootdowns for cpu in self.cpus.values()]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    def record(self) -> dict[str, Any]:
        """The counters as plain data, CPU and task ids as text keys."""
        return {
            "cpus": {str(cpu): asdict(one) for cpu, one in self.cpus.items()},
            "tasks": {str(task): asdict(one) for task, one in self.tasks.items()},
            "throttled": self.throttled,
        }


def steal_ticks(stat: str) -> dict[int, int]:
    """Steal of every CPU, out of the text of /proc/stat: the eighth number of its "cpuN" line
    (Linux 2.6.11).
    """
    lines = re.findall(r"^cpu([0-9]+)(?: +[0-9]+){7} +([0-9]+)", stat, re.MULTILINE)
    return {int(cpu): int(ticks) for cpu, ticks in lines}


def shootdowns(interrupts: str) -> dict[int, int]:
    """TLB shootdowns of every online CPU, out of the text of /proc/interrupts: x86's "TLB" line.
    The header names the online CPUs and so the columns.
    """
    columns = re.findall(r"\bCPU([0-9]+)", interrupts.partition("\n")[0])
    line = re.search(r"^ *TLB:((?: +[0-9]+)+)", interrupts, re.MULTILINE)
    counts = line[1].split() if line else []
    return {int(cpu): int(count) for cpu, count in zip(columns, counts, strict=False)}


def _field(text: str, name: str) -> int | None:
    match = re.search(rf"^{name}\s*:\s*([0-9]+)\s*$", text, re.MULTILINE)
    return int(match[1]) if match else None


def _minus(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
