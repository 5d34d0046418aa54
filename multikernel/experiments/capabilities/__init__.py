"""Capabilities: what each operation costs, by which other cores know the memory, in both kernels.

Guarantees: copies on the own core and on another one; retypes of memory that nobody else knows,
that others have copies of, and that another core has made something of already; the revoke of an
object by its copies, here and on the other cores, and of memory by what was made of it; the
deletion of an object's last copy, and of the owner's last copy where others have some and one
inherits. Every operation is timed by itself, as a request to the own core's driver. Beside them,
bare and on one core: local operations by the number of capabilities in the mapping database.
Answers: section 4.7 of the paper, whose figure 8 has the retype alone (`two-phase-commit`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from multikernel.experiments.floor import floor_arms, floors_of, root_pairs
from multikernel.experiments.instrument import capability_loops, document
from multikernel.experiments.instrument.arms import CONTROL, Arm, Collector, Outcome, Scalar, Spec
from multikernel.experiments.instrument.capability_kernels import (
    TWO_PHASE,
    WAYS,
    Way,
    arm,
    boots,
    spec,
)
from multikernel.experiments.instrument.capability_loops import Task
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.results.document import Document

NAME = "capabilities"
FIGURE = "§4.7"
SUMMARY = (
    "Copy, retype, revoke and delete by which other cores know the memory; the mapping database by"
    " its size."
)

USUAL, SLOW, FEW = 300, 60, 12
"""Operations in a slice: of the usual ones, of those with many copies, of those on a thousand
capabilities.
"""
COPIES = (1, 8, 64)
DESCENDANTS = (10, 100, 1000)
SIZES, SMOKE_SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000), (10, 1_000)
"""Capabilities in the database."""
IN_DATABASE = 400
DATABASE = ("copy", "retype", "delete")
CONTROL_OF = "retype-copied"


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the operations. what: the series' operation; elsewhere: what other cores have to do
    with the memory, "" for nothing; usual: in a slice; number: of copies or descendants.
    """

    name: str
    what: str
    task: Task
    elsewhere: str = ""
    usual: int = USUAL
    number: int | None = None

    def parameters(self) -> dict[str, Scalar]:
        """What a series says of it."""
        found: dict[str, Scalar] = {"elsewhere": self.elsewhere or "nothing"}
        if self.number is not None:
            found["descendants" if self.task.operation == "descendants" else "copies"] = self.number
        return found


def operations(cores: int) -> Iterator[Operation]:
    """All of them, on so many cores."""
    others = cores - 1
    yield Operation("copy-local", "copy", Task("copy", 0, source="alone", to=0))
    yield Operation("copy-remote", "copy", Task("copy", 0, source="lent"), "the copy")
    yield Operation("retype-alone", "retype", Task("retype", 0, source="alone"))
    yield Operation("retype-copied", "retype", Task("retype", 0), "copies")
    yield Operation(
        "retype-derived", "retype", Task("retype", 0, source="derived"), "copies and descendants"
    )
    for number in COPIES:
        usual = USUAL if number == 1 else SLOW
        here = Task("revoke", 0, source="alone", to=0, copies=number)
        there = Task("revoke", 0, source="lent", copies=number, spread=others)
        yield Operation(f"revoke-{number}-copies", "revoke", here, "", usual, number)
        yield Operation(f"revoke-{number}-remote-copies", "revoke", there, "copies", usual, number)
    for number in DESCENDANTS:
        usual = FEW if number > 100 else SLOW
        yield Operation(
            f"revoke-{number}-descendants", "revoke", Task("descendants", 0), "", usual, number
        )
    yield Operation("delete-last", "delete", Task("delete", 0, source="alone"))
    inherited = Task("delete", 0, source="lent", copies=others, spread=others)
    yield Operation("delete-inherited", "delete", inherited, "copies", SLOW)


def _sizes(request: Request) -> tuple[int, ...]:
    return SIZES if request.size.measures and not request.crowded else SMOKE_SIZES


def _key(way: Way, operation: Operation) -> str:
    return f"{operation.name}-{way.name}"


def _arm(key: str, request: Request, bench: Bench, operation: Operation) -> Arm:
    task, count = operation.task, request.size.count(operation.usual)
    if task.operation != "descendants":
        return arm(
            key, bench,
            Task(task.operation, count, source=task.source, to=task.to, copies=task.copies,
            spread=task.spread),
        )  # fmt: skip
    assert operation.number is not None
    number = operation.number

    def slice_of() -> Outcome:
        report = bench.one(key, capability_loops.revoke_descendants, number, count, bench.watch)
        return Outcome({key: samples_of(report)["times"]}, activity=report.activity)

    return Arm(key.replace("-", " "), slice_of)


def _database(request: Request, bench: Bench, size: int) -> Arm:
    count = request.size.count(IN_DATABASE)

    def slice_of() -> Outcome:
        report = bench.one(
            f"database {size}", capability_loops.database, size, count, request.seed, bench.watch
        )
        found = samples_of(report)
        return Outcome(
            {f"{name}-among-{size}": found[name] for name in DATABASE}, activity=report.activity
        )

    return Arm(f"operations among {size} capabilities", slice_of)


def _arms(request: Request, benches: list[tuple[Way, Bench]]) -> list[Arm]:
    found = []
    for way, bench in benches:
        for operation in operations(request.cores):
            found.append(_arm(_key(way, operation), request, bench, operation))
            if way is TWO_PHASE and operation.name == CONTROL_OF:
                found.append(_arm(_key(way, operation) + CONTROL, request, bench, operation))
    first = benches[0][1]
    found += [_database(request, first, size) for size in _sizes(request)]
    return [*found, *floor_arms(first, request, root_pairs(request.cores))]


def _specs(request: Request) -> Iterator[Spec]:
    for way in WAYS:
        for operation in operations(request.cores):
            about, asked = operation.parameters(), bool(operation.elsewhere)
            cores = request.cores if asked else 1
            yield spec(_key(way, operation), way, cores, operation.what, about, asked=asked)
            if way is TWO_PHASE and operation.name == CONTROL_OF:
                yield spec(
                    _key(way, operation) + CONTROL, way, cores, operation.what, about, control=True
                )
    for size in _sizes(request):
        for name in DATABASE:
            yield Spec(
                f"{name}-among-{size}", "raw", "mapping-database", 1, "completion", "single",
                parameters={"operation": name, "capabilities": size, "told": "none"},
            )  # fmt: skip


def _ratios(request: Request) -> Iterator[tuple[str, str]]:
    control = f"{CONTROL_OF}-{TWO_PHASE.name}"
    yield control + CONTROL, control
    for operation in operations(request.cores):
        for way in WAYS[1:]:
            yield _key(way, operation), _key(TWO_PHASE, operation)
    for over, under in (
        ("copy-remote", "copy-local"),
        ("retype-copied", "retype-alone"),
        ("retype-derived", "retype-copied"),
        ("delete-inherited", "delete-last"),
        *((f"revoke-{number}-remote-copies", f"revoke-{number}-copies") for number in COPIES),
    ):
        for way in WAYS:
            yield f"{over}-{way.name}", f"{under}-{way.name}"
    sizes = _sizes(request)
    for name in DATABASE:
        yield f"{name}-among-{sizes[-1]}", f"{name}-among-{sizes[0]}"


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    cpus = request.placement.cpus
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            collector.boot(boot, _arms(request, list(boots(stack, cpus))))
    pairs = root_pairs(request.cores)
    return document.finish(
        NAME,
        record,
        collector,
        floors_of(collector, pairs, cpus),
        list(_specs(request)),
        _ratios(request),
    )
