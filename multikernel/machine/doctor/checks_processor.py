"""Checks of the processor: its clock, its sleep, its threads, its counter, and what guards it.

Guarantees: each check answers from files alone and answers "unknown" where they are missing.

Source: Documentation/admin-guide/pm (cpufreq, intel_pstate, amd-pstate, cpuidle),
power/pm_qos_interface.rst and admin-guide/hw-vuln of Linux; what to look for at all: Intel's and
Red Hat's guides to low-latency tuning.
"""

import re
import struct

from multikernel.machine.doctor.evidence import (
    CAP_PERFMON,
    CAP_SYS_ADMIN,
    SYS_CPU,
    Answer,
    Check,
    Evidence,
    bad,
    check,
    good,
    matters,
    unknown,
    whole,
)

SHALLOW_US, DEEP_US = 10, 100
"""Waking from a sleep state up to SHALLOW_US is lost in the cost of a wake-up; from DEEP_US it is
most of it.
"""
NO_LATENCY_LIMIT = 2_000_000_000
"""What /dev/cpu_dma_latency reads where nobody asked for anything (µs)."""

# File below …/vulnerabilities, and words in it that mean work at every entry into or exit from the
# kernel.
_DEAR = {
    "meltdown": "PTI",
    "spec_rstack_overflow": "Safe RET|IBPB(?! on VMEXIT)",
    "retbleed": "untrained return thunk|IBPB|Mitigation: IBRS|Stuffing",
    "spectre_v2": "Mitigation: IBRS",
    "mds": "Clear CPU buffers",
    "tsx_async_abort": "Clear CPU buffers",
    "mmio_stale_data": "Clear CPU buffers",
    "reg_file_data_sampling": "Clear Register File",
    "tsa": "Clear CPU buffers",
}


@check(
    "governor",
    "Frequency governor",
    "Cycles of the counter only compare while the core's clock stands still.",
)
def governor(look: Evidence) -> Answer:
    """scaling_governor of every CPU."""
    found = set(look.each(f"{SYS_CPU}/cpu[0-9]*/cpufreq/scaling_governor").values()) - {""}
    if not found:
        if look.virtual:
            return unknown(remedy="Cannot be fixed here: the host sets the frequency.")
        return unknown()
    drivers = set(look.each(f"{SYS_CPU}/cpu[0-9]*/cpufreq/scaling_driver").values()) - {""}
    value = ", ".join(sorted(found)) + (f" ({', '.join(sorted(drivers))})" if drivers else "")
    if found == {"performance"}:
        return good(value)
    remedy = "sudo cpupower frequency-set -g performance"
    slow = found & {"powersave", "conservative", "userspace"}
    return bad(value, remedy) if slow else matters(value, remedy)


@check("turbo", "Turbo", "With turbo the clock depends on heat and on how many other cores work.")
def turbo(look: Evidence) -> Answer:
    """intel_pstate's switch, the system-wide one, or those of the CPUs."""
    off = look.integer(f"{SYS_CPU}/intel_pstate/no_turbo")
    if off is not None:
        remedy = f"echo 1 | sudo tee /{SYS_CPU}/intel_pstate/no_turbo"
        return good("off") if off else matters("on", remedy)
    boost = look.integer(f"{SYS_CPU}/cpufreq/boost")
    if boost is not None:
        return (
            matters("on", f"echo 0 | sudo tee /{SYS_CPU}/cpufreq/boost") if boost else good("off")
        )
    each = {whole(text) for text in look.each(f"{SYS_CPU}/cpu[0-9]*/cpufreq/boost").values()} - {
        None
    }
    if each:
        return (
            matters("on", f"echo 0 | sudo tee /{SYS_CPU}/cpu*/cpufreq/boost")
            if any(each)
            else good("off")
        )
    return unknown(remedy="Cannot be fixed here: the host decides." if look.virtual else "")


@check(
    "smt",
    "Hardware threads",
    "Two threads of a core slow each other down and meet in its first-level cache.",
)
def smt(look: Evidence) -> Answer:
    """smt/active, or else the sibling lists."""
    siblings = set(look.each(f"{SYS_CPU}/cpu[0-9]*/topology/thread_siblings_list").values()) - {""}
    active = look.integer(f"{SYS_CPU}/smt/active")
    if active or (active is None and any(re.search("[,-]", group) for group in siblings)):
        remedy = f"name one CPU a core with --cores, or: echo off | sudo tee /{SYS_CPU}/smt/control"
        return matters("on", remedy)
    if active is None and not siblings:
        return unknown()
    if look.virtual:
        return unknown(
            "none shown",
            "Cannot be fixed here: only the host knows whether two virtual CPUs share a core.",
        )
    return good("off")


