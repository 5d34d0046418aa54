"""`multikernel bench compare`: what changed between two runs, and whether it is too much.

Guarantees: exit code 0 where nothing crossed the threshold, 3 where something did, 2 where the runs
cannot be compared (different machines, nothing in common, files that are no documents). What has no
partner is counted, not passed over.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from multikernel.errors import BadInput
from multikernel.results.compare import METHOD, Change, Comparison, compare

CROSSED = 3
"""The exit code where a threshold was crossed."""
SCHEMA = "multikernel-comparison/1"
HEADINGS = ("series", "old", "new", "unit", "change", "interval", "verdict")


@click.command("compare")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--threshold",
    default="10%",
    show_default=True,
    metavar="PERCENT",
    help="How much worse a series may get: so much longer, or so much less throughput.",
)
@click.option(
    "--different-machines", is_flag=True, help="Compare runs of different machines nevertheless."
)
@click.option(
    "--json",
    "json_to",
    metavar="-",
    help="With '-': print the comparison as JSON, and nothing else.",
)
def command(
    old: str, new: str, threshold: str, different_machines: bool, json_to: str | None
) -> int:
    """Compare two runs: result directories, or documents.

    A series got worse, or better, if the whole interval of new over old lies beyond what the
    controls show to be noise; both runs need at least 4 boots for that. Exit code 3: a series
    got worse by more than the threshold.
    """
    from multikernel.report.export import collect

    if json_to not in (None, "-"):
        raise BadInput(
            "the comparison is printed to stdout only",
            value=json_to,
            where="--json",
            hint="--json -",
        )
    share = _share(threshold)
    found = compare(
        collect([old]), collect([new]), threshold=share, different_machines=different_machines
    )
    if json_to is not None:
        click.echo(json.dumps(record(found), indent=2, ensure_ascii=False))
    else:
        show(found)
    return CROSSED if found.crossed else 0


def _share(text: str) -> float:
    """ "10%" and "10 %" are 0.1, and so is "10"."""
    match = re.fullmatch(r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*%?\s*", text, re.ASCII)
    if match is None:
        raise BadInput(
            "a threshold is a percentage", value=repr(text), where="--threshold", hint="such as 10%"
        )
    return float(match[1]) / 100


def record(found: Comparison) -> dict[str, Any]:
    """Plain data."""
    return {
        "schema": SCHEMA,
        "method": METHOD,
        "threshold": found.threshold,
        "crossed": len(found.crossed),
        "machine_differences": list(found.machine),
        "condition_differences": list(found.conditions),
        "series": [
            {
                "experiment": one.experiment, "system": one.series.system,
                "variant": one.series.variant,
                "cores": one.series.cores, "parameters": one.series.parameters,
                "measure": one.series.measure,
                "mode": one.series.mode, "batch": one.series.batch, "unit": one.unit,
                "old": one.old, "new": one.new,
                "ratio": one.ratio, "low": one.interval.low, "high": one.interval.high,
                "coverage": one.interval.coverage, "noise": one.noise, "outcome": one.outcome,
                "crossed": one.crossed,
            }
            for one in found.changes
        ],
        "only_old": list(found.only_old),
        "only_new": list(found.only_new),
    }  # fmt: skip


def show(found: Comparison) -> None:
    """A table, what differs, and a sentence."""
    from multikernel.report.table import plain

    changes = sorted(found.changes, key=_urgency)
    sys.stdout.write(plain(HEADINGS, [_row(one) for one in changes], right=(1, 2, 4, 5)))
    _listed("Different machines", found.machine)
    _listed("Also different", found.conditions)
    _listed("Only in the old run", found.only_old)
    _listed("Only in the new run", found.only_new)
    print(f"\nMethod: {METHOD}.")
    print(summary(found))


def _urgency(one: Change) -> int:
    return 0 if one.crossed else ("worse", "better", "unknown", "same").index(one.outcome) + 1


def _row(one: Change) -> tuple[str, ...]:
    from multikernel.report.wording import short

    low, high = 100 * (one.interval.low - 1), 100 * (one.interval.high - 1)
    verdict = one.outcome + (" (crossed)" if one.crossed else "")
    return (
        one.name, short(one.old), short(one.new), one.unit, f"{100 * (one.ratio - 1):+.1f} %",
        f"{low:+.1f} – {high:+.1f} %", verdict,
    )  # fmt: skip


def _listed(title: str, items: Sequence[str]) -> None:
    if items:
        print(f"\n{title}:")
        for item in items:
            print(f"  {item}")


def summary(found: Comparison) -> str:
    """One sentence of counts."""
    counts = {
        name: sum(one.outcome == name for one in found.changes)
        for name in ("worse", "better", "same", "unknown")
    }
    crossed = len(found.crossed)
    return (
        f"{len(found.changes)} series compared: {counts['worse']} worse, {counts['better']} better,"
        f" {counts['same']} the same, {counts['unknown']} that these runs cannot tell;"
        f" {crossed} worse by more than {100 * found.threshold:g} %."
    )
