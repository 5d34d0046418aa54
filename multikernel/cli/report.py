"""`multikernel report`: result documents as one page to read, show around and print.

Guarantees: everything is read and drawn before anything is written; nothing that is there is
overwritten unless --force says so; the form follows the file's suffix. Needs no kernel, no network,
and nothing that isn't installed with the package.
"""

from __future__ import annotations

import sys

import click


@click.command("report")
@click.argument("sources", nargs=-1, metavar="[DIR…]")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to: .html, .svg (the figures), .csv (a line a series) or .json (the documents). "
    "Without it: report.html here, or the next free name.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(sources: tuple[str, ...], output: str | None, force: bool) -> None:
    """Draw results as one self-contained HTML page.

    DIR: result directories, as `compare` and `bench run` write them, or documents in them; a
    directory of such directories stands for all of them. Without any: the latest run below
    results/. Results of several machines become sections of their own.

    The page holds the machine and what its numbers can say, the verdict, every figure in the form
    the paper draws it with the paper's values beside, all ratios and series, the environment, and
    the documents themselves.
    """
    from multikernel.report import export

    form = export.form_of(export.DEFAULT if output is None else output)
    documents = export.collect(sources)
    path = export.write(form(documents), output, replace=force)
    print(path, file=sys.stdout)
