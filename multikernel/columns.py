"""Text in columns: the one writer of tables where no terminal draws them, and what draws them on
one (`cli/printing.py`) is handed the same rows.

Guarantees: columns line up, nothing is cut off, no line ends in blanks. This file imports nothing
of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

GAP = "  "


def aligned(
    rows: Sequence[Sequence[str]], right: Collection[int] = (), *, gap: str = GAP, least: int = 0
) -> list[str]:
    """A line a row. right: columns that are aligned there; rows are of one length; least: of
    letters in a column.
    """
    widths = [max(least, *map(len, column)) for column in zip(*rows, strict=True)]
    return [
        gap.join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()
) -> str:
    """With its headings, underlined; ends in a newline."""
    rule = ["-" * max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return "\n".join([*aligned([headings, rule, *rows], right), ""])
