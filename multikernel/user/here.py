"""The core a program runs on: `multikernel.here()`, inside a function that `system.cores[k].run`
sent.

Everything here is a system call on the own core; the own core is the initiator of what it unmaps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

from multikernel.errors import BadInput
from multikernel.native import _native
from multikernel.runtime import local
from multikernel.user import memory
from multikernel.user.access import Access
from multikernel.user.capability import Capability, ram_of, root_of
from multikernel.user.memory import Frame, Page
from multikernel.user.trees import Edges, install


class Here:
    """This core. core: its number; cores: how many there are; kernel: "multikernel" or "shared"."""

    def __init__(self, access: Access, driver: _native.Driver | None) -> None:
        """driver: None on a modelled core."""
        self._driver = driver
        self.core = access.home
        self.cores = access.plan.cores
        self.kernel = access.plan.kernel
        self._system = access.plan.system
        self._access = access

    @property
    def driver(self) -> _native.Driver:
        """This core's. Raises BadInput on a modelled core, which has none."""
        if self._driver is None:
            raise BadInput("a modelled core has no driver", value=self.core, where="here().driver")
        return self._driver

    def ram(
        self, size: int, *, to: Capability | None = None, slot: int | None = None
    ) -> Capability:
        """A capability to untyped memory, on core 0: copy or move it here. See System.ram."""
        return ram_of(self._access, self._system, size, to, slot)

    @property
    def cnode(self) -> Capability:
        """This core's root CNode."""
        return root_of(self._access, self._system, self.core)

    def allocate(self, size: int) -> Frame:
        """A frame, which this core keeps. See System.allocate."""
        return memory.allocate(self._access, self._system, size)

    def free(self, frame: Frame) -> None:
        """Gives a frame back to the core that keeps it. See System.free."""
        memory.own(frame, Frame, self._system, "free")
        memory.free(self._access, frame)

    def map(
        self,
        frame: Frame,
        cores: Iterable[SupportsIndex] | None = None,
        rights: memory.Rights = "read-write",
    ) -> Page:
        """Maps a frame; this core initiates. See System.map."""
        memory.own(frame, Frame, self._system, "map")
        return memory.map_frame(self._access, self._system, frame, cores, rights)

    def unmap(self, page: Page, protocol: memory.Protocol = "two-phase") -> None:
        """Unmaps; this core initiates, and must hold the page or have mapped it. See
        System.unmap.
        """
        memory.own(page, Page, self._system, "unmap")
        memory.unmap(self._access, page, protocol)

    def protect(self, page: Page, rights: memory.Rights = "read-only") -> None:
        """Changes rights; this core initiates. See System.protect."""
        memory.own(page, Page, self._system, "protect")
        memory.protect(self._access, page, rights)

    def install(self, root: int, edges: Edges) -> None:
        """Gives core `root` another multicast tree. See System.install."""
        install(self._access, root, edges)


def here() -> Here:
    """The core this program runs on. Raises BadInput anywhere else."""
    modelled: Access | None = getattr(local.modelled, "access", None)
    if modelled is not None:
        return Here(modelled, None)
    if local.driver is None or local.plan is None:
        raise BadInput(
            "this process is not a core",
            hint="call here() in a function given to system.cores[k].run",
        )
    return Here(memory.local_access(local.plan.system), local.driver)
