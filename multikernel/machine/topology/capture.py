"""A machine in a small archive: the files of /sys that say how it is built, to be read where it is
not.

Guarantees: a capture holds nothing personal: no names of the host, its users, groups or programs;
of the process that makes it only which CPUs it may run on. The same machine gives the same bytes.
Reading one is safe whoever made it: nothing is written to disk, members that are no plain files or
have other names are passed over, and no archive makes this program read more than MOST_BYTES. A
capture that is damaged, or of which a file does not say what a file of that name says, is refused
in one sentence that names the file, the member and the line; other than the live /sys, which a
kernel wrote, it may have been cut short on the way.

An archive may also be one of hwloc's (hwloc-gather-topology), or a directory with the same files.

Source: Documentation/ABI/stable/sysfs-devices-system-cpu of Linux; the idea is hwloc's.
"""

import bz2
import gzip
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import (
    Lists,
    format_cpu_list,
    parse_cpu_list,
    parse_cpu_mask,
    shown,
)
from multikernel.machine.topology.model import Topology, capture_source
from multikernel.machine.topology.reader import CPU, GPUS, KINDS, NODE, Reader
from multikernel.machine.tree import MOST_BYTES as MOST_FILE_BYTES
from multikernel.machine.tree import Captured, Directory, Tree, stripped

SCHEMA = "multikernel-capture/1"
LABEL = "multikernel-capture.json"
MOST_BYTES = 256 << 20
"""Unpacked. 4096 CPUs take about 150 MB of tar's blocks; the packed archive is a hundredth of it.
"""
BLOCK = tarfile.BLOCKSIZE
HINT = "multikernel topology capture makes a good one"


# --- What belongs to it
# ---------------------------------------------------------------------------------------------


def _number(text: str) -> None:
    if not re.fullmatch(r"-?[0-9]{1,18}", text.strip(), re.ASCII):
        raise ValueError(f"{shown(text)} is no number")


def _size(text: str) -> None:
    if not re.fullmatch(r"[0-9]{1,9}[KMG]?", text.strip(), re.ASCII):
        raise ValueError(f"{shown(text)} is no size such as 32K")


def _word(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z]{1,20}", text.strip(), re.ASCII):
        raise ValueError(f"{shown(text)} is no word")


def _distances(text: str) -> None:
    for word in text.split():
        if not re.fullmatch(r"[0-9]{1,9}", word, re.ASCII):
            raise ValueError(f"{shown(word)} is no distance")


def _gpu(line: str) -> None:
    if line.startswith("Node:"):
        _number(line.partition(":")[2])


def _status(line: str) -> None:
    if line.startswith("Cpus_allowed_list:"):
        parse_cpu_list(line.partition(":")[2])


def _group(line: str) -> None:
    if not re.fullmatch(r"[0-9]{1,9}:[^:]*:.*", line, re.ASCII):
        raise ValueError(f"{shown(line)} is no line such as 0::/")


Check = Callable[[str], object]
"""Raises ValueError, with a sentence, for a line that such a file cannot hold."""
_IN_TOPOLOGY: dict[str, Check] = {
    "physical_package_id": _number,
    "die_id": _number,
    "core_id": _number,
    **dict.fromkeys(
        (
            "core_cpus_list",
            "thread_siblings_list",
            "package_cpus_list",
            "core_siblings_list",
            "cluster_cpus_list",
        ),
        parse_cpu_list,
    ),
    **dict.fromkeys(("thread_siblings", "core_siblings"), parse_cpu_mask),
}
_IN_CACHE: dict[str, Check] = {
    "level": _number,
    "type": _word,
    "size": _size,
    "coherency_line_size": _number,
    "shared_cpu_list": parse_cpu_list,
    "shared_cpu_map": parse_cpu_mask,
}
_IN_NODE: dict[str, Check] = {
    "cpulist": parse_cpu_list,
    "cpumap": parse_cpu_mask,
    "distance": _distances,
}
_IN_CPU: dict[str, Check] = {"online": _number, "cpu_capacity": _number}
_CPUSETS = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")


