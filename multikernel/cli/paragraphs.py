"""Text as wide as the terminal, where nothing is broken that belongs together.

Guarantees: a number is never parted from its thousands or its ×, nor a command's words at a hyphen.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable

WIDEST = 120
NARROW = 110
"""Where the terminal does not say how wide it is."""
TOGETHER = re.compile(r"(?<=\d) (?=\d{3}\b|×|%)")
UNBROKEN = "\u00a0"


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
