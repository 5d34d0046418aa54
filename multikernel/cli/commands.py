"""The group of commands, each imported when it is run or its own help is asked for.

Guarantees: `multikernel --help` and `--version` import no command, no numpy and no native module.
Idea: click's own pattern of a lazy group.
"""

import importlib

import click

from multikernel import __version__
from multikernel.cli.verbosity import asked, taking_it
from multikernel.hints import one_of

COMMANDS = {
    "help": "The guide in pages: what there is to know, by topic.",
    "compare": "Boot both kernels, measure them beside Linux, and print the verdict.",
    "boot": "Boot a kernel and watch it, or run a program in it.",
    "inspect": "Show a running system: replicas, owners, relations, digests.",
    "ps": "List the systems of yours that run here.",
    "stop": "End a system of yours, or all of them.",
    "doctor": "Say what on this host spoils measurements, and how to mend it.",
    "topology": "Draw what this machine, or another, is built of; capture it; export it.",
    "latency": "Measure a cache line between every two CPUs: the machine's map of distances.",
    "skb": "Ask what is known about a machine: facts, multicast trees, placement.",
    "machine": "List the machines that can be modelled, and show one with its sources.",
    "bench": "List the experiments, or run some of them.",
    "simulate": "Hold virtual time against this machine: predicted beside measured.",
    "reproduce": "Simulate the paper's figures on its machines, beside its points.",
    "schema": "Print the JSON schema of result documents.",
    "demo": "An hour's lab: five programs to run, read and change.",
    "replay": "Play an operation step by step, message by message, as one HTML page.",
    "report": "Draw results as one HTML page to read, print and pass on.",
}
"""By name, which is that of the file in this room: what the list of commands says."""


class LazyGroup(click.Group):
    """Knows its commands by name and sentence alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports it."""
        if cmd_name not in COMMANDS:
            return None
        return taking_it(importlib.import_module(f"multikernel.cli.{cmd_name}").command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As ever, but an unknown command is answered with the known ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"unknown command {args[0]!r}; {one_of(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="multikernel", message="%(prog)s %(version)s")
def group() -> None:
    """A multikernel for your own workstation.

    Every core is a process pinned to a CPU, with its own replica of the kernel's state; cores share
    nothing but message channels. Beside it runs a second kernel with one shared, locked state. Both
    are measured next to Linux, on this machine.

    \b
    Start with:
      multikernel compare --quick                   both kernels and Linux, under a minute
      multikernel boot --cores 4                    a kernel to look at, until Ctrl-C
      multikernel boot --cores 4 -- program.py      a program in it
    """
    asked.reset()
