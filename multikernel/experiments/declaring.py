"""All that declaring an experiment takes, to import from one place. README.md beside this file
teaches it.
"""

from multikernel.catalogue import Entry
from multikernel.experiments.instrument.arms import Arm, On, Outcome, Pair, Ratio, Spec
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.experiments.instrument.machines import MULTIKERNEL, SHARED, Booted
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.results.document import Caution, Words

__all__ = [
    "MULTIKERNEL",
    "SHARED",
    "Arm",
    "Bench",
    "Booted",
    "Caution",
    "Entry",
    "Experiment",
    "On",
    "Outcome",
    "Pair",
    "Ratio",
    "Request",
    "Spec",
    "Words",
]
