"""What a notebook, or a prompt, does again and again: a cell that boots, run once more.

Guarantees: outside of IPython nothing is kept and nothing happens. In it, a cell that is run again
closes what it had booted before, and says so; what one run of a cell boots stays together. Of other
systems that still run, boot() says so: two systems share no CPU because a name was forgotten.
"""

from __future__ import annotations

import gc
import re
import sys
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from multikernel.system.system import System


class Place(NamedTuple):
    """A cell, and which of its runs. IPython names a cell after its text."""

    cell: str
    run: int


_booted: weakref.WeakKeyDictionary[System, Place] = weakref.WeakKeyDictionary()


def place() -> Place | None:
    """Where in a notebook boot() was called, however many functions down; None outside of one."""
    shell = _shell()
    if shell is None:
        return None
    frame = sys._getframe(1)
    while frame.f_back is not None and not (
        frame.f_globals is shell.user_global_ns and frame.f_code.co_name == "<module>"
    ):
        frame = frame.f_back
    # At the prompt of IPython the name counts the runs as well: <ipython-input-RUN-TEXT>.
    cell = re.sub(r"^<ipython-input-\d+-", "<ipython-input-", frame.f_code.co_filename)
    return Place(cell, shell.execution_count)


def close_before(place: Place | None) -> None:
    """Before a cell boots: closes what its earlier runs have booted, and says what else runs."""
    if place is None:
        return
    gc.collect()  # a system that nobody has any more closes itself
    others = []
    for system, (cell, run) in list(_booted.items()):
        if system.launched.closed:
            continue
        if cell == place.cell and run != place.run:
            system.close()
            _say(f"closed system {system.plan.system}, which this cell had booted before")
        else:
            others.append(system)
    if len(others) == 1:
        _say(f"{others[0]!r} is still there; close it, or what you measure is disturbed")
    elif others:
        names = ", ".join(sorted(system.plan.system for system in others))
        _say(f"{len(others)} systems are still there: {names}; close them, or measure nothing")


def remember(place: Place | None, system: System) -> None:
    """It was booted there."""
    if place is not None:
        _booted[system] = place


def _shell() -> Any:
    """IPython's shell, None where there is none."""
    module = sys.modules.get("IPython")
    return None if module is None else getattr(module, "get_ipython", lambda: None)()


def _say(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
