"""The experiments by name: those of the folders beside this file, and those that other packages
bring as entry points of the group `multikernel.experiments` (a name, and a class).

Guarantees: a name here is the `experiment` of the documents it makes. A folder is imported when it
is asked for.
"""

import importlib
from importlib.metadata import EntryPoint, entry_points

from multikernel import catalogue
from multikernel.catalogue import Entry
from multikernel.errors import BadInput
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.hints import one_of

GROUP = "multikernel.experiments"
NAMES = (
    "floor", "latency", "shared-memory", "local-call", "round-trip", "message", "transport",
    "poll-or-block", "shootdown", "collectives", "unmap", "two-phase-commit", "retype-throughput",
    "capabilities", "sharing-or-messages", "scale",
)  # fmt: skip
"""Our own, in the order of the paper."""
COMPARED = ("floor", "round-trip", "unmap")
"""What `compare` runs, in this order."""


def names() -> list[str]:
    """All, our own first."""
    return [*NAMES, *sorted(one.name for one in entry_points(group=GROUP) if one.name not in NAMES)]


def get(name: str) -> type[Experiment]:
    """An experiment by name. Raises BadInput."""
    if name in NAMES:
        module = importlib.import_module(f"{GROUP}.{name.replace('-', '_')}")
        own = (one for one in vars(module).values() if isinstance(one, type))
        return next(one for one in own if issubclass(one, Experiment) and one is not Experiment)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _loaded(point)
    raise BadInput("unknown experiment", value=name, hint=one_of(name, ["all", *names()]))


def _loaded(point: EntryPoint) -> type[Experiment]:
    """Another package's, which may do anything when it is imported."""
    where = f"{point.name} = {point.value}"
    try:
        found = point.load()
    except Exception as error:
        words = "this experiment of another package cannot be loaded"
        value = f"{type(error).__name__}: {error}"
        raise BadInput(words, value=value, where=where) from error
    if not (isinstance(found, type) and issubclass(found, Experiment)):
        words, hint = "this entry point is no experiment", "it has to name a subclass of Experiment"
        raise BadInput(words, value=repr(found), where=where, hint=hint)
    if found.entry.name != point.name:
        words = "this experiment is called otherwise than its entry point"
        raise BadInput(words, value=found.entry.name, where=where)
    return found


def listed() -> list[Entry]:
    """What all are called and ask, in that order. Of our own, none is imported for it."""
    return [catalogue.entry(name) if name in NAMES else _entry(name) for name in names()]


def _entry(name: str) -> Entry:
    try:
        return get(name).entry
    except BadInput as error:
        return Entry(name=name, figure="–", summary=str(error))
