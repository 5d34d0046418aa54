"""From a verdict about capabilities to an exception named after its cause, with value, place and
what to try.
"""

from __future__ import annotations

from multikernel import errors
from multikernel.errors import CapabilityError, MultikernelError
from multikernel.native._native import CAPABILITY_VERDICTS, VERDICT_CAPABILITY_BASE
from multikernel.user.outcome import NOBODY, error_of

_NAMES = {VERDICT_CAPABILITY_BASE + number: name for name, number in CAPABILITY_VERDICTS.items()}

_CAUSES: dict[str, tuple[type[CapabilityError], str, str]] = {
    "stale": (
        errors.RevokedCapability,
        "there is no such capability (any more)",
        "it was deleted, moved or revoked: ask a holder of the memory for another",
    ),
    "not-a-cnode": (
        errors.WrongType,
        "the destination is no CNode",
        "to= takes a capability to a CNode",
    ),
    "slot-in-use": (
        errors.SlotInUse,
        "a slot that it is to go to holds a capability",
        "leave slot= out, and the first that are free are taken",
    ),
    "no-slots": (
        errors.CNodeFull,
        "not so many slots in a row are free there",
        "a CNode has 256: delete something, or retype RAM to another CNode and give it as to=",
    ),
    "no-cnodes": (
        errors.OutOfCNodes,
        "the core has no room for another CNode",
        "delete one, or use one on another core",
    ),
    "wrong-type": (
        errors.WrongType,
        "that cannot be derived from it",
        "RAM becomes RAM, Frame and CNode; map() takes Frames",
    ),
    "not-copyable": (
        errors.NotCopyable,
        "it cannot be copied there",
        "CNodes stay on their core, and a Mapping is there once",
    ),
    "bad-size": (
        errors.BadSize,
        "that is not a part of it in whole pages",
        "offsets and sizes are multiples of 4096; a CNode takes 16384; RAM shrinks",
    ),
    "retype-conflict": (
        errors.RetypeConflict,
        "that memory, or a part of it, is something else already",
        "take another part, or revoke it first",
    ),
    "rights-exceeded": (
        errors.RightsExceeded,
        "its rights do not allow that",
        (
            "deriving, filling a CNode and mapping to write need write; copying, moving and"
            " revoking grant; none is added"
        ),
    ),
    "busy": (errors.CapabilityBusy, "it is in use", "try again"),
    "mapped": (
        errors.CapabilityBusy,
        "it is mapped, or holds something that is",
        "unmap its pages first",
    ),
    "cnode-cycle": (
        errors.CNodeCycle,
        "a CNode would be reachable from itself",
        "a CNode holds CNodes of deeper levels only",
    ),
    "permanent": (errors.PermanentCapability, "the root CNode stays", "delete what is in it"),
}
"""By the verdict's name: the class, what happened, what to try."""


def capability_error(
    verdict: int, named: int, doing: str, core: int, value: object
) -> MultikernelError:
    """The exception a verdict stands for. named: the core that refused; doing: what was asked;
    core: of which core; value: about what.
    """
    where = f"{doing} on core {core}"
    refused = "" if named in (core, NOBODY) else f", refused by core {named}"
    cause = _CAUSES.get(_NAMES.get(verdict, ""))
    if cause is not None:
        kind, what, hint = cause
        return kind(what, core=core, value=value, where=where + refused, hint=hint)
    return error_of(verdict, named, where, core=core, value=value)
