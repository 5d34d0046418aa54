"""Counters of what disturbs, from golden files and from this process."""

import os
from pathlib import Path

import pytest
from s1_machine import trees

from multikernel.machine.host.activity import (
    Activity,
    CpuActivity,
    TaskActivity,
    shootdowns,
    steal_ticks,
)

STAT = """cpu  10 0 10 900 1 0 2 300 0 0
cpu0 5 0 5 450 1 0 1 100 0 0
cpu3 5 0 5 450 0 0 1 {steal} 0 0
intr 104765 0 0
"""
INTERRUPTS = """           CPU0       CPU3
  0:         10          2   IO-APIC    2-edge      timer 99
 24:          1          0   PCI-MSI 1048576-edge
LOC:       1000       2000   Local timer interrupts
TLB:          7 {tlb:>10}   TLB shootdowns
ERR:          5
MIS:          0
"""
STATUS = "Name:\tx\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n"
SCHED = "python3 (7, #threads: 1)\n-----\nse.nr_migrations        :       {}\nnr_switches  :  12\n"


def capture(
    root: Path, *, steal: int, tlb: int, voluntary: int, involuntary: int, migrations: int
) -> Path:
    return trees.write(
        root,
        {
            "proc/stat": STAT.format(steal=steal),
            "proc/interrupts": INTERRUPTS.format(tlb=tlb),
            "proc/7/status": STATUS.format(voluntary, involuntary),
            "proc/7/sched": SCHED.format(migrations),
            "proc/7/schedstat": f"1000 {100 * involuntary + 300 * migrations} 2\n",
            "proc/8/status": STATUS.format(3, 0),
        },
    )


def test_every_counter_is_read_from_its_column(tmp_path: Path) -> None:
    capture(tmp_path, steal=200, tlb=40, voluntary=5, involuntary=6, migrations=2)
    activity = Activity.take([0, 3], [7, 8], tmp_path)
    assert activity.cpus == {
        0: CpuActivity(steal_ticks=100, tlb_shootdowns=7),
        3: CpuActivity(steal_ticks=200, tlb_shootdowns=40),
    }
    assert activity.tasks == {7: TaskActivity(5, 6, 2, 1200), 8: TaskActivity(3, 0, None)}
    assert (activity.steal_ticks, activity.tlb_shootdowns) == (300, 47)


def test_the_difference_is_what_happened_meanwhile(tmp_path: Path) -> None:
    capture(tmp_path, steal=200, tlb=40, voluntary=5, involuntary=6, migrations=2)
    before = Activity.take([0, 3], [7, 8], tmp_path)
    capture(tmp_path, steal=203, tlb=1040, voluntary=5, involuntary=10, migrations=3)
    (tmp_path / "proc/8/status").unlink()
    meanwhile = Activity.take([0, 3], [7, 8], tmp_path) - before
    assert meanwhile.cpus[3] == CpuActivity(3, 1000)
    assert meanwhile.cpus[0] == CpuActivity(0, 0)
    assert meanwhile.tasks == {7: TaskActivity(0, 4, 1, 700), 8: TaskActivity(None, None, None)}
    assert meanwhile.record()["cpus"]["3"]["tlb_shootdowns"] == 1000
    assert meanwhile.record()["tasks"]["7"] == {
        "voluntary": 0, "involuntary": 4, "migrations": 1, "waited_ns": 700,
    }  # fmt: skip


def test_what_is_not_counted_is_none_and_not_zero(tmp_path: Path) -> None:
    arm = "           CPU0       CPU1\nIPI0:   12   13   Rescheduling interrupts\nErr:   0\n"
    trees.write(tmp_path, {"proc/interrupts": arm, "proc/stat": "cpu0 1 2 3 4\n"})
    activity = Activity.take([0, 9], root=tmp_path)
    assert activity.cpus[0] == CpuActivity(None, None)
    assert activity.cpus[9] == CpuActivity(None, None)
    assert activity.tlb_shootdowns is None
    assert Activity.take([0], [1], tmp_path / "nowhere").cpus[0] == CpuActivity(None, None)


def test_what_looks_like_a_counter_is_none() -> None:
    assert shootdowns("           CPU0\nTLB:   3   TLB shootdowns\nERR:   5\n") == {0: 3}
    assert shootdowns("") == {}
    assert steal_ticks("cpufreq 1 2 3 4 5 6 7 8 9\n") == {}


def test_this_process_is_seen_to_switch() -> None:
    cpus, me = sorted(os.sched_getaffinity(0)), os.getpid()
    before = Activity.take(cpus, [me])
    read, write = os.pipe()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os.write(write, b"x")
            os._exit(0)
        os.read(read, 1)
        os.waitpid(child, 0)
    os.close(read)
    os.close(write)
    meanwhile = Activity.take(cpus, [me]) - before
    switches = meanwhile.tasks[me]
    assert (switches.voluntary or 0) + (switches.involuntary or 0) > 0
    assert meanwhile.time_ns > 0


@pytest.mark.parametrize(
    ("group", "place"),
    [
        ("0::/a/b\n", "a/b/cpu.stat"),
        ("0::/a/b\n", "cpu.stat"),
        ("4:cpu,cpuacct:/a\n", "cpu/a/cpu.stat"),
    ],
)
def test_a_quota_used_up_in_any_group_around_is_seen(
    tmp_path: Path, group: str, place: str
) -> None:
    def take(count: int) -> Activity:
        stat = f"nr_periods 9\nnr_throttled {count}\nthrottled_usec 5\n"
        files = {"proc/self/cgroup": group, f"sys/fs/cgroup/{place}": stat}
        return Activity.take([0], (), trees.write(tmp_path, files))

    before = take(3)
    assert (take(3) - before).throttled == 0
    assert (take(5) - before).throttled == 2
