"""A small machine to ask about, rules written to files for it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from multikernel.errors import BadInput
from multikernel.knowledge.site import Site
from multikernel.knowledge.skb import Skb
from multikernel.machine.topology.synthetic import from_string

SMALL = Site.of(from_string("2x2"))


def refused(*arguments, words: tuple[str, ...], **options) -> None:
    """Making a knowledge base of the small machine fails with these words."""
    with pytest.raises(BadInput) as caught:
        Skb(SMALL, *arguments, **options)
    for word in words:
        assert word in str(caught.value)


def rule_file(
    directory: Path, name: str, body: str, answer: str = "x(core)", more: str = ""
) -> Path:
    """A file that can be asked; its rules begin in line 5."""
    path = directory / f"{name}.lp"
    path.write_text(f"% {name}: what is it?\n%{more}\n% answer: {answer}\n\n{body}\n")
    return path
