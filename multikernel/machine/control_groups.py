"""Control groups of the asking process: where they lie below a root, innermost first, and the CPU
time they grant.

Guarantees: version 2, then version 1 of one controller; the groups around the process's own are
listed too, because the tightest limit of them holds. The path that a container sees may not exist
in its tree, its root does; a host that names no group is taken to show its only one as the root.
What is missing or garbled is no limit, never an error.

Source: cgroups(7), cpuset(7); Documentation/admin-guide/cgroup-v2.rst of Linux.
"""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

Text = Callable[[str], str | None]
"""A file's text by its name below the root; None if it cannot be read."""
MOUNT = "sys/fs/cgroup"


def directories(text: Text, controller: str) -> list[str]:
    """Of the process's group and of those around it."""
    found = []
    for line in (text("proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            mounts = [MOUNT, f"{MOUNT}/unified"]
        elif controller in names.split(","):
            mounts = [f"{MOUNT}/{names}", f"{MOUNT}/{controller}"]
        else:
            continue
        # What lies above the root of a namespace is shown as "..", and is not mounted here.
        inside = PurePosixPath(*[part for part in path.split("/") if part not in ("", ".", "..")])
        for mount in mounts:
            found += [(PurePosixPath(mount) / at).as_posix() for at in (inside, *inside.parents)]
    return list(dict.fromkeys(found))


def cpu_quota(text: Text) -> float | None:
    """CPUs' worth of time: the tightest limit of all these groups; None for no limit. Where no
    group is named, the one that is seen as the root counts.

    Read are cpu.max ("150000 100000": µs of time, of period) of version 2, cpu.cfs_* of version 1.
    """
    found = []
    for group in directories(text, "cpu") or [MOUNT]:
        words = (text(f"{group}/cpu.max") or "").split()
        if len(words) != 2:
            files = (f"{group}/cpu.cfs_{what}_us" for what in ("quota", "period"))
            words = [(text(file) or "").strip() for file in files]
        # "max" and -1 are no limit.
        if all(re.fullmatch(r"[0-9]{1,18}", word, re.ASCII) and int(word) for word in words):
            found.append(int(words[0]) / int(words[1]))
    return min(found, default=None)


def throttled(text: Text) -> int | None:
    """How often tasks of these groups had to wait for time; None where nobody counts that."""
    stats = [text(f"{group}/cpu.stat") or "" for group in directories(text, "cpu") or [MOUNT]]
    found = re.findall(r"^nr_throttled ([0-9]{1,18})$", "\n".join(stats), re.MULTILINE)
    return sum(map(int, found)) if found else None
