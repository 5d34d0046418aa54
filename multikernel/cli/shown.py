"""What a command prints of the documents that it measured: the answer, everything, what to do next.

Guarantees: the answer and what to do next are no more than 25 lines; everything else is there for
who asks (`-v`). No sentence stands twice.
"""

import sys
from pathlib import Path

from multikernel import columns
from multikernel.cli.printing import filled, print_table, section
from multikernel.results.document import Document

COLOURS = {"multikernel": "cyan", "shared": "yellow", "linux": "magenta"}
"""Of systems."""


def answer(documents: list[Document]) -> None:
    """The sentence and its rows; where nothing can be compared, the first part of the verdict."""
    from multikernel.report.say import answer as answer_
    from multikernel.report.say import verdict as verdict_

    found = answer_.rows(documents)
    if not found:
        for title, sentences in verdict_.verdict(documents)[:1]:
            section(title, sentences)
        return
    sys.stdout.write(filled(answer_.sentence(found)) + "\n\n")
    print_table(answer_.HEADINGS, [row.cells() for row in found], range(1, 4))
    unknown = sum(row.outcome == "unknown" for row in found)
    if unknown:
        what = f"{unknown} of {len(found)} cannot be told from these boots"
        more = "more of them (--boots), or a quieter machine, would decide it."
        sys.stdout.write(filled(f"{what}: {more}") + "\n")


def what_next(directory: Path, whole: bool) -> None:
    """What to do with it."""
    lines = [
        (f"multikernel report {directory}", "draw it, as a page to read and pass on"),
        ("multikernel doctor", "what on this host spoils measurements"),
    ]
    if not whole:
        text = f"multikernel report {directory} --text"
        lines.insert(0, (text, "the whole table, the verdict, the warnings"))
    sys.stdout.write("".join(f"\n  {line}" for line in columns.aligned(lines)) + "\n")


def everything(documents: list[Document], *, verdict: bool) -> None:
    """The whole table, the verdict if it is wanted, and all warnings that it has not said."""
    from multikernel.report.say import table
    from multikernel.report.say import verdict as verdict_

    print_table(table.HEADINGS, table.rows(documents), table.NUMBERS, COLOURS)
    print(filled(table.NOTE))
    said: set[str] = set()
    if verdict:
        for title, sentences in verdict_.verdict(documents):
            section(title, sentences)
            said.update(sentences)
    warnings = [text for text in _warnings(documents) if text not in said]
    if warnings:
        section("Warnings", warnings)


def _warnings(documents: list[Document]) -> list[str]:
    """Each once; what differs between experiments names its own."""
    texts: dict[str, list[str]] = {}
    for document in documents:
        for warning in document.warnings:
            texts.setdefault(warning.text, []).append(document.experiment)
    every = len(documents)
    return [
        text if len(names) == every else f"{', '.join(names)}: {text}"
        for text, names in texts.items()
    ]
