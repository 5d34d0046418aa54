"""This host as a modelled machine (`--machine here`): measured now.

Guarantees: a line between the first CPU and the first at each distance from it is the floor of that
pair, where the other end has looked at the line meanwhile; the host's mapping call and what
software takes come from the same minute; nothing else is known. Rounds in which the host was in
another state than in most do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

BOOTS, MOST_BOOTS, ROUNDS, ENOUGH, LOCAL = 5, 12, 3, 4, 200
BACK_TO_BACK, SINGLE = "back-to-back", "single"
PLAN = ((BACK_TO_BACK, 20_000, 100), (SINGLE, 4_000, 1))
HERE, CLOCK, CALL = "software", "clock", "mapping call"
ALIKE = {BACK_TO_BACK: 1.5, HERE: 1.25, CALL: 1.25}
"""How far rounds may lie from each other: in the floor, which says where the CPUs are; and in what
a request to the own driver and the host's mapping call take, which is more while a neighbour uses
the same processor cores.
"""
ALONE = Booted(options=(("trees", "sequential"),))

Found = dict[str, float]


def floors(bench: Bench, pair: tuple[int, int]) -> Found:
    """Of a pair of cores, cycles by mode: a line there and back, the median of several lines."""
    found = samples_of(bench.floor(pair, LINES, PLAN))
    return {
        mode: median(found[f"{mode}.{line}"].percentile(50) for line in range(LINES))
        for mode, *_ in PLAN
    }


def surroundings(bench: Bench) -> Found:
    """Cycles on core 0: a request to its own driver; what a clock around something single adds to
    it; and of the slowest core, the host's mapping call.
    """
    found = samples_of(bench.ping((0, 0), 0, PLAN))
    own, single = (float(found[mode].percentile(50)) for mode in (BACK_TO_BACK, SINGLE))
    return {HERE: own, CLOCK: single - own, CALL: max(bench.local_on_each(LOCAL))}


def apart(found: Mapping[str, float]) -> float:
    """A line there and back that the other end has looked at meanwhile: without the clock."""
    return found[SINGLE] - found[CLOCK]


def alike(rounds: Callable[[], list[Found]], progress: Callable[[str], None]) -> tuple[Found, int]:
    """rounds: of a boot. The medians of those that are alike, and how many these are: boots until
    enough are. Raises MeasurementRefused.
    """
    every: list[Found] = []
    most: list[Found] = []
    boots = 0
    while boots < BOOTS or (len(most) < ENOUGH and boots < MOST_BOOTS):
        boots += 1
        progress(f"this host: boot {boots}")
        every += rounds()
        groups = [
            [
                one
                for one in every
                if all(low[name] <= one[name] <= far * low[name] for name, far in ALIKE.items())
            ]
            for low in every
        ]
        most = max(groups, key=len)
    if len(most) < 2:
        raise MeasurementRefused("the host moves its CPUs: no two boots were alike")
    return {name: median(one[name] for one in most) for name in every[0]}, len(most)


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
        raise BadInput("a machine of one CPU has no messages", value=cpus[0], where="machine")
    request = Request(Placement((cpus[0], *farther.values())), SIZES["quick"])

    def rounds() -> list[Found]:
        with ExitStack() as stack:
            bench = ALONE.open(stack, request)
            return [one(bench) for _ in range(ROUNDS)]

    def one(bench: Bench) -> Found:
        found = surroundings(bench)
        for number, name in enumerate(farther, 1):
            line = floors(bench, (0, number))
            found[name] = apart(line | found)
            found = line | found
        return found

    found, _ = alike(rounds, progress)
    state = name_of(found[BACK_TO_BACK])
    progress("this host: what software takes, in one process")
    work = calibrate(cpus[0], f"{this_host()}, {state}")
    model = here.model(
        work, floors={name: found[name] for name in farther}, local=found[CALL],
        ghz=tsc_rate().hz / 1e9, topology=LIVE, state=state,
    )  # fmt: skip
    return model, work
