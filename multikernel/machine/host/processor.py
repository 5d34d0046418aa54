"""What the kernel says about its processor and itself: model, flags, virtualisation, governor,
clock source.

Guarantees: read from /proc and /sys under any root; what is not said is None or empty. Only facts,
no judgement: caveats.py judges.

Source: proc(5) on cpuinfo; Linux's arch/x86/include/asm/cpufeatures.h for the flags; the DMI
strings hypervisors give their machines (as systemd-detect-virt knows them too); Arm's MIDR part
numbers.
"""

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from multikernel.machine.control_groups import Text, cpu_quota
from multikernel.machine.tree import text_of

FLAGS_THAT_MATTER = (
    # the counter and the machine under it
    "constant_tsc", "nonstop_tsc", "tsc_known_freq", "rdtscp", "hypervisor",
    # moving lines between caches, and waiting for one
    "movdiri", "movdir64b", "cldemote", "clflushopt", "clwb", "3dnowprefetch", "avx512f", "waitpkg",
    "monitor", "monitorx", "rtm", "uintr", "enqcmd",
    # translations
    "pcid", "invpcid", "invlpgb", "la57",
    # aarch64
    "atomics", "lrcpc", "ilrcpc", "uscat", "sb", "wfxt", "ecv",
)  # fmt: skip
"""Processor flags that decide which mechanisms exist here and what a number means."""

SYS_CPU = "sys/devices/system/cpu"
CLOCKS = "sys/devices/system/clocksource/clocksource0"

# (pattern over "vendor product", name): the first that matches names the hypervisor.
_DMI = (
    (r"Amazon EC2 .*metal", ""),
    (r"Amazon EC2", "Amazon Nitro"),
    (r"Google Compute Engine", "Google Compute Engine"),
    (r"Microsoft Corporation Virtual Machine", "Hyper-V"),
    (r"VMware", "VMware"),
    (r"innotek|VirtualBox", "VirtualBox"),
    (r"Parallels", "Parallels"),
    (r"Xen", "Xen"),
    (r"QEMU|KVM|Bochs|OpenStack|RHEV|oVirt|DigitalOcean|Hetzner|Alibaba Cloud ECS", "KVM"),
    (r"Apple Virtualization", "Apple Virtualization"),
)

_ARM_PARTS = {
    "0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1", "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1", "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
}  # fmt: skip
"""Of implementer 0x41, which is Arm."""


@dataclass(frozen=True, slots=True)
class Host:
    """flags: those of `FLAGS_THAT_MATTER` this processor has, in that order. virtualised: None
    where nothing says. hypervisor: its name where one is given. governor: of the CPUs asked about,
    joined by "+" if they differ; None without frequency scaling. cpu_quota: CPUs' worth of time
    that the process's control groups grant, None for no limit. load: the 1, 5 and 15 minute
    averages.
    """

    cpu_model: str
    architecture: str
    flags: tuple[str, ...]
    kernel: str
    virtualised: bool | None
    hypervisor: str | None
    governor: str | None
    clocksource: str | None
    cpu_quota: float | None
    load: tuple[float, float, float] | None

    @classmethod
    def read(cls, root: str | os.PathLike[str] = "/", cpus: Iterable[int] = (0,)) -> "Host":
        """Read the facts under `root`; cpus: whose frequency governors to look at."""

        def text(name: str) -> str:
            return _text(root, name)

        info = _first_processor(text("proc/cpuinfo"))
        architecture = _architecture(info)
        flags = set(info.get("flags", info.get("Features", "")).split())
        virtualised, hypervisor = _virtualisation(text, flags, architecture)
        governors = {text(f"{SYS_CPU}/cpu{cpu}/cpufreq/scaling_governor") for cpu in cpus}
        return cls(
            cpu_model=_model(info) or text("proc/device-tree/model") or "unknown",
            architecture=architecture,
            flags=tuple(flag for flag in FLAGS_THAT_MATTER if flag in flags),
            kernel=text("proc/sys/kernel/osrelease") or platform.release(),
            virtualised=virtualised,
            hypervisor=hypervisor,
            governor="+".join(sorted(governors - {""})) or None,
            clocksource=text(f"{CLOCKS}/current_clocksource") or None,
            cpu_quota=cpu_quota(text),
            load=load_average(root),
        )


def load_average(root: str | os.PathLike[str] = "/") -> tuple[float, float, float] | None:
    """Runnable and uninterruptible tasks, averaged over 1, 5 and 15 minutes; None if unknown."""
    number = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
    match = re.match(f"{number} {number} {number} ", _text(root, "proc/loadavg") + " ")
    return (float(match[1]), float(match[2]), float(match[3])) if match else None


def _first_processor(cpuinfo: str) -> dict[str, str]:
    """Fields of the first processor that has any: on arm64 the shared fields may come in a block of
    their own.
    """
    lines = [line.split(":", 1) for line in cpuinfo.splitlines() if ":" in line]
    return {name.strip(): value.strip() for name, value in reversed(lines)}


def _architecture(info: dict[str, str]) -> str:
    if "vendor_id" in info and "flags" in info:
        return "x86_64"
    return "aarch64" if "CPU implementer" in info else platform.machine()


def _model(info: dict[str, str]) -> str | None:
    maker, part = info.get("CPU implementer"), info.get("CPU part", "?")
    if "model name" in info or maker is None:
        return info.get("model name")
    known = _ARM_PARTS.get(part) if maker == "0x41" else None
    return known or f"implementer {maker} part {part}"


def _virtualisation(
    text: Text, flags: set[str], architecture: str
) -> tuple[bool | None, str | None]:
    dmi = "sys/class/dmi/id"
    described = f"{text(f'{dmi}/sys_vendor')} {text(f'{dmi}/product_name')}".strip()
    xen = text("sys/hypervisor/type")
    name = next((name for pattern, name in _DMI if re.search(pattern, described)), None)
    if "hypervisor" in flags:
        return True, name or xen or None
    if architecture == "x86_64":
        return False, None  # the flag is CPUID's own bit: without it nothing is known to hide here
    if found := name or xen or text("proc/device-tree/hypervisor/compatible"):
        return True, found
    return (False if described else None), None


def _text(root: str | os.PathLike[str], name: str) -> str:
    """The file's text without what is around it, "" if it cannot be read."""
    return (text_of(Path(root, name)) or "").strip().rstrip("\0")
