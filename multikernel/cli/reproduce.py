"""`multikernel reproduce`: the paper's figures 3, 6, 7 and 8, simulated on its machines.

Guarantees: everything is simulated, and says so; documents and pictures are those of `bench run
--machine` and `report --figures`.
"""

from dataclasses import replace
from pathlib import Path

import click

from multikernel.cli.options import (
    Run,
    calibration_option,
    progress_to_stderr,
)
from multikernel.errors import BadInput
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.hints import one_of
from multikernel.machine.models.reading import shipped
from multikernel.measuring.asked import modelled_placement
from multikernel.report.draw.chart import Form
from multikernel.results.document import Document
from multikernel.virtual.calibrating import asked

FIGURES = {
    "3": ("shared-memory", "4x4-amd"),
    "6": ("shootdown", "8x4-amd"),
    "7": ("unmap", "8x4-amd"),
    "8": ("two-phase-commit", "8x4-amd"),
}
"""By the paper's figure, the experiment and the paper's machine."""


@click.command("reproduce")
@click.option(
    "-o", "--output", metavar="DIR", help="Write the documents there, and pictures beside them."
)
@click.option("--figure", metavar="N,…", help="These figures alone, of 3, 6, 7 and 8.")
@click.option("--seeds", type=click.IntRange(1, 100), default=5, help="Runs of each; 5.")
@click.option("--format", "form", type=click.Choice(["svg", "pdf", "png"]), default="svg")
@calibration_option
def command(
    output: str | None, figure: str | None, seeds: int, form: Form, calibration: str | None
) -> None:
    """Simulate the paper's figures on the machines of the paper, beside its points.

    Takes about a minute, on one CPU of any machine. Nothing is measured but what the kernel's
    own code takes to run, which was measured before (--calibration).
    """
    from multikernel.report.page.export import write_figures
    from multikernel.report.say.against_paper import said

    wanted = figures_of(figure)
    work = asked(calibration, "--calibration")
    running = Run(output, False)
    documents: list[Document] = []
    for name, machine in wanted:
        model = shipped(machine)
        request = Request(
            modelled_placement(model, machine, None), replace(SIZES["modelled"], boots=seeds),
            progress=progress_to_stderr, model=model, machine=machine, calibration=work,
        )  # fmt: skip
        documents += running.all([name], request)
    click.echo("\n".join(said(documents)))
    pictures = Path(running.directory) / "figures"
    count = len(write_figures(documents, str(pictures), form))
    click.echo(f"\n{count} pictures: {pictures}")
    click.echo(f"result documents: {running.directory}", err=True)


def figures_of(text: str | None) -> list[tuple[str, str]]:
    """Experiments and machines of such figures, all without a text. Raises BadInput."""
    asked_for = list(FIGURES) if text is None else [one.strip() for one in text.split(",")]
    for one in asked_for:
        if one not in FIGURES:
            raise BadInput(
                "no such figure is simulated", value=one, where="--figure",
                hint=one_of(one, FIGURES),
            )  # fmt: skip
    return [FIGURES[one] for one in dict.fromkeys(asked_for)]
