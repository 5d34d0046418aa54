"""Machines to test with, each a small file in machines/: what it is, and beside it what must be
read and drawn.

NAME.machine says in words what /sys and /proc hold, and is expanded to such a tree; a line each:

    # a comment
    invented: 8x4-amd                    no tree: the machine of this sentence
    online: 0-15                         and possible, present
    package 0: 0-7                       physical_package_id; -1 for firmware that does not say
    die 1: 4-7                           die_id
    core: 0,8 | 1,9                      core_cpus_list, groups separated by |
    old core: 0,8 | 1,9                  thread_siblings_list, all there was before Linux 5.4
    cluster: 0-3 | 4-7                   cluster_cpus_list
    core ids: by 8 0-15                  core_id, counted from 0 in each group; else 0 everywhere
    gpu nodes: 250-255                   memory of graphics processors, one each
    cache 2 Unified 1024K: 0,8 | 1,9     the next index of cache
    node 0 10 21: 0-7                    cpulist and distance
    nodes: 0-2                           node/online; without it there are no nodes
    kind core: 0-3                       sys/devices/cpu_core/cpus
    capacity 446: 0-1                    cpu_capacity
    affinity: 0-3                        Cpus_allowed_list of the process
    file PATH: text                      anything else; \\n is a line end

Groups may be written "each 0-15" (every CPU alone), "by 4 0-15" (four after the other) and "pairs
+8 0-7" (0 and 8, 1 and 9, …); 0-14/2 is every second one. NAME.tar.gz is a capture of a real
machine instead, made by `multikernel topology capture`. NAME.json and NAME.txt are what must come
of it; `MULTIKERNEL_GOLDEN=write scripts/test tests/s1_machine/test_machines.py` writes them anew,
to be read before they are kept.
"""

import re
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

from s1_machine.trees import CPU, NODE, cache_files, write

from multikernel.machine.cpu_list import parse_cpu_list
from multikernel.machine.topology import capture
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.reader import GPUS
from multikernel.machine.topology.synthetic import from_string

DIRECTORY = Path(__file__).parent / "machines"
NAMES = sorted(
    path.name.split(".")[0] for path in DIRECTORY.iterdir() if path.suffix in (".machine", ".gz")
)


@cache
def read(name: str) -> Topology:
    """The machine of that name."""
    packed = DIRECTORY / f"{name}.tar.gz"
    if packed.exists():
        return capture.load(packed)
    files = expanded((DIRECTORY / f"{name}.machine").read_text())
    if "invented" in files:
        return from_string(files["invented"])
    with tempfile.TemporaryDirectory() as directory:
        return capture.load(write(Path(directory) / name, files))


def expanded(text: str) -> dict[str, str]:
    """The files of a description, text by path."""
    files: dict[str, str] = {}
    indices: Counter[int] = Counter()
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, _, value = (part.strip() for part in line.partition(":"))
        words = key.split()
        match words:
            case ["invented"]:
                files["invented"] = value
            case ["online" | "possible" | "present" as name]:
                files[f"{CPU}/{name}"] = value
            case ["nodes"]:
                files[f"{NODE}/online"] = value
            case ["affinity"]:
                files["proc/self/status"] = (
                    f"Name:\tmain\nCpus_allowed:\tff\nCpus_allowed_list:\t{value}"
                )
            case ["core", "ids"]:
                for group in groups(value):
                    for place, cpu in enumerate(parse_cpu_list(group)):
                        files[f"{CPU}/cpu{cpu}/topology/core_id"] = str(place)
            case ["gpu", "nodes"]:
                for node in parse_cpu_list(value):
                    files[f"{GPUS}/0004:{node:02x}:00.0/numa_status"] = f"Node:      {node}"
            case ["file", path]:
                files[path] = value.replace("\\n", "\n")
            case ["kind", kind]:
                files[f"sys/devices/cpu_{kind}/cpus"] = value
            case ["node", number, *distances]:
                files[f"{NODE}/node{number}/cpulist"] = ",".join(groups(value))
                if distances:
                    files[f"{NODE}/node{number}/distance"] = " ".join(distances)
            case ["cache", level, kind, size]:
                for group in groups(value):
                    for cpu in parse_cpu_list(group):
                        files |= cache_files(cpu, indices[cpu], int(level), kind, size, group)
                        indices[cpu] += 1
            case _:
                for group in groups(value):
                    for cpu in parse_cpu_list(group):
                        files |= _of_cpu(words, cpu, group)
    return files


def _of_cpu(words: list[str], cpu: int, group: str) -> dict[str, str]:
    topology = f"{CPU}/cpu{cpu}/topology"
    match words:
        case ["package", number]:
            return {
                f"{topology}/physical_package_id": number,
                f"{topology}/core_siblings_list": group,
                # Nothing may rely on it.
                f"{topology}/core_id": "0",
            }
        case ["die", number]:
            return {f"{topology}/die_id": number}
        case ["core"]:
            return {f"{topology}/core_cpus_list": group, f"{topology}/thread_siblings_list": group}
        case ["old", "core"]:
            return {f"{topology}/thread_siblings_list": group}
        case ["cluster"]:
            return {f"{topology}/cluster_cpus_list": group, f"{topology}/cluster_id": "1"}
        case ["capacity", number]:
            return {f"{CPU}/cpu{cpu}/cpu_capacity": number}
        case _:
            raise ValueError(f"no such line: {' '.join(words)}")


def groups(text: str) -> list[str]:
    """Groups of CPUs, each as a list."""
    found: list[str] = []
    text = re.sub(r"(\d+)-(\d+)/(\d+)", _every, text)
    for part in text.split("|"):
        pairs = re.fullmatch(r"pairs \+(\d+) (.+)", part.strip())
        if pairs:
            found += [f"{cpu},{cpu + int(pairs[1])}" for cpu in parse_cpu_list(pairs[2])]
            continue
        match = re.fullmatch(r"(?:each|by (\d+)) (.+)", part.strip())
        if match is None:
            found.append(part.strip())
            continue
        cpus = parse_cpu_list(match[2])
        step = int(match[1] or 1)
        found += [",".join(map(str, cpus[at : at + step])) for at in range(0, len(cpus), step)]
    return found


def _every(match: re.Match[str]) -> str:
    return ",".join(map(str, range(int(match[1]), int(match[2]) + 1, int(match[3]))))
