"""Errors of the Python API as whoever typed a command has to read them: `lock_scope` is
`--lock-scope` there.

Guarantees: only what names an option of the command that was given is spelled anew; everything else
stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from multikernel.errors import MultikernelError


def options_of(command: click.Command | None) -> set[str]:
    """Long options of a command, and of those below it."""
    return set(_options(command)) if command is not None else set()


def _options(command: click.Command) -> Iterator[str]:
    for one in command.params:
        yield from (name for name in one.opts if name.startswith("--"))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from _options(below)


def spelled(error: MultikernelError, options: set[str]) -> str:
    """The error's sentence."""
    text, where = str(error), error.where
    # "cores", "boot cores" and "cores, …" name a parameter by their first words.
    head, comma, tail = where.partition(",")
    name = "--" + head.split(" ")[-1].replace("_", "-")
    if name not in options:
        return text
    return text.replace(f"({where})", f"({name}{comma}{tail})", 1)
