"""This host as a modelled machine (`--machine here`): measured now.

Guarantees: a line between the first CPU and the first at each distance from it is the floor of that
pair; the host's mapping call and what software takes come from the same minute; nothing else is
known. Boots whose floor is another state than most boots' do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from multikernel.errors import BadInput, MeasurementRefused
from multikernel.experiments.instrument.floors import LINES, name_of
from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.cpus import Placement, resolve
from multikernel.machine.models.model import Model
from multikernel.machine.topology.model import LIVE, Topology
from multikernel.virtual import here
from multikernel.virtual.calibrating import calibrate, this_host
from multikernel.virtual.work import Work

BOOTS, ALIKE, LOCAL = 5, 1.5, 200
MODE, PLAN = "back-to-back", (("back-to-back", 20_000, 100), ("single", 4_000, 1))
ALONE = Booted(options=(("trees", "sequential"),))


def floors(bench: Bench, pair: tuple[int, int]) -> dict[str, float]:
    """Of a pair of cores, cycles by mode: a line there and back, the median of several lines."""
    found = samples_of(bench.floor(pair, LINES, PLAN))
    return {
        mode: median(found[f"{mode}.{line}"].percentile(50) for line in range(LINES))
        for mode, *_ in PLAN
    }


def local_call(bench: Bench) -> float:
    """Cycles of the host's mapping call on core 0."""
    return float(samples_of(bench.local_call(LOCAL))["local"].percentile(50))


def alike(boots: list[dict[str, float]], by: str) -> list[dict[str, float]]:
    """The most boots that are alike in that number. Raises MeasurementRefused."""
    groups = [[one for one in boots if low[by] <= one[by] <= ALIKE * low[by]] for low in boots]
    most = max(groups, key=len)
    if len(most) < 2:
        raise MeasurementRefused("the host moves its CPUs: no two boots had the same floor")
    return most


def by_distance(topology: Topology, cpus: tuple[int, ...]) -> dict[str, int]:
    """The first CPU at each distance from the first one."""
    found: dict[str, int] = {}
    for cpu in cpus[1:]:
        found.setdefault(topology.relation(cpus[0], cpu), cpu)
    return found


def this_machine(progress: Callable[[str], None]) -> tuple[Model, Work]:
    """Of the CPUs allowed. Raises BadInput for a single one, MeasurementRefused."""
    topology = Topology.read()
    cpus = resolve(None, topology).cpus
    farther = by_distance(topology, cpus)
    if not farther:
        raise BadInput("a machine of one CPU has no messages", value=cpus[0], where="--machine")
    request = Request(Placement((cpus[0], *farther.values())), SIZES["quick"])
    boots = []
    for number in range(BOOTS):
        progress(f"this host: boot {number + 1} of {BOOTS}")
        with ExitStack() as stack:
            bench = ALONE.open(stack, request)
            lines = {name: floors(bench, (0, n))[MODE] for n, name in enumerate(farther, 1)}
            boots.append({**lines, LIVE: local_call(bench)})
    counting = alike(boots, next(iter(farther)))
    lines = {name: median(one[name] for one in counting) for name in farther}
    state = name_of(min(lines.values()))
    progress("this host: what software takes, in one process")
    work = calibrate(cpus[0], f"{this_host()}, {state}")
    model = here.model(
        work, floors=lines, local=median(one[LIVE] for one in counting),
        ghz=tsc_rate().hz / 1e9, topology=LIVE, state=state,
    )  # fmt: skip
    return model, work
