"""Programs on their way between the client and a core: a function with its arguments there, a value
or an exception back.

cloudpickle, so that functions of a notebook or a script's main module travel by value. An exception
that cannot be pickled comes back as RemoteError; every exception carries the remote traceback as a
note.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any

from multikernel.errors import BadInput, RemoteError


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

    try:
        function, args, kwargs = pickle.loads(code)
        return bytes(cloudpickle.dumps((True, function(*args, **kwargs))))
    except BaseException as error:
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


def outcome_of(data: bytes) -> Any:
    """The value that came back, or raises the exception that did."""
    fine, value = pickle.loads(data)
    if fine:
        return value
    raise value
