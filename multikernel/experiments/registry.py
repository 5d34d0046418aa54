"""The experiments by name: those of the folders beside this file, and those that other packages
bring.

Guarantees: a name here is the `experiment` of the documents it makes; every experiment names the
paper's figure that it answers. A folder is imported when it is asked for. Another package's
experiment is an entry point of the group `multikernel.experiments`, whose name is the experiment's
and whose value is its class.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from multikernel.errors import BadInput
from multikernel.experiments.instrument.experiment import Experiment

GROUP = "multikernel.experiments"
NAMES = (
    "floor", "latency", "shared-memory", "local-call", "round-trip", "message", "transport",
    "poll-or-block", "shootdown", "collectives", "unmap", "two-phase-commit", "retype-throughput",
    "capabilities",
)  # fmt: skip
"""Our own, in the order of the paper."""
COMPARED = ("floor", "round-trip", "unmap")
"""What `compare` runs, in this order."""


def names() -> list[str]:
    """All, our own first."""
    others = sorted(one.name for one in entry_points(group=GROUP) if one.name not in NAMES)
    return [*NAMES, *others]


def get(name: str) -> type[Experiment]:
    """An experiment by name. Raises BadInput."""
    if name in NAMES:
        found = importlib.import_module(f"{GROUP}.{name.replace('-', '_')}").EXPERIMENT
    else:
        points = {one.name: one for one in entry_points(group=GROUP)}
        if name not in points:
            raise BadInput(
                "unknown experiment", value=name, hint="there are all, " + ", ".join(names())
            )
        found = points[name].load()
    assert issubclass(found, Experiment)
    return found


def all_of_them() -> list[type[Experiment]]:
    """All, in the order they are listed in."""
    return [get(name) for name in names()]
