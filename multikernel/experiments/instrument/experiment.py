"""An experiment, declared once; the one loop that measures it, and the document of what it found.

Guarantees: whatever an experiment declares is measured in the same way: its arms and the floors of
its pairs by turns, over fresh boots; what is repeated on a second boot bounds the noise of
comparing two systems. A document holds nothing that no arm declared, and all say the same things
of the machine.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any, ClassVar

from msgspec.structs import replace as replaced

from multikernel.catalogue import Entry
from multikernel.errors import BadInput, MeasurementRefused
from multikernel.experiments.instrument import modelled
from multikernel.experiments.instrument.arms import Arm, On, Ratio, Spec, caution, control_ratios
from multikernel.experiments.instrument.bands import BANDS_MOST, Bands, bands, small
from multikernel.experiments.instrument.collector import Collector, Ready
from multikernel.experiments.instrument.floors import floor_arms, floors_of, root_pairs, settle
from multikernel.experiments.instrument.machines import MULTIKERNEL, Booted
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Pair
from multikernel.machine.environment import Environment
from multikernel.machine.host.cpus import resolve
from multikernel.machine.models.reading import names as machines
from multikernel.machine.topology.model import Topology
from multikernel.results.document import Boot, Caution, Document, environment_of

MORE = 1.6
"""So many times the boots that were asked for may be run until as many count."""
_before_us: list[str] = []
"""Experiments that this process has run: the load that a later one finds is theirs."""


class Experiment:
    """What is measured, and what it says. A subclass lists its arms and ratios."""

    entry: ClassVar[Entry]
    """What it is called and what it asks: of the catalogue, or made where the experiment is."""
    floors_on: On = MULTIKERNEL
    """The machine between whose cores the floors are measured."""

    def __init__(self, request: Request) -> None:
        """request: as it was asked; where cores share CPUs it is made small. Raises BadInput as
        `check` does.
        """
        self.check(request)
        self.request = request.fitted()

    @classmethod
    def check(cls, request: Request) -> None:
        """Raises BadInput for a modelled machine, if it cannot be run in virtual time, and without
        one, if it can be run nowhere else.
        """
        if request.model is not None and not cls.entry.modelled:
            raise BadInput(
                "this experiment has not been modelled", value=cls.entry.name, where="machine",
                hint="multikernel bench list says which have",
            )  # fmt: skip
        if request.model is None and cls.entry.simulated_only:
            raise BadInput(
                "this experiment runs in virtual time alone", value=cls.entry.name,
                where="machine", hint=f"name a modelled machine: {', '.join(machines())}, …",
            )  # fmt: skip

    # --- What it declares ---

    def arms(self) -> Iterable[Arm]:
        """Every configuration, once."""
        raise NotImplementedError

    def ratios(self) -> Iterable[Ratio]:
        """What is compared; the controls' ratios are added."""
        return ()

    def pairs(self) -> list[Pair]:
        """Cores between which floors are measured: core 0 and the others."""
        return root_pairs(self.request.cores)

    def judged_by(self) -> list[Pair]:
        """Pairs whose floors are in the document."""
        return self.pairs()

    def cautions(self, collector: Collector) -> Iterable[Caution]:
        """What a reader must know. Arms that turned out to be something else are discarded here."""
        return ()

    def revised(self, spec: Spec, collector: Collector) -> Spec:
        """What is known of a series only when all has been measured."""
        return spec

    # --- The loop ---

    def chosen(self) -> list[Arm]:
        only = set(self.request.only)
        return [arm for arm in self.arms() if not only or only & names_of(arm)]

    def specs(self) -> list[Spec]:
        arms = [one for arm in self.chosen() for one in (arm, *([arm.control()] * arm.repeated))]
        return [spec for arm in arms for spec in arm.specs]

    def run(self) -> Document:
        """Measures. Raises MeasurementRefused if nothing can be trusted."""
        placement = self.request.placement
        if self.request.model is not None:
            placement = resolve(None, Topology.read())
        environment = Environment(placement, seed=self.request.seed)
        arms = self.chosen()
        collector, boots = self.measured(arms)
        return self._document(environment, arms, collector, boots)

    def traced(self) -> None:
        """Runs what it measures of multikernels, for the request's trace. Raises BadInput."""
        arms = [
            arm
            for arm in self.chosen()
            if isinstance(arm.on, Booted) and arm.on.kernel == "multikernel"
        ]
        if not arms:
            raise BadInput(
                "nothing of this experiment runs on a multikernel", value=self.entry.name,
                where="trace", hint="such as unmap or two-phase-commit",
            )  # fmt: skip
        self.measured(arms)

    def measured(self, arms: list[Arm]) -> tuple[Collector, list[Boot]]:
        """What slices of these arms brought, and all boots."""
        request, pairs, collector = self.request, self.judged_by(), Collector(self.request)
        specs = [spec for arm in arms for spec in arm.specs]
        singles = [one for one in specs if one.mode == "single" and one.unit == "tsc-cycles"]
        collector.singles = {spec.key for spec in singles}
        collector.stands_for = {key: spec.key for spec in specs for key in spec.also}
        whole = [*arms, *floor_arms(request, self.floors_on, self.pairs())]
        local: dict[int, float] = {}
        began, number, found = time.monotonic(), 0, settle(collector, pairs, 0)
        while _goes_on(request, number, sum(boot.counts for boot in found), began):
            request.progress(f"{self.entry.name}: {_course(request, began, number)}")
            with ExitStack() as stack:
                seeded = replace(request, seed=request.seed + number)
                ready, machines = opened(whole, stack, seeded)
                slowest = [one.local for one in machines if isinstance(one, Bench) and one.local]
                if slowest:
                    local[number] = max(slowest)
                collector.boot(number, ready)
            number += 1
            found = settle(collector, pairs, number, local)
        return collector, found

    def _document(
        self, environment: Environment, arms: list[Arm], collector: Collector, boots: list[Boot]
    ) -> Document:
        record, crowded = environment_of(environment.finish()), self.request.crowded
        model = self.request.model
        if model is not None:
            record = modelled.environment_of(record, self.request, model)
        said = list(self.cautions(collector))
        floors = floors_of(collector, self.judged_by(), self.request.placement.cpus)
        # Where cores share CPUs no time is one of the hardware: what ran is counted.
        specs = [] if crowded else [self.revised(spec, collector) for spec in self.specs()]
        series = [one for spec in specs if (one := collector.series(spec)) is not None]
        there = {one.key for one in series}
        asked = [*control_ratios(arms), *self.ratios()]
        ratios = [found for ratio in asked if (found := collector.ratio(ratio)) is not None]
        of_the_host = [
            caution(caveat.code, caveat.text)
            for caveat in environment.caveats()
            if model is None and not (_before_us and caveat.code == "load")
        ]
        if model is not None:
            of_the_host = modelled.cautions(model, self.request.work)
            if self.request.cores > BANDS_MOST:
                text = f"Ends of assumed ranges are tried on up to {BANDS_MOST} cores: no bands."
                of_the_host.append(caution("no-bands", text))
            elif self.request.bands and self.request.size.measures:
                band = self._bands()
                of_the_host += band.cautions(series, ratios)
                series = [replaced(one, parameters=band.on(one)) for one in series]
        _before_us.append(self.entry.name)
        warnings = collector.warnings()
        if not series and not crowded:
            why = [one.text for one in warnings if one.code in ("refused", "contaminated-slices")]
            raise MeasurementRefused(
                f"nothing that experiment {self.entry.name} measured can be trusted",
                value="; ".join(why) or None,
            )
        if not floors and not crowded:
            text = "No floor could be measured: nothing is given as a multiple of it."
            warnings.append(caution("no-floor", text))
        named = [(spec, arm.name) for arm in arms for spec in arm.specs]
        return Document(
            experiment=self.entry.name, environment=record, boots=[] if crowded else boots,
            floor=[] if crowded else list(floors.values()), series=series,
            unmeasured=[collector.unmeasured(*one) for one in named if one[0].key not in there],
            ratios=ratios,
            warnings=[*warnings, *_moved(boots), *said, *of_the_host],
            simulated=model is not None, machine=self.request.machine,
            calibration=None if model is None else modelled.calibration_of(self.request.work),
        )  # fmt: skip

    def _bands(self) -> Bands:
        """What numbers that nobody knows may make of the series."""
        brief = copy(self)
        brief.request = small(self.request)
        return bands(brief.chosen(), brief.request)


