"""Checks of the processor: its clock, its sleep, its threads, its counter, and what guards it.

Source: Documentation/admin-guide/pm (cpufreq, intel_pstate, amd-pstate, cpuidle),
power/pm_qos_interface.rst and admin-guide/hw-vuln of Linux; what to look for at all: Intel's and
Red Hat's guides to low-latency tuning.
"""

import re
import struct

from multikernel.machine.doctor.evidence import Answer, Evidence, bad, check, good, matters, unknown
from multikernel.machine.host.processor import CLOCKS, SYS_CPU
from multikernel.machine.limits import whole

SHALLOW_US, DEEP_US = 10, 100
"""Waking from a sleep state up to SHALLOW_US is lost in the cost of a wake-up; from DEEP_US it is
most of it.
"""
NO_LATENCY_LIMIT = 2_000_000_000
"""What /dev/cpu_dma_latency reads where nobody asked for anything (µs)."""
CAP_SYS_ADMIN, CAP_PERFMON = 21, 38

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


@check("Frequency governor")
def governor(look: Evidence) -> Answer:
    """Cycles of the counter only compare while the core's clock stands still."""
    found = look.words(f"{SYS_CPU}/cpu[0-9]*/cpufreq/scaling_governor")
    if not found:
        remedy = "Cannot be fixed here: the host sets the frequency." if look.virtual else ""
        return unknown(remedy=remedy)
    drivers = look.words(f"{SYS_CPU}/cpu[0-9]*/cpufreq/scaling_driver")
    value = ", ".join(found) + (f" ({', '.join(drivers)})" if drivers else "")
    if found == ["performance"]:
        return good(value)
    slow = {*found} & {"powersave", "conservative", "userspace"}
    return (bad if slow else matters)(value, "sudo cpupower frequency-set -g performance")


@check("Turbo")
def turbo(look: Evidence) -> Answer:
    """With turbo the clock depends on heat and on how many other cores work."""
    for name, on in (
        ("intel_pstate/no_turbo", 0), ("cpufreq/boost", 1), ("cpu*/cpufreq/boost", 1),
    ):  # fmt: skip
        switches = look.integers(f"{SYS_CPU}/{name}")
        if any(bool(switch) == bool(on) for switch in switches):
            return matters("on", f"echo {1 - on} | sudo tee /{SYS_CPU}/{name}")
        if switches:
            return good("off")
    return unknown(remedy="Cannot be fixed here: the host decides." if look.virtual else "")


@check("Hardware threads")
def smt(look: Evidence) -> Answer:
    """Two threads of a core slow each other down and meet in its first-level cache."""
    siblings = look.words(f"{SYS_CPU}/cpu[0-9]*/topology/thread_siblings_list")
    active = look.integer(f"{SYS_CPU}/smt/active")
    if active or (active is None and re.search("[,-]", " ".join(siblings))):
        remedy = f"name one CPU a core with --cores, or: echo off | sudo tee /{SYS_CPU}/smt/control"
        return matters("on", remedy)
    if active is None and not siblings:
        return unknown()
    if not look.virtual:
        return good("off")
    remedy = "Cannot be fixed here: only the host knows whether two virtual CPUs share a core."
    return unknown("none shown", remedy)


@check("Sleep states")
def c_states(look: Evidence) -> Answer:
    """A CPU that sleeps deeply wakes late, so whatever waits in the kernel looks dearer."""
    if "idle=poll" in (look.text("proc/cmdline") or "").partition(" -- ")[0].split():
        return good("none: idle=poll")
    driver = look.text(f"{SYS_CPU}/cpuidle/current_driver")
    raw = look.data("dev/cpu_dma_latency", 4)
    limit = struct.unpack("<i", raw)[0] if len(raw) == 4 else NO_LATENCY_LIMIT
    deepest, state = 0, ""
    for name, text in look.each(f"{SYS_CPU}/cpu[0-9]*/cpuidle/state*/latency").items():
        one, latency = name.removesuffix("/latency"), whole(text)
        if latency is None or latency > max(limit, 0) or look.integer(f"{one}/disable"):
            continue
        if not state or latency > deepest:
            deepest, state = latency, look.text(f"{one}/name") or one.rpartition("/")[2]
    if not driver and not state:
        return unknown()
    value = f"{driver or 'driver not named'}: "
    value += f"down to {state} ({deepest} µs)" if state else "no states"
    if 0 <= limit < NO_LATENCY_LIMIT:
        value += f", cpu_dma_latency held at {limit} µs"
    if look.virtual:
        return matters(
            value,
            "keep cores polling, or boot with idle=poll: an idle virtual CPU leaves the machine,"
            " and waking it costs tens of microseconds whatever its states say",
        )
    if deepest <= SHALLOW_US:
        return good(value)
    remedy = f"sudo cpupower idle-set -D {SHALLOW_US + 1} (undo: cpupower idle-set -E)"
    return (bad if deepest >= DEEP_US else matters)(value, remedy)


