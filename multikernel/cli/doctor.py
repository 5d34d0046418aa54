"""`multikernel doctor`: what on this host spoils measurements, and how to mend it.

Guarantees: it changes nothing, and ends with 0 whatever it finds: its findings are the answer, not
a failure. On a terminal a table, elsewhere plain lines that do not depend on a terminal's width;
what is urgent comes first. Only bad input is an error (a root that is no captured host, an output
that is not `-`). Idea: hyperfine's warnings, before the run instead of after it.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from multikernel import columns
from multikernel.cli.printing import json_option, table
from multikernel.cli.verbosity import asked
from multikernel.errors import BadInput
from multikernel.machine.doctor.findings import Finding, counts, doctor, ordered, record

HEADINGS = ("Verdict", "Setting", "Found", "Why it matters")
_COLOURS = {"bad": "bold red", "matters": "yellow", "unknown": "dim", "good": "green"}


@click.command("doctor")
@json_option("the findings")
@click.option("--root", metavar="DIR", default="/", hidden=True)
def command(as_json: bool, root: str) -> None:
    """Say what on this host spoils measurements, why, and how to mend it. Changes nothing.

    Verdicts: bad (numbers taken like this mislead, or nothing runs), matters (numbers hold if it is
    said beside them), unknown (this host does not say), good.
    """
    if not any((Path(root) / name).is_dir() for name in ("proc", "sys")):
        hint = "name the directory that holds proc and sys"
        raise BadInput("no captured host here", value=root, where="--root", hint=hint)
    findings = doctor(root)
    if as_json:
        click.echo(json.dumps(record(findings), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        show_table(findings)
    else:
        click.echo(plain(findings))


def plain(findings: Sequence[Finding]) -> str:
    """Lines of text: one a finding, and below it why and what to do where there is something to
    do.
    """
    found = ordered(findings)
    first = columns.aligned([(one.verdict, one.title, one.value) for one in found])
    below = " " * (2 + max(len(one.verdict) for one in found))
    lines = []
    for finding, line in zip(found, first, strict=True):
        lines.append(line)
        if _explained(finding):
            lines.append(below + finding.why)
        if finding.remedy:
            lines.append(f"{below}→ {finding.remedy}")
    return "\n".join([*lines, "", summary(findings)])


def _explained(finding: Finding) -> bool:
    return asked.more or finding.verdict in ("bad", "matters")


def summary(findings: Sequence[Finding]) -> str:
    """One sentence of counts."""
    found = counts(findings)
    return (
        f"{found['bad']} bad, {found['matters']} to be said beside the numbers, {found['unknown']}"
        f" unknown, {found['good']} good. Nothing was changed."
    )


def show_table(findings: Sequence[Finding]) -> None:
    """A table as wide as the terminal, and below it what helps, a line each."""
    from rich.console import Console
    from rich.text import Text

    rows = [
        (one.verdict, one.title, one.value, one.why if _explained(one) else "")
        for one in ordered(findings)
    ]
    console = Console()
    console.print(table(HEADINGS, rows, colours=_COLOURS, whole=(0, 1)))
    console.print("What helps", style="bold")
    for finding in ordered(findings):
        if finding.remedy:
            # Below the table, each in a line of its own: a command that a cell has folded cannot be
            # copied.
            line = Text(f"  {finding.title}: ").append(finding.remedy, style="cyan")
            console.print(line, soft_wrap=True)
    console.print(Text(f"\n{summary(findings)}"))
