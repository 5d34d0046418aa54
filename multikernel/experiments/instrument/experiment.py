"""An experiment, declared once; and the one loop that measures it.

Guarantees: whatever an experiment declares is measured in the same way: its arms and the floors of
its pairs by turns, over fresh boots; what is repeated on a second boot bounds the noise of
comparing two systems. A document holds nothing that no arm declared.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, ClassVar

from multikernel.catalogue import Entry
from multikernel.experiments.instrument import document, states
from multikernel.experiments.instrument.arms import Arm, On, Pair, Ratio, Spec, control_ratios
from multikernel.experiments.instrument.collector import Collector, Ready
from multikernel.experiments.instrument.floors import floor_arms, root_pairs
from multikernel.experiments.instrument.machines import MULTIKERNEL
from multikernel.experiments.instrument.request import Request
from multikernel.results.document import Caution, Document


class Experiment:
    """What is measured, and what it says. A subclass lists its arms and ratios."""

    entry: ClassVar[Entry]
    """What it is called and what it asks: of the catalogue, or made where the experiment is."""
    floors_on: On = MULTIKERNEL
    """The machine between whose cores the floors are measured."""

    def __init__(self, request: Request) -> None:
        """request: as it was asked; where cores share CPUs it is made small."""
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
        del collector
        return ()

    def revised(self, spec: Spec, collector: Collector) -> Spec:
        """What is known of a series only when all has been measured."""
        del collector
        return spec

    # --- The loop ---

    def run(self) -> Document:
        """Measures. Raises MeasurementRefused if nothing can be trusted."""
        request = self.request
        collector, record = Collector(request), document.begin(request)
        arms, pairs = list(self.arms()), self.judged_by()
        whole = [*arms, *floor_arms(request, self.floors_on, self.pairs())]
        began, number, found = time.monotonic(), 0, states.settle(collector, pairs, 0)
        while number < _boots_at_most(request, sum(boot.counts for boot in found)):
            request.progress(f"{self.entry.name}: {_course(request, began, number)}")
            with ExitStack() as stack:
                collector.boot(number, opened(whole, stack, request))
            number += 1
            found = states.settle(collector, pairs, number)
        ratios = [*control_ratios(arms), *self.ratios()]
        return document.finish(self, record, collector, found, arms, ratios)


MORE = 1.6
"""So many times the boots that were asked for may be run until as many count."""


def _boots_at_most(request: Request, counting: int) -> int:
    """All that were asked for; more where fewer count, within a limit."""
    boots = request.size.boots
    return boots if counting >= boots or not request.size.measures else round(MORE * boots)


def _course(request: Request, began: float, done: int) -> str:
    boots = request.size.boots
    words = f"boot {done + 1} of {max(boots, done + 1)}"
    if not 0 < done < boots:
        return words
    seconds = (time.monotonic() - began) / done * (boots - done)
    return f"{words}, about {seconds:.0f} s left"


def opened(arms: Sequence[Arm], stack: ExitStack, request: Request) -> list[Ready]:
    """All arms on fresh machines, those that are repeated on a second one too."""
    machines: dict[tuple[On, bool], Any] = {}

    def machine(on: On, second: bool) -> Any:
        if (on, second) not in machines:
            machines[on, second] = on.open(stack, request)
        return machines[on, second]

    found = [Ready(arm.name, partial(arm.slice, machine(arm.on, False))) for arm in arms]
    for arm in arms:
        if arm.repeated:
            again = arm.control()
            found.append(Ready(again.name, partial(again.slice, machine(arm.on, True))))
    return found
