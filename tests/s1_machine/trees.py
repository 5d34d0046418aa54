"""Small /sys and /proc trees, written out as kernels show them on machines that are not at hand.

Each function writes one machine under a root. What they say is copied in form from Linux 5.4 to
6.12.
"""

from collections.abc import Mapping
from pathlib import Path

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write files, by path below the root; a newline is added at the end of each, as the kernel
    does.
    """
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def cpu_files(number: int, *, package: int, siblings: str, die: int | None = 0) -> dict[str, str]:
    """The topology directory of one CPU. core_id is 0 everywhere: nothing may rely on it."""
    topology = f"{CPU}/cpu{number}/topology"
    files = {
        f"{topology}/physical_package_id": str(package),
        f"{topology}/core_id": "0",
        f"{topology}/thread_siblings_list": siblings,
    }
    if die is not None:
        files[f"{topology}/die_id"] = str(die)
        files[f"{topology}/core_cpus_list"] = siblings
    return files


def cache_files(
    number: int, index: int, level: int, kind: str, size: str, shared: str
) -> dict[str, str]:
    """One cache of one CPU."""
    cache = f"{CPU}/cpu{number}/cache/index{index}"
    return {
        f"{cache}/level": str(level),
        f"{cache}/type": kind,
        f"{cache}/size": size,
        f"{cache}/coherency_line_size": "64",
        f"{cache}/shared_cpu_list": shared,
    }


def two_packages(root: Path) -> Path:
    """Two packages of two dies each, two cores a die, two threads a core (16 CPUs; threads n and n
    + 8).

    The first-level instruction cache is listed too; node 2 is memory without processors.
    """
    files = {f"{CPU}/online": "0-15", f"{CPU}/possible": "0-31", f"{NODE}/online": "0-2"}
    for number in range(16):
        core = number % 8
        package, die = core // 4, core // 2 % 2
        first = core // 2 * 2
        pair, mates = f"{core},{core + 8}", f"{first}-{first + 1},{first + 8}-{first + 9}"
        files |= cpu_files(number, package=package, die=die, siblings=pair)
        files |= cache_files(number, 0, 1, "Data", "32K", pair)
        files |= cache_files(number, 1, 1, "Instruction", "64K", pair)
        files |= cache_files(number, 2, 2, "Unified", "1M", pair)
        files |= cache_files(number, 3, 3, "Unified", "16384K", mates)
    for node, cpus, distance in (
        (0, "0-3,8-11", "10 21 14"),
        (1, "4-7,12-15", "21 10 24"),
        (2, "", "14 24 10"),
    ):
        files |= {f"{NODE}/node{node}/cpulist": cpus, f"{NODE}/node{node}/distance": distance}
    return write(root, files)


def virtual_machine(root: Path) -> Path:
    """Two virtual CPUs, a kernel built without NUMA, no die ids (Linux 5.1 and older), no frequency
    scaling.
    """
    files = {f"{CPU}/online": "0-1", f"{CPU}/possible": "0-1"}
    for number in range(2):
        files |= cpu_files(number, package=0, die=None, siblings=str(number))
        files |= cache_files(number, 0, 1, "Data", "32K", str(number))
        files |= cache_files(number, 1, 2, "Unified", "1024K", str(number))
        files |= cache_files(number, 2, 3, "Unified", "32768K", "0-1")
    files |= {
        "proc/cpuinfo": (
            "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"
            "flags\t\t: fpu tsc hypervisor constant_tsc nonstop_tsc clwb pcid\n\nprocessor\t: 1\n"
            "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: fpu tsc hypervisor"
        ),
        "proc/sys/kernel/osrelease": "6.1.0-test",
        "proc/loadavg": "0.10 0.20 0.30 1/80 99",
        "sys/class/dmi/id/sys_vendor": "QEMU",
        "sys/class/dmi/id/product_name": "Standard PC",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock",
        "sys/fs/cgroup/cpu.max": "150000 100000",
    }
    return write(root, files)


def arm64(root: Path) -> Path:
    """Four cores of two speeds, no cache directories, packages the firmware does not number (-1),
    one node.
    """
    files = {f"{CPU}/online": "0-3", f"{CPU}/possible": "0-3", f"{NODE}/online": "0"}
    files |= {f"{NODE}/node0/cpulist": "0-3", f"{NODE}/node0/distance": "10"}
    for number in range(4):
        files |= cpu_files(number, package=-1, die=-1, siblings=str(number))
        files[f"{CPU}/cpu{number}/topology/core_siblings_list"] = "0-3"
        files[f"{CPU}/cpu{number}/cpu_capacity"] = "446" if number < 2 else "1024"
        files[f"{CPU}/cpu{number}/cpufreq/scaling_governor"] = "schedutil"
    files["proc/cpuinfo"] = (
        "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd atomics lrcpc uscat\nCPU"
        " implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n"
    )
    return write(root, files)


def offline(root: Path) -> Path:
    """Eight possible CPUs of which 1 and 4 to 7 are offline, and still named by lists; node 1 is
    offline.
    """
    files = {f"{CPU}/online": "0,2-3", f"{CPU}/possible": "0-7", f"{NODE}/online": "0,2"}
    for number, siblings in ((0, "0-1"), (2, "2-3"), (3, "2-3")):
        files |= cpu_files(number, package=0, siblings=siblings)
        files |= cache_files(number, 0, 2, "Unified", "512K", siblings)
    files |= {f"{CPU}/cpu{number}/online": "0" for number in (1, 4, 5, 6, 7)}
    files |= {
        f"{NODE}/node0/cpulist": "0-1",
        f"{NODE}/node0/distance": "10 32",
        f"{NODE}/node1/cpulist": "",
    }
    files |= {f"{NODE}/node2/cpulist": "2-7", f"{NODE}/node2/distance": "32 10"}
    return write(root, files)


def hybrid(root: Path) -> Path:
    """Two performance cores of two threads (0-3), one cluster of four efficiency cores that share
    an L2 (4-7).
    """
    files = {f"{CPU}/online": "0-7", f"{CPU}/possible": "0-7"}
    files |= {"sys/devices/cpu_core/cpus": "0-3", "sys/devices/cpu_atom/cpus": "4-7"}
    for number in range(8):
        pair = f"{number & ~1}-{number | 1}" if number < 4 else str(number)
        files |= cpu_files(number, package=0, siblings=pair)
        files |= cache_files(number, 2, 2, "Unified", "2048K", pair if number < 4 else "4-7")
        files |= cache_files(number, 3, 3, "Unified", "24576K", "0-7")
    return write(root, files)
