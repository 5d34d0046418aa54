"""The structure of figures, for tests: what is drawn, how often, named how."""

import xml.etree.ElementTree as ElementTree
from collections import Counter

from multikernel.report.figure import Figure, stacked
from multikernel.report.figures import registry
from multikernel.results.document import Document

SVG = "{http://www.w3.org/2000/svg}"


def parsed(figure: Figure) -> ElementTree.Element:
    """The drawing as a file of its own holds it."""
    return ElementTree.fromstring(stacked([figure]))


def classes(figure: Figure) -> Counter[str]:
    """How often each class is used."""
    found = (one.get("class") or "" for one in parsed(figure).iter())
    return Counter(name for several in found for name in several.split())


def texts(figure: Figure) -> list[str]:
    """All that is written in it."""
    return [one.text or "" for one in parsed(figure).iter(SVG + "text")]


def figures(document: Document) -> list[Figure]:
    """Its figures, without its tables."""
    return [block for block in registry.draw(document) if isinstance(block, Figure)]


def groups(figure: Figure) -> list[str | None]:
    """The titles of its groups of bars."""
    return [
        one.text for one in parsed(figure).iter(SVG + "text") if "group" in (one.get("class") or "")
    ]
