"""What disturbed a measurement: steal, a CPU quota used up, interrupts, TLB shootdowns, task
switches, migrations, frequency.

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
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from multikernel.machine import control_groups
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.limits import whole
from multikernel.machine.tree import text_of


@dataclass(frozen=True, slots=True)
class CpuActivity:
    """Counters of one CPU.

    steal_ticks: 1/100 s (USER_HZ) in which the hypervisor ran something else; interrupts: all
    kinds; tlb_shootdowns: interrupts taken to flush translations (x86's "TLB" line), None where
    Linux sends none or does not count them; frequency_khz: now, not a counter, None in most virtual
    machines.
    """

    steal_ticks: int | None
    interrupts: int | None
    tlb_shootdowns: int | None
    frequency_khz: int | None


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
        first thread).

        A task that has gone has None throughout.
        """

        def text(name: str) -> str:
            return text_of(Path(root, name)) or ""

        def cpu_activity(cpu: int) -> CpuActivity:
            frequency = text(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")
            counters = (steal.get(cpu), interrupts.get(cpu), shootdowns.get(cpu))
            return CpuActivity(*counters, whole(frequency.strip()))

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
        interrupts, shootdowns = interrupt_counts(text("proc/interrupts"))
        return cls(
            time.monotonic_ns(),
            {cpu: cpu_activity(cpu) for cpu in cpus},
            {task: task_activity(task) for task in tasks},
            control_groups.throttled(text),
        )

    def __sub__(self, before: "Activity") -> "Activity":
        """What happened between `before` and this moment, for the CPUs and tasks both have."""

        def difference(now: Counters, then: Counters) -> Counters:
            return type(now)(*map(_minus, astuple(now), astuple(then)))

        return Activity(
            self.time_ns - before.time_ns,
            {
                cpu: replace(difference(now, before.cpus[cpu]), frequency_khz=now.frequency_khz)
                for cpu, now in self.cpus.items()
                if cpu in before.cpus
            },
            {
                task: difference(now, before.tasks[task])
                for task, now in self.tasks.items()
                if task in before.tasks
            },
            _minus(self.throttled, before.throttled),
        )

    @property
    def steal_ticks(self) -> int:
        """Steal over all CPUs looked at, in ticks of 1/100 s; unknown counts as 0."""
        return sum(cpu.steal_ticks or 0 for cpu in self.cpus.values())

    @property
    def tlb_shootdowns(self) -> int | None:
        """TLB shootdown interrupts over all CPUs looked at; None if the machine does not count
        them.
        """
        counts = [cpu.tlb_shootdowns for cpu in self.cpus.values()]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    def complaints(self) -> list[tuple[str, str]]:
        """Of a difference: (code, sentence) for everything that speaks against trusting what was
        measured meanwhile.

        Codes: steal, throttled, migrated, preempted, task-gone. An empty list means nothing was
        seen, of what is counted here.
        """
        found = []
        stolen = [cpu for cpu, activity in self.cpus.items() if activity.steal_ticks]
        if stolen:
            took = f"the hypervisor took {self.steal_ticks} ticks of 10 ms from CPUs "
            found.append(("steal", took + format_cpu_list(stolen)))
        if self.throttled:
            found.append(("throttled", f"the CPU quota was used up {self.throttled} times"))
        for task, one in self.tasks.items():
            if one.migrations:
                moved = f"task {task} was moved between CPUs {one.migrations} times"
                found.append(("migrated", moved))
            if one.involuntary:
                found.append(("preempted", f"task {task} was preempted {one.involuntary} times"))
            if one.voluntary is None and one.involuntary is None:
                found.append(("task-gone", f"task {task} ended meanwhile"))
        return found

    def record(self) -> dict[str, Any]:
        """The counters as plain data, CPU and task ids as text keys, for a result document's
        parameters.
        """
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


def interrupt_counts(interrupts: str) -> tuple[dict[int, int], dict[int, int]]:
    """Interrupts and TLB shootdowns of every online CPU, out of the text of /proc/interrupts.

    The header names the online CPUs and so the columns. Lines with fewer numbers than columns (ERR,
    MIS) are totals that belong to no CPU.
    """
    header, _, lines = interrupts.partition("\n")
    columns = [int(cpu) for cpu in re.findall(r"\bCPU([0-9]+)\b", header)]
    total = dict.fromkeys(columns, 0)
    shootdowns: dict[int, int] = {}
    for line in lines.splitlines():
        label, colon, rest = line.partition(":")
        counts = [whole(word) for word in rest.split(maxsplit=len(columns))[: len(columns)]]
        known = [count for count in counts if count is not None]
        if not colon or label.strip() in ("ERR", "MIS") or len(known) < len(columns):
            continue
        of_cpus = dict(zip(columns, known, strict=True))
        total = {cpu: total[cpu] + count for cpu, count in of_cpus.items()}
        if label.strip() == "TLB":
            shootdowns = of_cpus
    return total, shootdowns


def _field(text: str, name: str) -> int | None:
    match = re.search(rf"^{name}\s*:\s*([0-9]+)\s*$", text, re.MULTILINE)
    return int(match[1]) if match else None


def _minus(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