def names_of(arm: Arm) -> set[str]:
    return {name for spec in arm.specs for name in (spec.system, spec.variant, spec.key)}


def _goes_on(request: Request, done: int, counting: int, began: float) -> bool:
    if request.seconds is not None:
        took = time.monotonic() - began
        return done == 0 or took + took / done < request.seconds
    boots = request.size.boots
    most = round(MORE * boots) if request.size.measures else boots
    return counting < boots and done < most


def _course(request: Request, began: float, done: int) -> str:
    took, boots = time.monotonic() - began, request.size.boots
    if request.seconds is not None:
        return f"boot {done + 1}, {max(request.seconds - took, 0):.0f} s left"
    left = f", about {took / done * (boots - done):.0f} s left" if 0 < done < boots else ""
    return f"boot {done + 1} of {max(boots, done + 1)}{left}"


def opened(
    arms: Sequence[Arm], stack: ExitStack, request: Request
) -> tuple[list[Ready], list[Any]]:
    """All arms on fresh machines, those that are repeated on a second one too; and the machines."""
    machines: dict[tuple[On, bool], Any] = {}
    found = []
    controls = [(arm.control(), True) for arm in arms if arm.repeated]
    for arm, second in [*((arm, False) for arm in arms), *controls]:
        if (arm.on, second) not in machines:
            machines[arm.on, second] = arm.on.open(stack, request)
        run = partial(arm.slice, machines[arm.on, second])
        if request.model is not None:
            run = partial(modelled.attempt, run)
        found.append(Ready(arm.name, run, arm.strict))
    return found, list(machines.values())


def _moved(boots: Sequence[Boot]) -> list[Caution]:
    out, counting = (
        [boot.floor for boot in boots if boot.counts is counts and boot.floor is not None]
        for counts in (False, True)
    )
    if not out:
        return []
    text = (
        f"In {len(out)} of {len(boots)} boots the floor was another one"
        f" ({', '.join(f'{floor:.0f}' for floor in out)} cycles; {median(counting):.0f} in the"
        " others), as when a hypervisor moves the CPUs. Those boots do not count."
    )
    return [caution("floor-moved", text)]
