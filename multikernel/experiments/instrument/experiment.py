"""An experiment, declared once; and the one loop that measures it.

Guarantees: whatever an experiment declares is measured in the same way: its arms and the floors of
its pairs by turns, over fresh boots; what is repeated on a second boot bounds the noise of
comparing two systems. A document holds nothing that no arm declared.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from multikernel.catalogue import Entry
from multikernel.errors import BadInput
from multikernel.experiments.instrument import document, modelled, states
from multikernel.experiments.instrument.arms import Arm, On, Pair, Ratio, Spec, control_ratios
from multikernel.experiments.instrument.collector import Collector, Ready
from multikernel.experiments.instrument.floors import floor_arms, root_pairs
from multikernel.experiments.instrument.machines import MULTIKERNEL
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.results.document import Caution, Document


class Experiment:
    """What is measured, and what it says. A subclass lists its arms and ratios."""

    entry: ClassVar[Entry]
    """What it is called and what it asks: of the catalogue, or made where the experiment is."""
    floors_on: On = MULTIKERNEL
    """The machine between whose cores the floors are measured."""

    def __init__(self, request: Request) -> None:
        """request: as it was asked; where cores share CPUs it is made small. Raises BadInput for a
        modelled machine, if it cannot be run in virtual time.
        """
        if request.model is not None and not self.entry.modelled:
            raise BadInput(
                "this experiment has not been modelled", value=self.entry.name, where="--machine",
                hint="multikernel bench list says which have",
            )  # fmt: skip
        self.request = request.fitted()

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
        """The arms that are asked for."""
        only = set(self.request.only)
        return [arm for arm in self.arms() if not only or only & names_of(arm)]

    def run(self) -> Document:
        """Measures. Raises MeasurementRefused if nothing can be trusted."""
        request = self.request
        collector, record = Collector(request), document.begin(request)
        arms, pairs = self.chosen(), self.judged_by()
        specs = [spec for arm in arms for spec in arm.specs]
        singles = [one for one in specs if one.mode == "single" and one.unit == "tsc-cycles"]
        collector.singles = {spec.key for spec in singles}
        collector.stands_for = {key: spec.key for spec in specs for key in spec.also}
        whole = [*arms, *floor_arms(request, self.floors_on, self.pairs())]
        local: dict[int, float] = {}
        began, number, found = time.monotonic(), 0, states.settle(collector, pairs, 0)
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
            found = states.settle(collector, pairs, number, local)
        ratios = [*control_ratios(arms), *self.ratios()]
        return document.finish(self, record, collector, found, arms, ratios)


MORE = 1.6
"""So many times the boots that were asked for may be run until as many count."""


def names_of(arm: Arm) -> set[str]:
    """What it can be asked for by."""
    return {name for spec in arm.specs for name in (spec.system, spec.variant, spec.key)}


def _goes_on(request: Request, done: int, counting: int, began: float) -> bool:
    """Until as many boots count as were asked for, within a limit; or until time is up."""
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
