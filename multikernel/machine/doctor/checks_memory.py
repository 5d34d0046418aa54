"""Checks of memory: what the kernel moves, swaps, merges or refuses under a measurement.

Guarantees: each check answers from files alone (and, on the live machine, one statvfs of /dev/shm),
and answers "unknown" where they are missing.

Source: Documentation/admin-guide/sysctl/{vm,kernel}.rst and mm/transhuge.rst of Linux, proc(5),
tmpfs(5).
"""

import os
import re

from multikernel.machine.doctor import checks_limits
from multikernel.machine.doctor.evidence import (
    CAP_IPC_LOCK,
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

SHM_NEEDED = 64 << 20
"""Free bytes in /dev/shm below which the defaults of a few cores may not fit."""
SHM_COMFORTABLE = 256 << 20
LOCKED_ENOUGH = 16 << 20
"""A system's memory by default."""
MAPS_BY_DEFAULT = 65530
"""Linux's own vm.max_map_count."""


@check(
    "thp",
    "Huge pages",
    "A mapping made of a huge page is split when one of its pages is unmapped, and background "
    "merging stops programs.",
)
def thp(look: Evidence) -> Answer:
    """Transparent huge pages, of private and of shared memory."""
    directory = "sys/kernel/mm/transparent_hugepage"
    private, shared = (
        _chosen(look.text(f"{directory}/enabled")),
        _chosen(look.text(f"{directory}/shmem_enabled")),
    )
    if private is None:
        return unknown()
    value = private + (f", shared memory {shared}" if shared else "")
    if shared in ("always", "within_size", "force"):
        return bad(value, f"echo never | sudo tee /{directory}/shmem_enabled")
    if private == "always":
        return matters(value, f"echo madvise | sudo tee /{directory}/enabled")
    return good(value)


@check(
    "numa-balancing",
    "NUMA balancing",
    "It unmaps pages to see who touches them: faults and flushes nobody asked for.",
)
def numa_balancing(look: Evidence) -> Answer:
    """Automatic page placement; 2 is memory tiering, which does the same."""
    mode = look.integer("proc/sys/kernel/numa_balancing")
    if mode is None:
        return unknown()
    return bad(f"on ({mode})", "sudo sysctl kernel.numa_balancing=0") if mode else good("off")


@check(
    "swap", "Swap", "A page that was swapped out costs milliseconds where a cache miss is measured."
)
def swap(look: Evidence) -> Answer:
    """Swap areas and what lies in them."""
    listed = look.text("proc/swaps")
    if not listed:
        return unknown()
    areas = [line.split() for line in listed.splitlines()[1:]]
    used = [whole(words[3]) or 0 for words in areas if len(words) >= 5]
    if not used:
        return good("none")
    swappiness = look.integer("proc/sys/vm/swappiness")
    value = f"{sum(used) / 1024:.0f} MiB in use" + (
        "" if swappiness is None else f", swappiness {swappiness}"
    )
    return bad(value, "sudo swapoff -a") if sum(used) else matters(value, "sudo swapoff -a")


@check(
    "locked-memory",
    "Locked memory",
    "Memory that may not be locked may be moved or swapped out under a measurement.",
)
def locked_memory(look: Evidence) -> Answer:
    """RLIMIT_MEMLOCK of the asking process."""
    match = re.search(
        r"^Max locked memory +(\S+)", look.text("proc/self/limits") or "", re.MULTILINE
    )
    if match is None:
        return unknown()
    limit = whole(match[1])
    value = f"{limit >> 10} KiB" if limit is not None else match[1]
    if look.capable(CAP_IPC_LOCK):
        return good(f"{value}, from which this process is exempt")
    if match[1] == "unlimited" or (limit is not None and limit >= LOCKED_ENOUGH):
        return good(value)
    if limit is None:
        return unknown(value)
    return matters(
        value,
        "ulimit -l unlimited (allowed by memlock in /etc/security/limits.conf; docker: --ulimit"
        " memlock=-1)",
    )


@check("shm", "/dev/shm", "A system's memory and channels live there, all of it set aside at boot.")
def shm(look: Evidence) -> Answer:
    """Its size and what is free, or that memory files stand in; of a captured host only the size is
    known, and memory files are taken to be there.
    """
    if look.text("proc/self/mounts") is None:
        return unknown()
    mounted = look.mount("/dev/shm")
    if mounted is None or mounted[0] not in ("tmpfs", "ramfs"):
        found = "not mounted" if mounted is None else f"a {mounted[0]}"
        return _memory_files(look, found, "sudo mount -t tmpfs tmpfs /dev/shm")
    if "ro" in mounted[1].split(","):
        return _memory_files(look, "read-only", "sudo mount -o remount,rw /dev/shm")
    size, free = _space(look, mounted[1])
    if size is None:
        return unknown()
    value = f"{size >> 20} MiB" + ("" if free is None else f", {free >> 20} MiB free")
    remedy = "sudo mount -o remount,size=1g /dev/shm (docker: --shm-size=1g)"
    left = size if free is None else free
    if left <= SHM_NEEDED:
        return _memory_files(look, value, remedy)
    return matters(value, remedy) if left < SHM_COMFORTABLE else good(value)


def _memory_files(look: Evidence, found: str, remedy: str) -> Answer:
    """What does not fit into /dev/shm."""
    if look.live and "memfd_create" in checks_limits.forbidden():
        return bad(f"{found}, and memory files (memfd_create) are forbidden", remedy)
    return matters(f"{found}: memory files (memfd_create) where it does not suffice", remedy)


@check(
    "map-count",
    "Mappings",
    "Every mapped page is a mapping of its own on every core, and this is the limit of them.",
)
def map_count(look: Evidence) -> Answer:
    """vm.max_map_count."""
    limit = look.integer("proc/sys/vm/max_map_count")
    if limit is None:
        return unknown()
    if limit >= MAPS_BY_DEFAULT:
        return good(str(limit))
    return matters(str(limit), f"sudo sysctl vm.max_map_count={MAPS_BY_DEFAULT}")


CHECKS: tuple[Check, ...] = (thp, numa_balancing, swap, locked_memory, shm, map_count)


def _chosen(text: str | None) -> str | None:
    """The word in brackets of "always [madvise] never"."""
    match = re.search(r"\[([a-z_]+)\]", text or "")
    return match[1] if match else None


def _space(look: Evidence, options: str) -> tuple[int | None, int | None]:
    """Size and free bytes of /dev/shm."""
    if look.live:
        try:
            space = os.statvfs("/dev/shm")
        except OSError:
            return None, None
        # A tmpfs without a limit reports 0 blocks: then memory is the limit.
        if space.f_blocks:
            return space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    match = re.search(r"(?:^|,)size=([0-9]{1,15})([kmg]?)(?:,|$)", options)
    if match:
        return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2]], None
    # Not shown: half of the memory, which is what a tmpfs gets by itself.
    total = re.search(
        r"^MemTotal: +([0-9]{1,15}) kB", look.text("proc/meminfo") or "", re.MULTILINE
    )
    return (int(total[1]) << 9 if total else None), None
