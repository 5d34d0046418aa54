"""`multikernel replay`: an operation, traced and drawn as one page to step through.

Guarantees: the page shows a run that took place; nothing that is there is overwritten.
"""

from __future__ import annotations

from typing import Any

import click

import multikernel
from multikernel.cli.options import check_new_file, cores_option
from multikernel.errors import BadInput
from multikernel.machine.models.reading import read
from multikernel.machine.models.tables import topology_of
from multikernel.machine.topology.model import Topology

OPERATIONS = ("unmap", "map", "protect")
MOST = 64
"""Cores that a page is still read with."""


@click.command("replay")
@click.argument("operation", type=click.Choice(OPERATIONS), default="unmap")
@cores_option
@click.option(
    "--machine", metavar="NAME|FILE|SHAPE",
    help="In virtual time on that modelled machine (multikernel machine list).",
)  # fmt: skip
@click.option("--trees", metavar="KIND", help="A kind of tree for every core, such as binary.")
@click.option(
    "--protocol", type=click.Choice(["two-phase", "one-phase"]), default="two-phase",
    help="Of an unmap: vote first, or at once.", show_default=True,
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", default="replay.html", show_default=True,
    help="Where the page goes: one file, with nothing else needed.",
)  # fmt: skip
def command(
    operation: str, cores: str | None, machine: str | None, trees: str | None, protocol: str,
    output: str,
) -> None:  # fmt: skip
    """Boot a multikernel, run one operation on a page that all cores share, and write it down as a
    page that is stepped through in a browser: which core sends what to whom, over the machine's
    sockets, and what each core holds of the page meanwhile.
    """
    check_new_file(output, (".html", ".htm"))
    from multikernel.report.page import export, replay

    asked: dict[str, Any] = {"trees": trees} if trees else {}
    if machine is not None:
        asked["machine"] = machine
    elif cores is None:
        cores = "4"
    count: Any = int(cores) if cores is not None and cores.isdecimal() else cores
    with multikernel.boot(count, trace=True, **asked) as system:
        if len(system.cores) > MOST:
            raise BadInput(
                "these are too many cores to be looked at", value=len(system.cores),
                where="--cores", hint=f"at most {MOST}",
            )  # fmt: skip
        frame = system.allocate(4096)
        page = None if operation == "map" else system.map(frame)
        with system.watching() as steps:
            if page is None:
                system.map(frame)
            elif operation == "protect":
                system.protect(page, "read-only")
            else:
                system.unmap(page, protocol)  # type: ignore[arg-type]  # a choice
        title = system.traced(0).title
        repeated = replay.Replay(
            operation, title,
            _groups(system, machine), steps, machine is not None, _note(system, machine),
        )  # fmt: skip
    target = export.write(replay.page(repeated).encode(), output)
    click.echo(f"{target}: {len(steps)} steps; open it in a browser")


def _groups(system: Any, machine: str | None) -> list[list[int]]:
    """The cores of each package. Cores that share a CPU stand beside each other."""
    if machine is None:
        topology, cpus = Topology.read(), system.plan.cpus
    else:
        topology, cpus = topology_of(read(machine), "--machine"), range(len(system.cores))
    found: dict[object, list[int]] = {}
    for core, cpu in enumerate(cpus):
        found.setdefault(topology.cpu(cpu).package, []).append(core)
    return list(found.values())


def _note(system: Any, machine: str | None) -> str:
    if machine is None and len(set(system.plan.cpus)) < len(system.cores):
        return (
            "There are more cores than CPUs here: the order of the messages is that of this run,"
            " but the times have waits for a CPU in them."
        )
    return ""
