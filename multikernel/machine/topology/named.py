"""A machine by what the user wrote: this host, a preset or sentence, a capture, a file of
`multikernel topology -o`.

Guarantees: the same text means the same on every host, except "live" and names of files. What is
none of these is refused in one sentence.
"""

import os
from dataclasses import replace
from pathlib import Path

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import shown
from multikernel.machine.topology import capture, synthetic
from multikernel.machine.topology.document import MOST_BYTES
from multikernel.machine.topology.model import LIVE, Topology, capture_source

HINT = (
    f"name one of {', '.join(synthetic.PRESETS)}, say for example 8x4, 2x4x2 or '2 packages, 3"
    " dies, 8 cores, smt 2', or name a capture, a directory that holds 'sys', or a .json file of"
    " multikernel topology"
)


def machine_of(text: str | None, *, where: str = "--machine") -> Topology:
    """The machine. None: this host. where: the option to name in errors. Raises BadInput."""
    if text is None or text.strip().lower() == LIVE:
        return Topology.read()
    # A sentence has neither dots nor slashes, a file's name nearly always has.
    if os.sep in text or "." in text:
        return _from_file(text, where)
    if os.path.exists(text) and not _is_sentence(text):
        return _from_file(text, where)
    if not any(letter.isdigit() for letter in text):
        raise BadInput(
            "there is no such machine, and no such file", value=shown(text), where=where, hint=HINT
        )
    return synthetic.from_string(text, where=where)


def _is_sentence(text: str) -> bool:
    try:
        synthetic.from_string(text)
    except BadInput:
        return False
    return True


def _from_file(text: str, where: str) -> Topology:
    path = Path(text)
    if os.path.realpath(text) == "/":
        return Topology.read()
    if not os.path.exists(text):
        raise BadInput(
            "there is no such machine, and no such file", value=shown(text), where=where, hint=HINT
        )
    if path.suffix.lower() != ".json":
        return capture.load(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"cannot read the machine: {error.strerror}", value=shown(text), where=where, hint=HINT
        ) from None
    topology = Topology.from_json(data, str(path))
    # What was live when it was written is no longer.
    return replace(topology, source=capture_source(path)) if topology.source == LIVE else topology
