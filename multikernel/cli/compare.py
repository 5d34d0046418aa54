"""`multikernel compare`: both kernels and Linux, in one run, with a table and a verdict.

Guarantees: bad input is refused before anything is measured; every experiment's document is written
as soon as it is there. The whole of the product in one command.
"""

from dataclasses import replace
from typing import Any

import click

from multikernel.cli import verbosity
from multikernel.cli.options import Run, measuring_options, request_of
from multikernel.experiments import registry


@click.command("compare")
@measuring_options
def command(output: str | None, as_json: bool, quick: bool, size: str | None, **asked: Any) -> None:
    """Boot both kernels on some CPUs and measure them beside Linux.

    Measured, by turns, in one run: what a cache line costs between two CPUs (the floor of
    everything), message round trips, and the unmapping of a page that all cores hold: by the
    multikernel in one and in two phases, by the kernel with one locked state, and by Linux; with
    targets that poll, compute or sleep.

    Printed: the answer, a row for each thing that all three do. With -v also the table (TSC cycles,
    nanoseconds, multiples of the floor, spread between boots), the verdict in sentences, and the
    warnings that matter on this machine. Stop other programs first; it takes about two minutes,
    --quick three quarters of one.
    """
    size = size or ("compared" if quick else None)
    request = replace(request_of(quick=False, size=size, **asked), comparing=True)
    run = Run(output, as_json)
    run.show(run.all(registry.COMPARED, request), answer=True, everything=verbosity.asked.more)
