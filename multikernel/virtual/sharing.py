"""One object that all cores of a modelled machine operate on, in virtual time: behind a lock, at an
owner, as replicas or without locks; or in the form that it chooses (virtual/sharing.h of the native
core).

Guarantees: the same machine, costs and workload give the same run. How often a line travels is what
the code of each form does, step by step; what that takes is the machine's. Rates are operations a
cycle of the modelled machine; times are its cycles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from multikernel.errors import BadInput
from multikernel.hints import one_of
from multikernel.machine.models.model import Model
from multikernel.native._native import PROBE_FORMS, VirtualMachine
from multikernel.virtual.kernel import machine
from multikernel.virtual.work import Work

*_KNOWN, ADAPTIVE = PROBE_FORMS["sharing"]
FORMS = tuple(form for form in _KNOWN if not form.startswith(("agreed", "combined")))
"""Of an object, those that are modelled: the first of all; and the one that chooses."""
LOCKS = ("ticket", "mcs")
"""That the form `fifo` may have."""
CANDIDATES = tuple(form for form in FORMS if form != "fifo")
LINES_MOST, CORES_MOST = 32, 256
EDGE = 400_000
"""Cycles that do not count, at first."""
SPAN = 1_000_000
ADAPTIVE_SPAN_US = 1_000_000
PRECISION, COUNTED = 0.005, 40_000_000
"""To which a rate is known, by its standard error, where that is asked for; and the cycles in which
it is counted at most.
"""
OPERATION, LINE, LOOK, CLOCK = 18.0, 1.0, 4.0, 25.0
"""Cycles of an operation on one line, of each further one, of a look in a loop, and of one at the
clock: measured on this project's host, in one process.
"""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a core does by itself, in cycles of the machine. operation: the loop, the object's
    dispatch, and an operation on one line that the core has; line: each further one; atomic: an
    atomic operation on such a line; look: at one in a loop; relax: the processor's pause; turn: of
    the driver in which nothing comes; clock: a look at the clock. migrates: a line that another
    core has written is the reader's own, as on Intel's servers of 2023; else both share it.
    """

    operation: float
    line: float
    atomic: float
    look: float
    relax: float
    turn: float
    clock: float
    migrates: bool = False

    @classmethod
    def of(cls, model: Model, work: Work) -> Costs:
        """As that machine's core does what was measured with the calibration."""
        scale, local = model.local.work_scale.value, model.local
        return cls(
            operation=OPERATION * scale, line=LINE * scale, atomic=work.lock * scale,
            look=LOOK * scale, relax=local.relax.value or work.relax, turn=work.turn * scale,
            clock=CLOCK * scale,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workload:
    """reads: percent of the operations that only read; lines: that one touches; think: cycles
    between two; share: of a thousand operations, the owner's, 0: as many as each other core's.
    """

    reads: int
    lines: int
    think: int
    share: int = 0

    def check(self, cores: int) -> None:
        """Raises BadInput."""
        for name, low, high in (
            ("reads", 0, 100), ("lines", 1, LINES_MOST), ("think", 0, 1 << 30), ("share", 0, 999),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise BadInput(
                    f"a workload has {low} to {high} as its {name}", value=getattr(self, name),
                    where=name,
                )  # fmt: skip
        if not 1 <= cores <= CORES_MOST:
            raise BadInput(
                f"an object is modelled on 1 to {CORES_MOST} cores", value=cores, where="cores"
            )


class Row(NamedTuple):
    """Of the chooser's table: a workload that is known; shares of one, and operations a thousand
    cycles by form, 0: not known.
    """

    reads: float
    owners: float
    lines: float
    rates: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """operations, reads: by core, in `cycles`. moved: transactions of lines; longest: operations in
    a row of one core; rows: how many such there were. form: at the end; changes, races: of the
    choice; within: cycles in each form.
    """

    cycles: int
    operations: tuple[int, ...]
    reads: tuple[int, ...]
    moved: int
    longest: int
    rows: int
    form: str
    changes: int
    races: int
    within: Mapping[str, int]

    @property
    def rate(self) -> float:
        """Operations a cycle, of all cores."""
        return sum(self.operations) / self.cycles

    def mops(self, ghz: float) -> tuple[float, ...]:
        """Millions of operations a second, by core."""
        return tuple(1e3 * ghz * one / self.cycles for one in self.operations)


def _packed(row: Row) -> tuple[float, ...]:
    rates = (*row.rates, *[0.0] * len(_KNOWN))[: len(_KNOWN)]
    return row.reads, row.owners, row.lines, *rates


def run(
    on: VirtualMachine, costs: Costs, form: str, workload: Workload, *, span: int = SPAN,
    edge: int = EDGE, lock: str = "ticket", owner: int = 0, seed: int = 1,
    counts: bool | None = None, rows: Sequence[Row] = (),
    candidates: Sequence[str] = CANDIDATES, rules: Mapping[str, int] | None = None,
    precision: float | None = None,
) -> Found:  # fmt: skip
    """All cores of the machine operate for `span` cycles, after `edge` that do not count. form: one
    of FORMS, or ADAPTIVE: of the candidates, by the product's own chooser, with that table.
    counts: the mix is kept as in the probe, every 32 operations and over lines that travel; by
    default where there are two cores. Else it is kept one by one, and for nothing. precision: a run
    ends where its rate is known so well (a share of it, by the standard error), 0: after the span;
    by default after the span, and of one that chooses the rates between races are known to
    PRECISION. Raises BadInput.
    """
    workload.check(on.cores)
    for name, value, known in (("form", form, (*FORMS, ADAPTIVE)), ("lock", lock, LOCKS)):
        if value not in known:
            raise BadInput(f"no such {name}", value=value, hint=one_of(value, known))
    able = [one for one in candidates if one != "lock-free" or workload.lines == 1]
    if form == "lock-free" and workload.lines > 1:
        raise BadInput("only a single counter has a lock-free form", value=workload.lines)
    chosen = form == ADAPTIVE
    if precision is None:
        precision = PRECISION if chosen else 0
    numbers = asdict(costs)
    how = {
        "form": FORMS.index("locked" if chosen else form), "lock": LOCKS.index(lock),
        "lines": workload.lines, "reads": workload.reads, "think": workload.think,
        "share": workload.share or max(1, round(1000 / on.cores)), "owner": owner, "edge": edge,
        "span": span, "seed": seed, "migrates": numbers.pop("migrates"),
        "counts": on.cores == 2 if counts is None else counts,
        "precision": round(10_000 * precision), "counted": COUNTED if chosen else span,
    }  # fmt: skip
    forms = sum(1 << FORMS.index(one) for one in able) if chosen else 0
    table = [_packed(row) for row in rows] if chosen else ()
    done, reads, found, within = on.sharing(numbers, how, forms, table, rules)
    return Found(
        cycles=found["cycles"], operations=tuple(done), reads=tuple(reads), moved=found["moved"],
        longest=found["longest"], rows=found["rows"], form=FORMS[found["form"]],
        changes=found["changes"], races=found["races"],
        within=dict(zip(FORMS, within, strict=False)),
    )  # fmt: skip


def point(
    model: Model, cores: int, form: str, workload: Workload, *, work: Work | None = None,
    span_us: float | None = None, rows: Sequence[Row] = (), where: str = "machine",
) -> Found:  # fmt: skip
    """The same on the first so many cores of that machine; work: the calibration, by default the
    reference; span_us: microseconds of the modelled machine. Raises BadInput.
    """
    per_us = 1000 * model.ghz.value
    if span_us is None:
        span_us = ADAPTIVE_SPAN_US if form == ADAPTIVE else SPAN / per_us
    return run(
        machine(model, cores, where), Costs.of(model, work or Work.reference()), form, workload,
        span=round(span_us * per_us), rows=rows,
    )  # fmt: skip
