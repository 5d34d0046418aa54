"""Runs on one object, as the cores make them: all at once, one run after the other.

Guarantees: the object lies in memory of the booted system; the mix is enforced; no core is counted
while another is through. The table that the object chooses by is its owner's.
"""

from array import array
from dataclasses import dataclass

from multikernel import Page
from multikernel.experiments.instrument.loops import Loop, Report, Watch
from multikernel.native._native import PROBE_FORMS

EDGE_US = 100
"""How long cores work unrecorded before what counts: longer than the last takes to begin."""
MEETINGS = 2
"""Of every core, in a run."""
*KNOWN, ADAPTIVE = PROBE_FORMS["sharing"]
"""All forms of an object; and the one that is in whichever it chooses."""
FORMS = tuple(form for form in KNOWN if not form.startswith(("agreed", "combined")))
"""Those that are compared. With two cores an agreed form is a replicated one whose writes wait."""
CANDIDATES = tuple(form for form in FORMS if form not in ("fifo",))
"""What it chooses from. FIFO locks are measured for what fairness costs."""
COUNTERS = 0
COUNTED = (
    "operations", "began", "cycles", "cpu_ns", "wall_ns", "longest_burst", "bursts", "form",
    "changes", "races", "lost",
)  # fmt: skip

Segment = tuple[int, int, int]
"""Percent of operations that only read; cycles between two; the owner's share of a thousand."""
Row = tuple[int, ...]
"""Of the table: percent of reads, the owner's share of a thousand, lines, and the rate of each form
in operations a million cycles, 0 where it was not measured.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """segments: workloads that follow each other, each for `seconds`."""

    form: str
    lines: int
    segments: tuple[Segment, ...]
    seconds: float
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Runs:
    """base: of the meetings, larger by MEETINGS a core and a run with each use."""

    runs: tuple[Run, ...]
    base: int
    owner: int = 0


def work(page: Page, all_: Runs, watch: Watch | None) -> Report:
    """All runs, one after the other. Counts, by the run's place: "N.operations" and so on, as
    COUNTED, and "N.segment.M", operations of each segment.
    """
    loop = Loop(watch)
    per_us = loop.plan.cycles_per_us
    candidates = sum(1 << FORMS.index(form) for form in CANDIDATES)
    with loop.polling(loop.me), loop.watched():
        for number, run in enumerate(all_.runs):
            found = array("Q", bytes(8 * (len(COUNTED) + len(run.segments))))
            words = [word for segment in run.segments for word in segment]
            loop.driver.probe(
                "sharing", form=run.form, memory=page.view(), type=COUNTERS, shape=run.lines,
                core=all_.owner, forms=candidates, count=len(run.segments),
                cycles=round(run.seconds * 1e6 * per_us), edge=EDGE_US * per_us,
                base=all_.base + MEETINGS * number * len(loop.cores),
                each=[*words, *(word for row in run.rows for word in row)], results=found,
            )  # fmt: skip
            for name, value in zip(COUNTED, found, strict=False):
                loop.counts[f"{number}.{name}"] = value
            for segment, value in enumerate(found[len(COUNTED) :]):
                loop.counts[f"{number}.segment.{segment}"] = value
    return loop.done()
