"""Checks of who else is there: a hypervisor, a container's limits, other tasks, interrupts, the
tick.

Guarantees: each check answers from files alone and answers "unknown" where they are missing. No
path, command line or name of another process is repeated.

Source: cgroups(7), cpuset(7), Documentation/core-api/irq/irq-affinity.rst and timers/no_hz.rst of
Linux. That the floor between two virtual CPUs moves was measured on such machines: the same pair,
minutes apart, up to 5 times slower.
"""

import re

from multikernel.machine import control_groups
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.doctor.evidence import (
    SYS_CPU,
    Answer,
    Check,
    Evidence,
    bad,
    check,
    good,
    matters,
    unknown,
)

STEAL_BAD = 0.01
"""Share of all CPU time from which steal is more than tails."""


@check(
    "virtual",
    "Virtual machine",
    "An interrupt or a wake-up leaves a virtual machine and costs many times what bare metal pays.",
)
def virtual(look: Evidence) -> Answer:
    """Whether it is one, and whose."""
    if look.virtual is None:
        return unknown()
    if not look.virtual:
        return good("no")
    return matters(
        f"yes ({look.hypervisor or 'hypervisor not named'})",
        "Cannot be fixed here: use bare metal, or compare only what is notified in the same way.",
    )


@check(
    "vcpu-placement",
    "Virtual CPUs",
    "A host may move a virtual CPU to another physical core, and the floor between "
    "two of them then jumps by up to 5 times within minutes.",
)
def vcpu_placement(look: Evidence) -> Answer:
    """Whether the CPUs here are the processor's own."""
    if look.virtual is None:
        return unknown()
    if not look.virtual:
        return good("CPUs are the processor's own")
    return bad(
        "may be moved by the host",
        "Cannot be fixed here: have the host pin them (virsh vcpupin), or measure the floor beside"
        " every series, interleaved, over many boots.",
    )


@check(
    "steal",
    "Steal",
    "While the hypervisor runs something else, a core that others wait for stands still.",
)
def steal(look: Evidence) -> Answer:
    """The share of all CPU time since the start; a run looks again at its own."""
    match = re.match(
        r"cpu +((?:[0-9]{1,18} *)+)$", (look.text("proc/stat") or "").partition("\n")[0]
    )
    ticks = [int(word) for word in match[1].split()][:8] if match else []
    if len(ticks) < 8 or sum(ticks) == 0:
        return unknown()
    share = ticks[7] / sum(ticks)
    if not share:
        return good("none since the start")
    value = f"{100 * share:.2g} % of all time since the start"
    remedy = "Cannot be fixed here: use a host with CPUs of your own, or a quieter hour."
    return bad(value, remedy) if share >= STEAL_BAD else matters(value, remedy)


@check(
    "container",
    "Container",
    "A system-call filter makes all that Linux does dearer, and what else runs on the CPUs cannot"
    " be seen.",
)
def container(look: Evidence) -> Answer:
    """The marks containers leave, and whether system calls are filtered."""
    seccomp = look.status("Seccomp")
    groups = look.text("proc/self/cgroup")
    marks = (
        look.has(".dockerenv") or look.has("run/.containerenv") or look.has("run/systemd/container")
    )
    if seccomp is None and groups is None and not marks:
        return unknown()
    inside = (
        marks or re.search(r"docker|kubepods|libpod|lxc|containerd|crio", groups or "") is not None
    )
    filtered = seccomp == "2"
    if not inside and not filtered:
        return good("no")
    value = "looks like one" if inside else "no"
    value += ", system calls filtered" if filtered else ", system calls not filtered"
    if not filtered:
        return matters(
            value, "give it CPUs of its own (docker: --cpuset-cpus=LIST), or run on the host itself"
        )
    if inside:
        return matters(value, "docker run --security-opt seccomp=unconfined --cpuset-cpus=LIST …")
    return matters(value, "start it outside the service or sandbox that filters")


