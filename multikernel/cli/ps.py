"""`multikernel ps`: the systems of this user that run here, and who booted them.

Guarantees: shows nobody else's systems, and disturbs none; where there is none it says so.
"""

from __future__ import annotations

import itertools
import os
import shlex
import time

import click

from multikernel.errors import BadInput, printable

HEADINGS = ("PID", "age", "kernel", "cores", "launcher", "command")
WIDTH = 60
"""Characters of a launcher's command; --json - has all of it."""


@click.command("ps")
@click.option(
    "--json", "json_to", metavar="-", help="With '-': print everything as JSON, and nothing else."
)
def command(json_to: str | None) -> int:
    """List the systems of yours that run here, the oldest first.

    PID is the supervisor's, launcher the process that booted it: `multikernel inspect` and
    `multikernel stop` take either.
    """
    from multikernel.runtime import systems

    if json_to not in (None, "-"):
        raise BadInput(
            "it is printed to stdout only", value=json_to, where="--json", hint="--json -"
        )
    mine = systems.found()
    if json_to is not None:
        import json

        click.echo(json.dumps([vars(one) for one in mine], indent=2))
        return 0
    if not mine:
        click.echo("no system of yours runs here")
        return 0
    from multikernel.report.say.table import plain

    now = time.time()
    rows = [
        (
            str(one.pid), age(now - one.started), one.kernel,
            "?" if one.cores is None else str(one.cores), str(one.launcher), _short(one.command),
        )
        for one in mine
    ]  # fmt: skip
    click.echo(plain(HEADINGS, rows, right=(0, 1, 3, 4)), nl=False)
    return 0


def age(seconds: float) -> str:
    """In the two largest units that it has."""
    whole = max(0, int(seconds))
    units = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    for (unit, name), (small, small_name) in itertools.pairwise(units):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // small} {small_name}"
    return f"{whole} s"


def _short(words: tuple[str, ...]) -> str:
    """In one line, without directories of programs, and without anything that a terminal obeys."""
    named = list(words)
    for i, word in enumerate(named):
        named[i] = os.path.basename(word)
        if i and not word.startswith("-"):
            break  # the script; what follows are its own arguments
    line = printable(shlex.join(named))
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
