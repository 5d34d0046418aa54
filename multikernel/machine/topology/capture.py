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
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec

from multikernel.errors import BadInput
from multikernel.machine import control_groups
from multikernel.machine.cpu_list import (
    Lists,
    format_cpu_list,
    parse_cpu_list,
    parse_cpu_mask,
    shown,
)
from multikernel.machine.topology.model import Topology, capture_source
from multikernel.machine.topology.reader import CPU, CPUSETS, GPUS, KINDS, NODE, Reader
from multikernel.machine.tree import MOST_BYTES as MOST_FILE_BYTES
from multikernel.machine.tree import Captured, Directory, Tree, stripped

SCHEMA = "multikernel-capture/1"
LABEL = "multikernel-capture.json"
MOST_BYTES = 256 << 20
"""Unpacked. 4096 CPUs take about 150 MB of tar's blocks; the packed archive is a hundredth of it.
"""
HINT = "multikernel topology capture makes a good one"

Check = Callable[[str], object]
"""Raises ValueError, with a sentence, for a line that such a file cannot hold."""


def _like(pattern: str, otherwise: str) -> Check:
    def check(line: str) -> None:
        if not re.fullmatch(pattern, line.strip(), re.ASCII):
            raise ValueError(f"{shown(line)} is {otherwise}")

    return check


def _behind(key: str, check: Check) -> Check:
    """For the lines that begin so."""
    return lambda line: check(line.removeprefix(key)) if line.startswith(key) else None


_number = _like("-?[0-9]{1,18}", "no number")
_TABLE: tuple[tuple[str, Check, str], ...] = (
    ("", _like(".*", "no label"), LABEL),
    (CPU, parse_cpu_list, "online possible present"),
    (f"{CPU}/cpu#", _number, "online cpu_capacity"),
    (f"{CPU}/cpu#/topology", _number, "physical_package_id die_id core_id"),
    (f"{CPU}/cpu#/topology", parse_cpu_list, "core_cpus_list thread_siblings_list"),
    (f"{CPU}/cpu#/topology", parse_cpu_list, "package_cpus_list core_siblings_list"),
    (f"{CPU}/cpu#/topology", parse_cpu_list, "cluster_cpus_list"),
    (f"{CPU}/cpu#/topology", parse_cpu_mask, "thread_siblings core_siblings"),
    (f"{CPU}/cpu#/cache/index#", _number, "level coherency_line_size"),
    (f"{CPU}/cpu#/cache/index#", _like("[A-Za-z]{1,20}", "no word"), "type"),
    (f"{CPU}/cpu#/cache/index#", _like("[0-9]{1,9}[KMG]?", "no size such as 32K"), "size"),
    (f"{CPU}/cpu#/cache/index#", parse_cpu_list, "shared_cpu_list"),
    (f"{CPU}/cpu#/cache/index#", parse_cpu_mask, "shared_cpu_map"),
    (NODE, parse_cpu_list, "online possible present"),
    (f"{NODE}/node#", parse_cpu_list, "cpulist"),
    (f"{NODE}/node#", parse_cpu_mask, "cpumap"),
    (f"{NODE}/node#", _like(r"[0-9]{1,9}(\s+[0-9]{1,9})*", "no row of distances"), "distance"),
    *((f"sys/devices/{driver}", parse_cpu_list, "cpus") for driver in KINDS),
    (f"{GPUS}/#", _behind("Node:", _number), "numa_status"),
    ("proc/self", _behind("Cpus_allowed_list:", parse_cpu_list), "status"),
    ("proc/self", _like("[0-9]{1,9}:[^:]*:.*", "no line such as 0::/"), "cgroup"),
)
"""Directories, # for a number or an address; what lines must be readable by; files of that kind."""
_CHECKS = {
    (PurePosixPath(directory) / name).as_posix(): check
    for directory, check, names in _TABLE
    for name in names.split()
}
_DIRECTORIES = {one.as_posix() for path in _CHECKS for one in PurePosixPath(path).parents}


def _form(path: str) -> str:
    """As _TABLE writes it."""
    path = re.sub(r"/(cpu|node|index)[0-9]{1,9}(?=/|\Z)", r"/\1#", path)
    return re.sub(rf"^{GPUS}/[0-9a-fA-F:.]{{1,30}}(?=/|\Z)", f"{GPUS}/#", path)


def _check_of(path: str) -> Check | None:
    """None: the file does not belong to a capture."""
    *above, name = path.split("/")
    if path.startswith("sys/fs/cgroup/") and name in CPUSETS and ".." not in above:
        return parse_cpu_list
    return _CHECKS.get(_form(path))


def _paths(tree: Tree, above: str = "") -> Iterator[str]:
    """The files of a tree that belong to a capture, but for control groups."""
    for name in tree.names(above):
        path = f"{above}/{name}".removeprefix("/")
        form = _form(path)
        if form in _CHECKS:
            yield path
        elif form in _DIRECTORIES:
            yield from _paths(tree, path)


