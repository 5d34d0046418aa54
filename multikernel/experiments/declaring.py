"""All that declaring an experiment takes, to import from one place. README.md beside this file
teaches it.
"""

from multikernel.catalogue import Entry, entry
from multikernel.experiments.instrument.arms import (
    CONTROL,
    POLLED,
    WORK,
    Arm,
    On,
    Outcome,
    Ratio,
    Spec,
    both_modes,
    caution,
    floor_key,
    one_number,
    sampled,
)  # fmt: skip
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.experiments.instrument.floors import root_pairs
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.machines import MULTIKERNEL, SHARED, Booted
from multikernel.experiments.instrument.request import MODES, Request
from multikernel.experiments.instrument.rig import Bench, Pair, samples_of
from multikernel.results.document import Caution, Mode, Scalar, System, Words
from multikernel.results.histogram import Histogram

__all__ = [
    "CONTROL", "MODES", "MULTIKERNEL", "POLLED", "SHARED", "WORK", "Arm", "Bench", "Booted",
    "Caution", "Collector", "Entry", "Experiment", "Histogram", "Mode", "On", "Outcome", "Pair",
    "Ratio", "Report", "Request", "Scalar", "Spec", "System", "Words", "both_modes", "caution",
    "entry", "floor_key", "one_number", "root_pairs", "sampled", "samples_of",
]  # fmt: skip
