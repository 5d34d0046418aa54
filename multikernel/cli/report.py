"""`multikernel report`: result documents as one page to read, show around and print.

Guarantees: everything is read and drawn before anything is written; nothing that is there is
overwritten unless --force says so; the form follows the file's suffix. Needs no kernel, no network,
and nothing that isn't installed with the package.
"""

from pathlib import Path

import click

from multikernel.cli import shown
from multikernel.cli.options import skip
from multikernel.errors import BadInput
from multikernel.report.draw.chart import FORMS, Form


@click.command("report")
@click.argument("sources", nargs=-1, metavar="[DIR…]")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to: .html, .svg (the figures), .csv (a line a series, ratio and warning) or .json"
    " (the documents). Without it: report.html here, or the next free name.",
)
@click.option(
    "--figures",
    metavar="DIR",
    help="Write every figure into a file of its own there, sized for a column, and no page.",
)
@click.option(
    "--format",
    "form_",
    type=click.Choice(FORMS),
    help="Of these files: svg, unless it is said.",
)
@click.option(
    "--gallery",
    metavar="DIR",
    help="Keep results of one machine there: its documents, figures and a README. DIR is called as"
    " the machine, such as vendor-model-2x16. Without results: draw what lies there again.",
)
@click.option(
    "--text", is_flag=True, help="Print answer, table, verdict and warnings; draw nothing."
)
@click.option(
    "--beside",
    is_flag=True,
    help="Also draw what was measured and what was simulated (--machine) in one figure: solid and"
    " dashed.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(
    sources: tuple[str, ...], output: str | None, figures: str | None, form_: Form | None,
    gallery: str | None, text: bool, beside: bool, force: bool,
) -> None:  # fmt: skip
    """Draw results as one self-contained HTML page.

    DIR: result directories, as `compare` and `bench run` write them, or documents in them; a
    directory of such directories stands for all of them. Without any: the latest run below
    results/. Results of several machines become sections of their own.

    The page holds the machine and what its numbers can say, the verdict, every figure in the form
    the paper draws it with the paper's values beside, all ratios and series, the environment, and
    the documents themselves. With --text all that can be said in words is printed instead.
    """
    from multikernel.report.page import export

    _one_of(**{"--output": output, "--figures": figures, "--gallery": gallery, "--text": text})
    if form_ is not None and figures is None:
        raise BadInput(
            "a format is of figures", value=form_, where="--format",
            hint="add --figures DIR; a page's form follows its file's name",
        )  # fmt: skip
    if gallery is not None:
        from multikernel.report.page.gallery import add

        made = add(sources, Path(gallery), replace=force, skipped=skip, where="--gallery")
        print(f"{len(made)} files: {gallery}")
        return
    if text:
        documents = export.collect(sources, skip)
        shown.answer(documents)
        print()
        shown.everything(documents, verdict=True)
        return
    if figures is not None:
        documents = export.collect(sources, skip)
        written = export.write_figures(
            documents, figures, form_ or "svg", replace=force, together=beside
        )
        print(f"{len(written)} figures: {figures}")
        return
    page = export.form_of(export.DEFAULT if output is None else output, together=beside)
    documents = export.collect(sources, skip)
    print(export.write(page(documents), output, replace=force))


def _one_of(**wanted: str | bool | None) -> None:
    """Raises BadInput where more than one thing is to be made. wanted: by option."""
    given = [option for option, value in wanted.items() if value not in (None, False)]
    if len(given) > 1:
        raise BadInput(
            "one thing at a time, not both", value=" ".join(given), where=given[-1],
            hint=f"leave out all but one of {', '.join(given)}",
        )  # fmt: skip
