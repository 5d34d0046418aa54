"""`multikernel reproduce`: the paper's figures 3, 6, 7 and 8, simulated on its machines.

Guarantees: everything is simulated, and says so; documents and pictures are those of `bench run
--machine` and `report --figures`.
"""

from dataclasses import replace
from pathlib import Path

import click

from multikernel.cli.options import Run, modelled_placement, progress_to_stderr
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.machine.models.reading import shipped
from multikernel.report.draw.chart import Form
from multikernel.results.document import Document

FIGURES = {
    "shared-memory": "4x4-amd",
    "shootdown": "8x4-amd",
    "unmap": "8x4-amd",
    "two-phase-commit": "8x4-amd",
}
"""By experiment, the paper's machine."""


@click.command("reproduce")
@click.option(
    "--output", metavar="DIR", help="Write the documents there, and pictures beside them."
)
@click.option("--seeds", type=click.IntRange(1, 100), default=5, help="Runs of each; 5.")
@click.option("--format", "form", type=click.Choice(["svg", "pdf", "png"]), default="svg")
def command(output: str | None, seeds: int, form: Form) -> None:
    """Simulate the paper's figures on the machines of the paper, beside its points.

    Takes about a minute, on one CPU of any machine. Nothing is measured but what the kernel's own
    code takes to run, which was measured before (--calibrate).
    """
    from multikernel.report.page.export import write_figures
    from multikernel.report.say.against_paper import said

    running = Run(output, False)
    documents: list[Document] = []
    for name, machine in FIGURES.items():
        request = Request(
            modelled_placement(machine, None), replace(SIZES["modelled"], boots=seeds),
            progress=progress_to_stderr, model=shipped(machine), machine=machine,
        )  # fmt: skip
        documents += running.all([name], request)
    click.echo("\n".join(said(documents)))
    pictures = Path(running.directory) / "figures"
    count = len(write_figures(documents, str(pictures), form))
    click.echo(f"\n{count} pictures: {pictures}")
    click.echo(f"result documents: {running.directory}", err=True)
