"""The workloads: what is read, how much of the object an operation touches, how long a core thinks
between two, and who does most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from multikernel.results.document import Scalar

READS = (0, 50, 90, 95, 99, 100)
LINES = (1, 8, 32)
THINK = (0, 50, 100, 300, 1000)
SHARES = (900, 500, 100)
"""Of a thousand operations, those of the owner."""
COARSE = (0, 50, 90, 99, 100), LINES, (0, 300), (900, 100)
"""Of many modelled cores, where a choice takes long to run."""
FEW = (0, 90), (1, 8), (0, 300), (900, 100)
"""Enough to see that everything runs."""


@dataclass(frozen=True, slots=True)
class Point:
    """reads: percent of the operations that only read; lines: that one touches; think: cycles
    between two; share: of a thousand operations, the owner's.
    """

    reads: int
    lines: int
    think: int
    share: int

    @property
    def key(self) -> str:
        """How the keys of its series begin."""
        return f"reads-{self.reads}-lines-{self.lines}-think-{self.think}-owner-{self.share // 10}"

    @property
    def parameters(self) -> dict[str, Scalar]:
        return {
            "reads_percent": self.reads,
            "lines": self.lines,
            "think_cycles": self.think,
            "owner_percent": self.share // 10,
        }


def points(*, few: bool = False, coarse: bool = False) -> Iterator[Point]:
    """All workloads, or some of them."""
    axes = FEW if few else COARSE if coarse else (READS, LINES, THINK, SHARES)
    for one in product(*axes):
        yield Point(*one)
