"""`multikernel demo`: the lab: five programs and a notebook.

Guarantees: nothing that is there is overwritten; a program runs as a process of its own, as it
would when it is started by hand.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click

from multikernel import columns, demo
from multikernel.errors import BadInput, OutputError
from multikernel.hints import one_of


@click.command("demo")
@click.argument("program", required=False, metavar="[PROGRAM]")
@click.option(
    "--copy", "directory", metavar="DIR",
    help="Put all programs and the notebook into that directory, to read and change.",
)  # fmt: skip
def command(program: str | None, directory: str | None) -> None:
    """An hour's lab: run one of five programs, by name or number, or list them.

    They show, in this order: what a core is; what a message costs; how an unmap is agreed, message
    by message; what a tree is good for, on an invented machine; and what happens when a core is
    killed. multikernel help demo prints the lab's sheet.
    """
    if directory is not None:
        _copy(Path(directory))
    if program is not None:
        sys.stdout.flush()
        sys.exit(
            subprocess.run([sys.executable, demo.path_of(_named(program))], check=False).returncode
        )
    if directory is None:
        rows = [(str(i), *program) for i, program in enumerate(demo.PROGRAMS.items(), 1)]
        click.echo("\n".join(f"  {line}" for line in columns.aligned(rows)))
        click.echo(
            "\nmultikernel demo launch runs the first; --copy DIR puts them where you can edit"
        )
        click.echo("them, with a notebook of the same.")


def _named(program: str) -> str:
    """Raises BadInput."""
    names = list(demo.PROGRAMS)
    if program.isdecimal() and 1 <= int(program) <= len(names):
        return names[int(program) - 1]
    if program in names:
        return program
    raise BadInput(
        "there is no such program in the lab", value=program, where="demo",
        hint=f"{one_of(program, names)}, or 1 to {len(names)}",
    )  # fmt: skip


def _copy(directory: Path) -> None:
    files = [*(demo.path_of(name) for name in demo.PROGRAMS), demo.HERE / demo.NOTEBOOK]
    files.append(demo.HERE / "README.md")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        taken = next((one.name for one in files if (directory / one.name).exists()), None)
        if taken is not None:
            raise BadInput(
                "there is a file of that name already", value=directory / taken, where="--copy",
                hint="nothing was overwritten: choose another directory",
            )  # fmt: skip
        for file in files:
            shutil.copyfile(file, directory / file.name)
    except OSError as error:
        raise OutputError(
            f"cannot copy: {error.strerror}", value=error.filename, where="--copy",
            hint="name a directory that can be written to",
        ) from None  # fmt: skip
    click.echo(f"{len(files)} files in {directory}: python {directory / 'launch.py'}")
