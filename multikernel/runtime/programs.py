"""Programs on their way between the client and a core: a function with its arguments there, a value
or an exception back.

An exception that cannot be pickled comes back as RemoteError; every exception carries the remote
traceback as a note. A program that is cancelled gets `Cancelled` and comes back as TaskCancelled.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from multikernel.errors import BadInput, Cancelled, RemoteError, TaskCancelled
from multikernel.runtime import local, pickles

CANCEL_SIGNAL = signal.SIGRTMAX
"""What the driver interrupts a program by that is to be cancelled. A program leaves it alone."""

_VALUE, _ERROR, _CANCELLED = b"v", b"e", b"c"
"""What an outcome begins with."""

_running = False


def on_interrupt(*_: object) -> None:
    """A core's handler of SIGINT: it is the program's, and without one nobody's."""
    if _running:
        raise KeyboardInterrupt


def on_cancel(*_: object) -> None:
    """A core's handler of CANCEL_SIGNAL. Not yet, or no longer, in the program: the driver sends
    another one as long as there is something to say.
    """
    if _running and local.driver is not None and local.driver.cancelled():
        raise Cancelled


def name_of(function: object) -> str:
    """As its caller would call it."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


def encode(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytearray:
    """The bytes of a call. Raises BadInput for what cannot be sent."""
    if not callable(function):
        raise BadInput("a core runs functions", value=repr(function), where="run")
    try:
        return pickles.dumps((function, args, kwargs))
    except Exception as error:
        raise BadInput(
            "this cannot be sent to a core",
            value=f"{type(error).__name__}: {error}",
            where="run",
            hint="pass plain data, or make it on the core",
        ) from error


def execute(code: bytes, where: str, over: Callable[[], None]) -> bytes | bytearray:
    """Runs the call of those bytes here; the bytes of its outcome. Never raises: whatever happens
    travels back. over: what is to be done when the program has ended, before anything else.
    """
    core = os.getpid()
    try:
        try:
            return _run(code, core, where)
        finally:
            over()
    except BaseException as error:
        if os.getpid() != core:
            _end_child(error)
        over()  # a handler of the program's may have raised this after its end
        return _failed(error, where)


def _run(code: bytes, core: int, where: str) -> bytearray:
    global _running
    try:
        _running = True
        function, args, kwargs = pickles.loads(code)
        value = function(*args, **kwargs)
        if os.getpid() != core:
            _end_child(None)
        try:
            return pickles.dumps(value, _VALUE)
        except Exception as error:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise BadInput(
                f"the result of {name_of(function)} cannot be pickled",
                value=f"{kind}: {error}",
                where=where,
                hint="return plain data that is made of it, or None",
            ) from error
    finally:
        _running = False


def _failed(error: BaseException, where: str) -> bytearray:
    """The outcome of a program that ended by an exception."""
    text = "".join(traceback.format_exception(error))
    try:
        kind = _ERROR
        if isinstance(error, Cancelled):
            kind, error = _CANCELLED, TaskCancelled("the program was cancelled", where=where)
        elif not isinstance(error, Exception):
            # SystemExit, KeyboardInterrupt: the program's, not the core's
            error = RemoteError(
                f"the program ended with {type(error).__name__}",
                value=str(error) or None,
                where=where,
                type_name=type(error).__name__,
                traceback=text,
            )
        error.add_note(f"Traceback on {where}:\n{text}")
        outcome = pickles.dumps(error, kind)
        pickles.loads(memoryview(outcome)[1:])  # some pickle well and do not come back
        return outcome
    except BaseException:  # whatever its methods do is the program's own
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        stand_in = RemoteError(_shown(error), where=where, type_name=name, traceback=text)
        stand_in.add_note(f"Traceback on {where}:\n{text}")
        return pickles.dumps(stand_in, _ERROR)


def _shown(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as worse:
        return f"a {type(error).__qualname__}, whose text raises {type(worse).__qualname__}"


def _end_child(error: BaseException | None) -> NoReturn:
    """A child that the program has made leaves the program: it ends, as it would at the end of a
    script. The outcome is the program's own.
    """
    status = 0
    try:
        if isinstance(error, SystemExit):
            code = error.code
            status = code if isinstance(code, int) else int(code is not None)
            if status and not isinstance(code, int):
                print(code, file=sys.stderr)
        elif error is not None:
            status = 1
            traceback.print_exception(error)
    finally:
        fine = flush()
        os._exit(status & 0xFF or int(not fine))


def flush() -> bool:
    """Whether what was printed has gone out. The streams are the program's: there may be none, and
    whatever they raise is not to end a core.
    """
    fine = True
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except BaseException:
            fine = False
    return fine


def was_cancelled(outcome: bytes) -> bool:
    """Whether that is the outcome of a program that Cancelled left."""
    return outcome[:1] == _CANCELLED


def outcome_of(outcome: bytes) -> Any:
    """The value that came back, or raises the exception that did. Raises BadInput for a value that
    cannot be made here.
    """
    fine = outcome[:1] == _VALUE
    try:
        value = pickles.loads(memoryview(outcome)[1:])
    except Exception as error:
        raise BadInput(
            "the result came back and cannot be unpickled here",
            value=f"{type(error).__name__}: {error}",
            where="run",
            hint="return plain data, or a type whose module can be imported here too",
        ) from error
    if fine:
        return value
    raise value