@check(
    "c-states",
    "Sleep states",
    "A CPU that sleeps deeply wakes late, so whatever waits in the kernel looks dearer.",
)
def c_states(look: Evidence) -> Answer:
    """The deepest state enabled on any CPU, and the limit held on /dev/cpu_dma_latency."""
    if (look.boot_options or {}).get("idle") == "poll":
        return good("none: idle=poll")
    driver = look.text(f"{SYS_CPU}/cpuidle/current_driver")
    raw = look.data("dev/cpu_dma_latency", 4)
    limit = struct.unpack("<i", raw)[0] if len(raw) == 4 else NO_LATENCY_LIMIT
    deepest: tuple[int, str] | None = None
    for name, text in look.each(f"{SYS_CPU}/cpu[0-9]*/cpuidle/state*/latency").items():
        state = name.removesuffix("/latency")
        latency = whole(text)
        if latency is None or latency > max(limit, 0) or look.integer(f"{state}/disable"):
            continue
        if deepest is None or latency > deepest[0]:
            deepest = latency, look.text(f"{state}/name") or state.rpartition("/")[2]
    if driver in (None, "") and deepest is None:
        return unknown()
    value = f"{driver or 'driver not named'}: "
    value += "no states" if deepest is None else f"down to {deepest[1]} ({deepest[0]} µs)"
    if 0 <= limit < NO_LATENCY_LIMIT:
        value += f", cpu_dma_latency held at {limit} µs"
    if look.virtual:
        return matters(
            value,
            "keep cores polling, or boot with idle=poll: an idle virtual CPU leaves the machine,"
            " and waking it costs tens of microseconds whatever its states say",
        )
    remedy = f"sudo cpupower idle-set -D {SHALLOW_US + 1} (undo: cpupower idle-set -E)"
    if deepest is None or deepest[0] <= SHALLOW_US:
        return good(value)
    return bad(value, remedy) if deepest[0] >= DEEP_US else matters(value, remedy)


@check("throttling", "Heat", "A processor that was too hot has run slower than its clock said.")
def throttling(look: Evidence) -> Answer:
    """Times any core or package was slowed down since the machine started."""
    counts = [
        whole(text)
        for text in look.each(f"{SYS_CPU}/cpu[0-9]*/thermal_throttle/*_throttle_count").values()
    ]
    known = [count for count in counts if count is not None]
    if not known:
        return unknown()
    if max(known) == 0:
        return good("never throttled")
    return matters(
        f"throttled {max(known)} times since the start",
        "cool it, or cap the clock: sudo cpupower frequency-set -u FREQUENCY",
    )


@check(
    "tsc",
    "Cycle counter",
    "Intervals are read from this counter, so it must count evenly and never stop.",
)
def tsc(look: Evidence) -> Answer:
    """x86: the flags that promise it. aarch64: the generic timer, which is even but may be
    coarse.
    """
    processor = look.processor
    if processor is None:
        return unknown()
    if processor.architecture == "aarch64":
        if "ecv" in processor.flags:
            return good("generic timer, 1 GHz by the architecture")
        return matters(
            "generic timer, often 10 to 40 ns a tick",
            "Cannot be fixed: read medians of batches, not single operations.",
        )
    if processor.architecture != "x86_64":
        return unknown(processor.architecture)
    missing = [flag for flag in ("constant_tsc", "nonstop_tsc") if flag not in processor.flags]
    if not missing:
        return good("constant_tsc, nonstop_tsc")
    remedy = "Cannot be fixed: fix the clock frequency, and read ratios, not nanoseconds."
    if look.virtual:
        remedy = "let the hypervisor pass them on (QEMU: -cpu host,+invtsc)"
    return bad(f"{', '.join(missing)} missing", remedy)


