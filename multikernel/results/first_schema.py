"""Documents of schema 1, read as documents of schema 2.

Guarantees: nothing is made up. Series get keys by their places; a ratio's sides are what its name
says, and it has no words, so a verdict has no sentence for it; what each boot brought is not
known.
"""

from typing import Any

import msgspec

from multikernel.results import document
from multikernel.results.document import Document

SCHEMA = "multikernel-results/1"


def read(record: Any) -> Document:
    """The document. Raises msgspec.ValidationError, or TypeError, KeyError, for what is none."""
    if not isinstance(record, dict):
        raise TypeError("a document is an object")
    new = {**record, "schema": document.SCHEMA, "boots": []}
    for name, convert in (("series", _series), ("ratios", _ratio)):
        if isinstance(record.get(name), list):
            new[name] = [convert(number, one) for number, one in enumerate(record[name])]
    return msgspec.convert(new, Document)


def _series(number: int, record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    return {**record, "key": f"series-{number}", "by_boot": []}


def _ratio(_: int, record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    over, _, under = str(record.get("name")).partition("-over-")
    control = over == "control"
    sides = {"over": f"{under}-control" if control else over, "under": under or over}
    return {**record, **sides, "kind": "control" if control else "other", "words": None}
