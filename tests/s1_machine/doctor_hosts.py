"""Captured hosts for the doctor, written out in the form Linux 5.15 to 6.18 gives them.

`tuned` is a base with nothing to complain about; the others are what people really have. Each
function returns the files by path below the root; `trees.write` puts them somewhere.
"""

from s1_machine.trees import CPU

CLOCKS = "sys/devices/system/clocksource/clocksource0"
HUGE = "sys/kernel/mm/transparent_hugepage"
IRQ = "proc/irq"


def _status(allowed: str, *, capabilities: str = "0000000000000000", seccomp: int = 0) -> str:
    return (
        f"Name:\tpython\nCapEff:\t{capabilities}\nSeccomp:\t{seccomp}\n"
        f"Cpus_allowed_list:\t{allowed}"
    )


def _limits(locked: str) -> str:
    return (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        f"Max locked memory         {locked:<20} {locked:<20} bytes     "
    )


def _cpuinfo(vendor: str, model: str, flags: str) -> str:
    return f"processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: {model}\nflags\t\t: {flags}"


def tuned() -> dict[str, str]:
    """Bare metal, four cores, set up for measuring: every check is content."""
    files = {
        "proc/cmdline": "root=/dev/sda1 isolcpus=2-3 nohz_full=2-3 quiet -- idle=poll",
        "proc/cpuinfo": _cpuinfo("GenuineIntel", "Big Iron", "fpu tsc constant_tsc nonstop_tsc"),
        "proc/sys/kernel/osrelease": "6.12.0",
        "proc/sys/kernel/numa_balancing": "0",
        "proc/sys/kernel/perf_event_paranoid": "0",
        "proc/sys/kernel/nmi_watchdog": "0",
        "proc/sys/vm/swappiness": "60",
        "proc/sys/vm/max_map_count": "65530",
        "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority",
        "proc/meminfo": "MemTotal:       16384000 kB\nMemFree:        15000000 kB",
        "proc/loadavg": "0.02 0.05 0.07 1/200 4242",
        "proc/stat": "cpu  1000 0 500 90000 10 0 5 0 0 0\ncpu0 250 0 125 22500 3 0 1 0 0 0",
        "proc/1/comm": "systemd",
        "proc/self/status": _status("0-3"),
        "proc/self/limits": _limits("unlimited"),
        "proc/self/cgroup": "0::/user.slice/session.scope",
        "proc/self/mounts": "sysfs /sys sysfs rw,nosuid 0 0\ntmpfs /dev/shm tmpfs rw,nosuid 0 0",
        f"{IRQ}/24/effective_affinity_list": "0",
        f"{IRQ}/25/effective_affinity_list": "1",
        "sys/fs/cgroup/user.slice/cpu.max": "max 100000",
        "sys/class/power_supply/AC/type": "Mains",
        "sys/bus/event_source/devices/cpu/type": "4",
        "sys/bus/event_source/devices/software/type": "1",
        f"{CPU}/online": "0-3",
        f"{CPU}/isolated": "2-3",
        f"{CPU}/nohz_full": "2-3",
        f"{CPU}/smt/active": "0",
        f"{CPU}/intel_pstate/no_turbo": "1",
        f"{CPU}/cpuidle/current_driver": "intel_idle",
        f"{CPU}/vulnerabilities/meltdown": "Not affected",
        f"{CPU}/vulnerabilities/retbleed": "Mitigation: Enhanced IBRS",
        f"{CPU}/vulnerabilities/spectre_v2": (
            "Mitigation: Enhanced / Automatic IBRS; IBPB: conditional; IBRS_FW"
        ),
        f"{CPU}/vulnerabilities/spec_rstack_overflow": "Mitigation: IBPB on VMEXIT only",
        f"{CLOCKS}/current_clocksource": "tsc",
        f"{CLOCKS}/available_clocksource": "tsc hpet acpi_pm",
        f"{HUGE}/enabled": "always [madvise] never",
        f"{HUGE}/shmem_enabled": "always within_size advise [never] deny force",
    }
    for cpu in range(4):
        files |= {
            f"{CPU}/cpu{cpu}/topology/thread_siblings_list": str(cpu),
            f"{CPU}/cpu{cpu}/cpufreq/scaling_governor": "performance",
            f"{CPU}/cpu{cpu}/cpufreq/scaling_driver": "intel_pstate",
            f"{CPU}/cpu{cpu}/thermal_throttle/core_throttle_count": "0",
            f"{CPU}/cpu{cpu}/cpuidle/state0/name": "POLL",
            f"{CPU}/cpu{cpu}/cpuidle/state0/latency": "0",
            f"{CPU}/cpu{cpu}/cpuidle/state1/name": "C1E",
            f"{CPU}/cpu{cpu}/cpuidle/state1/latency": "10",
            f"{CPU}/cpu{cpu}/cpuidle/state2/name": "C6",
            f"{CPU}/cpu{cpu}/cpuidle/state2/latency": "170",
            f"{CPU}/cpu{cpu}/cpuidle/state2/disable": "1",
        }
    return files


