"""What a check may look at, and what it answers: one host's /proc, /sys and /dev, read under any
root.

Guarantees: nothing is written, and nothing is opened but to read; a file that is missing,
unreadable or garbled is None to the check that asks, never an error. A check is a function from
`Evidence` to an `Answer`, made a `Check` by the decorator that gives it its code, its title and the
sentence that says why it matters.

Source: proc(5), cgroups(7), Documentation/admin-guide/kernel-parameters.rst of Linux.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from multikernel.machine import control_groups, tree
from multikernel.machine.cpu_list import parse_cpu_list
from multikernel.machine.host.processor import Host

Verdict = Literal["good", "matters", "bad", "unknown"]
"""good: nothing to do. matters: numbers hold if it is said beside them. bad: numbers taken like
this mislead, or nothing runs. unknown: this host does not say."""

SYS_CPU = "sys/devices/system/cpu"
CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_PERFMON = 14, 21, 38


@dataclass(frozen=True, slots=True)
class Answer:
    """value: what was found. remedy: the command that helps, or why none does; "" where nothing is
    to do.
    """

    value: str
    verdict: Verdict
    remedy: str = ""


def good(value: str) -> Answer:
    """As it should be."""
    return Answer(value, "good")


def matters(value: str, remedy: str) -> Answer:
    """To be said beside the numbers."""
    return Answer(value, "matters", remedy)


def bad(value: str, remedy: str) -> Answer:
    """To be mended before measuring."""
    return Answer(value, "bad", remedy)


def unknown(value: str = "not shown here", remedy: str = "") -> Answer:
    """Not to be found out."""
    return Answer(value, "unknown", remedy)


@dataclass(frozen=True, slots=True)
class Check:
    """code: stable, lower-case, with dashes. why: one sentence, the same whatever is found."""

    code: str
    title: str
    why: str
    look: Callable[["Evidence"], Answer]


def check(code: str, title: str, why: str) -> Callable[[Callable[["Evidence"], Answer]], Check]:
    """Make a function a check."""
    return lambda look: Check(code, title, why, look)


def _at_once(path: str, flags: int) -> int:
    """Opens without waiting for the other side of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


