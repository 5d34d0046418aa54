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
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from multikernel.machine import control_groups, tree
from multikernel.machine.cpu_list import parse_cpu_list
from multikernel.machine.host.processor import CLOCKS, SYS_CPU, Host
from multikernel.machine.limits import whole

Verdict = Literal["good", "matters", "bad", "unknown"]
"""good: nothing to do. matters: numbers hold if it is said beside them. bad: numbers taken like
this mislead, or nothing runs. unknown: this host does not say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """remedy: the command that helps, or why none does; "" where nothing is to do."""

    verdict: Verdict
    value: str = "not shown here"
    remedy: str = ""


good = partial(Answer, "good")
matters = partial(Answer, "matters")
bad = partial(Answer, "bad")
unknown = partial(Answer, "unknown")


@dataclass(frozen=True, slots=True)
class Check:
    """code: stable, lower-case, with dashes. why: one sentence, the same whatever is found."""

    code: str
    title: str
    why: str
    look: Callable[["Evidence"], Answer]


def check(title: str) -> Callable[[Callable[["Evidence"], Answer]], Check]:
    """Make a function a check: its name is the code, its docstring says why it matters."""

    def made(look: Callable[["Evidence"], Answer]) -> Check:
        code, why = look.__name__.replace("_", "-"), " ".join((look.__doc__ or "").split())
        return Check(code, title, why, look)

    return made


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

    def found(self, pattern: str, name: str) -> str | None:
        """What the pattern's one group matches in a file; ^ and $ are ends of lines."""
        match = re.search(pattern, self.text(name) or "", re.MULTILINE)
        return match[1] if match else None

    def chosen(self, name: str) -> str | None:
        """Of a file that says "always [madvise] never" the word in brackets."""
        return self.found(r"\[([a-z_]+)\]", name)

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
        """Every readable file that matches a pattern, by its name below the root, in order."""
        names = (path.relative_to(self.base).as_posix() for path in sorted(self.base.glob(pattern)))
        return {name: text for name in names if (text := self.text(name)) is not None}

    def words(self, pattern: str) -> list[str]:
        """What such files say, sorted and without repeats and empty ones."""
        return sorted(set(self.each(pattern).values()) - {""})

    def integers(self, pattern: str) -> list[int]:
        """The numbers that such files hold."""
        numbers = map(whole, self.each(pattern).values())
        return [number for number in numbers if number is not None]

    @property
    def vulnerabilities(self) -> dict[str, str]:
        """What the kernel does against each, by its name."""
        found = self.each(f"{SYS_CPU}/vulnerabilities/*")
        return {name.rpartition("/")[2]: text for name, text in found.items()}

    def has(self, name: str) -> bool:
        """Whether there is such a file or directory."""
        return os.path.lexists(self.base / name)

    def status(self, field: str) -> str | None:
        """One field of the asking process's status."""
        return self.found(rf"^{field}:[ \t]*(.*?)\s*$", "proc/self/status")

    def capable(self, *capabilities: int) -> bool:
        """Whether the asking process has one of these capabilities; False where unknown."""
        mask = self.status("CapEff") or ""
        return re.fullmatch("[0-9a-f]{1,16}", mask) is not None and any(
            int(mask, 16) >> capability & 1 for capability in capabilities
        )

    @cached_property
    def processor(self) -> Host | None:
        """What the kernel says of the processor; None where it says nothing."""
        return Host.read(self.base) if self.text("proc/cpuinfo") else None

    @cached_property
    def virtual(self) -> bool | None:
        """Whether this is a virtual machine; None where nothing says."""
        if self.processor is None:
            return None
        return bool(self.hypervisor) or self.processor.virtualised

    @cached_property
    def hypervisor(self) -> str:
        """Its name, from firmware or from the drivers the kernel has for it; "" where unknown."""
        host = self.processor
        if host is None or host.virtualised is False:
            return ""
        driver = self.text(f"{SYS_CPU}/cpuidle/current_driver")
        clocks = self.text(f"{CLOCKS}/available_clocksource") or ""
        drivers = {
            "Hyper-V (WSL)": "microsoft" in host.kernel.lower(),
            "Hyper-V": "hyperv" in clocks,
            "Xen": "xen" in clocks.split(),
            "KVM": driver == "haltpoll" or "kvm-clock" in clocks.split(),
        }
        return host.hypervisor or next((name for name, there in drivers.items() if there), "")

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

    @property
    def usable(self) -> tuple[int, ...]:
        """CPUs allowed, or else those that run; () where neither is known."""
        return self.allowed or self.online or ()

    @cached_property
    def isolated(self) -> tuple[int, ...] | None:
        """CPUs kept free of other tasks, by boot option or cpuset; None where unknown."""
        booted = self.cpu_list(f"{SYS_CPU}/isolated")
        for group in control_groups.directories(self.text, "cpuset"):
            if self.text(f"{group}/cpuset.cpus.partition") == "isolated":
                mine = self.cpu_list(f"{group}/cpuset.cpus.effective") or ()
                return tuple(sorted({*mine, *(booted or ())}))
        return booted

    def mount(self, point: str) -> tuple[str, list[str]] | None:
        """Type and options of what is mounted last at a place; None if nothing is."""
        lines = [line.split() for line in (self.text("proc/self/mounts") or "").splitlines()]
        there = [words for words in lines if len(words) >= 4 and words[1] == point]
        return (there[-1][2], there[-1][3].split(",")) if there else None

    @property
    def frozen(self) -> bool:
        """Whether /sys is read-only, as in a container: then settings are changed on its host."""
        mounted = self.mount("/sys")
        return mounted is not None and "ro" in mounted[1]


def _cpus(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        # older kernels print an absent mask so
        return parse_cpu_list("" if text == "(null)" else text)
    except ValueError:
        return None
