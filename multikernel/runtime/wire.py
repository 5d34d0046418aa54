"""Records over the Unix socket between the launcher and its supervisor: JSON with a length before
it, and descriptors beside.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

from multikernel.errors import CoreDied, SegmentFull

_HEAD = struct.Struct("<Q")


def send(connection: socket.socket, data: bytes, descriptors: tuple[int, ...] = ()) -> None:
    """Sends one record."""
    packet = _HEAD.pack(len(data))
    if descriptors:
        socket.send_fds(connection, [packet], list(descriptors))
    else:
        connection.sendall(packet)
    connection.sendall(data)


def send_record(
    connection: socket.socket, record: dict[str, Any], descriptors: tuple[int, ...] = ()
) -> None:
    """Sends one record made of plain data."""
    send(connection, json.dumps(record).encode(), descriptors)


def decoded(data: bytes) -> dict[str, Any]:
    """The record in what was received."""
    record: dict[str, Any] = json.loads(data)
    return record


class TooLong(ValueError):
    """A record of more bytes than the receiver takes."""


def receive(
    connection: socket.socket, most: int | None = None, until: float | None = None
) -> tuple[bytes, list[int]] | None:
    """One record and its descriptors; None when the other side is gone. most: bytes that are taken
    from a side that is not trusted, else TooLong is raised; until: when it must all be there (a
    monotonic time), else TimeoutError is.
    """
    try:
        head, descriptors, _, _ = socket.recv_fds(connection, _HEAD.size, 4)
    except ConnectionError:
        return None
    if 0 < len(head) < _HEAD.size:
        head += _exactly(connection, _HEAD.size - len(head), until)
    if len(head) < _HEAD.size:
        return None
    (length,) = _HEAD.unpack(head)
    if most is not None and length > most:
        raise TooLong(f"{length} bytes")
    data = _exactly(connection, length, until)
    return (data, descriptors) if len(data) == length else None


def _exactly(connection: socket.socket, length: int, until: float | None) -> bytes:
    parts = []
    while length:
        if until is not None:
            connection.settimeout(max(until - time.monotonic(), 1e-3))
        try:
            part = connection.recv(min(length, 1 << 20))
        except ConnectionError:
            break
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def died_error(record: dict[str, Any], then: str) -> CoreDied:
    """The CoreDied that a record describes: core, pid, status, and the limit that has ended it, if
    one did. then: what became of the system.
    """
    status = record["status"]
    how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    limit = record["limit"]
    return CoreDied(
        f"core {record['died']} died ({how}{f': {limit}' if limit else ''}) {then}",
        core=record["died"],
        pid=record["pid"],
        status=status,
        hint="boot another one",
    )


def full_error(record: dict[str, Any]) -> SegmentFull:
    """The SegmentFull that a record describes."""
    text, path, available, needed = record["full"]
    return SegmentFull(text, path=path, available=available, needed=needed)
