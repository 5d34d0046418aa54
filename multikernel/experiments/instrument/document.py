"""From slices to a result document: the environment around a run, its series, floors, ratios and
warnings.

Guarantees: every document is made in this one way, so that all say the same things of the machine;
`over_floor` is of floors of the same boots.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from multikernel.errors import MeasurementRefused
from multikernel.experiments.instrument import modelled
from multikernel.experiments.instrument.arms import Arm, Ratio, Spec
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.floors import floors_of
from multikernel.experiments.instrument.request import Request
from multikernel.machine.environment import Environment
from multikernel.machine.host.cpus import resolve
from multikernel.machine.topology.model import Topology
from multikernel.results.document import Boot, Caution, Document, environment_of

if TYPE_CHECKING:
    from multikernel.experiments.instrument.experiment import Experiment

_before_us: list[str] = []
"""Experiments that this process has run: the load that a later one finds is theirs."""


def begin(request: Request) -> Environment:
    """What holds before the run."""
    placement = request.placement if request.model is None else resolve(None, Topology.read())
    return Environment(placement, seed=request.seed)


def finish(
    experiment: Experiment,
    environment: Environment,
    collector: Collector,
    boots: Sequence[Boot],
    arms: Sequence[Arm | Spec],
    asked: Sequence[Ratio],
) -> Document:
    """The document. arms: or what their series say. Raises MeasurementRefused."""
    request = experiment.request
    record = environment_of(environment.finish())
    if request.model is not None:
        record = msgspec.structs.replace(
            record,
            cpu_model=f"{request.model.title} (simulated)",
            topology=request.topology.summary(),
            cpus=list(request.placement.cpus),
            tsc_hz=request.model.ghz.value * 1e9,
            tsc_error=0.0,
            tsc_step=None,
        )
    said = list(experiment.cautions(collector))
    floors = floors_of(collector, experiment.judged_by(), request.placement.cpus)
    # Where cores share CPUs no time is one of the hardware: what ran is counted.
    specs = [] if request.crowded else [spec for arm in arms for spec in _specs_of(arm)]
    found = [collector.series(experiment.revised(spec, collector)) for spec in specs]
    series = [one for one in found if one is not None]
    there = {one.key for one in series}
    unmeasured = [
        collector.unmeasured(spec, arm.name)
        for arm in arms
        if isinstance(arm, Arm)
        for spec in arm.specs
        if spec.key not in there
    ]
    of_the_host = (
        modelled.cautions(request.model)
        if request.model is not None
        else [
            Caution(code=caveat.code, text=caveat.text)
            for caveat in environment.caveats()
            if not (_before_us and caveat.code == "load")
        ]
    )
    _before_us.append(experiment.entry.name)
    cautions = collector.warnings()
    if not series and not request.crowded:
        why = [one.text for one in cautions if one.code in ("refused", "contaminated-slices")]
        raise MeasurementRefused(
            f"nothing that experiment {experiment.entry.name} measured can be trusted",
            value="; ".join(why) or None,
        )
    if not floors and not request.crowded:
        text = "No floor could be measured: nothing is given as a multiple of it."
        cautions.append(Caution(code="no-floor", text=text))
    return Document(
        experiment=experiment.entry.name,
        environment=record,
        boots=[] if request.crowded else list(boots),
        floor=[] if request.crowded else list(floors.values()),
        series=series,
        unmeasured=unmeasured,
        ratios=[one for ratio in asked if (one := collector.ratio(ratio)) is not None],
        warnings=[*cautions, *_moved(boots), *said, *of_the_host],
        simulated=request.model is not None,
        machine=request.machine,
    )


def _specs_of(arm: Arm | Spec) -> tuple[Spec, ...]:
    if isinstance(arm, Spec):
        return (arm,)
    return arm.specs + (arm.control().specs if arm.repeated else ())


def _moved(boots: Sequence[Boot]) -> list[Caution]:
    """Whether the CPUs were moved about: the lines then travel another way."""
    out = [boot.floor for boot in boots if not boot.counts and boot.floor is not None]
    if not out:
        return []
    counting = [boot.floor for boot in boots if boot.counts and boot.floor is not None]
    text = (
        f"In {len(out)} of {len(boots)} boots the floor was another one"
        f" ({', '.join(f'{floor:.0f}' for floor in out)} cycles; {median(counting):.0f} in the"
        " others), as when a hypervisor moves the CPUs. Those boots do not count."
    )
    return [Caution(code="floor-moved", text=text)]
