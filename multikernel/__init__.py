"""multikernel: boot a multikernel on your own workstation, every core a pinned process, and measure
it.

`boot()` gives a running System, `current()` the one that `multikernel boot` runs a program in;
`here()` is the core a program runs on; the exceptions are in `multikernel.errors`. Names are loaded
when first used, because the processes of a booting system import this package too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multikernel import errors
    from multikernel.system import Core, System, boot, current
    from multikernel.user.capability import (
        CNODE,
        FRAME,
        GRANT,
        MAPPING,
        RAM,
        READ,
        WRITE,
        Capability,
        CapabilityRights,
        CapabilityType,
    )
    from multikernel.user.group import Group
    from multikernel.user.here import Here, here
    from multikernel.user.memory import Frame, Page
    from multikernel.user.shared import Shared

__version__ = "0.1.0"
__all__ = [
    "CNODE",
    "FRAME",
    "GRANT",
    "MAPPING",
    "RAM",
    "READ",
    "WRITE",
    "Capability",
    "CapabilityRights",
    "CapabilityType",
    "Core",
    "Frame",
    "Group",
    "Here",
    "Page",
    "Shared",
    "System",
    "__version__",
    "boot",
    "current",
    "errors",
    "here",
]  # fmt: skip

_HOMES = {
    "boot": "multikernel.system",
    "current": "multikernel.system",
    "System": "multikernel.system",
    "Core": "multikernel.system",
    "here": "multikernel.user.here",
    "Here": "multikernel.user.here",
    "Group": "multikernel.user.group",
    "Frame": "multikernel.user.memory",
    "Shared": "multikernel.user.shared",
    "Page": "multikernel.user.memory",
    **dict.fromkeys(
        (
            "Capability",
            "CapabilityRights",
            "CapabilityType",
            "RAM",
            "FRAME",
            "CNODE",
            "MAPPING",
            "READ",
            "WRITE",
            "GRANT",
        ),
        "multikernel.user.capability",
    ),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    try:  # multikernel.errors and the like, without an import of their own
        return importlib.import_module(f"multikernel.{name}")
    except ModuleNotFoundError:
        raise AttributeError(f"module 'multikernel' has no attribute {name!r}") from None
