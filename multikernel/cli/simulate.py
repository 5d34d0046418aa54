"""`multikernel simulate`: virtual time held against this machine, and calibrated on it."""

from pathlib import Path

import click

from multikernel.cli.options import check_new_file, placement_of, progress_to_stderr
from multikernel.errors import BadInput


@click.command("simulate")
@click.option("--check", is_flag=True, help="Predict this host, and measure it beside that.")
@click.option(
    "--calibrate", metavar="FILE", help="Write what local work takes here, for --calibration."
)
@click.option("--cores", metavar="LIST", help="Which two CPUs; without it the first two.")
def command(check: bool, calibrate: str | None, cores: str | None) -> None:
    """Hold virtual time against this machine: predicted and measured side by side.

    The model of this host knows what a cache line takes between its cores, what the host's mapping
    call takes, and what software takes in one process; nothing of what it predicts.

    Simulated experiments are `multikernel bench run NAME --machine MACHINE`.
    """
    if not check and calibrate is None:
        raise BadInput("nothing to do", where="simulate", hint="add --check, or --calibrate FILE")
    check_new_file(calibrate, (".json",))
    placement = placement_of(cores, oversubscribe=False)
    if len(placement.cpus) < 2:
        raise BadInput("two CPUs are needed", value=len(placement.cpus), where="--cores")
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
        click.echo(f"{'':<34}{'predicted':>10}{'measured':>10}{'error':>8}")
        for row in found.rows:
            click.echo(
                f"{row.what:<34}{row.predicted:>10.0f}{row.measured:>10.0f}"
                f"{100 * row.error:>+7.0f} %"
            )
    if calibrate is not None:
        Path(calibrate).write_text(work.to_json())
        click.echo(f"calibration: {calibrate}", err=True)
