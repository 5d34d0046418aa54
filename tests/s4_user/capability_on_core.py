"""What the tests of capabilities run on cores. Imported there by name, so it imports nothing that a core would not."""

from __future__ import annotations

import multikernel
from multikernel import FRAME, Capability, errors


def split(ram: Capability, count: int) -> list[Capability]:
    """Takes a copy of RAM to this core and makes Frames of it."""
    return ram.copy(multikernel.here().core).retype(FRAME, count)


def copy_to(capability: Capability, core: int) -> Capability:
    return capability.copy(core)


def refused(ram: Capability) -> str:
    """The name of what is raised for a second retype of the same memory."""
    try:
        ram.retype(FRAME)
    except errors.CapabilityError as error:
        return type(error).__name__
    return "nothing"


def revoke(capability: Capability) -> None:
    capability.revoke()


def own_ram(size: int) -> tuple[Capability, Capability]:
    """Memory that is this core's alone, and the CNode it is in."""
    here = multikernel.here()
    return here.ram(size).move(here.core), here.cnode