def laptop() -> dict[str, str]:
    """As a distribution installs it, on battery, busy, swapping: everything that can be wrong on
    bare metal is.
    """
    files = tuned() | {
        "proc/cmdline": "quiet splash",
        "proc/cpuinfo": _cpuinfo("AuthenticAMD", "Lap Top", "fpu tsc constant_tsc invlpgb"),
        "proc/sys/kernel/numa_balancing": "1",
        "proc/sys/kernel/perf_event_paranoid": "4",
        "proc/sys/kernel/nmi_watchdog": "1",
        "proc/sys/vm/max_map_count": "8192",
        "proc/swaps": (
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/nvme0n1p3"
            " partition\t8388604\t524288\t-2"
        ),
        "proc/loadavg": "7.50 6.00 5.00 9/900 4242",
        "proc/self/limits": _limits("65536"),
        "proc/self/mounts": "sysfs /sys sysfs rw 0 0\ntmpfs /dev/shm tmpfs rw,size=65536k 0 0",
        "proc/77/comm": "irqbalance",
        f"{IRQ}/25/effective_affinity_list": "1-3",
        "sys/class/power_supply/AC/type": "Mains",
        "sys/class/power_supply/BAT0/type": "Battery",
        "sys/class/power_supply/BAT0/status": "Discharging",
        f"{CPU}/isolated": "",
        f"{CPU}/nohz_full": "(null)",
        f"{CPU}/smt/active": "1",
        f"{CPU}/cpufreq/boost": "1",
        f"{CPU}/vulnerabilities/meltdown": "Mitigation: PTI",
        f"{CPU}/vulnerabilities/retbleed": (
            "Mitigation: untrained return thunk; SMT enabled with STIBP protection"
        ),
        f"{CLOCKS}/current_clocksource": "hpet",
        f"{CLOCKS}/available_clocksource": "hpet acpi_pm",
        f"{HUGE}/enabled": "[always] madvise never",
    }
    del files[f"{CPU}/intel_pstate/no_turbo"]
    for cpu in range(4):
        files |= {
            f"{CPU}/cpu{cpu}/topology/thread_siblings_list": f"{cpu & 2}-{cpu | 1}",
            f"{CPU}/cpu{cpu}/cpufreq/scaling_governor": "powersave",
            f"{CPU}/cpu{cpu}/thermal_throttle/core_throttle_count": "12",
            f"{CPU}/cpu{cpu}/cpuidle/state2/disable": "0",
        }
    return files


