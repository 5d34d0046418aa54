"""What commands print: text as wide as the terminal, tables, JSON.

Guarantees: a number is never parted from its thousands or its ×, nor a command's words at a hyphen.
Of a table nothing is cut off: what is too wide goes on in the next line. JSON goes to stdout, and
then nothing else does.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from multikernel import columns
from multikernel.errors import BadInput

if TYPE_CHECKING:
    from rich.table import Table

Function = TypeVar("Function", bound=Callable[..., Any])

WIDEST = 120
NARROW = 110
"""Where the terminal does not say how wide it is."""
TOGETHER = re.compile(r"(?<=\d) (?=\d{3}\b|×|%)")
UNBROKEN = "\u00a0"


def json_option(what: str) -> Callable[[Function], Function]:
    """--json, as the parameter as_json."""

    def wanted(_context: click.Context, _option: click.Parameter, value: str | None) -> bool:
        if value not in (None, "-"):
            raise BadInput(
                "JSON is printed to stdout only", value=value, where="--json", hint="--json -"
            )
        return value is not None

    text = f"With '-': print {what} as JSON, and nothing else, to stdout."
    return click.option("--json", "as_json", metavar="-", callback=wanted, help=text)


def filled(text: str, first: str = "", rest: str = "") -> str:
    """Broken into lines. first, rest: what stands before the first line, and before the others."""
    width = min(shutil.get_terminal_size((NARROW, 24)).columns, WIDEST)
    lines = textwrap.fill(
        TOGETHER.sub(UNBROKEN, text), width, initial_indent=first, subsequent_indent=rest,
        break_on_hyphens=False, break_long_words=False,  # a remedy may be a command
    )  # fmt: skip
    return lines.replace(UNBROKEN, " ")


def section(title: str, sentences: Iterable[str]) -> None:
    """A heading and its sentences, a point each, to stdout."""
    sys.stdout.write(f"\n{title}\n")
    for sentence in sentences:
        sys.stdout.write(filled(sentence, "  - ", "    ") + "\n")


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = (),
    title: str = "", colours: Mapping[str, str] | None = None, whole: Collection[int] = (0,),
) -> Table:  # fmt: skip
    """For a terminal. right: columns that are aligned there, and not broken into lines, as those in
    whole are not; colours: of cells that say this.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title or None, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i, heading in enumerate(headings):
        one_line = i in right or i in whole
        made.add_column(
            heading, justify="right" if i in right else "left", no_wrap=one_line, overflow="fold"
        )
    for row in rows:
        # What a cell says is text, and neither markup nor emoji.
        made.add_row(*(Text(cell, style=(colours or {}).get(cell, "")) for cell in row))
    return made


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = (),
    colours: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """To stdout: in the terminal's width, elsewhere in as much as it takes."""
    if not sys.stdout.isatty():
        sys.stdout.write(columns.table(headings, rows, right))
        return
    from rich.console import Console

    Console().print(table(headings, rows, right, colours=colours))
