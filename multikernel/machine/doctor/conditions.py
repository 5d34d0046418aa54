"""What of a host's settings a reader of numbers wants to know, as plain data: the hypervisor, all
mitigations, huge pages, the page size, the limits of the control group, and the counter's step.

Guarantees: None, or an empty record, where the host does not say.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import Any

from multikernel.machine import control_groups
from multikernel.machine.doctor.evidence import SYS_CPU, Evidence

READS = 2000
"""Of the time stamp counter, for its step."""
LIMITS = (("cpu", "cpu.max"), ("memory", "memory.max"), ("pids", "pids.max"))
HUGE_PAGES = "sys/kernel/mm/transparent_hugepage"


def conditions(root: str | os.PathLike[str] = "/") -> dict[str, Any]:
    """The record, with the names that an environment has for it."""
    look = Evidence(root)
    return {
        "hypervisor": look.hypervisor or None,
        "mitigations": {
            name.rpartition("/")[2]: text
            for name, text in sorted(look.each(f"{SYS_CPU}/vulnerabilities/*").items())
        },
        "huge_pages": {
            what: _chosen(look.text(f"{HUGE_PAGES}/{what}"))
            for what in ("enabled", "shmem_enabled")
        },
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "limits": {name: _tightest(look, group, name) for group, name in LIMITS},
        "cores": "as seen by the guest" if look.virtual else "as seen by the host",
        "tsc_step": tsc_step() if look.live else None,
    }


def _chosen(text: str | None) -> str | None:
    """Of "always [madvise] never" the word in brackets."""
    match = re.search(r"\[([a-z_]+)\]", text or "")
    return match[1] if match else None


def _tightest(look: Evidence, controller: str, name: str) -> str | None:
    """The innermost limit that a group has; None for none."""
    for group in control_groups.directories(look.text, controller) or [control_groups.MOUNT]:
        text = look.text(f"{group}/{name}")
        if text and text.split()[0] != "max":
            return text
    return None


def tsc_step() -> float | None:
    """Cycles by which the time stamp counter moves at least between two reads that differ; None
    without the native module.
    """
    try:
        from multikernel.native._native import tsc
    except ImportError:
        return None
    reads = [tsc() for _ in range(READS)]
    steps = sorted({b - a for a, b in pairwise(reads) if b > a})
    # What all reads lie apart by is a whole number of steps: the least difference of differences.
    apart = [b - a for a, b in pairwise(steps)]
    return float(min([*steps[:1], *apart])) if steps else None
