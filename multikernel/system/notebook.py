"""What a notebook, or a prompt, does again and again: a cell that boots, run once more.

Guarantees: outside of IPython nothing is kept and nothing happens. In it, a cell that boots closes
what it has booted before, and says so; two systems share no CPU because a name was forgotten.
"""

from __future__ import annotations

import builtins
import sys
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multikernel.system.system import System

Place = tuple[str, int]
"""The file of a cell, which IPython names after its text, and a line in it."""
_booted: weakref.WeakValueDictionary[Place, System] = weakref.WeakValueDictionary()


def place() -> Place | None:
    """Where in a notebook boot() was called; None outside of one."""
    if not hasattr(builtins, "__IPYTHON__"):
        return None
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        "multikernel."
    ):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def close_before(place: Place | None) -> None:
    """Before a cell boots: closes what it has booted before, and says what else runs."""
    if place is None:
        return
    before = _booted.pop(place, None)
    if before is not None and not before.launched.closed:
        before.close()
        _say(f"closed system {before.plan.system}, which this cell had booted before")
    for other in list(_booted.values()):
        if not other.launched.closed:
            _say(f"{other!r} is still there; close it, or what you measure is disturbed")


def remember(place: Place | None, system: System) -> None:
    """It was booted there."""
    if place is not None:
        _booted[place] = system


def _say(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
