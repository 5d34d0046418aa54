"""All that declaring an experiment takes, to import from one place. README.md beside this file
teaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from multikernel.catalogue import Entry, entry
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    On,
    Outcome,
    Pair,
    Ratio,
    Spec,
    floor_key,
)
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.experiments.instrument.floors import BATCHES, MODES, plan_of, root_pairs
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.machines import MULTIKERNEL, SHARED, Booted
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.results.document import Caution, Measure, Mode, Scalar, System, Unit, Words
from multikernel.results.histogram import Histogram

__all__ = [
    "BATCHES", "CONTROL", "MODES", "MULTIKERNEL", "SHARED", "Arm", "Bench", "Booted",
    "Call", "Caution", "Collector", "Entry", "Experiment", "Histogram", "Measure", "Mode", "On",
    "Outcome", "Pair", "Ratio", "Report", "Request", "Scalar", "Spec", "System", "Unit", "Words",
    "both_modes", "caution", "cpus_of", "entry", "floor_key", "one_number", "plan_of", "root_pairs",
    "sampled", "samples_of",
]  # fmt: skip


def both_modes(
    key: str, system: System, variant: str, cores: int, measure: Measure,
    parameters: Mapping[str, Scalar], floor: tuple[Pair, ...] = (), also: tuple[str, ...] = (),
) -> dict[str, Spec]:  # fmt: skip
    """By mode of the floor, a series in it; its keys end with the mode."""
    return {
        mode: Spec(
            f"{key}-{mode}", system, variant, cores, measure, mode, BATCHES[mode],
            parameters=parameters, floor=floor, also=tuple(f"{other}-{mode}" for other in also),
        )
        for mode in MODES
    }  # fmt: skip


def sampled(
    name: str, specs: Mapping[str, Spec], on: On, measure: Callable[[Bench], Report], *,
    repeated: bool = False, strict: bool = False,
) -> Arm:  # fmt: skip
    """An arm whose series are samples of a report. specs: by the name of the samples."""

    def slice_of(bench: Bench) -> Outcome:
        report = measure(bench)
        samples = samples_of(report)
        found = {
            spec.key: samples[sample]
            for sample, spec in specs.items()
            if not report.partial or sample in samples
        }
        return Outcome(found, activity=report.activity)

    return Arm(name, tuple(specs.values()), on, slice_of, repeated, strict)


def cpus_of(request: Request, pair: Pair) -> str:
    """The CPUs of two cores, as a series' parameter `pair` names them."""
    return "-".join(str(request.placement.cpus[core]) for core in pair)


def one_number(value: float) -> Histogram:
    """The samples of a slice whose result is one number."""
    return Histogram.from_values([max(1, round(value))])


def caution(code: str, text: str) -> Caution:
    """What a reader must know."""
    return Caution(code=code, text=text)
