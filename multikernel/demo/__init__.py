"""An hour's lab: five programs to run, read and change, and a notebook; the sheet is README.md.

Guarantees: each is a whole program that uses nothing but the public API, and runs on any machine
with two CPUs; what it prints is what happened.
"""

from pathlib import Path

PROGRAMS = {
    "launch": "Launch a multikernel, and run a program on each of its cores.",
    "message": "Send a message from core to core, and time it.",
    "unmap": "See an unmap, message by message.",
    "tree": "Let a tree of 64 cores answer, on a machine that is invented.",
    "killed": "Kill a core, and read what the product says.",
}
"""In the order of the lab, with what each is about."""
HERE = Path(__file__).parent
NOTEBOOK = "lab.ipynb"


def path_of(name: str) -> Path:
    """The file of a program."""
    return HERE / f"{name}.py"
