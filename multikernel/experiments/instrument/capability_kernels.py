"""The kernels that operate on capabilities, booted side by side, and slices of operations on them.

Guarantees: the ways of deciding, each a system of its own that is booted fresh in every boot: the
multikernel by two phases and by owners, the shared kernel under its one lock and under one a region
of memory. All of them are asked the same requests, through the same loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from multikernel import system as system_
from multikernel.experiments.instrument import capability_loops
from multikernel.experiments.instrument.arms import Arm, Outcome, Scalar, Spec
from multikernel.experiments.instrument.capability_loops import Source, Task
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.results.document import Measure, Mode, System
from multikernel.routing.choosing import to_all


@dataclass(frozen=True, slots=True)
class Way:
    """A way of deciding. name: in keys, and the series' variant; options: of boot; source: of
    memory that is retyped where others have to do with it.
    """

    name: str
    system: System
    options: tuple[tuple[str, Any], ...] = ()
    source: Source = "copied"


TWO_PHASE = Way("two-phase", "multikernel")
OWNER = Way("owner", "multikernel", (("capabilities", "owner"),))
FOREIGN = Way("foreign-owner", "multikernel", OWNER.options, "foreign")
"""By the owner, which is another core than the one that asks."""
BIG = Way("big-lock", "shared", (("kernel", "shared"),))
REGION = Way("region-locks", "shared", (("kernel", "shared"), ("lock_scope", "region")))
WAYS = (TWO_PHASE, OWNER, BIG, REGION)


def booted(stack: ExitStack, way: Way, cpus: Sequence[int]) -> Bench:
    """A system of that way on those CPUs, furnished; without a choice of trees, as the experiment
    installs its own.
    """
    options = dict(way.options)
    if way.system == "multikernel":
        options["trees"] = {0: to_all(0, len(cpus))}
    bench = Bench(stack.enter_context(system_.boot(list(cpus), **options)))
    bench.system.cores[0].run(capability_loops.furnish)
    return bench


def arm(
    key: str, bench: Bench, task: Task, edges: tuple[tuple[int, int], ...] | None = None
) -> Arm:
    """Slices of that operation on core 0. edges: the tree along which the others are asked, where
    they are.
    """

    def slice_of() -> Outcome:
        if edges is not None:
            bench.along(0, edges)
        report = bench.one(key, capability_loops.operate, task, bench.watch)
        return Outcome({key: samples_of(report)["times"]}, activity=report.activity)

    return Arm(key.replace("-", " "), slice_of)


def spec(
    key: str, way: Way, cores: int, operation: str, about: Mapping[str, Scalar], *,
    in_flight: int | None = None,
    asked: bool = True, control: bool = False,
) -> Spec:  # fmt: skip
    """about: further parameters; asked: other cores, in the multikernel; in_flight: where
    operations are timed in batches; None: each by itself.
    """
    parameters: dict[str, Scalar] = {"operation": operation, "told": "none", **about}
    if asked and way.system == "multikernel":
        parameters.update(target="polling", told="poll")
    mode: Mode = "single" if in_flight is None else "back-to-back"
    measure: Measure = "completion" if in_flight is None else "interval"
    if in_flight is not None:
        parameters["in_flight"] = in_flight
    return Spec(
        key, way.system, way.name, cores, measure, mode,
        1 if in_flight is None else capability_loops.BATCH,
        parameters=parameters, floor=tuple((0, core) for core in range(1, cores)), control=control,
    )  # fmt: skip


def boots(
    stack: ExitStack, cpus: Sequence[int], ways: Sequence[Way] = WAYS
) -> Iterator[tuple[Way, Bench]]:
    """A system of every way."""
    for way in ways:
        yield way, booted(stack, way, cpus)
