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

from multikernel.cli.printing import json_option
from multikernel.errors import BadInput
from multikernel.machine.doctor.findings import Finding, counts, doctor, ordered, record

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
    width = max(len(finding.title) for finding in findings)
    lines = []
    for finding in ordered(findings):
        lines.append(f"{finding.verdict:<8} {finding.title:<{width}}  {finding.value}")
        if finding.verdict in ("bad", "matters"):
            lines.append(f"{'':<8} {finding.why}")
        if finding.remedy:
            lines.append(f"{'':<8} → {finding.remedy}")
    return "\n".join([*lines, "", summary(findings)])


def summary(findings: Sequence[Finding]) -> str:
    """One sentence of counts."""
    found = counts(findings)
    return (
        f"{found['bad']} bad, {found['matters']} to be said beside the numbers, {found['unknown']}"
        f" unknown, {found['good']} good. Nothing was changed."
    )


def show_table(findings: Sequence[Finding]) -> None:
    """A table as wide as the terminal, and below it what helps, a line each."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Setting", no_wrap=True)
    table.add_column("Found", ratio=1, overflow="fold")
    table.add_column("Why it matters", ratio=2, overflow="fold")
    for finding in ordered(findings):
        verdict = Text(finding.verdict, style=_COLOURS[finding.verdict])
        why = finding.why if finding.verdict in ("bad", "matters") else ""
        table.add_row(verdict, finding.title, Text(finding.value), Text(why))
    console = Console()
    console.print(table)
    console.print("What helps", style="bold")
    for finding in ordered(findings):
        if finding.remedy:
            # Below the table, each in a line of its own: a command that a cell has folded cannot be
            # copied.
            line = Text(f"  {finding.title}: ").append(finding.remedy, style="cyan")
            console.print(line, soft_wrap=True)
    console.print(Text(f"\n{summary(findings)}"))
