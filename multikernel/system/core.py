"""One core of a running system, as its launcher has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsIndex

from multikernel.errors import BadInput
from multikernel.runtime import inspection
from multikernel.user import task
from multikernel.user.access import core_number
from multikernel.user.capability import Capability, root_of
from multikernel.user.memory import Page
from multikernel.user.task import Task

if TYPE_CHECKING:
    from multikernel.system.system import System


class Core:
    """One core of a running system. index: its number; cpu: the CPU it is pinned to; pid: its
    process.
    """

    def __init__(self, system: System, index: int) -> None:
        self._system = system
        self.index = index
        self.cpu = system.plan.cpus[index]
        self.pid = system.launched.pids[index]

    def __index__(self) -> int:
        return self.index

    def __repr__(self) -> str:
        return f"<Core {self.index} on CPU {self.cpu}, pid {self.pid}>"

    @property
    def mode(self) -> str:
        """What the core says it is doing: polling, user (running a program) or parked."""
        return inspection.MODES.get(self.counters()["mode"], "unknown")

    def counters(self) -> dict[str, int]:
        """mode, pid, tid, and since boot: requests served, interrupts taken, times parked."""
        self._system.launched.check()
        names = ("mode", "pid", "tid", "served", "interrupts", "parks")
        return dict(zip(names, self._system.launched.segment.core_state(self.index), strict=True))

    def read(self, page: Page, offset: int, length: int) -> bytes:
        """Bytes of a page as this core sees them. Raises PageFault."""
        self._system.own(page, Page, "read")
        return page.read(offset, length, core=self.index)

    def write(self, page: Page, offset: int, data: bytes) -> None:
        """Writes to a page from this core. Raises PageFault."""
        self._system.own(page, Page, "write")
        page.write(offset, data, core=self.index)

    @property
    def task(self) -> Task | None:
        """The program that runs on this core now, None where there is none."""
        return task.running(self._system.launched, self.index)

    def run(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs function(*args, **kwargs) on this core and returns its value, or raises what it
        raised.

        The core goes on answering other cores meanwhile. Interrupted by Ctrl-C it cancels the
        program; so it does after `timeout` seconds, and raises TimedOut. (A parameter of the
        function's own of that name is given by functools.partial.) Raises CoreBusy while the core
        runs another program, CoreDied; BadInput for what cannot be sent there or back.
        """
        return task.run(self._system.launched, self.index, function, args, kwargs, timeout)

    def start(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
        """Starts the same without waiting; see Task."""
        return task.start(self._system.launched, self.index, function, args, kwargs)

    def policy(self, *, spin_us: float, yields: int = 0, slice_us: int = 10_000) -> None:
        """How the core waits when idle: spin so long (microseconds), yield so often, then park for
        at most slice_us.
        """
        for name, value in (("spin_us", spin_us), ("yields", yields), ("slice_us", slice_us)):
            whole = name != "spin_us"
            if not isinstance(value, int if whole else (int, float)) or not 0 <= value < 1 << 32:
                raise BadInput(
                    f"{name} is a {'whole ' if whole else ''}number from 0 on",
                    value=repr(value),
                    where="policy",
                )
        cycles = int(spin_us * self._system.plan.cycles_per_us)
        self._system.ask(self.index, "POLICY", cycles, yields, slice_us)

    @property
    def cnode(self) -> Capability:
        """The core's root CNode, where its capabilities go unless another one is named."""
        return root_of(self._system._access, self._system.plan.system, self.index)

    def digest(self, other: SupportsIndex | None = None) -> tuple[int, int, int]:
        """(hash, mapped, locked): of this core's replica of the mappings, only those `other` holds
        too if it is given. Raises BadInput.
        """
        cores = self._system.plan.cores
        only = (1 << 64) - 1 if other is None else core_number(cores, other, "digest")
        words = self._system.ask(self.index, "DIGEST", only)
        return words[0], words[1], words[2]
