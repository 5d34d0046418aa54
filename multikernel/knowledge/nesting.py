"""How deep rules are nested: clingo's parser and its trees recurse without a limit, and a term of
some ten thousand brackets ends the process.

Guarantees: a text that passes is nested no deeper than MOST, and so is all that it includes; one
that does not is refused with its place. Nothing is parsed: brackets are counted, and operators,
each of which may nest what follows.
"""

import re

from multikernel.errors import BadInput

MOST = 100
"""Levels. Python's trees of rules take several calls a level."""
# Strings and comments first: what is in them nests nothing. A statement ends with a single dot.
_TOKENS = re.compile(
    r'"(?:\\.|[^"\\\n])*"|%\*.*?\*%|%[^\n]*|\.\.|(?P<mark>[(\[{)\]}.,;+*/\\^&?~|-])|\n', re.DOTALL
)
_INCLUDED = re.compile(r'^\s*#include\s*"([^"\n]+)"', re.MULTILINE)


def check(text: str, name: str) -> None:
    """Raises BadInput. name: what to call the text."""
    line, operators, depth = 1, 0, 0
    around: list[int] = []  # operators before each bracket that is open
    for token in _TOKENS.finditer(text):
        line += token[0].count("\n")
        mark = token["mark"]
        if mark is None:
            continue
        if mark == ".":
            operators, depth, around = 0, 0, []
        elif mark in ",;":
            depth -= operators
            operators = 0
        elif mark in "([{":
            around.append(operators)
            operators, depth = 0, depth + 1
        elif mark not in ")]}":
            operators, depth = operators + 1, depth + 1
        elif around:
            depth -= operators + 1
            operators = around.pop()
        if depth > MOST:
            raise BadInput(
                f"brackets and operators are nested more than {MOST} levels deep",
                where=f"{name}:{line}",
                hint="write it as several rules",
            )


def included(text: str) -> list[str]:
    """The files that a text includes, as it names them."""
    return _INCLUDED.findall(text)
