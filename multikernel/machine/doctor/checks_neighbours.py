"""Checks of who else is there: a hypervisor, a container's limits, other tasks, interrupts, the
tick.

Guarantees: no path, command line or name of another process is repeated.

Source: cgroups(7), cpuset(7), Documentation/core-api/irq/irq-affinity.rst and timers/no_hz.rst of
Linux. That the floor between two virtual CPUs moves was measured on such machines: the same pair,
minutes apart, up to 5 times slower.
"""

import re

from multikernel.machine import control_groups
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.doctor.evidence import Answer, Evidence, bad, check, good, matters, unknown
from multikernel.machine.host.processor import SYS_CPU

STEAL_BAD = 0.01
"""Share of all CPU time from which steal is more than tails."""
CONTAINER_MARKS = (".dockerenv", "run/.containerenv", "run/systemd/container")


@check("Virtual machine")
def virtual(look: Evidence) -> Answer:
    """An interrupt or a wake-up leaves a virtual machine and costs many times what bare metal
    pays.
    """
    if not look.virtual:
        return unknown() if look.virtual is None else good("no")
    return matters(
        f"yes ({look.hypervisor or 'hypervisor not named'})",
        "Cannot be fixed here: use bare metal, or compare only what is notified in the same way.",
    )


@check("Virtual CPUs")
def vcpu_placement(look: Evidence) -> Answer:
    """A host may move a virtual CPU to another physical core, and the floor between two of them
    then jumps by up to 5 times within minutes.
    """
    if not look.virtual:
        return unknown() if look.virtual is None else good("CPUs are the processor's own")
    return bad(
        "may be moved by the host",
        "Cannot be fixed here: have the host pin them (virsh vcpupin), or measure the floor beside"
        " every series, interleaved, over many boots.",
    )


@check("Steal")
def steal(look: Evidence) -> Answer:
    """While the hypervisor runs something else, a core that others wait for stands still."""
    line = look.found(r"\Acpu +((?:[0-9]{1,18} *)+)$", "proc/stat") or ""
    ticks = [int(word) for word in line.split()][:8]
    if len(ticks) < 8 or sum(ticks) == 0:
        return unknown()
    share = ticks[7] / sum(ticks)
    if not share:
        return good("none since the start")
    value = f"{100 * share:.2g} % of all time since the start"
    remedy = "Cannot be fixed here: use a host with CPUs of your own, or a quieter hour."
    return bad(value, remedy) if share >= STEAL_BAD else matters(value, remedy)


@check("Container")
def container(look: Evidence) -> Answer:
    """A system-call filter makes all that Linux does dearer, and what else runs on the CPUs cannot
    be seen.
    """
    seccomp, groups = look.status("Seccomp"), look.text("proc/self/cgroup")
    marks = any(look.has(mark) for mark in CONTAINER_MARKS)
    if seccomp is None and groups is None and not marks:
        return unknown()
    inside = marks or re.search(r"docker|kubepods|libpod|lxc|containerd|crio", groups or "")
    if seccomp != "2" and not inside:
        return good("no")
    value = "looks like one, " if inside else "no, "
    if seccomp != "2":
        return matters(
            value + "system calls not filtered",
            "give it CPUs of its own (docker: --cpuset-cpus=LIST), or run on the host itself",
        )
    remedy = "docker run --security-opt seccomp=unconfined --cpuset-cpus=LIST …"
    if not inside:
        remedy = "start it outside the service or sandbox that filters"
    return matters(value + "system calls filtered", remedy)


@check("CPU quota")
def cpu_quota(look: Evidence) -> Answer:
    """When a control group has used up its time, its cores are stopped for milliseconds."""
    quota = control_groups.cpu_quota(look.text)
    if quota is None:
        readable = look.text("proc/self/cgroup") is not None and look.has(control_groups.MOUNT)
        return good("none") if readable else unknown()
    return bad(
        f"{quota:g} CPUs' worth of time",
        "lift cpu.max of the control group (docker: without --cpus; Kubernetes: no CPU limit)",
    )


@check("Allowed CPUs")
def cpuset(look: Evidence) -> Answer:
    """Only pairs of CPUs that this process may use can be measured."""
    if look.allowed is None or look.online is None:
        return unknown()
    value = f"{len(look.allowed)} of {len(look.online)} ({format_cpu_list(look.allowed)})"
    if len(look.online) < 2:
        return bad(value, "Cannot be fixed here: there is one CPU.")
    remedy = "start from a shell without taskset, or widen the control group's cpuset"
    if len(look.allowed) < 2:
        return bad(value, remedy)
    outside = {*look.online} - {*look.allowed, *(look.isolated or ())}
    return matters(value, remedy) if outside else good(value)


@check("Isolated CPUs")
def isolation(look: Evidence) -> Answer:
    """On CPUs that are not set apart, any other task may take a core's place."""
    if look.isolated is None:
        return unknown()
    if not look.isolated:
        return matters(
            "none",
            "boot with isolcpus=LIST nohz_full=LIST, or write isolated to cpuset.cpus.partition of"
            " a control group of your own",
        )
    listed = format_cpu_list(look.isolated)
    if look.allowed is not None and not {*look.isolated} & {*look.allowed}:
        return matters(f"{listed}, used only when named", f"multikernel … --cores {listed}")
    return good(listed)


@check("Timer tick")
def tick(look: Evidence) -> Answer:
    """The tick interrupts a polling core hundreds of times a second."""
    stopped = look.cpu_list(f"{SYS_CPU}/nohz_full")
    if stopped:
        return good(f"stops on {format_cpu_list(stopped)}")
    if stopped == ():
        return matters("on all CPUs", "boot with nohz_full=LIST")
    if look.has(f"{SYS_CPU}/isolated") and not look.has(f"{SYS_CPU}/nohz_full"):
        return matters(
            "on all CPUs", "use a kernel built with CONFIG_NO_HZ_FULL, booted with nohz_full=LIST"
        )
    return unknown()


@check("Device interrupts")
def interrupts(look: Evidence) -> Answer:
    """An interrupt served on a measured CPU shows as an outlier."""
    files = look.each("proc/irq/[0-9]*/effective_affinity_list")
    served = {cpu for name in files for cpu in look.cpu_list(name) or ()}
    if not served:
        return unknown()
    value = f"on CPUs {format_cpu_list(served)}"
    if "irqbalance" in look.words("proc/[0-9]*/comm"):
        return matters(f"{value}, moved by irqbalance", "sudo systemctl stop irqbalance")
    free = {*look.usable} - served
    if len(free) >= 2:
        return good(f"{value}; CPUs {format_cpu_list(free)} are free of them")
    return matters(
        value, "for f in /proc/irq/[0-9]*/smp_affinity_list; do echo 0 | sudo tee $f; done"
    )


@check("Load")
def load(look: Evidence) -> Answer:
    """Other programs take CPUs, caches and memory from what is measured."""
    value = look.found(r"\A([0-9]{1,6}\.[0-9]{1,3}) ", "proc/loadavg")
    if value is None:
        return unknown()
    average, cpus = float(value), len(look.usable) or 1
    if average <= max(0.5, 0.25 * cpus):
        return good(value)
    return (bad if average > cpus else matters)(value, "stop other programs (see top)")
