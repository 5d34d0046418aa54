"""The kernel segment: laid out as its geometry says, and refused when anything about it is not what
it should be.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from multikernel.native import _native

# cores, window, user channels, ring slots, shared bytes, events of a trace
GEOMETRY = (3, 2, 1, 32, 5000, 64)
SIZE = _native.kernel_segment_bytes(*GEOMETRY)
FIELDS = (
    "magic",
    "version",
    "header_bytes",
    "cores",
    "window",
    "user_channels",
    "ring_slots",
    "shared_bytes",
    "trace_events",
    "size",
)
HEAD = struct.Struct("<QIIIIIIQQQ")


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = os.memfd_create("segment")
    os.ftruncate(descriptor, SIZE)
    yield descriptor
    os.close(descriptor)


def test_what_was_made_is_accepted(memory: int) -> None:
    made = _native.Segment.create(memory, *GEOMETRY)
    attached = _native.Segment.attach(memory, SIZE)
    assert attached.cores == made.cores == 3
    regions = [attached.region(core) for core in range(3)]
    assert regions == [made.region(core) for core in range(3)]
    for (start, length), (following, _) in zip(regions, [*regions[1:], (SIZE, 0)], strict=True):
        assert start % 4096 == 0
        assert start + length <= following
    fields = dict(zip(FIELDS, HEAD.unpack(os.pread(memory, HEAD.size, 0)), strict=True))
    assert (fields["cores"], fields["size"]) == (3, SIZE)


def test_one_segment_seen_twice(memory: int) -> None:
    made = _native.Segment.create(memory, *GEOMETRY)
    attached = _native.Segment.attach(memory, SIZE)
    assert not attached.going
    made.go()
    assert attached.going
    with pytest.raises(IndexError):
        made.stop_computing(made.cores)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("magic", 0, "magic"),
        ("magic", 0x314C4E52454B4D76, "magic"),
        ("version", 0, "version"),
        ("version", 2, "version"),
        ("header_bytes", 64, "layout"),
        ("cores", 4, "layout"),
        ("window", 32, "layout"),
        ("user_channels", 64, "layout"),
        ("ring_slots", 0, "layout"),
        ("shared_bytes", 1 << 20, "layout"),
        ("trace_events", 128, "layout"),
        ("trace_events", 65, "layout"),
        ("size", 1 << 40, "layout"),
    ],
)
def test_damage_is_refused(memory: int, field: str, value: int, says: str) -> None:
    _native.Segment.create(memory, *GEOMETRY)
    fields = dict(zip(FIELDS, HEAD.unpack(os.pread(memory, HEAD.size, 0)), strict=True))
    assert fields[field] != value
    os.pwrite(memory, HEAD.pack(*{**fields, field: value}.values()), 0)
    with pytest.raises(ValueError, match=f"not this system's kernel segment: .*{says}"):
        _native.Segment.attach(memory, SIZE)


@pytest.mark.parametrize(("size", "says"), [(64, "smaller than its header"), (8192, "truncated")])
def test_a_shorter_one_is_refused(memory: int, size: int, says: str) -> None:
    _native.Segment.create(memory, *GEOMETRY)
    with pytest.raises(ValueError, match=says):
        _native.Segment.attach(memory, size)


def test_an_empty_one_is_refused(memory: int) -> None:
    with pytest.raises(ValueError, match="magic"):
        _native.Segment.attach(memory, SIZE)
