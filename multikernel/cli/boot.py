"""`multikernel boot`: a kernel to look at until Ctrl-C, or to run a program in.

Guarantees: whatever way the command ends, nothing of the kernel is left; a program runs as Python
itself would run it (`__main__`, its arguments, its directory on the path, its exit code, its
traceback), and gets the booted system by `multikernel.current()`.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import click

from multikernel import columns
from multikernel.cli.options import (
    cores_option,
    placement_of,
    trace_option,
    tracing,
)
from multikernel.cli.output import loss_in
from multikernel.cli.printing import table
from multikernel.errors import BadInput
from multikernel.machine.host.cpus import outside_mask
from multikernel.machine.models.reading import read
from multikernel.machine.topology.model import Topology
from multikernel.measuring.asked import modelled_placement

if TYPE_CHECKING:
    from multikernel.system import System

REFRESH_SECONDS = 0.25
HEADINGS = ("core", "CPU", "process", "state", "served", "interrupts", "parks")
RIGHT = (0, 1, 2, 4, 5, 6)


@click.command("boot", context_settings={"allow_interspersed_args": False})
@cores_option
@click.option(
    "--kernel",
    type=click.Choice(["multikernel", "shared"]),
    default="multikernel",
    show_default=True,
    help="multikernel: replicas and messages; shared: one state under a lock.",
)
@click.option(
    "--capabilities",
    type=click.Choice(["two-phase", "owner"]),
    default="two-phase",
    show_default=True,
    help="The core that drives an operation on a capability which needs others: the one that asks,"
    " or the owner.",
)
@click.option(
    "--lock-scope",
    type=click.Choice(["big", "region"]),
    default="big",
    show_default=True,
    help="shared kernel: capabilities under its one lock, or one for each region of memory.",
)
@click.option(
    "--trees",
    metavar="KIND",
    help="How each core reaches the others: chosen on this machine, or sequential, binary, cluster,"
    " numa-aware, …  [default: chosen; the shared kernel: no tree but one line]",
)
@click.option(
    "--transport",
    type=click.Choice(["call-line", "ring", "socket"]),
    default="call-line",
    show_default=True,
    help="What the multikernel's messages travel by: lines or rings in shared memory, or sockets.",
)
@click.option(
    "--memory",
    metavar="SIZE",
    default="16M",
    show_default=True,
    help="Physical memory, in bytes or such as 64M or 1G.",
)
@click.option(
    "--machine",
    metavar="NAME|FILE|SHAPE",
    help="In virtual time on that modelled machine (multikernel machine list), for a program.",
)
@trace_option
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM.py ARGS…]")
def command(
    cores: str | None,
    memory: str,
    machine: str | None,
    trace: str | None,
    program: tuple[str, ...],
    **how: Any,
) -> int:
    """Boot a kernel and show its cores until Ctrl-C, or run a program in it.

    More cores than CPUs share them: 8 cores on 2 CPUs work. With a program (after --), the program
    runs in this process and reaches the kernel by multikernel.current(); its exit code becomes this
    command's. On a modelled machine (--machine) the system is a virtual one, and nothing is shown
    without a program.
    """
    from multikernel import system as system_

    size = _bytes(memory)
    if machine is None:
        where: Any = list(placement_of(cores, oversubscribe=True).cpus)
    else:
        where = len(modelled_placement(read(machine), machine, cores).cpus)
        if not program:
            raise BadInput(
                "of a modelled machine there is nothing to look at", value=machine,
                where="--machine", hint="name a program: -- program.py",
            )  # fmt: skip
    if program:
        _check(program[0])
        # As Python does for a script; before the boot, because cores look for modules where this
        # process does.
        sys.path.insert(0, os.path.dirname(os.path.abspath(program[0])))
    with (
        tracing(trace) as kept,
        system_.boot(where, memory=size, machine=machine, trace=kept, **how) as booted,
    ):
        if not program:
            _stay(booted)
        with system_.as_current(booted):
            return _run(program)


def _bytes(text: str) -> int:
    """Of a size such as 4096, 64M, 1GiB. Raises BadInput."""
    found = re.fullmatch(r"([0-9]{1,18})([kmgt]?)(i?b)?", text.strip(), re.IGNORECASE)
    if found is None:
        hint = "bytes, or such as 64M or 1G"
        raise BadInput("cannot read this size", value=text, where="--memory", hint=hint)
    return int(found[1]) << 10 * " kmgt".index(found[2].lower() or " ")


def _check(path: str) -> None:
    try:
        with open(path, "rb"):
            return
    except OSError as error:
        raise BadInput(f"cannot read the program: {error.strerror}", value=path) from None


def _run(program: tuple[str, ...]) -> int:
    """Its exit code. What it raises is its own: shown as Python shows it."""
    sys.argv = list(program)
    try:
        runpy.run_path(program[0], run_name="__main__")
        return 0
    except SystemExit as wanted:
        return _code(wanted)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, OSError) and loss_in(error) is error:
            raise  # what it printed is lost, as any command's may be
        sys.stdout.flush()
        _show(error, program[0])
        return 1


def _code(wanted: SystemExit) -> int:
    """As Python does: None is 0, a number itself, anything else is printed and 1."""
    if not isinstance(wanted.code, int | None):
        print(wanted.code, file=sys.stderr)
        return 1
    return (wanted.code or 0) & 0xFF


def _show(error: BaseException, path: str) -> None:
    """The traceback from the program's first line on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace or error.__traceback__)


NEXT = """\
try next, in another terminal:
  multikernel inspect                        what each core has mapped, who owns what
  multikernel boot --cores 2 -- program.py   a program in a system of its own: multikernel.current()
  multikernel demo                           five programs to start from
"""


def _stay(booted: System) -> NoReturn:
    if sys.stdout.isatty():
        from rich.live import Live

        print(NEXT)
        with Live(auto_refresh=False) as live:
            while True:
                live.update(table(HEADINGS, _rows(booted), RIGHT, _title(booted)), refresh=True)
                time.sleep(REFRESH_SECONDS)
    print(_title(booted), columns.table(HEADINGS, list(_rows(booted)), RIGHT), sep="\n", end="")
    print("", NEXT, sep="\n", end="", flush=True)
    while True:
        time.sleep(REFRESH_SECONDS)
        booted.launched.check()


def _rows(booted: System) -> Iterator[tuple[str, ...]]:
    for core in booted.cores:
        counters = core.counters()
        numbers = (str(counters[name]) for name in HEADINGS[4:])
        yield str(core.index), str(core.cpu), str(core.pid), core.mode, *numbers


def _title(booted: System) -> str:
    tree = f", {booted.trees[0].tree.kind} tree from core 0" if len(booted.trees) > 2 else ""
    idle = "share CPUs" if booted.plan.crowded else f"poll for {booted.poll} before they sleep"
    what = f"{booted.kernel}: {len(booted.cores)} cores, {booted.plan.memory >> 20} MiB{tree}"
    outside = outside_mask(Topology.read())
    more = f"; {outside}: --cores takes them by name" if outside else ""
    return f"{what}; they {idle}{more}; Ctrl-C ends it"
