"""`multikernel replay`: an operation, traced and drawn as one page to step through.

Guarantees: the page shows a run that took place; nothing that is there is overwritten.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import click

import multikernel
from multikernel.cli.options import check_new_file, cores_option
from multikernel.errors import BadInput, TimedOut
from multikernel.hints import one_of
from multikernel.machine.models.reading import read
from multikernel.machine.models.tables import topology_of
from multikernel.machine.topology.model import Topology

OPERATIONS = ("unmap", "map", "protect")
PROTOCOLS = ("two-phase", "one-phase")
MOST = 64
"""Cores that a page is still read with."""


def _complete(_context: click.Context, _argument: click.Parameter, begun: str) -> list[str]:
    return [one for one in OPERATIONS if one.startswith(begun)]


@click.command("replay")
@click.argument(
    "operation", default="unmap", metavar="[unmap|map|protect]", shell_complete=_complete
)
@cores_option
@click.option(
    "--machine", metavar="NAME|FILE|SHAPE",
    help="In virtual time on that modelled machine (multikernel machine list).",
)  # fmt: skip
@click.option("--trees", metavar="KIND", help="A kind of tree for every core, such as binary.")
@click.option(
    "--protocol", type=click.Choice(PROTOCOLS),
    help="Of an unmap: in two-phase, the default, all cores vote first; in one-phase none does.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", default="replay.html", show_default=True,
    help="Where the page goes: one file, with nothing else needed.",
)  # fmt: skip
def command(
    operation: str, cores: str | None, machine: str | None, trees: str | None,
    protocol: str | None, output: str,
) -> None:  # fmt: skip
    """Boot a multikernel, run one operation on a page that all cores share, and write it down as a
    page that is stepped through in a browser: which core sends what to whom, over the machine's
    sockets, and what each core holds of the page meanwhile.
    """
    _check(operation, protocol)
    check_new_file(output, (".html", ".htm"))
    from multikernel.report.page import export, replay

    asked: dict[str, Any] = {"trees": trees} if trees else {}
    if machine is not None:
        asked["machine"] = machine
    elif cores is None:
        cores = "4"
    count: Any = int(cores) if cores is not None and cores.isdecimal() else cores
    if isinstance(count, int):
        _check_count(count)
    with multikernel.boot(count, trace=True, **asked) as system:
        _check_count(len(system.cores))
        frame = system.allocate(4096)
        page = None if operation == "map" else system.map(frame)
        with system.watching() as steps:
            if page is None:
                system.map(frame)
            elif operation == "protect":
                system.protect(page, "read-only")
            else:
                system.unmap(page, protocol or PROTOCOLS[0])  # type: ignore[arg-type]  # a choice
        title = system.traced(0).title
        repeated = replay.Replay(
            operation, title,
            _groups(system, machine), steps, machine is not None, _note(system, machine),
        )  # fmt: skip
    if not replay.whole(repeated):
        raise TimedOut(
            "messages were still on their way when the time to wait for them had passed",
            value=title, where="replay", hint="the host is too busy: ask for fewer cores",
        )  # fmt: skip
    target = export.write(replay.page(repeated).encode(), output)
    click.echo(f"{target}: {len(steps)} steps; open it in a browser")


def _check(operation: str, protocol: str | None) -> None:
    """Raises BadInput."""
    if operation not in OPERATIONS:
        raise BadInput(
            "there is no such operation to replay", value=operation, where="replay",
            hint=one_of(operation, OPERATIONS),
        )  # fmt: skip
    if protocol is not None and operation != "unmap":
        raise BadInput(
            f"only an unmap has a choice of protocols, not {operation}", value=protocol,
            where="--protocol", hint="leave it out, or replay unmap",
        )  # fmt: skip


def _check_count(cores: int) -> None:
    """Raises BadInput."""
    if cores > MOST:
        raise BadInput(
            "these are too many cores to be looked at", value=cores, where="--cores",
            hint=f"at most {MOST}",
        )  # fmt: skip


def _groups(system: Any, machine: str | None) -> dict[str, list[int]]:
    """The cores of each package, or of each memory node where a package has several. Cores that
    share a CPU stand beside each other.
    """
    topology = topology_of(read(machine), "--machine") if machine else Topology.read()
    nodes = defaultdict[int, set[int]](set)
    for cpu in topology.cpus:
        nodes[cpu.package].add(cpu.node)
    found = defaultdict[str, list[int]](list)
    for core, number in enumerate(system.plan.cpus):
        cpu = topology.cpu(number)
        node = f", node {cpu.node}" if len(nodes[cpu.package]) > 1 else ""
        found[f"package {cpu.package}{node}"].append(core)
    return found


def _note(system: Any, machine: str | None) -> str:
    if machine is None and len(set(system.plan.cpus)) < len(system.cores):
        return (
            "There are more cores than CPUs here: the order of the messages is that of this run,"
            " but the times have waits for a CPU in them."
        )
    return ""
