"""`multikernel doctor`: what on this host spoils measurements, and how to mend it.

Guarantees: it changes nothing, and ends with 0 whatever it finds: its findings are the answer, not a failure. On a
terminal a table, elsewhere plain lines that do not depend on a terminal's width; what is urgent comes first.
Bad input (a root that is no captured host, a file that cannot be written or is there already) raises BadInput.

Called by: people before they measure, scripts with `--json -`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from multikernel.errors import BadInput
from multikernel.machine.doctor import VERDICTS, Finding, counts, record
from multikernel.machine.doctor import doctor as examine

_COLOURS = {"bad": "bold red", "matters": "yellow", "unknown": "dim", "good": "green"}


@click.command("doctor")
@click.option(
    "--json", "output", metavar="FILE", help="Write the findings as JSON to FILE, - for standard output."
)
@click.option("--root", default="/", hidden=True, help="Look at the captured host under this directory.")
def doctor(output: str | None, root: str) -> None:
    """What on this host spoils measurements, why, and how to mend it. Changes nothing."""
    if not any((Path(root) / name).is_dir() for name in ("proc", "sys")):
        raise BadInput(
            "no captured host here",
            value=root,
            where="--root",
            hint="name the directory that holds proc and sys",
        )
    findings = examine(root)
    if output is not None:
        _write_json(findings, output)
    elif sys.stdout.isatty():
        _print_table(findings)
    else:
        click.echo(plain(findings))


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """The most urgent first, else as they were."""
    return sorted(findings, key=lambda finding: VERDICTS.index(finding.verdict))


def plain(findings: Sequence[Finding]) -> str:
    """Lines of text: one a finding, and below it why and what to do where there is something to do."""
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
        f"{found['bad']} bad, {found['matters']} to be said beside the numbers, {found['unknown']} unknown, "
        f"{found['good']} good. Nothing was changed."
    )


def _print_table(findings: Sequence[Finding]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Setting", no_wrap=True)
    table.add_column("Found", ratio=2, overflow="fold")
    table.add_column("Why, and what helps", ratio=3, overflow="fold")
    for finding in ordered(findings):
        advice = Text(finding.why if finding.verdict in ("bad", "matters") else "")
        if finding.remedy:
            advice.append(("\n" if advice else "") + finding.remedy, style="cyan")
        table.add_row(
            Text(finding.verdict, style=_COLOURS[finding.verdict]), finding.title, Text(finding.value), advice
        )
    console = Console()
    console.print(table)
    console.print(Text(summary(findings)))


def _write_json(findings: Sequence[Finding], output: str) -> None:
    text = json.dumps(record(findings), indent=2, ensure_ascii=False)
    if output == "-":
        click.echo(text)
        return
    try:
        with open(output, "x", encoding="utf-8") as file:
            file.write(text + "\n")
    except FileExistsError:
        raise BadInput(
            "there is a file of that name already",
            value=output,
            where="--json",
            hint="nothing was overwritten",
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"cannot write the findings: {reason}", value=output, where="--json") from None
