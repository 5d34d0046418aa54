"""From a verdict on the wire to an exception with a name, in one place."""

from __future__ import annotations

import resource

from multikernel.errors import (
    BadInput,
    CoreBusy,
    DeadHandle,
    MultikernelError,
    NotMapped,
    OutOfMemory,
    OutOfSlots,
    PageFault,
    PagePinned,
    ProtocolError,
    TreeOvertaken,
)
from multikernel.machine import limits
from multikernel.native._native import VERDICTS
from multikernel.runtime.plan import ADDRESS_BYTES

OK = VERDICTS["OK"]
NOBODY = 0xFFFF
"""What a verdict names where it is about no core."""
_NAMES = {number: name for name, number in VERDICTS.items()}


def _range() -> str:
    """How long it is, and why."""
    limit = limits.soft(resource.RLIMIT_AS)
    if limit is None or limit // 2 >= ADDRESS_BYTES:
        return f"all cores share {limits.mib(ADDRESS_BYTES)} equally, so fewer have more each"
    return (
        f"all cores share {limits.mib(limit // 2)} equally, half of RLIMIT_AS (ulimit -v unlimited"
        " before the boot)"
    )


def error_of(
    verdict: int,
    named: int,
    doing: str,
    *,
    core: int | None = None,
    address: int | None = None,
    value: object = None,
) -> MultikernelError:
    """The exception a verdict stands for. named: the core the verdict names; for the sentence,
    doing: what was asked, core: of which, value: about what, by default the address.
    """
    name = _NAMES.get(verdict, str(verdict))
    if value is None and address is not None:
        value = f"{address:#x}"
    if core is not None and not doing.endswith(f"on core {core}"):
        doing = f"{doing} on core {core}"
    match name:
        case "NOT_MAPPED":
            return NotMapped(
                "not mapped (any more)",
                value=value,
                where=doing,
                core=core,
                address=address,
                hint="map the frame again",
            )
        case "PINNED":
            return PagePinned(
                f"core {named} has the page pinned",
                value=value,
                where=doing,
                core=named,
                address=address,
                hint=(
                    f"it stays mapped on every core: page.unpin({named}), or drop the views of it"
                    " there"
                ),
            )
        case "FAULT":
            return PageFault(
                "page fault",
                value=value,
                where=doing,
                core=core,
                address=address,
                hint=(
                    "that core has no such page (any more), or may not write to it: map the frame"
                    " there"
                ),
            )
        case "NO_SLOT":
            return OutOfSlots(
                f"{f'core {named}' if named != NOBODY else 'the kernel'} has no room for one more"
                " mapping",
                value=value,
                where=doing,
                hint="unmap something, or boot(slots=…) more",
            )
        case "NO_ADDRESS":
            return OutOfSlots(
                "the range of addresses that the core maps into has no gap of that size",
                value=value,
                where=doing,
                hint=f"unmap something: {_range()}",
            )
        case "HOST":
            return OutOfSlots(
                f"the host refused a mapping: {limits.of_mappings()}",
                value=value,
                where=doing,
                hint="unmap something, or raise the limit: " + limits.MORE_MAPPINGS,
            )
        case "NO_MEMORY":
            return OutOfMemory(
                "not so much memory is free in one piece",
                value=value,
                where=doing,
                hint="give some back (free; revoke and delete), or boot(memory=…) more",
            )
        case "NOT_A_FRAME":
            return DeadHandle(
                "this frame was freed", value=value, where=doing, hint="allocate another one"
            )
        case "FRAME_IN_USE":
            return BadInput(
                "the frame is mapped", value=value, where=doing, hint="unmap its pages first"
            )
        case "CORE_BUSY":
            return CoreBusy(
                "the core runs a program already",
                where=doing,
                core=core,
                hint="wait for its result",
            )
        case "OVERTAKEN":
            return TreeOvertaken(
                "another installation of this tree came in between",
                where=doing,
                hint="install it again",
            )
        case "BAD_REQUEST":
            return BadInput("the kernel refused the request", value=value, where=doing)
        case _:
            return ProtocolError("an answer that makes no sense here", value=name, where=doing)
