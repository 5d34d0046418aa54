"""`multikernel bench`: single experiments, by name.

Guarantees: an unknown name is refused before anything is measured, with the known ones.
"""

from typing import Any

import click

from multikernel.cli.bench_compare import command as compare
from multikernel.cli.options import (
    Run,
    calibration_option,
    measuring_options,
    request_of,
    trace_option,
    tracing,
)
from multikernel.cli.printing import print_table
from multikernel.errors import BadInput
from multikernel.experiments import registry
from multikernel.measuring.asked import those_with

TRACED = 4096
"""Events of each core that a trace of experiments keeps: they boot many systems."""


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
    rows = []
    for one in known:
        seconds = "–" if one.seconds is None else f"{one.seconds} s"
        how = " Simulated only: --machine." if one.simulated_only else ""
        how = how or (" Also --machine." if one.modelled else "")
        rows.append((one.name, one.figure, seconds, one.summary + how))
    print_table(("name", "figure", "--quick", "what it measures"), rows, right=(2,))


@command.command("run")
@click.argument(
    "names", nargs=-1, required=True, metavar="NAME…",
    shell_complete=lambda _, __, begun: [
        name for name in ("all", *registry.names()) if name.startswith(begun)
    ],
)  # fmt: skip
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
    help="In virtual time on that modelled machine (multikernel machine list; here: this host,"
    " measured now), with --cores of its"
    " cores; with --quick ends of assumed ranges are not tried.",
)
@calibration_option
@click.option(
    "--resume",
    metavar="DIR",
    help="Go on with a run that was stopped: experiments that lie there are not run again.",
)
@trace_option
def run(
    names: tuple[str, ...],
    output: str | None,
    as_json: bool,
    resume: str | None,
    trace: str | None,
    **asked: Any,
) -> None:
    """Run experiments by name, or all of them by `all`, and print their table and warnings.

    With --trace nothing is measured, for what is traced takes longer: some operations of every
    configuration of a multikernel are run once, and the last 4 096 events of each core are kept.
    """
    if "all" in names:
        here = asked["machine"] is None
        known = registry.listed()
        names = tuple(
            one.name for one in known if (not one.simulated_only if here else one.modelled)
        )
    classes = {name: registry.get(name) for name in names}
    wanted = list(classes)
    if trace is not None:
        if output or as_json or resume:
            raise BadInput(
                "what is traced is not measured, so there are no documents", value=trace,
                where="--trace", hint="leave out --output, --json and --resume",
            )  # fmt: skip
        with tracing(trace, TRACED) as kept:
            request = request_of(**asked, trace=kept)
            for name in those_with(wanted, request) if request.only else wanted:
                classes[name].check(request)
                classes[name](request).traced()
        return
    request = request_of(**asked)
    for experiment in classes.values():
        experiment.check(request)
    if request.only:
        wanted = those_with(wanted, request)
    running = Run(output, as_json, resume)
    running.show(running.all(wanted, request))


command.add_command(compare)
