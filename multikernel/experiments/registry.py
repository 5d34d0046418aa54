"""The experiments by name.

Guarantees: a name here is the `experiment` of the documents it makes; every experiment names the
paper's figure that it answers. An experiment's file is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from multikernel.errors import BadInput
from multikernel.experiments.instrument.request import Request
from multikernel.results.document import Document

_FILES = {
    "floor": "floor",
    "latency": "latency",
    "shared-memory": "shared_memory",
    "local-call": "local_call",
    "round-trip": "round_trip",
    "message": "message",
    "transport": "transport",
    "poll-or-block": "poll_or_block",
    "shootdown": "shootdown",
    "collectives": "collectives",
    "unmap": "unmap",
    "two-phase-commit": "two_phase_commit",
    "retype-throughput": "retype_throughput",
    "capabilities": "capabilities",
}
COMPARED = ("floor", "round-trip", "unmap")
"""What `compare` runs, in this order."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """figure: of the paper; summary: a sentence; run: measures and returns the document."""

    name: str
    figure: str
    summary: str
    run: Callable[[Request], Document]


def get(name: str) -> Experiment:
    """An experiment by name. Raises BadInput."""
    if name not in _FILES:
        raise BadInput("unknown experiment", value=name, hint="there are all, " + ", ".join(_FILES))
    module = importlib.import_module(f"multikernel.experiments.{_FILES[name]}")
    return Experiment(module.NAME, module.FIGURE, module.SUMMARY, module.run)


def all_of_them() -> list[Experiment]:
    """All, in the order they are listed in."""
    return [get(name) for name in _FILES]
