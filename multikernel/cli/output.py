"""Standard output and standard error as commands have them, and what comes of output that is lost.

Guarantees: output that cannot be written ends every command in the same way, whatever wrote it and
whenever it is noticed. Where its reader is gone (`| head`, a pager that was quit), quietly and with
the status of SIGPIPE; else (a full disk, a terminal that hung up) by one sentence and status 1.
Standard output that is closed (`>&-`) is refused before anything is done. What standard error does
not take is lost, and changes nothing. A pipe that does not block is waited for; letters that the
terminal's encoding does not have become question marks, and a file's name keeps its bytes.

Closed descriptors are opened on /dev/null: else a file of ours would get the number of standard
output, and what any process of a system prints would be written into it.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import sys
from typing import Any, TextIO

ERRORS = "multikernel-shown"


class _Patient(io.FileIO):
    """A descriptor that takes all it is given: where it does not block, it is waited for."""

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        while left:
            written = super().write(left)
            if written is None:
                select.select((), (self,), ())
            else:
                left = left[written:]
        return memoryview(data).nbytes


class _Output(_Patient):
    """Remembers why it could not be written to, and marks the error."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            error.output_is_lost = True  # type: ignore[attr-defined]
            raise


class _Errors(_Patient):
    """Loses what it cannot write."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _shown(error: UnicodeError) -> tuple[bytes, int]:
    """How codecs write what they cannot: bytes that came from a file's name as they were."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = map(ord, error.object[error.start : error.end])
    shown = (code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else ord("?") for code in codes)
    return bytes(shown), error.end


class Streams:
    """Both streams for as long as a command runs. closed: nothing can be printed at all. Streams
    that are not the process's own (a test's, a notebook's) stay as they are.
    """

    def __init__(self) -> None:
        codecs.register_error(ERRORS, _shown)
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                with contextlib.suppress(OSError):
                    _to_null(number)
        self.closed = sys.stdout is None
        self._before: tuple[TextIO, TextIO] = sys.stdout, sys.stderr
        self._out: tuple[_Output, TextIO] | None = None
        self._lost: OSError | None = None

    def __enter__(self) -> Streams:
        if sys.stdout is not None and sys.stdout is sys.__stdout__:
            raw = _Output(1, "w", closefd=False)
            self._out = raw, _text(raw, sys.stdout)
            sys.stdout = self._out[1]
        if sys.stderr is sys.__stderr__:
            sys.stderr = _text(_Errors(2, "w", closefd=False), sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lost is not None:
            # What is still kept would be tried again, and complained of, when the process ends.
            _to_null(1)
        with contextlib.suppress(OSError):
            self._flush()
        sys.stdout, sys.stderr = self._before

    def ended_by(self, error: BaseException) -> bool:
        """Whether output that could not be written is what this error comes from. Of an exit it is
        if there was any: click and rich exit when the reader is gone, and do not say so.
        """
        self._lost = loss_in(error)
        if self._lost is None and isinstance(error, SystemExit) and self._out is not None:
            self._lost = self._out[0].failure
        return self._lost is not None

    def lost(self) -> OSError | None:
        """Why output is lost, once all is written that can be; None where all is well."""
        try:
            self._flush()
        except OSError as error:
            self._lost = error
        except KeyboardInterrupt:  # the reader neither reads nor goes
            self._lost = InterruptedError()
            raise
        return self._lost

    def _flush(self) -> None:
        if self._out is not None and not self._out[1].closed:
            self._out[1].flush()


def loss_in(error: BaseException | None) -> OSError | None:
    """The output that could not be written, of which this error comes; None if of none."""
    while error is not None:
        if isinstance(error, OSError) and getattr(error, "output_is_lost", False):
            return error
        error = error.__cause__ or error.__context__
    return None


def _to_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
    os.set_inheritable(number, True)


def _text(raw: io.FileIO, stream: TextIO | None) -> TextIO:
    """A stream like the one that was there, over another descriptor."""
    if stream is None:  # standard error, closed
        return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)
    unbuffered = isinstance(stream.buffer, io.RawIOBase)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        stream.encoding,
        ERRORS if stream.errors == "strict" else stream.errors,
        line_buffering=bool(stream.line_buffering),
        write_through=unbuffered or raw.fileno() == 2,
    )