@check(
    "clocksource",
    "Clock source",
    "A clock that is no counter costs a system call or a device access a reading.",
)
def clocksource(look: Evidence) -> Answer:
    """The kernel's clock source. Where that is not the TSC, the kernel does not trust the TSC."""
    directory = "sys/devices/system/clocksource/clocksource0"
    current = look.text(f"{directory}/current_clocksource")
    if not current:
        return unknown()
    if current in ("tsc", "arch_sys_counter"):
        return good(current)
    remedy = "see dmesg for why the kernel gave up the TSC; tsc=reliable at boot overrules it"
    if "tsc" in (look.text(f"{directory}/available_clocksource") or "").split():
        remedy = f"echo tsc | sudo tee /{directory}/current_clocksource"
    cheap = current in ("kvm-clock", "xen", "hyperv_clocksource_tsc_page")
    return matters(current, remedy) if cheap else bad(current, remedy)


@check(
    "broadcast-tlb",
    "Broadcast invalidation",
    "Hardware that flushes other CPUs' translations spares Linux the interrupt that it is charged"
    " for.",
)
def broadcast_tlb(look: Evidence) -> Answer:
    """INVLPGB on AMD, TLBI on aarch64."""
    processor = look.processor
    if processor is None:
        return unknown()
    if processor.architecture == "aarch64":
        return matters(
            "TLBI reaches all CPUs", "Cannot be fixed: Linux counts no interrupts here; say so."
        )
    if processor.architecture != "x86_64":
        return unknown(processor.architecture)
    if "invlpgb" in processor.flags:
        return matters(
            "INVLPGB", "boot with clearcpuid=invlpgb, or say that Linux counts no interrupts"
        )
    return good("none: other CPUs are interrupted")


@check(
    "mitigations",
    "Mitigations",
    "They make system calls and faults dearer, so Linux looks worse than messages, which make"
    " none.",
)
def mitigations(look: Evidence) -> Answer:
    """Those that work at every entry into the kernel or exit from it."""
    states = {
        name.rpartition("/")[2]: text
        for name, text in look.each(f"{SYS_CPU}/vulnerabilities/*").items()
    }
    if not states:
        return unknown()
    dear = [
        f"{name} ({match[0].removeprefix('Mitigation: ')})"
        for name, words in _DEAR.items()
        if (match := re.search(words, states.get(name, "")))
    ]
    if not dear:
        return good("none that every system call pays for")
    return matters(
        ", ".join(dear),
        "say so beside what Linux takes, or boot with mitigations=off where nothing untrusted runs",
    )


@check(
    "counters",
    "Hardware counters",
    "Without them nobody can say how many cache lines an operation touched.",
)
def counters(look: Evidence) -> Answer:
    """A core's performance monitor, and who may use it."""
    devices = {name.split("/")[4] for name in look.each("sys/bus/event_source/devices/*/type")}
    paranoid = look.integer("proc/sys/kernel/perf_event_paranoid")
    if not devices:
        return unknown()
    if not any(re.match(r"cpu$|cpu_(core|atom)$|armv|apple_", device) for device in devices):
        remedy = "let the hypervisor pass the performance monitor on (QEMU: -cpu host,pmu=on)"
        return matters(
            "none: no performance monitor", remedy if look.virtual else "Cannot be fixed here."
        )
    if paranoid is None:
        return unknown("a performance monitor; who may use it is not shown")
    value = f"yes, perf_event_paranoid {paranoid}"
    if paranoid <= 1 or look.capable(CAP_PERFMON) or look.capable(CAP_SYS_ADMIN):
        return good(value)
    return matters(value, "sudo sysctl kernel.perf_event_paranoid=1")


@check("nmi-watchdog", "Watchdog", "It keeps one hardware counter and interrupts every CPU.")
def nmi_watchdog(look: Evidence) -> Answer:
    """The hard-lockup detector."""
    on = look.integer("proc/sys/kernel/nmi_watchdog")
    if on is None:
        return unknown()
    return matters("on", "sudo sysctl kernel.nmi_watchdog=0") if on else good("off")


@check("power", "Power supply", "On battery, firmware lowers the clock whatever the governor says.")
def power(look: Evidence) -> Answer:
    """Mains and batteries, those of mice and headsets aside."""
    if not look.has("sys/class/power_supply"):
        return unknown()
    for name, kind in look.each("sys/class/power_supply/*/type").items():
        supply = name.removesuffix("/type")
        if kind == "Battery" and look.text(f"{supply}/scope") != "Device":
            if look.text(f"{supply}/status") == "Discharging":
                return bad("battery", "plug it in")
            return good("mains, with a battery")
    return good("no battery")


CHECKS: tuple[Check, ...] = (
    governor, turbo, smt, c_states, throttling, power, tsc, clocksource, broadcast_tlb, mitigations,
    counters,
    nmi_watchdog,
)  # fmt: skip
