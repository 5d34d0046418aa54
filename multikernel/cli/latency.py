"""`multikernel latency`: what a cache line takes between every two CPUs, as a triangle, a table and
a file.

Guarantees: what can be wrong with the options is found before anything is measured; stdout holds
the final table, or with --json - the document, and nothing else; what goes on meanwhile goes to
stderr, and is drawn between measurements only, as drawing takes a CPU that is being measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from multikernel.cli import latency_table, verbosity
from multikernel.cli.options import (
    Run,
    check_new_file,
    cores_option,
    output_options,
    placement_of,
    progress_to_stderr,
)
from multikernel.cli.printing import section
from multikernel.errors import BadInput
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.host.cpus import Placement

if TYPE_CHECKING:
    from multikernel.experiments.latency import Look
    from multikernel.results.document import Document

FORMS = (".csv", ".json", ".svg")
REDRAW_SECONDS = 0.5


@click.command("latency")
@cores_option
@click.option("--quick", is_flag=True, help="Fewer boots (5 at most instead of 20): less sure.")
@click.option(
    "--parallel",
    is_flag=True,
    help="Measure pairs without a CPU in common at the same time: faster, less clean.",
)
@click.option(
    "--matrix",
    "file",
    metavar="FILE",
    help="Write the matrix to a file too: .csv (a line a series), .json (the document) or .svg"
    " (heat maps).",
)
@output_options
def command(
    cores: str | None, quick: bool, parallel: bool, output: str | None, file: str | None,
    as_json: bool, size: str | None,
) -> None:  # fmt: skip
    """Measure what a cache line takes between every two CPUs, there and back.

    Every ordered pair of the CPUs given is measured with one line for both ways and with a line
    each way, on 16 lines, and where CPUs have memory of their own with the line at home on either
    side. Of more than 32 CPUs some pairs of every kind are measured, more where they disagree, and
    the others are estimated.
    """
    placement = _of_pairs(placement_of(cores, oversubscribe=True))
    check_new_file(file, FORMS, "--matrix")
    running = Run(output, as_json)
    chosen = SIZES[size or ("quick" if quick else "full")]

    from multikernel.experiments import latency
    from multikernel.report.page import export

    with _live() as (progress, watcher):
        request = Request(placement, chosen, progress=progress)
        document = latency.Latency(request, parallel=parallel, watcher=watcher).run()
    running.keep(document)
    with running.telling():
        try:
            if running.json:
                running.print_json([document])
            else:
                _print(document)
        finally:
            if file is not None:
                print(export.write(export.form_of(file)([document]), file), file=sys.stderr)


def _of_pairs(placement: Placement) -> Placement:
    """The same, if there is a pair to measure. Raises BadInput."""
    cpus = placement.cpus
    if len(set(cpus)) < 2:
        raise BadInput(
            "latency between CPUs needs at least 2 CPUs",
            value=f"there is only CPU {format_cpu_list(cpus)} to measure",
            where="--cores",
            hint="name more CPUs, or allow this process more of them (taskset, the control group's"
            " cpuset)",
        )
    if placement.oversubscribed:
        raise BadInput(
            "more cores than CPUs, where nothing can be measured",
            value=f"{len(cpus)} cores on CPUs {format_cpu_list(cpus)}",
            where="--cores",
            hint=f"name each CPU once, or leave it out to measure all {len(set(cpus))}",
        )
    return placement


def _print(document: Document) -> None:
    print("\n".join(latency_table.table(document)))
    texts = [one.text for one in document.warnings if one.code not in latency_table.ENDS]
    if texts:
        section("Warnings", dict.fromkeys(texts))


@contextmanager
def _live() -> Iterator[tuple[Callable[[str], None], Callable[[Look], None] | None]]:
    """What takes progress: words, or on a terminal the matrix so far."""
    if verbosity.asked.less or not sys.stderr.isatty():
        yield progress_to_stderr, None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # Drawn on request alone: no thread of its own disturbs the measurement.
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        last = 0.0

        def watch(look: Look) -> None:
            nonlocal last
            if time.monotonic() - last < REDRAW_SECONDS:
                return
            text = "\n".join(latency_table.progress(look))
            live.update(Text(text, no_wrap=True), refresh=True)
            last = time.monotonic()

        yield (lambda _: None), watch