@check("Heat")
def throttling(look: Evidence) -> Answer:
    """A processor that was too hot has run slower than its clock said."""
    counts = look.integers(f"{SYS_CPU}/cpu[0-9]*/thermal_throttle/*_throttle_count")
    if not any(counts):
        return good("never throttled") if counts else unknown()
    return matters(
        f"throttled {max(counts)} times since the start",
        "cool it, or cap the clock: sudo cpupower frequency-set -u FREQUENCY",
    )


@check("Power supply")
def power(look: Evidence) -> Answer:
    """On battery, firmware lowers the clock whatever the governor says."""
    if not look.has("sys/class/power_supply"):
        return unknown()
    for name, kind in look.each("sys/class/power_supply/*/type").items():
        supply = name.removesuffix("/type")
        # not of a mouse or a headset
        if kind == "Battery" and look.text(f"{supply}/scope") != "Device":
            if look.text(f"{supply}/status") == "Discharging":
                return bad("battery", "plug it in")
            return good("mains, with a battery")
    return good("no battery")


@check("Cycle counter")
def tsc(look: Evidence) -> Answer:
    """Intervals are read from this counter, so it must count evenly and never stop."""
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
    return bad(
        f"{', '.join(missing)} missing",
        "let the hypervisor pass them on (QEMU: -cpu host,+invtsc)"
        if look.virtual
        else "Cannot be fixed: fix the clock frequency, and read ratios, not nanoseconds.",
    )


@check("Clock source")
def clocksource(look: Evidence) -> Answer:
    """A clock that is no counter costs a system call or a device access a reading."""
    current = look.text(f"{CLOCKS}/current_clocksource")
    if not current:
        return unknown()
    if current in ("tsc", "arch_sys_counter"):
        return good(current)
    # The kernel does not trust the TSC.
    remedy = "see dmesg for why the kernel gave up the TSC; tsc=reliable at boot overrules it"
    if "tsc" in (look.text(f"{CLOCKS}/available_clocksource") or "").split():
        remedy = f"echo tsc | sudo tee /{CLOCKS}/current_clocksource"
    cheap = current in ("kvm-clock", "xen", "hyperv_clocksource_tsc_page")
    return (matters if cheap else bad)(current, remedy)


@check("Broadcast invalidation")
def broadcast_tlb(look: Evidence) -> Answer:
    """Hardware that flushes other CPUs' translations spares Linux the interrupt that it is charged
    for.
    """
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


@check("Mitigations")
def mitigations(look: Evidence) -> Answer:
    """They make system calls and faults dearer, so Linux looks worse than messages, which make
    none.
    """
    states = look.vulnerabilities
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


@check("Hardware counters")
def counters(look: Evidence) -> Answer:
    """Without them nobody can say how many cache lines an operation touched."""
    devices = {name.split("/")[4] for name in look.each("sys/bus/event_source/devices/*/type")}
    if not devices:
        return unknown()
    if not any(re.match(r"cpu$|cpu_(core|atom)$|armv|apple_", device) for device in devices):
        remedy = "let the hypervisor pass the performance monitor on (QEMU: -cpu host,pmu=on)"
        return matters(
            "none: no performance monitor", remedy if look.virtual else "Cannot be fixed here."
        )
    paranoid = look.integer("proc/sys/kernel/perf_event_paranoid")
    if paranoid is None:
        return unknown("a performance monitor; who may use it is not shown")
    value = f"yes, perf_event_paranoid {paranoid}"
    if paranoid <= 1 or look.capable(CAP_PERFMON, CAP_SYS_ADMIN):
        return good(value)
    return matters(value, "sudo sysctl kernel.perf_event_paranoid=1")


@check("Watchdog")
def nmi_watchdog(look: Evidence) -> Answer:
    """It keeps one hardware counter and interrupts every CPU."""
    on = look.integer("proc/sys/kernel/nmi_watchdog")
    if on is None:
        return unknown()
    return matters("on", "sudo sysctl kernel.nmi_watchdog=0") if on else good("off")
