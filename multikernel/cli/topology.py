"""`multikernel topology`: what a machine is built of, drawn, exported, captured, and held against
what was measured.

Guarantees: nothing is measured and nothing but the file that is asked for is written, never over
one that is there; a machine that nobody has says so in the first line. stdout holds the drawing, or
the JSON, and nothing else. Idea: lstopo and hwloc-gather-topology.
"""

import platform
import shutil
import sys
import textwrap
from collections.abc import Mapping

import click

from multikernel.cli import verbosity
from multikernel.cli.latency_table import of_variant
from multikernel.cli.options import check_new_file
from multikernel.cli.printing import json_option
from multikernel.errors import BadInput
from multikernel.machine.topology.measured_levels import Comparison, Measured, Pair, compared
from multikernel.machine.topology.model import LIVE, Topology
from multikernel.machine.topology.named import machine_of
from multikernel.report.say.topology_text import agreement, drawn, in_ascii
from multikernel.results import store
from multikernel.results.document import Document

FORMS = (".svg", ".json", ".txt")
CAPTURE_FORMS = (".tar.gz", ".tgz")
CAPTURE = "machine.tar.gz"
FILE_WIDTH = 100
"""Letters in a line of a .txt file; on a terminal its width counts."""
SAME = ("packages", "dies", "cores", "cpus", "l2", "l3", "nodes")
"""What of a document's topology is compared with the machine drawn."""


@click.group("topology", invoke_without_command=True)
@click.option(
    "--machine",
    metavar="MACHINE",
    help="Instead of this host: a preset (2x4-intel, 2x2-amd, 4x4-amd, 8x4-amd: the paper's), a"
    " sentence such as 8x4, 2x4x2 or '2 packages, 3 dies, 8 cores, smt 2', a capture, or a .json"
    " file written by -o.",
)
@click.option(
    "--measured",
    metavar="FILE|DIR",
    help="Result of `multikernel latency`: say where its classes split or merge the levels that are"
    " declared.",
)
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    help="Write to a file: .svg (a figure), .json (all of it) or .txt (the drawing).",
)
@json_option("the machine")
@click.pass_context
def command(
    context: click.Context, machine: str | None, measured: str | None, file: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Draw what a machine is built of: packages, memory nodes, dies, caches, clusters, cores and
    their threads.

    `multikernel topology capture` stores this host in a small archive, to be looked at elsewhere
    with --machine.
    """
    if context.invoked_subcommand is not None:
        if as_json or {machine, measured, file} != {None}:
            what = "options of `topology` come without a further command"
            hint = "put those of the command behind its name"
            raise BadInput(what, value=context.invoked_subcommand, hint=hint)
        return
    check_new_file(file, FORMS)
    topology = machine_of(machine)
    comparison, notes = (None, []) if measured is None else _compared(topology, measured)
    said = [*(agreement(comparison) if comparison else ()), *notes]
    as_json = as_json if file is None else file.lower().endswith(".json")
    if file is not None:
        from multikernel.report.page import export

        print(export.write(_drawing(topology, said, file), file), file=sys.stderr)
    elif as_json:
        sys.stdout.write(topology.to_json())
    else:
        lines = _lines(topology, said, shutil.get_terminal_size((FILE_WIDTH, 24)).columns)
        try:
            "\n".join(lines).encode(sys.stdout.encoding or "utf-8")
        except UnicodeEncodeError:
            lines = in_ascii(lines)
        print("\n".join(lines))
    if comparison and as_json and not verbosity.asked.less:  # JSON holds the machine alone
        for one in comparison.warnings:
            print(f"warning: {one.text}", file=sys.stderr)


@command.command("capture")
@click.option(
    "-o", "--output", "file", metavar="FILE.tar.gz", help=f"Where to. Without it: {CAPTURE} here."
)
def capture_command(file: str | None) -> None:
    """Store what says how this host is built in a small archive.

    It holds files of /sys, and which CPUs this process may run on: nothing that names the host, its
    users or what runs on it. `multikernel topology --machine FILE` draws it anywhere.
    """
    from multikernel.machine.topology import capture
    from multikernel.report.page import export

    target = CAPTURE if file is None else file
    check_new_file(target, CAPTURE_FORMS)
    path = export.write(capture.packed(capture.files_of("/"), platform.machine()), target)
    print(path)


def _drawing(topology: Topology, said: list[str], file: str) -> bytes:
    """In the form that the file's name says."""
    if file.lower().endswith(".json"):
        return topology.to_json().encode()
    if file.lower().endswith(".svg"):
        from multikernel.report.figures import topology_figure

        return topology_figure.as_svg(topology, said)
    return "".join(f"{line}\n" for line in _lines(topology, said, FILE_WIDTH)).encode()


def _lines(topology: Topology, said: list[str], width: int) -> list[str]:
    below = [
        line
        for text in said
        for line in textwrap.wrap(text, max(width, 40), subsequent_indent="  ")
    ]
    return drawn(topology, width) + (["", "measured beside declared", *below] if below else [])


def _compared(topology: Topology, source: str) -> tuple[Comparison, list[str]]:
    """The comparison, and what else must be said of it."""
    documents = [
        one for some in store.read(source).values() for one in some if one.experiment == "latency"
    ]
    if not documents:
        hint = "measure first: multikernel latency --output DIR"
        raise BadInput("no measured latencies here", value=source, where="--measured", hint=hint)
    latest = max(documents, key=lambda one: one.environment.time)
    found, unsteady = _matrix(latest)
    absent = sorted({cpu for pair in found for cpu in pair} - set(topology.online))
    if absent:
        raise BadInput(
            "the latencies are of CPUs that this machine does not have",
            value=", ".join(map(str, absent[:8])) + ("…" if len(absent) > 8 else ""),
            where="--measured",
            hint="give the machine that was measured, as a capture: --machine FILE",
        )
    summary = topology.summary()
    stated: Mapping[str, object] = latest.environment.topology
    differ = [name for name in SAME if name in stated and stated[name] != summary[name]]
    notes = []
    if differ:
        notes.append(
            f"note: the machine measured declared other {', '.join(differ)} than the one drawn"
        )
    elif topology.source != LIVE:
        notes.append(f"note: measured on {latest.environment.cpu_model}, {latest.environment.time}")
    if unsteady:
        notes.append(f"note: {unsteady} pairs moved while they were measured, and are left out")
    return compared(topology, found), notes


def _matrix(document: Document) -> tuple[dict[Pair, Measured], int]:
    """What one line takes, by pair; of several homes of the line the least. And how many pairs are
    left out.
    """
    found: dict[Pair, Measured] = {}
    unsteady = set()
    for pair, one in of_variant(document, "one-line"):
        if one.parameters.get("steady") is False:
            unsteady.add(pair)
        elif pair not in found or one.p50 < found[pair].value:
            interval = one.median_interval
            found[pair] = Measured(one.p50, min(interval.low, one.p50), max(interval.high, one.p50))
    return found, len(unsteady)
