"""Traces of real and of modelled runs: the file says what went on, and nothing that did not."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace as Packets
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent
from s6_cli.command import run

import multikernel
from multikernel.errors import BadInput, NotMapped
from multikernel.timeline import events
from multikernel.timeline.telling import tell
from multikernel.timeline.trace import Trace

MACHINES: dict[str, dict[str, Any]] = {
    "real": {"cores": 3},
    "real, rings": {"cores": 3, "transport": "ring"},
    "real, sockets": {"cores": 3, "transport": "socket"},
    "modelled": {"machine": "8x4-amd", "cores": 12},
    "modelled, owners": {"machine": "4-servers", "cores": 9, "capabilities": "owner"},
}
BEGIN, END = TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_SLICE_END


def work(system: Any, seed: int = 1, count: int = 40) -> Counter[str]:
    """Operations of all kinds, one after the other: how often each."""
    draw, done = random.Random(seed), Counter[str]()
    cores = range(len(system.cores))
    frame = system.allocate(4096)
    ram = system.ram(1 << 16)
    for _ in range(count):
        page = system.map(frame, cores=[0, *draw.sample(cores[1:], draw.randrange(1, len(cores)))])
        system.protect(page, "read-only")
        system.unmap(page, protocol=draw.choice(["one-phase", "two-phase"]))
        done.update(("map", "protect", "unmap"))
    with pytest.raises(NotMapped):
        system.unmap(page)
    for core in cores[1:]:
        copy = ram.copy(core)
        copy.delete()
        done.update(("copy", "delete"))
    return done


def rest(system: Any) -> None:
    """A real system's last acknowledgements are under way when its caller goes on."""
    until = time.monotonic() + 30
    while "machine" not in vars(system) and tell(system.traced(0)).unreceived:
        assert time.monotonic() < until, "a message is on its way for ever"
        time.sleep(0.01)


def traced(
    path: Path, options: dict[str, Any], most: int = 1 << 16, **how: Any
) -> tuple[Any, Counter[str]]:
    """What was told of a system, and what it did; the file is written."""
    trace = Trace(path, most)
    with multikernel.boot(trace=trace, **options) as system:
        done = work(system, **how)
        rest(system)
    trace.write()
    ((_, told),) = trace.told
    return told, done


@pytest.mark.parametrize("name", MACHINES)
def test_every_message_has_both_ends_and_goes_forward(name: str, tmp_path: Path) -> None:
    told, done = traced(tmp_path / "file", MACHINES[name])
    assert (told.unsent, told.unreceived, told.lost) == (0, 0, 0)
    assert told.messages
    assert all(one.sent < one.received and one.sender != one.receiver for one in told.messages)
    for core in told.cores:
        times = [mark.time for mark in core.marks]
        assert times == sorted(times)
        depth = 0
        for mark in core.marks:
            depth += {"begin": 1, "end": -1}.get(mark.what, 0)
            assert depth >= 0
        assert depth == 0
    came = Counter(span.name for core in told.cores for span in core.operations)
    assert done <= came
    assert came["unmap"] == done["unmap"] + 1
    refused = [
        span.says["verdict"]
        for core in told.cores
        for span in core.operations
        if span.says["verdict"] != "ok"
    ]
    assert refused == ["not mapped"]
    # Each agreement's first round precedes its second, and the voters know of both.
    rounds = Counter(span.name for span in told.cores[0].rounds)
    assert rounds["unmap prepare"] == rounds["unmap commit"] > 0
    assert rounds["unmap apply"] > 0
    assert any("outcome awaited" in span.name for core in told.cores[1:] for span in core.rounds)


