"""`-v` and `-q`, which every command takes: to say more, or less.

Guarantees: answers, errors, and where files were written are said in any case. Quiet, nothing else
goes to standard error; verbose, of an error it is said where it was raised. Each command line
begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import click

from multikernel.errors import BadInput


@dataclass
class Verbosity:
    """What this command line asked for."""

    more: bool = False
    less: bool = False

    def reset(self) -> None:
        self.more = self.less = False


asked = Verbosity()
MORE = {
    "compare": "the whole table, the verdict, the warnings",
    "doctor": "why, of what is good too",
    "ps": "whole commands",
}
"""What a command has to say besides."""


def _asked(_context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        setattr(asked, str(option.name), True)
    if asked.more and asked.less:
        raise BadInput("say more, or less, not both", value="-v -q", hint="leave one out")


def taking_it(command: click.Command) -> click.Command:
    """The command, and those below it, with both options."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            taking_it(below)
    elif not any("-q" in one.opts for one in command.params):
        more = "of an error, where it was raised"
        if command.name in MORE:
            more = f"{MORE[command.name]}; {more}"
        command.params += [
            _option("-v", "--verbose", "more", f"Say more: {more}."),
            _option("-q", "--quiet", "less", "Say less: neither progress nor notes."),
        ]
    return command


def _option(short: str, long: str, name: str, text: str) -> click.Option:
    names = [short, long, name]
    return click.Option(names, is_flag=True, expose_value=False, callback=_asked, help=text)
