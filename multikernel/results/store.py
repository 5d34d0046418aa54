"""Where result documents are kept: one file an experiment, in a directory a run.

Guarantees: a document appears under its name whole or not at all, and nothing that was there is
ever overwritten: a second document of an experiment gets the next free name (`unmap-2.json`).
Directory names hold the time and random digits, never a host or user name. What the user can mend
(a directory that is not writable, a path that is not there) raises BadInput, a disk that is full
OutputError; a file that is no document raises DocumentError, and no file makes this program read
more than MOST_BYTES.
"""

import errno
import gzip
import io
import itertools
import lzma
import os
import secrets
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from multikernel.errors import BadInput, DocumentError, MultikernelError, OutputError
from multikernel.results import whole
from multikernel.results.document import Document
from multikernel.results.encoding import decode_all, encode

DEFAULT_BASE = "results"
OUTPUT = "--output"
"""The option that names the directory."""
PACKED = ".json.xz"
UNPACKS: Mapping[str, Callable[[BinaryIO], io.BufferedIOBase]] = {
    PACKED: lzma.LZMAFile, ".json.gz": lambda raw: gzip.GzipFile(fileobj=raw),
}  # fmt: skip
"""By how a file's name ends."""
MOST_BYTES = 64 << 20
"""Of a file, unpacked: hundreds of times what one is."""
_NO_FAULT_OF_THE_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def default_directory() -> Path:
    """A fresh name, such as results/20260131T235959Z-3f9c1a; nothing is created."""
    return Path(DEFAULT_BASE) / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def prepare(directory: str | os.PathLike[str] | None = None, *, where: str = OUTPUT) -> Path:
    """Make the directory (None: a fresh default one) and prove that a file can be written there.
    where: the option to name in errors. Raises BadInput, OutputError.
    """
    path = default_directory() if directory is None else Path(directory)
    probe = path / f"{whole.UNFINISHED}{secrets.token_hex(8)}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise _unwritable(path, error, where) from None
    return path


def write(document: Document, directory: str | os.PathLike[str]) -> Path:
    """Write a document into a directory (made if missing); its file, never one that existed before.

    Raises DocumentError for a document that contradicts itself (nothing is written then), BadInput
    for a directory that cannot be written, OutputError for one without room.
    """
    data = encode(document)
    path = prepare(directory)
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    try:
        with whole.written(data, path) as temporary:
            targets = (path / f"{document.experiment}{name}.json" for name in names)
            return next(target for target in targets if whole.named(temporary, target))
    except OSError as error:
        raise _unwritable(path, error) from None


def read(
    source: str | os.PathLike[str], *, skipped: Callable[[DocumentError], None] | None = None
) -> dict[Path, list[Document]]:
    """All documents of a directory (its *.json, also .xz or .gz, not those below) or of one file,
    by file, in order of name. skipped: told of a file among others that is no document, which is
    then left out.

    A file may hold one document or an array of them; kept small, it is compressed. Raises BadInput
    for a path that is not there, cannot be read or holds no documents, DocumentError for a file
    that is no document.
    """
    path = Path(source)
    found: dict[Path, list[Document]] = {}
    refused: list[DocumentError] = []
    try:
        files = [path]
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if holds_documents(one) and one.is_file())
        for file in files:
            try:
                found[file] = _decoded(file)
            except DocumentError as error:
                if skipped is None or len(files) == 1:
                    raise
                skipped(error)
                refused.append(error)
    except OSError as error:
        raise BadInput(
            f"cannot read results: {error.strerror}",
            value=error.filename or path,
            hint="name a result directory, or a document in one",
        ) from None
    if refused and not found:
        raise refused[-1]
    if not found:
        raise BadInput(
            "no result documents in this directory", value=path, hint="name a result directory"
        )
    return found


def holds_documents(path: Path) -> bool:
    return path.name.endswith((".json", *UNPACKS)) and not path.name.startswith(".")


def packed(document: Document) -> bytes:
    """Compressed, the same each time. Raises DocumentError."""
    return lzma.compress(encode(document), preset=9)


def pack(document: Document, directory: Path) -> Path:
    """Write a document compressed, over the one of its experiment that is there; its file.
    Raises DocumentError, OSError.
    """
    target = directory / (document.experiment + PACKED)
    with whole.written(packed(document), directory) as temporary:
        return temporary.replace(target)


def _decoded(file: Path) -> list[Document]:
    with open(file, "rb") as raw:
        unpacks = next((UNPACKS[end] for end in UNPACKS if file.name.endswith(end)), None)
        stream: io.BufferedIOBase = raw if unpacks is None else unpacks(raw)
        try:
            data = stream.read(MOST_BYTES + 1)
        except (gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error) as error:
            raise DocumentError(
                "this compressed result document is damaged",
                value=error,
                where=str(file),
                hint="copy it again",
            ) from None
    if len(data) > MOST_BYTES:
        raise DocumentError(
            "too long for a result document",
            value=f"more than {MOST_BYTES >> 20} MB" + " unpacked" * (unpacks is not None),
            where=str(file),
            hint="name a file that multikernel wrote",
        )
    documents = decode_all(data, str(file))
    if not documents:
        raise DocumentError("this file holds an empty list of result documents", where=str(file))
    return documents


def _unwritable(path: Path, error: OSError, where: str = OUTPUT) -> MultikernelError:
    hint = "name a directory that can be written, with room in it"
    return cannot_write("results", error, value=path, where=where, hint=hint)


def cannot_write(
    what: str, error: OSError, *, value: object, where: str, hint: str
) -> MultikernelError:
    """BadInput if another place is to be named, OutputError if this one is full or broken."""
    kind = OutputError if error.errno in _NO_FAULT_OF_THE_PLACE else BadInput
    return kind(f"cannot write {what}: {error.strerror}", value=value, where=where, hint=hint)
