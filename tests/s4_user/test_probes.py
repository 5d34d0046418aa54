"""What every measuring loop is checked for: names, what it is given, ranges."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial

import multikernel
from multikernel.native._native import Histogram
from multikernel.user.here import here

FLOOR = {"core": 0, "role": 0, "line": 0, "base": 2, "count": 0, "batch": 1}
REFUSED: dict[str, tuple[str, str, dict[str, int]]] = {
    "no such loop": ("ceiling", "ValueError", {}),
    "a number is missing": ("floor", "TypeError", {"core": 0}),
    "a number too many": ("floor", "TypeError", {**FLOOR, "slots": 4}),
    "no such core": ("floor", "ValueError", {**FLOOR, "core": 1}),
    "no such line": ("floor", "ValueError", {**FLOOR, "line": 64}),
    "an empty batch": ("floor", "ValueError", {**FLOOR, "batch": 0}),
    "a negative number": ("floor", "OverflowError", {**FLOOR, "core": -1}),
    "too large a number": ("floor", "OverflowError", {**FLOOR, "core": 2**32}),
    "too many lines": ("update-shared", "ValueError", {"lines": 9, "count": 1, "batch": 1}),
}


def _name(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return ""


def _refusals() -> dict[str, str]:
    probe = here().driver.probe
    found = {
        why: _name(partial(probe, name, times=Histogram(), **numbers))
        for why, (name, _, numbers) in REFUSED.items()
    }
    found["no histogram"] = _name(partial(probe, "floor", **FLOOR))
    found["no channel"] = _name(
        partial(probe, "channel-echo", role=0, count=1, batch=1, times=Histogram())
    )
    few = array("Q", [0])
    found["no room"] = _name(partial(probe, "message", core=0, role=0, count=1, results=few))
    found["nothing to do"] = _name(partial(probe, "floor", times=Histogram(), **FLOOR))
    return found


def test_what_a_loop_does_not_take_is_refused() -> None:
    with multikernel.boot(cores=1) as system:
        found = system.cores[0].run(_refusals)
    assert found == {
        **{why: error for why, (_, error, _) in REFUSED.items()},
        "no histogram": "TypeError",
        "no channel": "TypeError",
        "no room": "ValueError",
        "nothing to do": "",
    }
