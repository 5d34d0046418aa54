"""From slices to a result document: the environment around a run, its series, floors, ratios and
warnings.

Guarantees: every document is made in this one way, so that all say the same things of the machine;
`over_floor` is of floors of the same boots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from multikernel.errors import MeasurementRefused
from multikernel.experiments.instrument.arms import Collector, Pair, Spec, floor_key
from multikernel.experiments.instrument.request import Request
from multikernel.machine.environment import Environment
from multikernel.results.document import Caution, Document, Floor, environment_of

_before_us: list[str] = []
"""Experiments that this process has run: the load that a later one finds is theirs, and nothing to
warn of.
"""


def begin(request: Request) -> Environment:
    """What holds before the run."""
    return Environment.begin(request.placement, seed=request.seed)


def finish(
    name: str,
    environment: Environment,
    collector: Collector,
    floors: Mapping[Pair, Floor],
    specs: Sequence[Spec],
    ratios: Iterable[tuple[str, str]],
    warnings: Iterable[Caution] = (),
    revise: Callable[[Spec], Spec] = lambda spec: spec,
) -> Document:
    """The document. revise: what is known of an arm only now. Raises MeasurementRefused if nothing
    can be trusted.
    """
    record = environment_of(environment.finish())
    found = [collector.series(revise(spec)) for spec in specs]
    series = [one for one in found if one is not None]
    of_the_host = [
        Caution(code=caveat.code, text=caveat.text)
        for caveat in environment.caveats()
        if not (_before_us and caveat.code == "load")
    ]
    _before_us.append(name)
    cautions = collector.warnings()
    if not series:
        why = "; ".join(
            caution.text
            for caution in cautions
            if caution.code in ("refused", "contaminated-slices")
        )
        raise MeasurementRefused(
            f"nothing that experiment {name} measured can be trusted", value=why or None
        )
    if not floors and not collector.request.crowded:
        cautions.append(
            Caution(
                code="no-floor",
                text="No floor could be measured: nothing is given as a multiple of it.",
            )
        )
    cautions += _moved(collector, floors)
    return Document(
        experiment=name,
        environment=record,
        floor=list(floors.values()),
        series=series,
        ratios=collector.ratios(ratios),
        warnings=[*cautions, *warnings, *of_the_host],
    )


MOVED = 1.5
"""A floor that differs so much between boots is not one floor."""


def _moved(collector: Collector, floors: Iterable[Pair]) -> Iterator[Caution]:
    """Whether the virtual machine's CPUs were moved about under it: the lines then travel another
    way.
    """
    for a, b in floors:
        found = sorted(collector.medians(floor_key((a, b), "back-to-back")).values())
        if found and found[-1] > MOVED * found[0] and not collector.request.crowded:
            yield Caution(
                code="floor-moved",
                text=(
                    f"The floor between cores {a} and {b} moved from {found[0]:.0f} to"
                    f" {found[-1]:.0f} cycles between boots, as when a hypervisor moves the CPUs."
                    " Read the ratios, which are taken within each boot."
                ),
            )
