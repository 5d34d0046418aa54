"""The catalogue: what each experiment is called, which figure of the paper it answers, what it
asks, and what the paper reports (Baumann et al., SOSP 2009), to stand beside what is measured here.
A data file each.

Guarantees: only values that two independent secondary sources agree on are here; what is known from
one source or from memory is not. Values read off a plot are marked approximate: good to about ±0.5
k cycles. Cycles are those of the machine named, and its clock turns them into nanoseconds; they are
other machines of another time, so shapes and ratios travel and cycles don't.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from multikernel.results.record import Slug

SOURCE = "Baumann et al., The Multikernel, SOSP 2009"
PLOT = "Values marked ≈ were read off the paper's plot and are good to about ±500 cycles."
OTHERS = "The paper's machines are of 2009: shapes and ratios travel, cycles don't."


class Machine(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the paper's machines. ghz: its clock."""

    name: str
    ghz: float


MACHINES = {
    "intel-2x4": Machine("2×4 Intel X5355", 2.66),
    "amd-2x2": Machine("2×2 AMD 2220", 2.8),
    "amd-4x4": Machine("4×4 AMD 8380", 2.5),
    "amd-8x4": Machine("8×4 AMD 8350", 2.0),
}


class PaperValue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the paper reports. figure: where it stands; what: of what; on: one of MACHINES; cores:
    by how many, where it is a point of a curve.

    text: in place of a value, where the paper gives a bound or a relation. spread: standard
    deviation. approximate: read off a plot.
    """

    figure: str
    what: str
    on: str | None = None
    value: float | None = None
    unit: str = "cycles"
    cores: int | None = None
    spread: float | None = None
    approximate: bool = False
    text: str = ""

    def __post_init__(self) -> None:
        if self.on is not None and self.on not in MACHINES:
            raise ValueError(f"{self.on!r} is no machine of the paper")

    @property
    def machine(self) -> Machine | None:
        """The machine that it was measured on."""
        return None if self.on is None else MACHINES[self.on]

    @property
    def ns(self) -> float | None:
        """The value in nanoseconds, if it is one of cycles."""
        if self.value is None or self.unit != "cycles" or self.machine is None:
            return None
        return self.value / self.machine.ghz


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An experiment. figure: of the paper; summary: what is measured, in a sentence; question: what
    that answers; seconds: about how long a quick run takes on two CPUs; modelled: whether it can be
    run in virtual time; simulated_only: and nowhere else; paper: the values to show beside.
    """

    name: Slug
    figure: Annotated[str, Meta(min_length=1)]
    summary: Annotated[str, Meta(min_length=1)]
    question: str = ""
    seconds: int | None = None
    modelled: bool = False
    simulated_only: bool = False
    paper: tuple[PaperValue, ...] = ()


@functools.cache
def entry(name: str) -> Entry:
    """Of one of our own experiments. Raises KeyError for another name."""
    file = files(__name__) / f"{name}.toml"
    if not file.is_file():
        raise KeyError(name)
    return msgspec.toml.decode(file.read_bytes(), type=Entry)


@functools.cache
def entries() -> dict[str, Entry]:
    """All of our own, by name."""
    names = sorted(file.name.removesuffix(".toml") for file in files(__name__).iterdir())
    return {name: entry(name) for name in names if (files(__name__) / f"{name}.toml").is_file()}


def paper(name: str) -> tuple[PaperValue, ...]:
    """The paper's values for an experiment, nothing for one that is not known."""
    known = entries().get(name)
    return known.paper if known else ()
