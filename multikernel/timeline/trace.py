"""A trace file that ui.perfetto.dev shows, of one system or of several.

Guarantees: whatever would keep it from being written is said before anything is traced, as far as
it can be known; the file appears under its name whole, or not at all, and nothing is overwritten;
the same events give the same bytes. Every track of a simulated system says that it is one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from multikernel.errors import BadInput, OutputError
from multikernel.results import whole
from multikernel.timeline.events import EVENTS_MOST, Traced, room
from multikernel.timeline.telling import CoreTold, Mark, Span, Told, tell

SEQUENCE = 1
"""All packets are of one writer."""
WHERE = "trace"


def _perfetto() -> tuple[Any, Any]:
    """The builder, and the classes of its messages. Raises BadInput without the extra."""
    try:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2
        from perfetto.trace_builder.proto_builder import TraceProtoBuilder
    except ImportError:
        raise BadInput(
            "a trace needs the package perfetto", where=WHERE,
            hint="pip install 'multikernel[trace]'",
        ) from None  # fmt: skip
    return TraceProtoBuilder(), perfetto_trace_pb2


class Kept:
    """What systems did, kept for who asks. Systems are added as they end."""

    def __init__(self, most: int = EVENTS_MOST) -> None:
        """most: events that a core keeps at most, a power of two."""
        self.most = most
        self.told: list[tuple[Traced, Told]] = []

    def events(self, cores: int) -> int:
        """That each of so many cores is to keep."""
        return room(cores, self.most)

    def add(self, traced: Traced) -> None:
        """What a system did; its cores have ended, or rest."""
        self.told.append((traced, tell(traced)))


class Trace(Kept):
    """The same as a file to be, which is written in the end."""

    def __init__(self, path: str | os.PathLike[str], most: int = EVENTS_MOST) -> None:
        """Raises BadInput: without the extra, where there is a file already, or cannot be one."""
        super().__init__(most)
        self.path = Path(path)
        _perfetto()
        directory = self.path.parent
        if os.path.lexists(self.path):
            wrong, hint = "there is a file of that name already", "choose another name"
        elif not directory.is_dir() or not os.access(directory, os.W_OK):
            wrong, hint = "cannot write into this directory", "name another one"
        else:
            return
        raise BadInput(wrong, value=self.path, where=WHERE, hint=hint)

    def write(self) -> None:
        """The file. Raises BadInput where its name is taken by now, OutputError."""
        data = _Writer(self.told).data()
        try:
            with whole.written(data, self.path.parent) as temporary:
                if whole.named(temporary, self.path):
                    return
        except OSError as error:
            why = os.strerror(error.errno or errno.EIO)
            raise OutputError(f"the trace: {why}", value=self.path, where=WHERE) from None
        raise BadInput(
            "there is a file of that name by now", value=self.path, where=WHERE,
            hint="nothing was overwritten: choose another name",
        )  # fmt: skip

    def __str__(self) -> str:
        messages = sum(len(told.messages) for _, told in self.told)
        operations = sum(len(core.operations) for _, told in self.told for core in told.cores)
        lost = sum(told.lost for _, told in self.told)
        said = f"{operations} operations and {messages} messages"
        if lost:
            said += f"; {lost} events before them were no longer kept"
        return f"{self.path}: {said}; open it at https://ui.perfetto.dev"


class _Writer:
    """Of systems: a process each, with a track for every core, and below it those of what
    overlaps.
    """

    def __init__(self, told: Iterable[tuple[Traced, Told]]) -> None:
        self._told = list(told)
        self._builder, self._protos = _perfetto()
        self._tracks = 0
        self._flows = 0
        event = self._protos.TrackEvent
        self._types = {
            "begin": event.TYPE_SLICE_BEGIN, "end": event.TYPE_SLICE_END,
            "instant": event.TYPE_INSTANT,
        }  # fmt: skip

    def data(self) -> bytes:
        """Of the file."""
        begins = [told.since for traced, told in self._told if told.messages or told.since]
        base = min(begins, default=0)
        for number, (traced, told) in enumerate(self._told, start=1):
            self._system(number, traced, told, 0 if traced.simulated else base)
        data: bytes = self._builder.serialize()
        return data

    def _system(self, number: int, traced: Traced, told: Told, base: int) -> None:
        title = f"{traced.title} (simulated)" if traced.simulated else traced.title
        process = self._track(0, title, explicit=True)
        process.process.pid = number
        process.process.process_name = title
        hz = round(traced.hz)
        for rank, core in enumerate(told.cores):
            self._core(process.uuid, rank, core, base, hz)
        self._flows += len(told.messages)

    def _core(self, process: int, rank: int, core: CoreTold, base: int, hz: int) -> None:
        own = self._track(process, core.label, rank, explicit=True).uuid
        for mark in core.marks:
            self._mark(own, mark, base, hz)
        for order, (name, spans) in enumerate(
            (("operations", core.operations), ("agreements", core.rounds))
        ):
            rows: list[tuple[int, int]] = []
            """Track, and until when it is in use."""
            for span in spans:
                free = (row for row, (_, until) in enumerate(rows) if until <= span.began)
                row = next(free, len(rows))
                if row == len(rows):
                    rows.append((self._track(own, name, order).uuid, 0))
                track = rows[row][0]
                rows[row] = track, span.ended
                self._span(track, span, base, hz)

    def _track(self, parent: int, name: str, rank: int = 0, *, explicit: bool = False) -> Any:
        packet = self._builder.add_packet()
        packet.trusted_packet_sequence_id = SEQUENCE
        descriptor = packet.track_descriptor
        self._tracks += 1
        descriptor.uuid = self._tracks
        if parent:
            descriptor.parent_uuid = parent
            descriptor.name = name
            descriptor.sibling_order_rank = rank
        if explicit:
            descriptor.child_ordering = descriptor.EXPLICIT
        return descriptor

    def _event(self, track: int, what: str, cycles: int, base: int, hz: int) -> Any:
        packet = self._builder.add_packet()
        packet.trusted_packet_sequence_id = SEQUENCE
        packet.timestamp = (cycles - base) * 1_000_000_000 // hz
        event = packet.track_event
        event.type = self._types[what]
        event.track_uuid = track
        return event

    def _mark(self, track: int, mark: Mark, base: int, hz: int) -> None:
        event = self._event(track, mark.what, mark.time, base, hz)
        if mark.what == "end":
            return
        event.name = mark.name
        self._says(event, mark.says)
        if mark.sends:
            event.flow_ids.append(self._flows + mark.sends)
        if mark.receives:
            event.terminating_flow_ids.append(self._flows + mark.receives)

    def _span(self, track: int, span: Span, base: int, hz: int) -> None:
        event = self._event(track, "begin", span.began, base, hz)
        event.name = span.name
        self._says(event, span.says)
        self._event(track, "end", span.ended, base, hz)

    @staticmethod
    def _says(event: Any, says: dict[str, str | int]) -> None:
        for name, value in says.items():
            annotation = event.debug_annotations.add()
            annotation.name = name
            if isinstance(value, int):
                annotation.int_value = value
            else:
                annotation.string_value = value
