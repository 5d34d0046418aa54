"""What programs on cores print, where their caller prints.

A core's standard output is the launcher's own descriptor 1, and nothing is in between. But in a
notebook, a test runner or a `redirect_stdout` block the launcher prints elsewhere: there the cores
get a pipe, and what comes out of it is written to `sys.stdout` as it is then; the same of standard
error.

Guarantees: whatever a program printed before it ended is written before its result is; nothing
printed is lost when a core dies, whatever it was written by. A program that prints much does not
wait for its caller, and nobody waits for one that never stops printing. Whether there is a pipe is
decided at boot: a script that redirects `sys.stdout` later on does so for itself, not for its
cores.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import select
import sys
import threading
from collections.abc import Callable

END_SECONDS = 2.0


def _elsewhere(name: str, number: int) -> bool:
    """Is that stream of this process not over its own descriptor?"""
    stream = getattr(sys, name)
    if stream is None:
        return False
    try:
        return bool(stream.fileno() != number)
    except (OSError, ValueError, AttributeError):
        return True


class Printed:
    """The pipes of one system. descriptors: of its processes, by the stream's name, where that is
    not the launcher's own.
    """

    def __init__(self) -> None:
        self.descriptors: dict[str, int] = {}
        self._lock = threading.RLock()
        self._streams: dict[int, Callable[[bytes, bool], None]] = {}
        self._thread: threading.Thread | None = None
        for number, name in enumerate(("stdout", "stderr"), 1):
            if _elsewhere(name, number):
                ours, theirs = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(ours, False)
                self.descriptors[name] = theirs
                self._streams[ours] = _writer(name)

    def started(self) -> None:
        """The processes have theirs, or will not come up."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.descriptors = {}
        if self._streams:
            self._thread = threading.Thread(
                target=_forward, args=(self._lock, self._streams), daemon=True,
                name="multikernel-printed",
            )  # fmt: skip
            self._thread.start()

    def drain(self) -> None:
        """Writes what has been printed until now, in this thread."""
        if self._streams:
            with self._lock:
                _read_all(self._streams)

    def close(self) -> None:
        """All processes are gone: writes the rest. Idempotent."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self.drain()
            self._thread.join(END_SECONDS)


def _writer(name: str) -> Callable[[bytes, bool], None]:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def write(data: bytes, final: bool) -> None:
        text, stream = decode(data, final), getattr(sys, name)
        # Whatever the stream is, and raises: it is the caller's, and closed perhaps.
        with contextlib.suppress(Exception):
            if text:
                stream.write(text)
                stream.flush()

    return write


def _read_all(streams: dict[int, Callable[[bytes, bool], None]]) -> None:
    """What is in the pipes now, and no more than fits into them: whoever waits for one program's
    result does not read what another one goes on printing.
    """
    for descriptor, write in list(streams.items()):
        left = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
        with contextlib.suppress(BlockingIOError):
            while left > 0:
                data = os.read(descriptor, left)
                if not data:
                    write(b"", True)
                    del streams[descriptor]
                    os.close(descriptor)
                    break
                write(data, False)
                left -= len(data)


def _forward(lock: threading.RLock, streams: dict[int, Callable[[bytes, bool], None]]) -> None:
    while True:
        with lock:
            _read_all(streams)
            waited = list(streams)
        if not waited:
            return
        poll = select.poll()
        for descriptor in waited:
            poll.register(descriptor, select.POLLIN)
        poll.poll()
