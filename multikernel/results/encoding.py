"""Documents as JSON: written, read, and their schema published.

Guarantees: what was written can be read, and is checked before it is written. Files are indented,
lists of numbers on one line, and end in a newline. A document of schema 1 is read as one of schema
2 (`first_schema`). What is refused is refused in one sentence that names the place.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from multikernel.errors import DocumentError
from multikernel.results import first_schema
from multikernel.results.document import FAMILY, SCHEMA, VERSION, Document, checked

T = TypeVar("T")
_NUMBER = r"-?[0-9][0-9.eE+-]*"
_PAIR = rf"\[{_NUMBER}, {_NUMBER}\]"
_PAIRS = re.compile(rf"\[\s+({_NUMBER}),\s+({_NUMBER})\s+\]")
_LIST = re.compile(rf"\[\s+((?:{_NUMBER}|{_PAIR})(?:,\s+(?:{_NUMBER}|{_PAIR}))*)\s+\]")


def schema() -> dict[str, Any]:
    return {"$id": SCHEMA, **msgspec.json.schema(Document)}


def encode(document: Document) -> bytes:
    """JSON text (UTF-8, indented), after the same checks as on reading; raises DocumentError."""
    text = msgspec.json.format(_encode_one(document), indent=1).decode()
    text = _PAIRS.sub(r"[\1, \2]", text)
    return _LIST.sub(lambda match: f"[{' '.join(match[1].split())}]", text).encode() + b"\n"


def encode_all(documents: Sequence[Document]) -> bytes:
    return b"[" + b",\n ".join(_encode_one(one) for one in documents) + b"]\n"


def decode(data: bytes | str, where: str = "") -> Document:
    """Read one document; where: the file to name in errors. Raises DocumentError."""
    if _known(_parsed(data, _Head, where), where) == first_schema.SCHEMA:
        return checked(lambda: first_schema.read(data), where)
    return checked(lambda: msgspec.json.decode(data, type=Document), where)


def decode_all(data: bytes | str, where: str = "") -> list[Document]:
    """Read one document or a JSON array of them, such as `--json -` prints. Raises as `decode`."""
    if data.lstrip()[:1] not in ("[", b"["):
        return [decode(data, where)]
    for head in _parsed(data, list[_Head], where):
        _known(head, where)
    return [decode(bytes(one), where) for one in _parsed(data, list[msgspec.Raw], where)]


def _encode_one(document: Document) -> bytes:
    # Types are not checked when a struct is made, only when one is read: so read what is about to
    # be written.
    data: bytes = checked(lambda: msgspec.json.encode(document), document.experiment)
    decode(data, f"experiment {document.experiment}, before writing")
    return data


class _Head(Struct):
    """Of a document what says whether it is one; the rest is passed over and takes no memory."""

    schema: object = None


def _parsed(data: bytes | str, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        raise _foreign(None, where) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(
            "not a result document, nor JSON at all",
            value="nested too deep" if isinstance(error, RecursionError) else error,
            where=where,
            hint="name a file that multikernel wrote",
        ) from None


def _known(head: _Head, where: str) -> object:
    """The schema, which is one that is read."""
    if head.schema not in (SCHEMA, first_schema.SCHEMA):
        raise _foreign(head.schema, where)
    return head.schema


def _foreign(schema: object, where: str) -> DocumentError:
    match = re.fullmatch(FAMILY + r"/([0-9]{1,9})", schema) if isinstance(schema, str) else None
    if match is None:
        return DocumentError(
            "not a result document",
            value=None if schema is None else f"its schema is {schema!r}",
            where=where,
            hint=f'result documents have "schema": "{SCHEMA}"',
        )
    what, hint = "is newer than this program", "update it"
    if int(match[1]) <= VERSION:
        what = "is of a version that is no longer read"
        hint = "measure again, or use the program that wrote it"
    return DocumentError(
        f"this result document {what}",
        value=schema,
        where=where,
        hint=f"this program reads {SCHEMA}: {hint}",
    )