def _check_of(path: str) -> Check | None:
    """What a file of that name must be readable by; None: it does not belong to a capture."""
    parts = path.split("/")
    directory, name = "/".join(parts[:-1]), parts[-1]
    if path in ("proc/self/status", "proc/self/cgroup"):
        return _status if name == "status" else _group
    if re.fullmatch(rf"{GPUS}/[0-9a-fA-F:.]{{1,30}}/numa_status", path):
        return _gpu
    if directory in (CPU, NODE) and name in ("online", "possible", "present"):
        return parse_cpu_list
    if path.startswith(f"{CPU}/cpu"):
        rest = re.sub(rf"^{CPU}/cpu[0-9]{{1,9}}/?", "", directory)
        inside = "cache" if re.fullmatch("cache/index[0-9]{1,3}", rest) else rest
        known = {"": _IN_CPU, "topology": _IN_TOPOLOGY, "cache": _IN_CACHE}
        return known.get(inside, {}).get(name)
    if re.fullmatch(rf"{NODE}/node[0-9]{{1,9}}", directory):
        return _IN_NODE.get(name)
    if name == "cpus" and directory in {f"sys/devices/{driver}" for driver in KINDS}:
        return parse_cpu_list
    if path.startswith("sys/fs/cgroup/") and name in _CPUSETS and ".." not in parts:
        return parse_cpu_list
    return None


def _paths(tree: Tree) -> Iterator[str]:
    """Where a tree may have files that belong to a capture, but for control groups."""
    for base, prefix, inside in ((CPU, "cpu", _IN_CPU), (NODE, "node", _IN_NODE)):
        yield from (f"{base}/{name}" for name in ("online", "possible", "present"))
        for one in tree.names(base):
            if re.fullmatch(prefix + "[0-9]{1,9}", one):
                yield from (f"{base}/{one}/{name}" for name in inside)
                if prefix == "cpu":
                    yield from (f"{base}/{one}/topology/{name}" for name in _IN_TOPOLOGY)
                    for index in tree.names(f"{base}/{one}/cache"):
                        yield from (f"{base}/{one}/cache/{index}/{name}" for name in _IN_CACHE)
    yield from (f"sys/devices/{driver}/cpus" for driver in KINDS)
    yield from (f"{GPUS}/{name}/numa_status" for name in tree.names(GPUS))


def files_of(root: str | os.PathLike[str] = "/") -> dict[str, str]:
    """The files of a capture, by path: text. Of control groups and processes only what they allow
    is kept.
    """
    tree = Directory(root)
    found = {}
    for path in _paths(tree):
        text = tree.text(path) if _check_of(path) else None
        if text and path.startswith(GPUS):
            text = "\n".join(line for line in text.split("\n") if line.startswith("Node:"))
        # Where there is a list, its older form, the mask, says nothing more.
        if text and not (path.endswith(("_siblings", "_map", "cpumap")) and _newer(path) in found):
            found[path] = text
    reader = Reader(tree, source="")
    cpuset, mask = reader.cpuset(), reader.affinity()
    if cpuset is not None:
        found["proc/self/cgroup"] = "0::/"
        found["sys/fs/cgroup/cpuset.cpus.effective"] = format_cpu_list(cpuset)
    if mask is not None:
        found["proc/self/status"] = f"Cpus_allowed_list:\t{format_cpu_list(mask)}"
    return found


def _newer(mask: str) -> str:
    return (
        mask.replace("_map", "_list")
        .replace("cpumap", "cpulist")
        .replace("_siblings", "_siblings_list")
    )


# --- Writing
# --------------------------------------------------------------------------------------------------


def packed(files: dict[str, str], architecture: str) -> bytes:
    """The archive (.tar.gz). architecture: as uname says."""
    label = json.dumps({"schema": SCHEMA, "architecture": architecture})
    out = io.BytesIO()
    # Neither times nor owners: the same machine gives the same bytes.
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path, text in [(LABEL, label), *sorted(files.items())]:
            data = (text + "\n").encode()
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


# --- Reading
# --------------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Topology:
    """The machine that was captured into a file or directory. Raises BadInput."""
    where = os.fsdecode(path)
    if Path(path).is_dir():
        # Whatever a directory holds, only files that belong to a capture are opened.
        tree = Directory(path)
        wanted = [
            *_paths(tree),
            LABEL,
            "proc/self/cgroup",
            "proc/self/status",
            *_cpuset_files(Path(path)),
        ]
        files = {one: text for one in wanted if (text := tree.text(one)) is not None}
    else:
        files = _unpacked(_bytes(Path(path), where), where)
    architecture = _architecture(files.pop(LABEL, None), where)
    lists = Lists()
    for member, text in files.items():
        _check(member, text, where, lists)
    return Reader(
        Captured(files),
        source=capture_source(path),
        architecture=architecture,
        where=where,
        lists=lists,
    ).read()


def _cpuset_files(root: Path) -> Iterable[str]:
    base = root / "sys/fs/cgroup"
    return (
        os.path.relpath(os.path.join(directory, name), root)
        for directory, _, names in os.walk(base)
        for name in names
        if name in _CPUSETS
    )


