"""Lists of CPUs as the kernel writes them: read, written, and refused with a sentence.

Guarantees: a list that was written is read back the same. A text that is no list raises ValueError,
and so does one that names more CPUs than a machine can have.

Source: cpumask formats of Linux (lib/bitmap-str.c, Documentation/admin-guide/cputopology.rst).
"""

import re
from collections.abc import Callable, Iterable

MAX_CPU_ID = 65535
"""Largest CPU number in a list: Linux is built for at most 8192 (x86-64); more is a typing error.
"""
MOST_NAMED = 1 << 18
"""Most CPUs in a list, those that are named twice counted twice."""


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Read the kernel's list format, "0,2-3" → (0, 2, 3), in the order written; "" → ().

    Raises ValueError, with a sentence, on anything else: signs, reversed ranges, numbers above
    `MAX_CPU_ID`, more than `MOST_NAMED` of them.
    """
    if not text.strip():
        return ()
    cpus: list[int] = []
    for part in text.strip().split(","):
        match = re.fullmatch(r"\s*([0-9]+)(?:-([0-9]+))?\s*", part, re.ASCII)
        if match is None:
            raise ValueError(f"{shown(part)} is neither a CPU number nor a range like 2-3")
        # Length first: int() of a very long digit string raises an error about something else.
        if any(len(number) > 9 or int(number) > MAX_CPU_ID for number in match.groups("0")):
            raise ValueError(f"{shown(part)} is beyond the largest CPU number, {MAX_CPU_ID}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"the range {shown(part)} runs backwards")
        if len(cpus) + last - first > MOST_NAMED:
            raise ValueError(f"more than {MOST_NAMED} CPUs are named")
        cpus.extend(range(first, last + 1))
    return tuple(cpus)


def parse_cpu_mask(text: str) -> tuple[int, ...]:
    """Read the kernel's mask format, 32 bits a word, the highest first: "1,0000000c" → (2, 3, 32),
    sorted.

    Raises ValueError, with a sentence, on anything else.
    """
    words = text.strip().split(",")
    if len(words) > MAX_CPU_ID // 32 + 1 or not all(
        re.fullmatch(r"[0-9a-fA-F]{1,8}", word, re.ASCII) for word in words
    ):
        raise ValueError(f"{shown(text)} is no mask of CPUs, such as 00000000,0000000f")
    bits = int("".join(word.zfill(8) for word in words), 16)
    return tuple(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1)


Parse = Callable[[str], tuple[int, ...]]


class Lists:
    """The lists of CPUs of one machine's files, sorted and without repeats. A text is read once,
    and all of them are no longer together than a machine can need: thousands of files that each
    name every CPU take neither the time nor the memory of that.
    """

    def __init__(self) -> None:
        self._room = 1 << 23
        self._read: dict[tuple[Parse, str], tuple[int, ...]] = {}

    def read(self, text: str, parse: Parse = parse_cpu_list) -> tuple[int, ...]:
        """The CPUs; equal texts give the same object. Raises ValueError, as `parse` does."""
        found = self._read.get((parse, text))
        if found is None:
            cpus = parse(text)
            self._room -= len(cpus)
            if self._room < 0:
                raise ValueError("all lists together name more CPUs than a machine has")
            found = self._read[parse, text] = tuple(sorted(set(cpus)))
        return found


def format_cpu_list(cpus: Iterable[int]) -> str:
    """In the kernel's list format, sorted and without repeats: (3, 2, 0) → "0,2-3"; () → ""."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def shown(text: str) -> str:
    """The user's text as a message may quote it: on one line, and a short one."""
    stripped = text.strip()
    return repr(stripped if len(stripped) <= 40 else stripped[:39] + "…")
