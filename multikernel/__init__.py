"""multikernel: boot a multikernel on your own workstation, every core a pinned process, and measure
it.

    with multikernel.boot(cores=2) as system:
        page = system.map(system.allocate(4096))
        system.cores[1].run(lambda: page.write(0, b"hello"))
        system.unmap(page)
    print(multikernel.measure("unmap", cores=2, quick=True))

`boot()` gives a running System, `current()` the one that `multikernel boot` runs a program in;
`here()` is the core that a program runs on. `measure()` and `compare()` run experiments. `channels`
are for any two processes. All that is raised on purpose is a MultikernelError. What there is more,
by topic: `multikernel help`. Names are loaded when first used, because the processes of a booting
system import this package too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multikernel import errors as errors
    from multikernel.errors import *  # noqa: F403
    from multikernel.machine.topology.model import (
        Topology as Topology,
    )
    from multikernel.measuring.measured import (
        Compared as Compared,
    )
    from multikernel.measuring.measured import (
        Measured as Measured,
    )
    from multikernel.measuring.measured import (
        compare as compare,
    )
    from multikernel.measuring.measured import (
        measure as measure,
    )
    from multikernel.system import (
        Core as Core,
    )
    from multikernel.system import (
        System as System,
    )
    from multikernel.system import (
        boot as boot,
    )
    from multikernel.system import (
        current as current,
    )
    from multikernel.user import (
        channels as channels,
    )
    from multikernel.user.capability import (
        CNODE as CNODE,
    )
    from multikernel.user.capability import (
        FRAME as FRAME,
    )
    from multikernel.user.capability import (
        GRANT as GRANT,
    )
    from multikernel.user.capability import (
        MAPPING as MAPPING,
    )
    from multikernel.user.capability import (
        RAM as RAM,
    )
    from multikernel.user.capability import (
        READ as READ,
    )
    from multikernel.user.capability import (
        WRITE as WRITE,
    )
    from multikernel.user.capability import (
        Capability as Capability,
    )
    from multikernel.user.capability import (
        CapabilityRights as CapabilityRights,
    )
    from multikernel.user.capability import (
        CapabilityType as CapabilityType,
    )
    from multikernel.user.group import (
        Group as Group,
    )
    from multikernel.user.here import (
        Here as Here,
    )
    from multikernel.user.here import (
        here as here,
    )
    from multikernel.user.memory import (
        Frame as Frame,
    )
    from multikernel.user.memory import (
        Page as Page,
    )
    from multikernel.user.shared import (
        Shared as Shared,
    )
    from multikernel.user.task import (
        Task as Task,
    )

__version__ = "0.1.0"

_NAMES = {
    "multikernel.machine.topology.model": "Topology",
    "multikernel.measuring.measured": "Compared Measured compare measure",
    "multikernel.system": "Core System boot current",
    "multikernel.user": "channels",
    "multikernel.user.capability": (
        "CNODE FRAME GRANT MAPPING RAM READ WRITE Capability CapabilityRights CapabilityType"
    ),
    "multikernel.user.group": "Group",
    "multikernel.user.here": "Here here",
    "multikernel.user.memory": "Frame Page",
    "multikernel.user.shared": "Shared",
    "multikernel.user.task": "Task",
}
"""What is loaded when it is first used, by the module that it is in."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def _exceptions() -> dict[str, type[BaseException]]:
    """The catalogue, which imports nothing. Cancelled is for nobody to catch."""
    from multikernel import errors

    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.MultikernelError) and name[0] != "_"
    }


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__all__":
        return _public()
    if name in _HOMES:
        home = _HOMES[name]
        if home == "multikernel.user":
            return importlib.import_module(f"{home}.{name}")
        return getattr(importlib.import_module(home), name)
    if name[:1].isupper() and name in _exceptions():
        return _exceptions()[name]
    try:  # multikernel.machine and the like, without an import of their own
        return importlib.import_module(f"multikernel.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"multikernel.{name}":
            raise
        raise AttributeError(f"module 'multikernel' has no attribute {name!r}") from None


def _public() -> list[str]:
    return sorted({*_HOMES, *_exceptions(), "errors", "__version__"})


def __dir__() -> list[str]:
    return sorted({*globals(), *_public()})