def _bytes(path: Path, where: str) -> bytes:
    """The archive without its compression, as far as it may be long."""
    try:
        with open(path, "rb") as file:
            start = file.read(6)
            file.seek(0)
            stream: io.BufferedIOBase = file
            if start[:2] == b"\x1f\x8b":
                stream = gzip.GzipFile(fileobj=file)
            elif start[:3] == b"BZh":
                stream = bz2.BZ2File(file)
            data = stream.read(MOST_BYTES + 1)
    except EOFError:
        raise _broken("it is cut short", where) from None
    except (gzip.BadGzipFile, zlib.error):
        raise _broken("its compression is garbled", where) from None
    except OSError as error:
        # bz2 says "Invalid data stream" by an OSError without a number.
        if error.errno is None:
            raise _broken("its compression is garbled", where) from None
        raise BadInput(
            f"cannot read the capture: {error.strerror}",
            value=where,
            hint="name a file that is there",
        ) from None
    except ValueError as error:
        raise _broken(str(error), where) from None
    if len(data) > MOST_BYTES:
        raise _broken(f"it unpacks to more than {MOST_BYTES >> 20} MB", where)
    return data


def _unpacked(data: bytes, where: str) -> dict[str, str]:
    """Text by path, of the members that belong to a capture."""
    files: dict[str, str] = {}
    end = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                end = (
                    member.offset_data + -(-member.size // BLOCK) * BLOCK
                    if member.isreg()
                    else archive.offset
                )
                name = _path(member.name)
                if not member.isreg() or not (name == LABEL or _check_of(name)):
                    continue
                if member.size > MOST_FILE_BYTES:
                    raise _broken(f"its member {shown(name)} is too long", where)
                content = archive.extractfile(member)
                raw = content.read() if content is not None else b""
                if len(raw) < member.size:
                    raise _broken("it is cut short", where)
                files[name] = stripped(raw.decode("utf-8", "replace"))
    except tarfile.ReadError as error:
        cut = "unexpected end" in str(error)
        raise _broken("it is cut short" if cut else "it is no archive of tar", where) from None
    except (tarfile.TarError, ValueError, OverflowError, OSError, EOFError, RecursionError):
        raise _broken("its table of members is garbled", where) from None
    # The table of members ends with blocks of zeros; tarfile takes anything else for the end, too.
    if data[end : end + BLOCK] != bytes(BLOCK):
        raise _broken(
            "it is cut short" if len(data) < end + BLOCK else "its table of members is garbled",
            where,
        )
    if not any(name.startswith(CPU) for name in files):
        raise _broken(f"it holds no files of {CPU}", where)
    return files


def _path(name: str) -> str:
    """The member's name as in /sys: hwloc's captures put all into a directory of the machine's
    name.
    """
    name = name.removeprefix("./").lstrip("/")
    first, _, rest = name.partition("/")
    return rest if first not in ("sys", "proc") and rest.startswith(("sys/", "proc/")) else name


def _check(member: str, text: str, where: str, lists: Lists) -> None:
    """Whether a file says what a file of its name says. hwloc's captures have empty files for what
    was not there.
    """
    check = _check_of(member)
    if check is None or not text:
        return
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if number > 1 and not member.startswith("proc/"):
                raise ValueError("there is more than one line")
            if check in (parse_cpu_list, parse_cpu_mask):
                lists.read(line, check)
            else:
                check(line)
        except ValueError as error:
            raise BadInput(
                f"this capture is damaged: {error}",
                where=f"{where}: {member}, line {number}",
                hint=HINT,
            ) from None


def _architecture(label: str | None, where: str) -> str:
    if label is None:
        return ""
    try:
        value = json.loads(label)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"this capture is damaged: not JSON: {error.msg}",
            where=f"{where}: {LABEL}, line {error.lineno}",
            hint=HINT,
        ) from None
    except (RecursionError, ValueError):
        raise _broken(f"{LABEL} is not JSON", where) from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise BadInput(
            "this capture was made by another version",
            value=shown(str(schema)),
            where=f"{where}: {LABEL}",
            hint=f"this one reads {SCHEMA}",
        )
    architecture = value.get("architecture")
    if not isinstance(architecture, str) or not re.fullmatch(r"[A-Za-z0-9_-]{0,20}", architecture):
        raise _broken(f"{LABEL} names no architecture", where)
    return architecture


def _broken(reason: str, where: str) -> BadInput:
    return BadInput(f"this is no capture, or a damaged one: {reason}", where=where, hint=HINT)