@pytest.mark.parametrize("name", ["real", "modelled"])
def test_the_file_has_a_track_for_each_core_and_an_arrow_for_each_message(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    told, _ = traced(path, MACHINES[name])
    packets = Packets.FromString(path.read_bytes()).packet
    tracks = {
        one.track_descriptor.uuid: one.track_descriptor
        for one in packets
        if one.HasField("track_descriptor")
    }
    (process,) = [one for one in tracks.values() if one.HasField("process")]
    cores = [one for one in tracks.values() if one.parent_uuid == process.uuid]
    assert len(cores) == len(told.cores)
    assert ("simulated" in process.process.process_name) == (name == "modelled")
    last: dict[int, int] = {}
    depth: Counter[int] = Counter()
    starts: dict[int, tuple[int, int]] = {}
    ends: dict[int, tuple[int, int]] = {}
    for packet in packets:
        if not packet.HasField("track_event"):
            continue
        event = packet.track_event
        track = event.track_uuid
        assert track in tracks
        assert packet.timestamp >= last.get(track, 0)
        last[track] = packet.timestamp
        depth[track] += {BEGIN: 1, END: -1}.get(event.type, 0)
        assert depth[track] >= 0
        for number in event.flow_ids:
            assert number not in starts
            starts[number] = packet.timestamp, track
        for number in event.terminating_flow_ids:
            assert number not in ends
            ends[number] = packet.timestamp, track
    assert not any(depth.values())
    assert starts.keys() == ends.keys()
    assert len(starts) == len(told.messages)
    for number, (sent, track) in starts.items():
        assert ends[number][0] >= sent
        assert ends[number][1] != track


def test_a_modelled_run_gives_the_same_bytes_and_takes_as_long_untraced(tmp_path: Path) -> None:
    files = tmp_path / "one", tmp_path / "other"
    for path in files:
        with multikernel.boot(trace=path, **MACHINES["modelled"]) as system:
            work(system)
            now = system.now
    with multikernel.boot(**MACHINES["modelled"]) as system:
        work(system)
        assert system.now == now
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["real", "modelled"])
def test_where_a_core_keeps_less_than_there_was_the_rest_still_fits_together(
    name: str, tmp_path: Path
) -> None:
    told, done = traced(tmp_path / "file", MACHINES[name], most=512, count=60)
    assert told.lost > 0
    assert 0 < sum(len(core.operations) for core in told.cores) < done.total()
    assert all(told.since <= one.sent < one.received <= told.until for one in told.messages)
    # What is told begins in the middle of something.
    assert len(told.messages) > 10 * (told.unsent + told.unreceived)


def test_programs_are_told(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "file")
    with multikernel.boot(2, trace=trace) as system:
        assert system.cores[1].run(sum, (1, 2)) == 3
    ((_, told),) = trace.told
    assert "program" in {mark.name for mark in told.cores[1].marks}


def test_what_cannot_be_is_refused_before_anything_is_booted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.write_text("")
    for path in (there, tmp_path / "nowhere" / "file"):
        with pytest.raises(BadInput):
            multikernel.boot(2, trace=path)
    with pytest.raises(BadInput):
        multikernel.boot(2, trace=tmp_path / "file", kernel="shared")
    monkeypatch.setitem(sys.modules, "perfetto.trace_builder.proto_builder", None)
    with pytest.raises(BadInput) as error:
        multikernel.boot(2, trace=tmp_path / "file")
    assert "multikernel[trace]" in str(error.value)
    assert [one.name for one in tmp_path.iterdir()] == ["there"]


def test_the_rings_of_many_cores_together_have_a_bound() -> None:
    for cores in (1, 2, 48, 64, 65, 1000, 4096):
        room = events.room(cores)
        assert room & (room - 1) == 0
        assert room * cores <= max(events.EVENTS_ALL, events.EVENTS_MOST)


COMMANDS = {
    "boot": ("boot", "--cores", "2", "--trace", "file", "--", "program.py"),
    "boot, modelled": (
        *("boot", "--machine", "8x4-amd", "--cores", "4", "--trace", "file"),
        *("--", "program.py"),
    ),
    "bench": ("bench", "run", "unmap", "--machine", "2x2-amd", "--trace", "file"),
}


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_write_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from multikernel import current\n"
        "system = current()\n"
        "system.unmap(system.map(system.allocate(4096)))\n"
    )
    done = run(*COMMANDS[name], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {
        packet.track_event.name
        for packet in Packets.FromString((tmp_path / "file").read_bytes()).packet
    }
    assert {"unmap", "unmap prepare", "unmap commit"} <= names
