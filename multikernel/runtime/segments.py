"""Shared-memory segments that leave nothing behind.

A segment is made with posix_ipc under a random name, exclusively, readable by its owner only, and
unlinked at once: from then on it lives as long as a descriptor or a mapping of it. Between making
and unlinking a SIGKILL could leave the name; so the name carries the maker's pid, and every boot
sweeps away what dead makers left. Where /dev/shm is missing, read-only or too small, the segment is
a memory file (memfd_create), which never had a name and needs no file system.
"""

import contextlib
import errno
import os
import secrets
from pathlib import Path

import posix_ipc

from multikernel.errors import SegmentFull
from multikernel.machine import limits

DIRECTORY = Path("/dev/shm")
PREFIX = "multikernel-"
_NOEXEC_SEAL = 8
"""MFD_NOEXEC_SEAL: demanded where vm.memfd_noexec is 2, unknown to a Linux before 6.3."""


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


def create(size: int, *, beside: int = 0) -> int:
    """A descriptor of a new, empty, nameless segment of `size` bytes (not yet backed by memory), in
    /dev/shm where that has room for it and `beside` bytes more. Raises MultikernelError.
    """
    descriptor = _in_shared_memory() if available() >= size + beside else None
    if descriptor is None:
        with limits.naming("memfd_create"):
            descriptor = _memory_file()
    try:
        with limits.naming("ftruncate"):
            os.ftruncate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _in_shared_memory() -> int | None:
    """None where /dev/shm does not serve."""
    name = f"/{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    try:
        segment = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600)
    except (posix_ipc.Error, OSError):
        return None
    try:
        # somebody's sweep was faster
        with limits.naming("unlink"), contextlib.suppress(FileNotFoundError):
            os.unlink(f"{DIRECTORY}{name}")
    except BaseException:
        os.close(segment.fd)
        raise
    os.set_inheritable(segment.fd, False)
    return int(segment.fd)


def _memory_file() -> int:
    try:
        descriptor = os.memfd_create("multikernel", os.MFD_CLOEXEC | _NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        descriptor = os.memfd_create("multikernel", os.MFD_CLOEXEC)
    os.fchmod(descriptor, 0o600)
    return descriptor


def back(fd: int, offset: int, length: int) -> None:
    """Backs a stretch of a segment with memory now, from the calling process's node: a full file
    system is an error here and not a SIGBUS later. Raises SegmentFull, MultikernelError.
    """
    if length == 0:
        return
    try:
        os.posix_fallocate(fd, offset, length)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise full(length) from error
        raise limits.refusal(error, "fallocate") from error


def require(needed: int) -> None:
    """Raises SegmentFull when neither /dev/shm nor a memory file can hold `needed` more bytes, or
    the memory for them is not to be had.
    """
    room = limits.memory_room()
    if available() < needed and (room is None or room.left < needed or not _memory_files()):
        raise full(needed, room)
    if room is not None and room.left < needed:
        raise SegmentFull(
            f"not enough memory: {needed} bytes are needed, {room.left} are left",
            path=room.name,
            available=room.left,
            needed=needed,
            where=f"{room.name}: {limits.mib(room.limit)}",
            hint=room.remedy,
        )


def _memory_files() -> bool:
    """Whether the host makes any."""
    try:
        os.close(_memory_file())
    except OSError:
        return False
    return True


def available() -> int:
    """Bytes of /dev/shm that may still be used: 0 where it is missing, or not to be written."""
    state = _state()
    if state is None or not os.access(DIRECTORY, os.W_OK | os.X_OK):
        return 0
    return state.f_bavail * state.f_frsize


def _state() -> os.statvfs_result | None:
    try:
        return os.statvfs(DIRECTORY)
    except OSError:
        return None


def full(needed: int, room: limits.Room | None = None) -> SegmentFull:
    """The error, with the file system's size and what is available of it now. room: what the host
    has outside of it.
    """
    state, free = _state(), available()
    size = 0 if state is None else state.f_blocks * state.f_frsize
    outside = f"; outside of it, {room}" if room is not None and room.left < needed else ""
    return SegmentFull(
        f"shared memory is full: {needed} bytes are needed, {free} of {size} are available",
        path=str(DIRECTORY),
        available=free,
        needed=needed,
        where=str(DIRECTORY),
        hint="ask for less memory, or free space there or make it larger"
        f" (mount -o remount,size=…){outside}",
    )
