"""Programs on their way between the client and a core: a function with its arguments there, a value
or an exception back.

cloudpickle, so that functions of a notebook or a script's main module travel by value. An exception
that cannot be pickled comes back as RemoteError; every exception carries the remote traceback as a
note.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from multikernel.errors import BadInput, RemoteError

_running = False


def on_interrupt(*_: object) -> None:
    """A core's handler of SIGINT: it is the program's, and without one nobody's."""
    if _running:
        raise KeyboardInterrupt


def encode(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """The bytes of a call. Raises BadInput for what cannot be sent."""
    import cloudpickle

    if not callable(function):
        raise BadInput("a core runs functions", value=repr(function), where="run")
    try:
        return bytes(cloudpickle.dumps((function, args, kwargs)))
    except Exception as error:
        raise BadInput(
            "this cannot be sent to a core",
            value=f"{type(error).__name__}: {error}",
            where="run",
            hint="pass plain data, or make it on the core",
        ) from error


def execute(code: bytes, where: str) -> bytes:
    """Runs the call of those bytes here; the bytes of its outcome. Never raises: whatever happens
    travels back.
    """
    import cloudpickle

    global _running
    core = os.getpid()
    try:
        _running = True
        try:
            function, args, kwargs = pickle.loads(code)
            value = function(*args, **kwargs)
        finally:
            _running = False
        if os.getpid() != core:
            _end_child(None)
        return bytes(cloudpickle.dumps((True, value)))
    except BaseException as error:
        if os.getpid() != core:
            _end_child(error)
        text = traceback.format_exc()
        # SystemExit, KeyboardInterrupt: the program's, not the core's
        if not isinstance(error, Exception):
            error = RemoteError(
                f"the program ended with {type(error).__name__}",
                value=str(error) or None,
                where=where,
                type_name=type(error).__name__,
                traceback=text,
            )
        error.add_note(f"Traceback on {where}:\n{text}")
        try:
            outcome = bytes(cloudpickle.dumps((False, error)))
            pickle.loads(outcome)  # some exceptions pickle well and do not come back
            return outcome
        except Exception:
            name = f"{type(error).__module__}.{type(error).__qualname__}"
            stand_in = RemoteError(str(error), where=where, type_name=name, traceback=text)
            stand_in.add_note(f"Traceback on {where}:\n{text}")
            return bytes(cloudpickle.dumps((False, stand_in)))


def _end_child(error: BaseException | None) -> NoReturn:
    """A child that the program has made leaves the program: it ends, as it would at the end of a
    script. The outcome is the program's own.
    """
    status = 0
    if isinstance(error, SystemExit):
        code = error.code
        status = code if isinstance(code, int) else int(code is not None)
        if status and not isinstance(code, int):
            print(code, file=sys.stderr)
    elif error is not None:
        status = 1
        traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            status = status or 1
    os._exit(status & 0xFF)


def outcome_of(data: bytes) -> Any:
    """The value that came back, or raises the exception that did."""
    fine, value = pickle.loads(data)
    if fine:
        return value
    raise value
