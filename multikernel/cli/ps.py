"""`multikernel ps`: the systems of this user that run here, and who booted them.

Guarantees: shows nobody else's systems, and disturbs none; where there is none it says so.
"""

import itertools
import json
import os
import shlex
import time

import click

from multikernel.cli.printing import json_option, print_table
from multikernel.cli.verbosity import asked
from multikernel.errors import printable

HEADINGS = ("PID", "age", "kernel", "cores", "launcher", "command")
WIDTH = 60
"""Characters of a launcher's command; -v shows all of it, --json - its words."""


@click.command("ps")
@json_option("everything")
def command(as_json: bool) -> None:
    """List the systems of yours that run here, the oldest first.

    PID is the supervisor's, launcher the process that booted it: `multikernel inspect` and
    `multikernel stop` take either.
    """
    from multikernel.runtime import systems

    mine = systems.found()
    if as_json:
        click.echo(json.dumps([vars(one) for one in mine], indent=2))
    elif not mine:
        click.echo("no system of yours runs here")
    else:
        now = time.time()
        rows = [
            (
                str(one.pid), age(now - one.started), one.kernel,
                "?" if one.cores is None else str(one.cores), str(one.launcher),
                _line(one.command, None if asked.more else WIDTH),
            )
            for one in mine
        ]  # fmt: skip
        print_table(HEADINGS, rows, right=(0, 1, 3, 4))


def age(seconds: float) -> str:
    """In the two largest units that it has."""
    whole = max(0, int(seconds))
    units = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    for (unit, name), (small, small_name) in itertools.pairwise(units):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // small} {small_name}"
    return f"{whole} s"


def _line(words: tuple[str, ...], most: int | None) -> str:
    """In one line, without directories of programs, and without anything that a terminal obeys."""
    named = list(words)
    for i, word in enumerate(named):
        named[i] = os.path.basename(word)
        if i and not word.startswith("-"):
            break  # the script; what follows are its own arguments
    line = printable(shlex.join(named))
    return line if most is None or len(line) <= most else line[: most - 1] + "…"