@check(
    "cpu-quota",
    "CPU quota",
    "When a control group has used up its time, its cores are stopped for milliseconds.",
)
def cpu_quota(look: Evidence) -> Answer:
    """The tightest limit of the process's control group and of those around it."""
    quota = control_groups.cpu_quota(look.text)
    if quota is None:
        readable = look.text("proc/self/cgroup") is not None and look.has(control_groups.MOUNT)
        return good("none") if readable else unknown()
    value = f"{quota:g} CPUs' worth of time"
    return bad(
        value,
        "lift cpu.max of the control group (docker: without --cpus; Kubernetes: no CPU limit)",
    )


@check("cpuset", "Allowed CPUs", "Only pairs of CPUs that this process may use can be measured.")
def cpuset(look: Evidence) -> Answer:
    """The affinity mask against the CPUs that run."""
    if look.allowed is None or look.online is None:
        return unknown()
    value = f"{len(look.allowed)} of {len(look.online)} ({format_cpu_list(look.allowed)})"
    remedy = "start from a shell without taskset, or widen the control group's cpuset"
    if len(look.allowed) < 2:
        return bad(
            value, remedy if len(look.online) > 1 else "Cannot be fixed here: there is one CPU."
        )
    outside = set(look.online) - set(look.allowed) - set(look.isolated or ())
    return matters(value, remedy) if outside else good(value)


@check(
    "isolation",
    "Isolated CPUs",
    "On CPUs that are not set apart, any other task may take a core's place.",
)
def isolation(look: Evidence) -> Answer:
    """isolcpus, or an isolated cpuset; set-apart CPUs outside of the inherited mask are to be
    named.
    """
    if look.isolated is None:
        return unknown()
    if not look.isolated:
        return matters(
            "none",
            "boot with isolcpus=LIST nohz_full=LIST, or write isolated to cpuset.cpus.partition of"
            " a control group of your own",
        )
    listed = format_cpu_list(look.isolated)
    if look.allowed is not None and not set(look.isolated) & set(look.allowed):
        return matters(f"{listed}, used only when named", f"multikernel … --cores {listed}")
    return good(listed)


@check("tick", "Timer tick", "The tick interrupts a polling core hundreds of times a second.")
def tick(look: Evidence) -> Answer:
    """CPUs on which it stops while one task runs."""
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


@check(
    "interrupts", "Device interrupts", "An interrupt served on a measured CPU shows as an outlier."
)
def interrupts(look: Evidence) -> Answer:
    """Which CPUs serve devices, and whether a balancer moves them about."""
    served: set[int] = set()
    for name in look.each("proc/irq/[0-9]*/effective_affinity_list"):
        served.update(look.cpu_list(name) or ())
    if not served:
        return unknown()
    balanced = "irqbalance" in look.each("proc/[0-9]*/comm").values()
    value = f"on CPUs {format_cpu_list(served)}" + (", moved by irqbalance" if balanced else "")
    cpus = look.allowed or look.online or ()
    free = set(cpus) - served
    if balanced:
        return matters(value, "sudo systemctl stop irqbalance")
    if len(free) >= 2:
        return good(f"{value}; CPUs {format_cpu_list(free)} are free of them")
    return matters(
        value, "for f in /proc/irq/[0-9]*/smp_affinity_list; do echo 0 | sudo tee $f; done"
    )


@check("load", "Load", "Other programs take CPUs, caches and memory from what is measured.")
def load(look: Evidence) -> Answer:
    """The one-minute average against the CPUs allowed."""
    match = re.match(r"([0-9]{1,6}\.[0-9]{1,3}) ", look.text("proc/loadavg") or "")
    if match is None:
        return unknown()
    cpus = len(look.allowed or look.online or (0,))
    average, value = float(match[1]), match[1]
    if average <= max(0.5, 0.25 * cpus):
        return good(value)
    remedy = "stop other programs (see top)"
    return bad(value, remedy) if average > cpus else matters(value, remedy)


CHECKS: tuple[Check, ...] = (
    virtual, vcpu_placement, steal, container, cpu_quota, cpuset, isolation, tick, interrupts, load,
)  # fmt: skip
