"""The object in virtual time: what `loops.work` does on cores, on those of a modelled machine.

Guarantees: a run is counted as on real cores. Pinned to a form it lasts until its rate is known to
half a percent, or 40 million cycles. One that chooses lasts a second at least, of which its races
are simulated, and what is between them until its rate is known as well. Within one boot the same
run is made once: nothing of it is by chance but which operations read. Segments are runs of their
own: the object does not carry anything from one to the next.
"""

from __future__ import annotations

from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.modelled import Arguments, ModelledBench
from multikernel.experiments.sharing_or_messages.loops import ADAPTIVE, FORMS, Run, Runs, Segment
from multikernel.virtual import sharing

ROW_RATE = 1000
"""Rows count operations a million cycles, the chooser's table a thousand."""
SECONDS = 1.0
"""That an object chooses for, at least: of many cores one race takes as long as a run on two."""

RUNS = (
    f"Pinned to a form, a modelled run lasts until its rate is known to {sharing.PRECISION:.1%}"
    f" (standard error), or {sharing.COUNTED / 1e6:.0f} million cycles. One that chooses lasts"
    f" {SECONDS:g} s: its races are simulated, and what follows each until that form's rate is"
    " known as well; from there to the next race it is given windows of that rate. So its regret"
    " is that of a workload that stays the same for a second, and what it loses to false alarms is"
    " seen only while rates are counted."
)
"""Said of every modelled document."""


def work(bench: ModelledBench, report: Report, calls: Arguments) -> dict[int, Report]:
    """Counts as loops.work."""
    runs: Runs = next(iter(calls.values()))[1]
    reports = {core: Report(partial=True) for core in calls}
    for number, run in enumerate(runs.runs):
        found = [_segment(bench, run, segment, runs.owner) for segment in run.segments]
        for core, one in reports.items():
            done = [its.operations[core] for its in found]
            last = found[-1]
            one.counts |= {
                f"{number}.operations": sum(done), f"{number}.began": 0,
                f"{number}.cycles": sum(its.cycles for its in found), f"{number}.cpu_ns": 1,
                f"{number}.wall_ns": 1, f"{number}.longest_burst": last.longest,
                f"{number}.bursts": 0, f"{number}.form": FORMS.index(last.form),
                f"{number}.changes": last.changes, f"{number}.races": last.races,
                f"{number}.lost": 0,
                **{f"{number}.segment.{nth}": count for nth, count in enumerate(done)},
            }  # fmt: skip
    return reports


def _segment(bench: ModelledBench, run: Run, segment: Segment, owner: int) -> sharing.Found:
    reads, think, share = segment
    workload = sharing.Workload(reads, run.lines, think, share)
    costs = sharing.Costs.of(bench.model, bench.work)
    seed = bench.seed
    if run.form == ADAPTIVE:
        return sharing.run(
            bench.modelled.native, costs, ADAPTIVE, workload, owner=owner, seed=seed,
            span=round(max(run.seconds, SECONDS) * bench.hz), rows=[_row(row) for row in run.rows],
        )  # fmt: skip
    key = run.form, workload, owner
    known: dict[object, sharing.Found] = bench.furniture.setdefault("sharing", {})
    if key not in known:
        known[key] = sharing.run(
            bench.modelled.native, costs, run.form, workload, owner=owner, seed=seed,
            span=sharing.COUNTED, precision=sharing.PRECISION,
        )  # fmt: skip
    return known[key]


def _row(row: tuple[int, ...]) -> sharing.Row:
    reads, share, lines, *rates = row
    return sharing.Row(reads / 100, share / 1000, lines, tuple(rate / ROW_RATE for rate in rates))