def virtual() -> dict[str, str]:
    """A small virtual machine without firmware tables, version 1 control groups, everything run as
    root.
    """
    files = {
        "proc/cmdline": "console=ttyS0 cpuidle_haltpoll.force=1 -- --port 1 isolcpus=0",
        "proc/cpuinfo": _cpuinfo(
            "AuthenticAMD",
            "AMD EPYC",
            "fpu tsc rdtscp constant_tsc nonstop_tsc tsc_known_freq pcid hypervisor clwb",
        ),
        "proc/sys/kernel/osrelease": "6.18.44",
        "proc/sys/kernel/numa_balancing": "0",
        "proc/sys/kernel/perf_event_paranoid": "2",
        "proc/sys/kernel/nmi_watchdog": "0",
        "proc/sys/vm/swappiness": "60",
        "proc/sys/vm/max_map_count": "65530",
        "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority",
        "proc/meminfo": "MemTotal:       24684084 kB",
        "proc/loadavg": "0.40 1.21 1.26 3/96 16403",
        "proc/stat": "cpu  163169 0 76245 583545 8470 0 1626 2220 0 0",
        "proc/1/comm": "init",
        "proc/self/status": _status("0-1", capabilities="000001fffeffffff"),
        "proc/self/limits": _limits("8388608"),
        "proc/self/cgroup": (
            "9:name=systemd:/\n4:memory:/a/b\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/"
        ),
        "proc/self/mounts": (
            "sysfs /sys sysfs rw 0 0\ntmpfs /dev/shm tmpfs rw,relatime,size=24684084k 0 0"
        ),
        f"{IRQ}/24/effective_affinity_list": "0",
        f"{IRQ}/25/effective_affinity_list": "1",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "sys/bus/event_source/devices/software/type": "1",
        "sys/bus/event_source/devices/msr/type": "8",
        f"{CPU}/online": "0-1",
        f"{CPU}/isolated": "",
        f"{CPU}/smt/active": "0",
        f"{CPU}/cpuidle/current_driver": "haltpoll",
        f"{CPU}/vulnerabilities/meltdown": "Not affected",
        f"{CPU}/vulnerabilities/spec_rstack_overflow": "Vulnerable: Safe RET, no microcode",
        f"{CPU}/vulnerabilities/spectre_v2": "Mitigation: Retpolines; STIBP: disabled; RSB filling",
        f"{CLOCKS}/current_clocksource": "tsc",
        f"{CLOCKS}/available_clocksource": "tsc kvm-clock",
        f"{HUGE}/enabled": "always [madvise] never",
        f"{HUGE}/shmem_enabled": "always within_size advise [never] deny force",
    }
    for cpu in range(2):
        files |= {
            f"{CPU}/cpu{cpu}/topology/thread_siblings_list": str(cpu),
            f"{CPU}/cpu{cpu}/cpuidle/state0/name": "POLL",
            f"{CPU}/cpu{cpu}/cpuidle/state0/latency": "0",
            f"{CPU}/cpu{cpu}/cpuidle/state1/name": "haltpoll idle",
            f"{CPU}/cpu{cpu}/cpuidle/state1/latency": "1",
            f"{CPU}/cpu{cpu}/cpuidle/state1/disable": "0",
        }
    return files


def container() -> dict[str, str]:
    """A container on bare metal: read-only /sys, two of sixteen CPUs and a quota, a filter, much
    not to be seen.
    """
    return {
        ".dockerenv": "",
        "proc/cpuinfo": _cpuinfo("GenuineIntel", "Big Iron", "fpu tsc constant_tsc nonstop_tsc"),
        "proc/sys/kernel/numa_balancing": "1",
        "proc/loadavg": "0.10 0.05 0.07 1/200 42",
        "proc/stat": "cpu  1000 0 500 90000 10 0 5 0 0 0",
        "proc/self/status": _status("2-3", seccomp=2),
        "proc/self/limits": _limits("8388608"),
        "proc/self/cgroup": "0::/",
        "proc/self/mounts": (
            "sysfs /sys sysfs ro,nosuid 0 0\nshm /dev/shm tmpfs rw,nosuid,size=65536k 0 0"
        ),
        "sys/fs/cgroup/cpu.max": "150000 100000",
        f"{CPU}/online": "0-15",
        f"{CPU}/cpu2/cpufreq/scaling_governor": "schedutil",
        f"{HUGE}/enabled": "[always] madvise never",
    }


def arm64() -> dict[str, str]:
    """A virtual machine on an arm64 server: firmware tables name its maker, nothing says anything
    of sleep or frequency.
    """
    return {
        "proc/cmdline": "console=ttyAMA0",
        "proc/cpuinfo": (
            "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd atomics\nCPU implementer\t:"
            " 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c"
        ),
        "proc/sys/kernel/perf_event_paranoid": "-1",
        "proc/self/status": _status("0-3"),
        "proc/stat": "cpu  1000 0 500 90000 10 0 5 2000 0 0",
        "sys/class/dmi/id/sys_vendor": "Amazon EC2",
        "sys/class/dmi/id/product_name": "m6g.xlarge",
        "sys/bus/event_source/devices/armv8_pmuv3_0/type": "8",
        f"{CPU}/online": "0-3",
        f"{CPU}/vulnerabilities/meltdown": "Not affected",
        f"{CLOCKS}/current_clocksource": "arch_sys_counter",
    }
