"""Two-phase commit: the retype of memory that all cores have copies of, one alone and many in
flight.

Guarantees: a retype is a request to the own core's driver; it is over when the requester has its
answer, and by then every core has voted and knows the outcome. *Single*: one at a time, a clock
around each. *Interval*: batches with so many in flight, the mean cost of one; all of them are of
different memory. By tree and by number of cores, in the multikernel by two phases; beside it by the
owner-sequenced protocol, asked for by the owner, who asks nobody, and by another core, which asks
the owner; in the shared kernel, whose cores need not be asked, under one lock and under one a
region. What the same request costs where nobody has to be asked (the local work) is in the same
slices, and so are the floors: what agreement adds is said in multiples of them. Trees with the same
edges are one, as in `collectives`. One core asks, the others answer; what all cores get done at
once is `retype_throughput`'s. Answers: the paper's figure 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from multikernel.experiments.collectives import ByCores, Shape, known
from multikernel.experiments.floor import floor_arms, floors_of, root_pairs
from multikernel.experiments.instrument import document
from multikernel.experiments.instrument.arms import CONTROL, Arm, Collector, Scalar, Spec, floor_key
from multikernel.experiments.instrument.capability_kernels import (
    FOREIGN,
    TWO_PHASE,
    WAYS,
    Way,
    arm,
    booted,
    spec,
)
from multikernel.experiments.instrument.capability_loops import BATCH, Source, Task
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.results.document import Caution, Document

NAME = "two-phase-commit"
FIGURE = "figure 8"
SUMMARY = (
    "The retype of memory that all cores know: one alone, and many in flight, by tree and by number"
    " of cores."
)

SINGLE, PIPELINED = 800, 24 * BATCH
"""Operations in a slice."""
MOST = 16
"""In flight at once, as many as a core's monitor takes part in of its own."""
FEWER = (1, 2, 4, 8)
LOCAL = "local"
FLOORS_ALLOWED = 3.5
"""What agreement may cost beside the local work, in back-to-back floors."""

HERE = (*WAYS, FOREIGN)
Benches = dict[tuple[str, int], Bench]
"""By way and number of cores."""


def key(
    way: Way, shape: Shape | None, cores: int, request: Request, in_flight: int | None = None
) -> str:
    """A series' key. The full number of cores is left out of it. shape: the tree of the multikernel
    by two phases, else None.
    """
    name = way.name if shape is None else f"{way.name}-{shape.name}"
    return f"{name}{'' if cores == request.cores else f'-on-{cores}'}-{_suffix(in_flight)}"


def _suffix(in_flight: int | None) -> str:
    return "single" if in_flight is None else f"{in_flight}-in-flight"


def _runs(
    request: Request, by_cores: ByCores
) -> Iterator[tuple[Way, Shape, bool, int, int | None]]:
    """(way, tree, is it named, cores, in flight), for every series but the local ones."""
    for cores, shapes in by_cores.items():
        for way in HERE:
            for shape in shapes if way is TWO_PHASE else shapes[:1]:
                first = shape is shapes[0] and cores == request.cores
                for in_flight in (None, *(FEWER if first else ()), MOST):
                    yield way, shape, way is TWO_PHASE, cores, in_flight


def _task(request: Request, in_flight: int | None, source: Source) -> Task:
    if in_flight is None:
        return Task("retype", request.size.count(SINGLE), source=source)
    return Task("retype", request.size.count(PIPELINED, BATCH, 2), BATCH, in_flight, source)


def _arms(request: Request, benches: Benches, by_cores: ByCores) -> list[Arm]:
    found = []
    for way, shape, named, cores, in_flight in _runs(request, by_cores):
        edges = shape.tree.edges if way.system == "multikernel" else None
        name = key(way, shape if named else None, cores, request, in_flight)
        found.append(
            arm(name, benches[way.name, cores], _task(request, in_flight, way.source), edges)
        )
        if way is TWO_PHASE and name == _first(by_cores, request, None):
            found.append(
                arm(
                    name + CONTROL,
                    benches[way.name, cores],
                    _task(request, in_flight, way.source),
                    edges,
                )
            )
    ours = benches[TWO_PHASE.name, request.cores]
    for in_flight in (None, 1):
        found.append(arm(f"{LOCAL}-{_suffix(in_flight)}", ours, _task(request, in_flight, "alone")))
    return [*found, *floor_arms(ours, request, root_pairs(request.cores))]


