"""A machine by what the user wrote: this host, a preset or sentence, a capture, a file of
`multikernel topology -o`.

Guarantees: the same text means the same on every host, except "live" and names of files. What is
none of these is refused in one sentence.
"""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import shown
from multikernel.machine.topology import capture, synthetic
from multikernel.machine.topology.document import MOST_BYTES
from multikernel.machine.topology.model import LIVE, Topology, capture_source


def machine_of(text: str | None, *, where: str = "machine") -> Topology:
    """The machine. None: this host. where: the option to name in errors. Raises BadInput."""
    if text is None or text.strip().lower() == LIVE:
        return Topology.read()
    refused = partial(
        BadInput, value=shown(text), where=where,
        hint=f"{synthetic.ways(text)}, or a capture, a directory that holds 'sys', a .json file of"
        " multikernel topology",
    )  # fmt: skip
    # A sentence has neither dots nor slashes, a file's name nearly always has.
    if os.sep not in text and "." not in text:
        try:
            return synthetic.from_string(text, where=where)
        except BadInput:
            if not os.path.exists(text) and any(letter.isdigit() for letter in text):
                raise
    if not os.path.exists(text):
        raise refused("there is no such machine, and no such file")
    path = Path(text)
    if os.path.realpath(text) == "/":
        return Topology.read()
    if path.suffix.lower() != ".json":
        return capture.load(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise refused(f"cannot read the machine: {error.strerror}") from None
    topology = Topology.from_json(data, text)
    # What was live when it was written is no longer.
    return replace(topology, source=capture_source(path)) if topology.source == LIVE else topology
