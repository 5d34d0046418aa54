"""`multikernel machine`: the modelled machines, and every number of one with its source."""

import click

from multikernel import columns
from multikernel.cli.options import progress_to_stderr
from multikernel.cli.printing import filled, print_table
from multikernel.errors import BadInput
from multikernel.machine.models import reading
from multikernel.machine.models.model import Model, Number
from multikernel.machine.models.tables import tables, topology_of
from multikernel.measuring.asked import model_of
from multikernel.virtual.calibrating import HERE

TRANSFERS = ("", "own", "fetch", "send a message", "handle it")


@click.group("machine")
def command() -> None:
    """Show the machines that can be modelled (--machine), which nobody needs to have.

    Each is a file: what a message, a page-table change and an interrupt cost there, every number
    with its source, or marked as assumed.
    """


@command.command("list")
def list_() -> None:
    """List the machines by name, with their cores."""
    models = {name: reading.shipped(name) for name in reading.names()}
    rows = [(name, str(cores_of(model)), model.title) for name, model in models.items()]
    print_table(("name", "cores", "what it is"), rows, right=(1,))
    note = (
        f"Any shape that `multikernel topology` takes has the numbers of {reading.LIKE}; `here` is"
        " this host, measured when it is asked for."
    )
    click.echo("\n" + filled(note))


@command.command("show")
@click.argument("machine")
def show(machine: str) -> None:
    """Print a machine: where its numbers come from, and what follows between its cores.

    MACHINE is a name of the list, a .toml file, a shape such as 8x4, or `here`: this host, measured
    now.
    """
    model = (
        model_of(machine, progress_to_stderr)[0]
        if machine == HERE
        else reading.read(machine, where="machine show")
    )
    click.echo("\n".join(lines_of(model, machine)))


def cores_of(model: Model) -> int:
    """How many it has."""
    return len(topology_of(model, model.topology).cpus) * model.servers


def lines_of(model: Model, name: str) -> list[str]:
    """All that its file says. Raises BadInput."""
    transfer = model.transfer
    servers = f", {model.servers} servers of these" if model.servers > 1 else ""
    lines = [model.title, f"{cores_of(model)} cores: {model.topology}{servers}", ""]
    lines += [f"note: {note}" for note in model.notes]
    lines += columns.aligned([(where, *_shown(number)) for where, number in model.numbers()], (1,))
    lines += ["", f"coherence: {transfer.coherence} ({transfer.coherence_source})"]
    lines.append(f"between two messages it is the {transfer.gap} that waits")
    if len(transfer.readings) > 1:
        lines.append(f"readings that were tried: {', '.join(transfer.readings)}")
    if model.chosen_after_seeing:
        lines.append(f"chosen after a figure was seen: {model.chosen_after_seeing}")
    try:
        found = tables(model, min(cores_of(model), 4096), name)
    except BadInput as error:
        raise BadInput(f"this machine cannot be run: {error}", where=name) from None
    lines += ["", "a line between two cores, in cycles, nobody in the way, without links"]
    cells = [
        (kind, *(f"{one:.0f}" for one in (line.own, line.fetch, line.send, line.handle)))
        for kind, line in zip(found.distances, found.costs, strict=True)
    ]
    return [*lines, *columns.table(TRANSFERS, cells, range(1, 5)).splitlines()]


def _shown(number: Number) -> tuple[str, str]:
    between = "" if number.low is None else f" ({number.low:g} to {number.high:g})"
    return f"{number.value:g}", f"{number.mark}{between}: {number.source}"
