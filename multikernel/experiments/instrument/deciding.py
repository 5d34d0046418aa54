"""The kernels that operate on capabilities, and arms in which one core does.

Guarantees: the ways of deciding, each a system of its own that is booted fresh in every boot: the
multikernel by two phases and by owners, the shared kernel under its one lock and under one a region
of memory. All of them are asked the same requests, through the same loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multikernel.experiments.instrument import capability_loops
from multikernel.experiments.instrument.arms import POLLED, Arm, On, Spec, sampled
from multikernel.experiments.instrument.capability_loops import Source, Task, furnish
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.rig import Bench, Pair
from multikernel.results.document import Scalar
from multikernel.runtime.plan import Kernel


@dataclass(frozen=True, slots=True)
class Way:
    """A way of deciding. options: of boot; source: of memory that others have to do with."""

    name: str
    system: Kernel = "multikernel"
    options: tuple[tuple[str, Any], ...] = ()
    source: Source = "copied"


TWO_PHASE = Way("two-phase")
OWNER = Way("owner", options=(("capabilities", "owner"),))
FOREIGN = Way("foreign-owner", options=OWNER.options, source="foreign")
"""By the owner, which is another core than the one that asks."""
BIG = Way("big-lock", "shared")
REGION = Way("region-locks", "shared", (("lock_scope", "region"),))
WAYS = (TWO_PHASE, OWNER, BIG, REGION)


def machine(way: Way, cores: int | None = None) -> Booted:
    """A furnished system, in which every root sends to all until an arm says otherwise."""
    trees = (("trees", "sequential"),) if way.system == "multikernel" else ()
    return Booted(way.system, cores, options=(*way.options, *trees), program=furnish)


def arm(
    key: str, way: Way, cores: int, task: Task, about: Mapping[str, Scalar], on: On,
    edges: tuple[Pair, ...] | None = None, *,
    repeated: bool = False,
) -> Arm:  # fmt: skip
    """That task on core 0. cores: how many have to do with it, 1 where no other is asked; about:
    further parameters; edges: the tree along which the others are asked, where they are.
    """
    parameters: dict[str, Scalar] = {"operation": task.operation, "told": "none", **about}
    if cores > 1 and way.system == "multikernel":
        parameters |= POLLED
    single = task.batch == 1
    if not single:
        parameters["in_flight"] = task.in_flight
    spec = Spec(
        key, way.system, way.name, cores,
        "completion" if single else "interval", "single" if single else "back-to-back", task.batch,
        parameters=parameters, floor=tuple((0, core) for core in range(1, cores)),
    )  # fmt: skip

    def measure(bench: Bench) -> Report:
        if edges is not None:
            bench.along(0, edges)
        return bench.one(key, capability_loops.operate, task)

    return sampled(key.replace("-", " "), {"times": spec}, on, measure, repeated=repeated)