def _first(by_cores: ByCores, request: Request, in_flight: int | None) -> str:
    """The key of the multikernel's by two phases on all cores, along the first tree."""
    return key(TWO_PHASE, by_cores[request.cores][0], request.cores, request, in_flight)


def _specs(request: Request, by_cores: ByCores) -> Iterator[Spec]:
    for way, shape, named, cores, in_flight in _runs(request, by_cores):
        name = key(way, shape if named else None, cores, request, in_flight)
        more: dict[str, Scalar] = {}
        if way is TWO_PHASE:
            more["tree"] = shape.name
            if shape.same:
                more["same"] = ",".join(shape.same)
        yield spec(name, way, cores, "retype", more, in_flight=in_flight)
        if way is TWO_PHASE and name == _first(by_cores, request, None):
            yield spec(name + CONTROL, way, cores, "retype", more, control=True)
    for in_flight in (None, 1):
        local = Way(LOCAL, "multikernel")
        yield spec(
            f"{LOCAL}-{_suffix(in_flight)}",
            local,
            1,
            "retype",
            {},
            in_flight=in_flight,
            asked=False,
        )


def _ratios(request: Request, by_cores: ByCores) -> Iterator[tuple[str, str]]:
    single, pipelined = (_first(by_cores, request, in_flight) for in_flight in (None, MOST))
    yield single + CONTROL, single
    yield single, f"{LOCAL}-single"
    yield pipelined, single
    for fewer in FEWER:
        yield _first(by_cores, request, fewer), pipelined
    for cores, shapes in by_cores.items():
        for in_flight in (None, MOST):
            ours = key(TWO_PHASE, shapes[0], cores, request, in_flight)
            for way in HERE[1:]:
                yield key(way, None, cores, request, in_flight), ours
            for shape in shapes[1:]:
                yield ours, key(TWO_PHASE, shape, cores, request, in_flight)


def _said(request: Request, by_cores: ByCores, collector: Collector) -> Iterator[Caution]:
    """What agreement costs beside the local work, in floors, taken within each boot."""
    single = collector.medians(_first(by_cores, request, None))
    local = collector.medians(f"{LOCAL}-single")
    pipelined = collector.medians(_first(by_cores, request, MOST))
    floors = [
        collector.medians(floor_key((0, core), "back-to-back")) for core in range(1, request.cores)
    ]
    boots = [boot for boot in single if boot in local and all(boot in floor for floor in floors)]
    if not boots or request.crowded:
        return
    added = median(
        (single[boot] - local[boot]) / max(floor[boot] for floor in floors if boot in floor)
        for boot in boots
    )
    text = f"One retype in two phases takes its local work and {added:.2f} × the back-to-back floor"
    shares = [pipelined[boot] / single[boot] for boot in boots if boot in pipelined]
    if shares:
        text += f"; with {MOST} in flight one costs {median(shares):.2f} × as much as alone"
    yield Caution(code="cost-of-agreement", text=f"{text} (goals: {FLOORS_ALLOWED} ×, 0.5 ×).")
    yield Caution(
        code="nobody-is-asked",
        text=(
            "The shared kernel's cores are not asked: its figures are those of one core that holds"
            " uncontended locks. Nor are others where the owner retypes by the owner-sequenced"
            " protocol."
        ),
    )


def _cautions(by_cores: ByCores) -> Iterator[Caution]:
    for cores, shapes in by_cores.items():
        for shape in shapes:
            if shape.same:
                others = ", ".join(shape.same)
                text = (
                    f"Over {cores} cores {shape.name} is the same tree as {others}: measured once."
                )
                yield Caution(code="same-tree", text=text)


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    by_cores, _ = known(request)
    cpus = request.placement.cpus
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            benches = {
                (way.name, cores): booted(stack, way, cpus[:cores])
                for cores in by_cores
                for way in HERE
            }
            collector.boot(boot, _arms(request, benches, by_cores))
    pairs = root_pairs(request.cores)
    return document.finish(
        NAME, record, collector, floors_of(collector, pairs, cpus), list(_specs(request, by_cores)),
        _ratios(request, by_cores), [*_said(request, by_cores, collector), *_cautions(by_cores)],
    )  # fmt: skip
