"""What an inspection may answer: the types of all of it, against which an answer is held before it
is shown, since a process only claims to be the supervisor of a system.

Guarantees: text is short and printable, numbers are of a size that a system can have; what is
otherwise is no answer. Nothing is built in memory of an answer that is wrong in its first bytes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from multikernel.errors import MultikernelError

MOST_BYTES = 64 << 20
"""Of an answer: a few hundred thousand capabilities."""

Text = Annotated[str, Meta(pattern=r"\A[ -~]*\Z", max_length=80)]
Count = Annotated[int, Meta(ge=0)]
Depth = Annotated[int, Meta(ge=0, le=1000)]


class _Core(Struct, forbid_unknown_fields=True):
    core: Count
    cpu: Count
    pid: Count
    mode: Text
    served: Count
    interrupts: Count
    parks: Count
    mapped: Count
    mappings_locked: Count
    mappings_digest: Text
    capabilities: Count
    slots: Count
    ranges_locked: Count
    capabilities_digest: Text
    invariants_hold: bool


class _Copy(Struct, forbid_unknown_fields=True):
    core: Count
    slot: Count
    generation: Count
    rights: list[Literal["read", "write", "grant"]]
    owner: Count
    relations: list[Text]


class _Object(Struct, forbid_unknown_fields=True):
    type: Text
    address: Count
    size: Count
    about: Count
    owner: Count
    depth: Depth
    parent: Count | None
    root: bool
    copies: list[_Copy]


class _Replicas(Struct, forbid_unknown_fields=True):
    compared: Count
    differing: list[tuple[Count, Count]]


class _Answer(Struct, forbid_unknown_fields=True):
    schema: Literal["multikernel-inspection/1"]
    system: Text
    kernel: Text
    capabilities: Text | None
    lock_scope: Text | None
    launcher: Count
    memory: Count
    cores: list[_Core]
    replicas: _Replicas
    objects: list[_Object]


class _Refusal(Struct):
    """The rest of a record is passed over."""

    error: Annotated[str, Meta(max_length=2000)] = ""


def checked(data: bytes, where: str) -> dict[str, Any]:
    """The inspection in what was received, as plain data. Raises MultikernelError."""
    try:
        refusal = msgspec.json.decode(data, type=_Refusal)
        if not refusal.error:
            seen: dict[str, Any] = msgspec.to_builtins(msgspec.json.decode(data, type=_Answer))
            return seen
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise nonsense(reason, where) from None
    raise MultikernelError(refusal.error, where=where)


def nonsense(reason: object, where: str) -> MultikernelError:
    """The error for an answer that is none."""
    return MultikernelError(
        "what answers is no system of this version of multikernel", value=reason, where=where
    )
