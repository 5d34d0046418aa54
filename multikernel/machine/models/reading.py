"""Modelled machines by name, by file, or of any shape that `multikernel topology` takes.

Guarantees: what is shipped can be read; a shape that no file describes has the numbers of the
chiplet server, marked as assumed for it.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import msgspec

from multikernel.errors import BadInput
from multikernel.hints import one_of
from multikernel.machine.cpu_list import shown
from multikernel.machine.models.model import Model, parse
from multikernel.machine.topology.named import machine_of

LIKE = "2x64-chiplet"
"""Whose numbers a shape has that comes without any."""
MOST_BYTES = 1 << 20


def names() -> list[str]:
    """Of those that are shipped."""
    folder = resources.files("multikernel.machine.models")
    return sorted(
        one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml")
    )


def shipped(name: str) -> Model:
    """One of `names`."""
    text = resources.files("multikernel.machine.models").joinpath(f"{name}.toml").read_text()
    return parse(text, f"{name}.toml")


def read(text: str, *, where: str = "machine") -> Model:
    """By name, by a file that ends in .toml, or a shape: a sentence, a capture, a file of
    `multikernel topology`. Raises BadInput.
    """
    if text in names():
        return shipped(text)
    if text.endswith(".toml"):
        return parse(_file(Path(text), where), text)
    try:
        topology = machine_of(text, where=where)
    except BadInput:
        raise BadInput(
            "no machine can be modelled by that", value=shown(text), where=where,
            hint=f"{one_of(text, names())}, or a .toml file, or a shape such as"
            " 8x4 or '2 packages, 8 cores'",
        ) from None  # fmt: skip
    return msgspec.structs.replace(
        shipped(LIKE),
        title=f"{len(topology.cpus)} CPUs as {text}, with the numbers of {LIKE}",
        topology=text,
        notes=(f"nobody measured this machine: every number is that of {LIKE}",),
    )


def _file(path: Path, where: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES)
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise BadInput(
            f"cannot read the machine: {reason}", value=shown(str(path)), where=where
        ) from None