def files_of(root: str | os.PathLike[str] = "/") -> dict[str, str]:
    """Text by path. Of control groups and processes only what they allow is kept."""
    tree = Directory(root)
    found = {}
    for path in _paths(tree):
        text = tree.text(path) if path.startswith(("sys/", GPUS)) else None
        if text and path.startswith(GPUS):
            text = "\n".join(line for line in text.split("\n") if line.startswith("Node:"))
        if text:
            found[path] = text
    for path in [path for path in found if _check_of(path) is parse_cpu_mask]:
        # Where there is a list, its older form, the mask, says nothing more.
        newer = path.replace("map", "list") if path.endswith("map") else f"{path}_list"
        if newer in found:
            del found[path]
    reader = Reader(tree, source="")
    cpuset, mask = reader.cpuset(), reader.affinity()
    if cpuset is not None:
        found["proc/self/cgroup"] = "0::/"
        found["sys/fs/cgroup/cpuset.cpus.effective"] = format_cpu_list(cpuset)
    if mask is not None:
        found["proc/self/status"] = f"Cpus_allowed_list:\t{format_cpu_list(mask)}"
    return found


class _Label(msgspec.Struct):
    schema: str
    architecture: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,20}\Z")] = ""


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


def load(path: str | os.PathLike[str]) -> Topology:
    """The machine that was captured into a file or directory. Raises BadInput."""
    where = os.fsdecode(path)
    if Path(path).is_dir():
        # Whatever a directory holds, only files that belong to a capture are opened.
        tree = Directory(path)
        groups = control_groups.directories(tree.text, "cpuset")
        wanted = [*_paths(tree), *(f"{group}/{name}" for group in groups for name in CPUSETS)]
        files = {one: text for one in wanted if (text := tree.text(one)) is not None}
    else:
        files = _unpacked(_bytes(Path(path), where), where)
    lists = Lists()
    for member, text in files.items():
        _check(member, text, where, lists)
    architecture = _architecture(files.pop(LABEL, None), where)
    captured = Captured(files)
    return Reader(captured, capture_source(path), architecture, where, lists).read()


def _bytes(path: Path, where: str) -> bytes:
    """The archive without its compression, as far as it may be long."""
    try:
        with open(path, "rb") as file:
            start = file.peek(3)
            stream: io.BufferedIOBase = file
            if start[:2] == b"\x1f\x8b":
                stream = gzip.GzipFile(fileobj=file)
            elif start[:3] == b"BZh":
                stream = bz2.BZ2File(file)
            data = stream.read(MOST_BYTES + 1)
    except EOFError:
        raise _broken("it is cut short", where) from None
    except (OSError, zlib.error) as error:
        # Only the system's errors have a number and a text; gzip and bz2 raise OSError, too.
        reason = getattr(error, "strerror", None)
        if reason is None:
            raise _broken("its compression is garbled", where) from None
        hint = "name a file that is there"
        raise BadInput(f"cannot read the capture: {reason}", value=where, hint=hint) from None
    if len(data) > MOST_BYTES:
        raise _broken(f"it unpacks to more than {MOST_BYTES >> 20} MB", where)
    return data


def _unpacked(data: bytes, where: str) -> dict[str, str]:
    """Text by path, of the members that belong to a capture."""
    files: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                name = _path(member.name)
                if not member.isreg() or _check_of(name) is None:
                    continue
                if not 0 <= member.size <= MOST_FILE_BYTES:
                    raise _broken(f"its member {shown(name)} is too long", where)
                raw = data[member.offset_data : member.offset_data + member.size]
                if len(raw) < member.size:
                    raise _broken("it is cut short", where)
                files[name] = stripped(raw.decode("utf-8", "replace"))
            end = data[archive.offset : archive.offset + tarfile.BLOCKSIZE]
    except tarfile.ReadError as error:
        cut = "unexpected end" in str(error)
        raise _broken("it is cut short" if cut else "it is no archive of tar", where) from None
    except (tarfile.TarError, ValueError, OverflowError, OSError, EOFError, RecursionError):
        raise _broken("its table of members is garbled", where) from None
    # The table of members ends with blocks of zeros; tarfile takes anything else for the end, too.
    if len(end) < tarfile.BLOCKSIZE:
        raise _broken("it is cut short", where)
    if any(end):
        raise _broken("its table of members is garbled", where)
    if not any(name.startswith(CPU) for name in files):
        raise _broken(f"it holds no files of {CPU}", where)
    return files


def _path(name: str) -> str:
    """As in /sys: hwloc's captures put all into a directory of the machine's name."""
    name = name.removeprefix("./").lstrip("/")
    first, _, rest = name.partition("/")
    return rest if first not in ("sys", "proc") and rest.startswith(("sys/", "proc/")) else name


def _check(member: str, text: str, where: str, lists: Lists) -> None:
    """Whether a file says what its kind says. hwloc has empty ones for what was not there."""
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
            at = f"{where}: {member}, line {number}"
            raise BadInput(f"this capture is damaged: {error}", where=at, hint=HINT) from None


def _architecture(label: str | None, where: str) -> str:
    if label is None:
        return ""
    try:
        found = msgspec.json.decode(label, type=_Label)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _broken(f"{LABEL}: {error}", where) from None
    if found.schema != SCHEMA:
        raise BadInput(
            "this capture was made by another version",
            value=shown(found.schema),
            where=f"{where}: {LABEL}",
            hint=f"this one reads {SCHEMA}",
        )
    return found.architecture


def _broken(reason: str, where: str) -> BadInput:
    return BadInput(f"this is no capture, or a damaged one: {reason}", where=where, hint=HINT)
