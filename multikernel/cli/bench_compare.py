"""`multikernel bench compare`: what changed between two runs, and whether it is too much.

Guarantees: exit code 0 where nothing crossed the threshold, 3 where something did, 2 where the runs
cannot be compared (different machines, nothing in common, files that are no documents). What has no
partner is counted, not passed over.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from multikernel.cli.options import skip
from multikernel.cli.printing import json_option, print_table
from multikernel.errors import BadInput
from multikernel.results.compare import METHOD, Change, Comparison, RatioChange, compare

CROSSED = 3
"""The exit code where a threshold was crossed."""
SCHEMA = "multikernel-comparison/2"
RATIOS = ("ratio", "old", "new", "change", "interval", "verdict")
OF_SERIES = ("system", "variant", "cores", "parameters", "measure", "mode", "batch")
HEADINGS = ("series", "old", "new", "unit", "change", "interval", "verdict")


@click.command("compare")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--threshold",
    default="10%",
    show_default=True,
    metavar="PERCENT",
    help="How much worse a ratio, or a series, may get.",
)
@click.option(
    "--different-machines", is_flag=True, help="Compare runs of different machines nevertheless."
)
@click.option(
    "--simulated", is_flag=True, help="Hold a measured run against a simulated one (--machine)."
)
@json_option("the comparison")
def command(
    old: str, new: str, threshold: str, different_machines: bool, simulated: bool, as_json: bool
) -> int:
    """Compare two runs: result directories, or documents.

    First the floors: where they differ, the host had the CPUs in another state, and medians say
    nothing. Then the ratios, which were taken within boots, and the medians. One got worse, or
    better, if the whole interval of new over old lies beyond what the controls show to be noise;
    both runs need at least 4 boots for that. Exit code 3: a ratio got worse by more than the
    threshold; where the runs have none in common, a series.
    """
    from multikernel.report.page.export import collect

    share = _share(threshold)
    before, after = collect([old], skip), collect([new], skip)
    found = compare(
        before, after, threshold=share, different_machines=different_machines, simulated=simulated
    )
    if as_json:
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
        "floors": [
            {"experiment": name, "old": old, "new": new, "moved": name in found.moved}
            for name, old, new in found.floors
        ],
        "ratios": [
            {
                "ratio": one.ratio.name, "kind": one.ratio.kind, "new": one.ratio.value,
                "change": one.change, **_both(one),
            }
            for one in found.ratios
        ],
        "series": [
            {name: getattr(one.series, name) for name in OF_SERIES}
            | {"unit": one.unit, "new": one.new, "ratio": one.ratio, "noise": one.noise}
            | _both(one)
            for one in found.changes
        ],
        "simulated": list(found.simulated),
        "only_old": list(found.only_old),
        "only_new": list(found.only_new),
    }  # fmt: skip


def _both(one: Change | RatioChange) -> dict[str, Any]:
    return {
        "experiment": one.experiment, "old": one.old, "low": one.interval.low,
        "high": one.interval.high, "coverage": one.interval.coverage, "outcome": one.outcome,
        "crossed": one.crossed,
    }  # fmt: skip


def show(found: Comparison) -> None:
    """A table, what differs, and a sentence."""
    from multikernel.report.say.wording import short

    for side in found.simulated:
        print(f"Simulated, not measured, is the run {side}. Better and worse are what it is beside")
        print("the other one; a ratio says more than a median, whose clocks and processors differ.")
    for name, old, new in found.floors:
        moved = ": another state of the host, so medians say nothing" if name in found.moved else ""
        print(f"{name}: floor {short(old)} against {short(new)} cycles{moved}")
    ratios = sorted(found.ratios, key=_urgency)
    if ratios:
        rows = [
            (one.name, f"{one.old:.2f}", f"{one.ratio.value:.2f}", *_changed(one.change, one))
            for one in ratios
        ]
        print()
        print_table(RATIOS, rows, right=(1, 2, 3, 4))
        print()
    cells = [
        (one.name, short(one.old), short(one.new), one.unit, *_changed(one.ratio, one))
        for one in sorted(found.changes, key=_urgency)
    ]
    print_table(HEADINGS, cells, right=(1, 2, 4, 5))
    for title, items in (
        ("Different machines", found.machine), ("Also different", found.conditions),
        ("Only in the old run", found.only_old), ("Only in the new run", found.only_new),
    ):  # fmt: skip
        if items:
            print(f"\n{title}:", *items, sep="\n  ")
    print(f"\nMethod: {METHOD}.")
    print(summary(found))


def _urgency(one: Change | RatioChange) -> int:
    return 0 if one.crossed else ("worse", "better", "unknown", "same").index(one.outcome) + 1


def _changed(change: float, one: Change | RatioChange) -> tuple[str, str, str]:
    """The change, its interval and the verdict."""
    by, low, high = (100 * (to - 1) for to in (change, one.interval.low, one.interval.high))
    verdict = one.outcome + (" (crossed)" if one.crossed else "")
    return f"{by:+.1f} %", f"{low:+.1f} – {high:+.1f} %", verdict


def summary(found: Comparison) -> str:
    """One sentence of counts: of ratios, where there are any, else of series."""
    what = "ratios" if found.ratios else "series"
    every: Sequence[Change | RatioChange] = found.ratios or found.changes
    counts = Counter(one.outcome for one in every)
    return (
        f"{len(every)} {what} compared: {counts['worse']} worse, {counts['better']} better,"
        f" {counts['same']} the same, {counts['unknown']} that these runs cannot tell;"
        f" {len(found.crossed)} worse by more than {100 * found.threshold:g} %."
    )
