"""Shared-memory segments that leave nothing behind.

A segment is made with posix_ipc under a random name, exclusively, readable by its owner only, and
unlinked at once: from then on it lives as long as a descriptor or a mapping of it. Between making
and unlinking a SIGKILL could leave the name; so the name carries the maker's pid, and every boot
sweeps away what dead makers left.
"""

import contextlib
import os
import secrets
from pathlib import Path

import posix_ipc

from multikernel.errors import SegmentFull

DIRECTORY = Path("/dev/shm")
PREFIX = "multikernel-"


def sweep(directory: Path = DIRECTORY) -> list[str]:
    """Unlinks segments whose maker is dead; returns their names. Others' files are left alone."""
    swept = []
    for path in directory.glob(PREFIX + "*"):
        maker = path.name[len(PREFIX) :].split("-")[0]
        if not maker.isdigit() or Path("/proc", maker).exists():
            continue
        with contextlib.suppress(OSError):
            if path.stat().st_uid == os.getuid():
                path.unlink()
                swept.append(path.name)
    return swept


def create(size: int) -> int:
    """A descriptor of a new, empty, nameless segment of `size` bytes (not yet backed by memory)."""
    name = f"/{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    segment = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600)
    try:
        with contextlib.suppress(posix_ipc.ExistentialError):  # somebody's sweep was faster
            posix_ipc.unlink_shared_memory(name)
        os.ftruncate(segment.fd, size)
    except BaseException:
        os.close(segment.fd)
        raise
    os.set_inheritable(segment.fd, False)
    return int(segment.fd)


def back(fd: int, offset: int, length: int) -> None:
    """Backs a stretch of a segment with memory now, from the calling process's node: a full file
    system is an error here and not a SIGBUS later. Raises SegmentFull.
    """
    if length == 0:
        return
    try:
        os.posix_fallocate(fd, offset, length)
    except OSError as error:
        raise full(length) from error


def require(needed: int) -> None:
    """Raises SegmentFull when the file system clearly cannot hold `needed` more bytes."""
    if available() < needed:
        raise full(needed)


def available() -> int:
    """Bytes that may still be used."""
    state = os.statvfs(DIRECTORY)
    return state.f_bavail * state.f_frsize


def full(needed: int) -> SegmentFull:
    """The error, with the file system's size and what is available of it now."""
    state = os.statvfs(DIRECTORY)
    size, free = state.f_blocks * state.f_frsize, available()
    return SegmentFull(
        f"shared memory is full: {needed} bytes are needed, {free} of {size} are available",
        path=str(DIRECTORY),
        available=free,
        needed=needed,
        where=str(DIRECTORY),
        hint="free space there, make it larger (mount -o remount,size=…), or ask for less memory",
    )