class Evidence:
    """One host. Names of files are relative to its root; text comes without surrounding blanks."""

    def __init__(self, root: str | os.PathLike[str] = "/") -> None:
        self.base = Path(root)
        self.live = os.path.realpath(root) == "/"

    def text(self, name: str) -> str | None:
        """A file's text; None if it cannot be read, or is no plain file."""
        text = tree.text_of(self.base / name)
        return None if text is None else text.strip()

    def data(self, name: str, size: int) -> bytes:
        """A file's first bytes; none if it cannot be read."""
        try:
            with open(self.base / name, "rb", 0, opener=_at_once) as file:
                return file.read(size) or b""
        except OSError:
            return b""

    def integer(self, name: str) -> int | None:
        """A file that holds one number, which may be negative."""
        return whole(self.text(name))

    def cpu_list(self, name: str) -> tuple[int, ...] | None:
        """A file that holds a CPU list; an empty one is ()."""
        return _cpus(self.text(name))

    def each(self, pattern: str) -> dict[str, str]:
        """Every readable file that matches a pattern, by its name below the root, in order of that
        name.
        """
        found = {}
        for path in sorted(self.base.glob(pattern)):
            name = path.relative_to(self.base).as_posix()
            text = self.text(name)
            if text is not None:
                found[name] = text
        return found

    def has(self, name: str) -> bool:
        """Whether there is such a file or directory."""
        return os.path.lexists(self.base / name)

    def status(self, field: str) -> str | None:
        """One field of the asking process's status."""
        match = re.search(
            rf"^{field}:[ \t]*(.*)$", self.text("proc/self/status") or "", re.MULTILINE
        )
        return match[1].strip() if match else None

    def capable(self, capability: int) -> bool:
        """Whether the asking process has a capability; False where unknown."""
        mask = self.status("CapEff") or ""
        return re.fullmatch("[0-9a-f]{1,16}", mask) is not None and bool(
            int(mask, 16) >> capability & 1
        )

    @cached_property
    def boot_options(self) -> dict[str, str] | None:
        """The kernel's own command line, by option; what follows "--" is for init. None where
        unknown.
        """
        line = self.text("proc/cmdline")
        if line is None:
            return None
        options = {}
        for word in line.split():
            if word == "--":
                break
            name, _, value = word.partition("=")
            options[name] = value
        return options

    @cached_property
    def processor(self) -> Host | None:
        """What the kernel says of the processor; None where it says nothing (a captured tree
        without it).
        """
        if not self.text("proc/cpuinfo"):
            return None
        return Host.read(self.base)

    @cached_property
    def virtual(self) -> bool | None:
        """Whether this is a virtual machine; None where nothing says."""
        if self.processor is None:
            return None
        return True if self.hypervisor else self.processor.virtualised

    @cached_property
    def hypervisor(self) -> str:
        """The hypervisor's name, from firmware or from the drivers the kernel has for it; ""
        where neither says.
        """
        if self.processor is None:
            return ""
        if self.processor.virtualised is False:
            return ""
        if self.processor.hypervisor:
            return self.processor.hypervisor
        driver = self.text(f"{SYS_CPU}/cpuidle/current_driver") or ""
        clocks = (
            self.text("sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
        )
        release = self.processor.kernel.lower()
        for name, found in (
            ("Hyper-V (WSL)", "microsoft" in release),
            ("Hyper-V", "hyperv" in clocks),
            ("Xen", "xen" in clocks.split()),
            ("KVM", driver == "haltpoll" or "kvm-clock" in clocks.split()),
        ):
            if found:
                return name
        return ""

    @cached_property
    def online(self) -> tuple[int, ...] | None:
        """CPUs that run; None where unknown."""
        return self.cpu_list(f"{SYS_CPU}/online") or None

    @cached_property
    def allowed(self) -> tuple[int, ...] | None:
        """CPUs the asking process may use, out of those that run; None where unknown."""
        listed = _cpus(self.status("Cpus_allowed_list"))
        if not listed:
            return None
        return tuple(cpu for cpu in listed if self.online is None or cpu in self.online)

    @cached_property
    def isolated(self) -> tuple[int, ...] | None:
        """CPUs kept free of other tasks, by boot option or by an isolated cpuset; None where
        unknown.
        """
        booted = self.cpu_list(f"{SYS_CPU}/isolated")
        for group in self.control_groups("cpuset"):
            if self.text(f"{group}/cpuset.cpus.partition") == "isolated":
                mine = self.cpu_list(f"{group}/cpuset.cpus.effective") or ()
                return tuple(sorted({*mine, *(booted or ())}))
        return booted

    def control_groups(self, controller: str) -> list[str]:
        """Directories of the asking process's control group and of those around it, innermost
        first.
        """
        return control_groups.directories(self.text, controller)

    def mount(self, point: str) -> tuple[str, str] | None:
        """Type and options of what is mounted at a place (the last one there); None if nothing
        is.
        """
        found = None
        for line in (self.text("proc/self/mounts") or "").splitlines():
            words = line.split()
            if len(words) >= 4 and words[1] == point:
                found = words[2], words[3]
        return found

    @property
    def frozen(self) -> bool:
        """Whether /sys is mounted read-only, as in a container: then settings are changed on its
        host.
        """
        mounted = self.mount("/sys")
        return mounted is not None and "ro" in mounted[1].split(",")


def whole(text: str | None) -> int | None:
    """A whole number of up to 18 digits; None for anything else."""
    return (
        int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) else None
    )


def _cpus(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        # older kernels print an absent mask so
        return parse_cpu_list("" if text == "(null)" else text)
    except ValueError:
        return None
