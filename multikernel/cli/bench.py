"""`multikernel bench`: single experiments, by name.

Guarantees: an unknown name is refused before anything is measured, with the known ones.
"""

from typing import Any

import click

from multikernel.cli.bench_compare import command as compare
from multikernel.cli.options import Run, measuring_options, request_of, those_with
from multikernel.experiments import registry


@click.group("bench")
def command() -> None:
    """List the experiments, run some of them, or compare two runs."""


@command.command("list")
def list_() -> None:
    """All experiments: name, the paper's figure it answers, about how long a quick run takes here
    on two CPUs (20 boots, the default, four times as long), what it measures, and whether it can
    be run in virtual time (--machine).
    """
    known = registry.listed()
    name, figure = (max(len(getattr(one, what)) for one in known) for what in ("name", "figure"))
    for one in known:
        seconds = "–" if one.seconds is None else f"{one.seconds} s"
        how = " Simulated only: --machine." if one.simulated_only else ""
        how = how or (" Also --machine." if one.modelled else "")
        click.echo(f"{one.name:<{name}}  {one.figure:<{figure}}  {seconds:>5}  {one.summary}{how}")


@command.command("run")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@measuring_options
@click.option(
    "--only",
    metavar="NAME,…",
    help="Of each experiment these systems, variants or keys alone, such as shared,linux.",
)
@click.option(
    "--time", metavar="TIME", help="As many boots as fit into it, such as 90s, 10m or 1h."
)
@click.option(
    "--machine",
    metavar="NAME|FILE|SHAPE",
    help="In virtual time on that modelled machine (multikernel machine list), with --cores of its"
    " cores.",
)
@click.option(
    "--resume",
    metavar="DIR",
    help="Go on with a run that was stopped: experiments that lie there are not run again.",
)
def run(
    names: tuple[str, ...], output: str | None, as_json: bool, resume: str | None, **asked: Any
) -> None:
    """Run experiments by name, or all of them by `all`, and print their table and warnings."""
    if "all" in names:
        here = asked["machine"] is None
        known = registry.listed()
        names = tuple(
            one.name for one in known if (not one.simulated_only if here else one.modelled)
        )
    classes = [registry.get(name) for name in names]
    request, wanted = request_of(**asked), list(dict.fromkeys(names))
    for experiment in classes:
        experiment.check(request)
    if request.only:
        wanted = those_with(wanted, request)
    running = Run(output, as_json, resume)
    running.show(running.all(wanted, request))


command.add_command(compare)
