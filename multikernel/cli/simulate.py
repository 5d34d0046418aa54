"""`multikernel simulate`: virtual time held against this machine, and calibrated on it."""

from pathlib import Path

import click

from multikernel.cli.options import check_new_file, placement_of, progress_to_stderr
from multikernel.cli.printing import print_table
from multikernel.errors import BadInput
from multikernel.machine.host.cpus import Placement

OBJECT_HEADINGS = ("form", "reads", "lines", "think", "modelled", "measured", "error", "")


@click.command("simulate")
@click.option("--check", is_flag=True, help="Predict this host, and measure it beside that.")
@click.option(
    "--objects",
    is_flag=True,
    help="With --check: an object that two cores operate on, in each of its forms, instead.",
)
@click.option(
    "--calibrate", metavar="FILE", help="Write what local work takes here, for --calibration."
)
@click.option("--cores", metavar="LIST", help="Which two CPUs; without it the first two.")
def command(check: bool, objects: bool, calibrate: str | None, cores: str | None) -> None:
    """Hold virtual time against this machine: predicted and measured side by side.

    The model of this host knows what a cache line takes between its cores, what the host's mapping
    call takes, and what software takes in one process; nothing of what it predicts.

    Simulated experiments are `multikernel bench run NAME --machine MACHINE`.
    """
    if objects and (not check or calibrate is not None):
        raise BadInput(
            "objects are checked, and nothing is calibrated by them", where="--objects",
            hint="multikernel simulate --check --objects",
        )  # fmt: skip
    if not check and calibrate is None:
        raise BadInput("nothing to do", where="simulate", hint="add --check, or --calibrate FILE")
    check_new_file(calibrate, (".json",), "--calibrate")
    placement = placement_of(cores, oversubscribe=False)
    if len(placement.cpus) < 2:
        raise BadInput("two CPUs are needed", value=len(placement.cpus), where="--cores")
    if objects:
        _check_objects(placement)
        return
    if not check:
        from multikernel.virtual.calibrating import calibrate as measured
        from multikernel.virtual.calibrating import this_host

        work = measured(placement.cpus[0], this_host())
    else:
        from multikernel.experiments.checking import check as checked

        found = checked(placement, progress_to_stderr)
        work = found.work
        click.echo(
            f"This host, {found.state}: a line there and back {found.floor:.0f} cycles, its mapping"
            f" call {found.local:.0f} ({found.rounds} rounds that are alike)."
        )
        rows = [
            (row.what, f"{row.predicted:.0f}", f"{row.measured:.0f}", f"{100 * row.error:+.0f} %")
            for row in found.rows
        ]
        print_table(("what", "predicted", "measured", "error"), rows, right=(1, 2, 3))
    if calibrate is not None:
        Path(calibrate).write_text(work.to_json())
        click.echo(f"calibration: {calibrate}", err=True)


def _check_objects(placement: Placement) -> None:
    from multikernel.experiments.sharing_or_messages.checked import BAR, check

    found = check(placement, progress_to_stderr)
    click.echo(
        f"Two cores on one object, modelled and measured: a line there and back takes"
        f" {found.floor:.0f} cycles ({found.boots} boots). Cycles of a core for an operation."
    )
    rows = []
    for row in found.rows:
        w = row.workload
        mark = "given" if row.calibrates else "" if row.holds else "misses"
        rows.append((
            row.form, f"{w.reads} %", str(w.lines), str(w.think), f"{row.predicted:.0f}",
            f"{row.measured:.0f}", f"{100 * row.error:+.0f} %", mark,
        ))  # fmt: skip
    print_table(OBJECT_HEADINGS, rows, right=range(1, 7))
    judged = found.judged
    click.echo(f"{sum(row.holds for row in judged)} of {len(judged)} within {100 * BAR:.0f} %.")
