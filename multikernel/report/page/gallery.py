"""An entry of a gallery of machines: packed documents, a figure a file, and a README from them.

Guarantees: everything is read and drawn before anything is written; what stood in the entry before
is replaced as a whole, and only files of the kinds made here are. Nothing in an entry names a host,
a user or a path of theirs. An entry is drawn from the documents in it, and can be drawn again.
"""

from __future__ import annotations

import contextlib
import getpass
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from multikernel import catalogue
from multikernel.errors import BadInput, DocumentError
from multikernel.report.figures import distributions, registry
from multikernel.report.figures.figure import Figure, stacked
from multikernel.report.page import export
from multikernel.report.page.machines import (
    Machine,
    described,
    machines,
    sentences,
    title_of,
    warnings,
)
from multikernel.results import store
from multikernel.results.document import Document
from multikernel.results.encoding import encode

README = "README.md"
NAME = re.compile(r"[a-z0-9]+([-.][a-z0-9]+)*")
PATH = re.compile(r"(?<![\w/.])/(?!proc\b|sys\b|dev\b|etc\b)[\w.-]+/[\w.-]+")
"""A path of somebody's: of two parts at least, and not one that every Linux has."""


def add(
    sources: Sequence[str | Path],
    directory: Path,
    *,
    replace: bool = False,
    skipped: Callable[[DocumentError], None] | None = None,
    where: str = "gallery",
) -> list[Path]:
    """Makes an entry of results, named as its directory; its files. Without results an entry that
    is there is drawn again, and another is made of the latest run. replace: an entry that is there;
    where: the option to name in errors. Raises BadInput, DocumentError, OutputError.
    """
    name = directory.absolute().name
    if not NAME.fullmatch(name):
        raise BadInput(
            "this names no machine", value=name, where=where,
            hint="lower case, digits, dashes between, such as vendor-model-2x16",
        )  # fmt: skip
    held = list(directory.iterdir()) if directory.is_dir() else []
    entry = any(path.name.endswith(store.PACKED) for path in held)
    if held and not entry:
        raise BadInput(
            "this directory holds something else", value=directory, where=where,
            hint="nothing was written: name a new one, or an entry",
        )  # fmt: skip
    if entry and sources and not replace:
        raise BadInput(
            "there is an entry of that name already", value=directory, where=where,
            hint="nothing was overwritten: choose another name, or add --force",
        )  # fmt: skip
    documents = export.collect(sources or ([directory] if entry else []), skipped)
    check_nothing_personal(documents, _names())
    return make(documents, directory)


def _names() -> list[str]:
    """Of this host and user; root is everybody's."""
    found = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    with contextlib.suppress(KeyError, OSError):  # nobody has that number
        found.add(getpass.getuser())
    return sorted(found - {"root", "localhost", ""})


def machine_of(documents: Sequence[Document]) -> Machine:
    """The one machine that they are of. Raises BadInput."""
    found = machines(documents)
    if len(found) != 1:
        raise BadInput(
            "an entry is of one machine",
            value=f"these results are of {len(found)}",
            hint="name the directories of one",
        )
    return found[0]


def check_nothing_personal(documents: Sequence[Document], names: Sequence[str] = ()) -> None:
    """Raises BadInput where a document holds a path of somebody's, or one of these names. names: of
    the host and its user; they are looked for in the environment alone, because warnings speak of
    much that a host may be called.
    """
    for document in documents:
        found = PATH.search(encode(document).decode())
        words = set(re.findall(r"[\w.-]+", str(document.environment)))
        for personal in [found[0]] if found else sorted(words.intersection(names)):
            raise BadInput(
                "this document holds what may name a user or a host",
                value=personal,
                where=document.experiment,
                hint="measure again under another name or path",
            )


def make(documents: Sequence[Document], directory: Path) -> list[Path]:
    """Writes an entry, in place of what the directory held; its files. Raises BadInput."""
    machine = machine_of(documents)
    figures = {name: stacked([figure], outlined=False) for name, figure in _figures(machine)}
    text = page(machine, directory.name)
    files: dict[str, bytes] = {name: f"{drawing}\n".encode() for name, drawing in figures.items()}
    files[README] = text.encode()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for old in [*directory.glob("*.svg"), *directory.glob("*" + store.PACKED)]:
            old.unlink()
        made = [store.pack(document, directory) for document in machine.latest]
        for name, data in files.items():
            made.append(directory / name)
            made[-1].write_bytes(data)
    except OSError as error:
        raise store.cannot_write(
            "the gallery", error, value=directory, where="gallery",
            hint="name a directory that can be written",
        ) from None  # fmt: skip
    return made


def _figures(machine: Machine) -> Iterator[tuple[str, Figure]]:
    for document in machine.latest:
        # Distributions are many: they are in the page that is made of the documents.
        drawn = [
            block
            for block in registry.draw(document)
            if isinstance(block, Figure) and not block.title.startswith(distributions.TITLE)
        ]
        for number, figure in enumerate(drawn, 1):
            yield f"{document.experiment}-{number}.svg", figure


def page(machine: Machine, name: str) -> str:
    """The README: the machine, what its numbers show, every figure."""
    latest = machine.latest
    boots = sorted({series.boots for document in latest for series in document.series})
    over = f"{boots[0]}" if boots[:1] == boots[-1:] else f"{boots[0]} to {boots[-1]}"
    parts = [
        f"# {title_of(machine.environment)}",
        described(machine),
        (
            f"{'Simulated' if machine.latest[0].simulated else 'Measured'} on"
            f" {machine.environment.time[:10]}, each number over {over} fresh boots."
            f" Made by `multikernel report --gallery {name}` from the documents beside this file;"
            f" `multikernel report {name}` draws all of it as one page, with the paper's values"
            " beside, and `multikernel bench compare` holds another run against it."
        ),
    ]
    for title, said in sentences(machine):
        parts += [f"## {title}", "\n".join(f"- {text}" for _, text in said)]
    cautions = [f"- *{one.code}*: {one.text}" for one in warnings(machine)]
    if cautions:
        parts += ["## To be read with", "\n".join(cautions)]
    drawn = list(_figures(machine))
    for document in latest:
        experiment = document.experiment
        known = catalogue.entries().get(experiment)
        answer = f" {known.question}" if known else ""
        command = " ".join(document.environment.command)
        parts += [f"## {experiment}", f"`{command}`.{answer}"]
        for file, figure in drawn:
            if file.rpartition("-")[0] == experiment:
                parts.append(f"![{figure.title}]({file})")
    return "\n\n".join(parts) + "\n"
