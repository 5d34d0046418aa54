"""`multikernel stop`: ends systems of this user from outside.

Guarantees: nobody else's system is touched, and no process that is not a system; what is ended is
gone, with all of its processes, when the command ends.
"""

import click

from multikernel.errors import BadInput


@click.command("stop")
@click.argument("pid", required=False, type=int, metavar="[PID]")
@click.option("--all", "everything", is_flag=True, help="All systems of yours.")
def command(pid: int | None, everything: bool) -> None:
    """End a system of yours, or all of them.

    PID is that of the supervisor, or of the process that booted it, as `multikernel ps` lists them;
    it may be left out where only one system of yours runs. A `multikernel` command that booted it
    ends with it, as by SIGTERM; another launcher goes on, and its next call raises SystemClosed.
    """
    from multikernel.runtime import systems

    if everything and pid is not None:
        raise BadInput(
            "all systems, or one", value=pid, where="--all", hint="leave one of them out"
        )
    chosen = systems.found() if everything else [systems.choose(pid)]
    for one in chosen:
        systems.stop(one)
        click.echo(f"stopped {one.pid}, {one.kernel}, of process {one.launcher}")
    if not chosen:
        click.echo("no system of yours runs here")
