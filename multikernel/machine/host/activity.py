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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multikernel.machine import control_groups
from multikernel.machine.cpu_list import format_cpu_list
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
        base = Path(root)
        steal = steal_ticks(_text(base / "proc/stat"))
        interrupts, shootdowns = interrupt_counts(_text(base / "proc/interrupts"))
        return cls(
            time_ns=time.monotonic_ns(),
            cpus={
                cpu: CpuActivity(
                    steal_ticks=steal.get(cpu),
                    interrupts=interrupts.get(cpu),
                    tlb_shootdowns=shootdowns.get(cpu),
                    frequency_khz=_frequency(base, cpu),
                )
                for cpu in cpus
            },
            tasks={task: _task(base, task) for task in tasks},
            throttled=control_groups.throttled(lambda name: text_of(base / name)),
        )

    def __sub__(self, before: "Activity") -> "Activity":
        """What happened between `before` and this moment, for the CPUs and tasks both have."""
        return Activity(
            time_ns=self.time_ns - before.time_ns,
            cpus={
                cpu: CpuActivity(
                    steal_ticks=_minus(now.steal_ticks, before.cpus[cpu].steal_ticks),
                    interrupts=_minus(now.interrupts, before.cpus[cpu].interrupts),
                    tlb_shootdowns=_minus(now.tlb_shootdowns, before.cpus[cpu].tlb_shootdowns),
                    frequency_khz=now.frequency_khz,
                )
                for cpu, now in self.cpus.items()
                if cpu in before.cpus
            },
            tasks={
                task: TaskActivity(
                    voluntary=_minus(now.voluntary, before.tasks[task].voluntary),
                    involuntary=_minus(now.involuntary, before.tasks[task].involuntary),
                    migrations=_minus(now.migrations, before.tasks[task].migrations),
                    waited_ns=_minus(now.waited_ns, before.tasks[task].waited_ns),
                )
                for task, now in self.tasks.items()
                if task in before.tasks
            },
            throttled=_minus(self.throttled, before.throttled),
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
        counts = [
            cpu.tlb_shootdowns for cpu in self.cpus.values() if cpu.tlb_shootdowns is not None
        ]
        return sum(counts) if counts else None

    def complaints(self) -> list[tuple[str, str]]:
        """Of a difference: (code, sentence) for everything that speaks against trusting what was
        measured meanwhile.

        Codes: steal, throttled, migrated, preempted, task-gone. An empty list means nothing was
        seen, of what is counted here.
        """
        found = []
        stolen = [cpu for cpu, activity in self.cpus.items() if activity.steal_ticks]
        if stolen:
            found.append(
                (
                    "steal",
                    f"the hypervisor took {self.steal_ticks} ticks of 10 ms from CPUs "
                    + format_cpu_list(stolen),
                )
            )
        if self.throttled:
            found.append(("throttled", f"the CPU quota was used up {self.throttled} times"))
        for task, activity in self.tasks.items():
            if activity.migrations:
                found.append(
                    ("migrated", f"task {task} was moved between CPUs {activity.migrations} times")
                )
            if activity.involuntary:
                found.append(
                    ("preempted", f"task {task} was preempted {activity.involuntary} times")
                )
            if activity.voluntary is None and activity.involuntary is None:
                found.append(("task-gone", f"task {task} ended meanwhile"))
        return found

    def record(self) -> dict[str, Any]:
        """The counters as plain data, CPU and task ids as text keys, for a result document's
        parameters.
        """
        return {
            "cpus": {
                str(cpu): {name: getattr(activity, name) for name in CpuActivity.__slots__}
                for cpu, activity in self.cpus.items()
            },
            "tasks": {
                str(task): {name: getattr(activity, name) for name in TaskActivity.__slots__}
                for task, activity in self.tasks.items()
            },
            "throttled": self.throttled,
        }


def steal_ticks(stat: str) -> dict[int, int]:
    """Steal of every CPU, out of the text of /proc/stat: the eighth number of its "cpuN" line
    (Linux 2.6.11).
    """
    found = {}
    for line in stat.splitlines():
        match = re.match(r"cpu([0-9]+)((?: +[0-9]+)+)", line)
        if match and len(match[2].split()) >= 8:
            found[int(match[1])] = int(match[2].split()[7])
    return found


def interrupt_counts(interrupts: str) -> tuple[dict[int, int], dict[int, int]]:
    """Interrupts and TLB shootdowns of every online CPU, out of the text of /proc/interrupts.

    The header names the online CPUs and so the columns. Lines with fewer numbers than columns (ERR,
    MIS) are totals that belong to no CPU.
    """
    lines = interrupts.splitlines()
    columns = (
        [int(name[3:]) for name in lines[0].split() if re.fullmatch(r"CPU[0-9]+", name)]
        if lines
        else []
    )
    total = dict.fromkeys(columns, 0)
    shootdowns: dict[int, int] = {}
    for line in lines[1:]:
        label, colon, rest = line.partition(":")
        counts = rest.split(maxsplit=len(columns))[: len(columns)]
        if not colon or label.strip() in ("ERR", "MIS") or len(counts) < len(columns):
            continue
        if not all(count.isascii() and count.isdigit() for count in counts):
            continue
        for cpu, count in zip(columns, counts, strict=True):
            total[cpu] += int(count)
        if label.strip() == "TLB":
            shootdowns = {cpu: int(count) for cpu, count in zip(columns, counts, strict=True)}
    return total, shootdowns


def _task(base: Path, task: int) -> TaskActivity:
    status = _text(base / f"proc/{task}/status")
    return TaskActivity(
        voluntary=_field(status, r"voluntary_ctxt_switches"),
        involuntary=_field(status, r"nonvoluntary_ctxt_switches"),
        migrations=_field(_text(base / f"proc/{task}/sched"), r"se\.nr_migrations"),
        waited_ns=_waited(_text(base / f"proc/{task}/schedstat")),
    )


def _waited(schedstat: str) -> int | None:
    """The second of its three numbers."""
    words = schedstat.split()
    return int(words[1]) if len(words) == 3 and words[1].isascii() and words[1].isdigit() else None


def _field(text: str, name: str) -> int | None:
    match = re.search(rf"^{name}\s*:\s*([0-9]+)\s*$", text, re.MULTILINE)
    return int(match[1]) if match else None


def _frequency(base: Path, cpu: int) -> int | None:
    text = _text(base / f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _minus(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def _text(path: Path) -> str:
    """The file's text, "" if it cannot be read."""
    return text_of(path) or ""
