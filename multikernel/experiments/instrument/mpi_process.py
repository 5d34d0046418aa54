"""mpi4py's barrier and all-reduce, where it and an MPI library are installed: ranks on the CPUs of
the cores, started by the library's own launcher.

Guarantees: a rank is pinned to the CPU of the core with its number; between slices it sleeps
outside of MPI. What the library leaves behind lies in a directory that is removed.

Run as: mpiexec -n N python -m multikernel.experiments.instrument.mpi_process SOCKET CPU[,CPU…]
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path

from multikernel.errors import CoreDied
from multikernel.experiments.instrument.helper import Helper
from multikernel.experiments.instrument.request import Request
from multikernel.machine import limits
from multikernel.native import _native
from multikernel.runtime import child

NAME = "mk-mpi"
START_SECONDS, SLICE_SECONDS = 60.0, 60.0
PREFERRED = ("xhc", "sm")
"""Components of Open MPI for collectives in shared memory, the faster one first. Neither is what it
takes by itself, and both beat that: 490 ns a barrier, sm 190 (5.0.11, two CPUs).
"""


def missing() -> str | None:
    """Why there is no such arm; None if there can be one."""
    if importlib.util.find_spec("mpi4py") is None:
        return "mpi4py is not installed"
    return None if _launcher() else "no mpiexec: no MPI library is installed"


def _launcher() -> str | None:
    """Beside this Python, where a wheel puts it, or on PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.is_file() else shutil.which("mpiexec")


@cache
def component() -> str:
    """The first of `PREFERRED` that the library has; "" where it has none, or is not Open MPI."""
    tool = Path(_launcher() or "").parent / "ompi_info"
    if not tool.is_file():
        return ""
    with tempfile.TemporaryDirectory(prefix="mk-mpi-") as directory:
        found = subprocess.run(
            [tool, "--parsable", "--param", "coll", "all"],
            capture_output=True, text=True, env=_environment(directory), check=False,
        )  # fmt: skip
    has = set(re.findall(r"^mca:coll:(\w+):version", found.stdout, re.MULTILINE))
    return next((one for one in PREFERRED if one in has), "")


class MpiProcess(Helper):
    def __init__(self, cpus: tuple[int, ...]) -> None:
        """cpus: rank i runs on cpus[i]. Raises CoreDied where the ranks do not come up."""
        super().__init__()
        self.pids: list[int] = []
        with limits.naming("a directory for temporary files (TMPDIR)"):
            self._directory = tempfile.TemporaryDirectory(prefix="mk-mpi-")
        path = os.path.join(self._directory.name, "socket")
        listener = socket.socket(socket.AF_UNIX)
        with limits.naming("a socket there"):
            listener.bind(path)
        listener.listen(len(cpus))
        listener.settimeout(0.2)
        self._log = open(os.path.join(self._directory.name, "log"), "w+b")  # noqa: SIM115
        rank = child.command(__name__, path, ",".join(map(str, cpus)))
        with limits.naming("a new process"):
            self.process = subprocess.Popen(
                [str(_launcher()), "-n", str(len(cpus)), *rank],
                stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                env=_environment(self._directory.name, component()),
                start_new_session=True, preexec_fn=lambda: _native.adopt(NAME),
            )  # fmt: skip
        try:
            with listener:
                found = sorted(self._accept(listener) for _ in cpus)
            self.pids = [pid for _, pid, _ in found]
            self.ends = [self.ends[place] for *_, place in found]
        except BaseException:
            self.close()
            raise

    def run(self, operation: str, count: int, batch: int) -> list[int]:
        """Cycles of each batch of barriers, or all-reduces of a word. Raises CoreDied."""
        order = operation, count // batch, batch
        cycles: list[int] = self.answers(order, SLICE_SECONDS)[0]
        return cycles

    def _accept(self, listener: socket.socket) -> tuple[int, int, int]:
        """A rank's number, its process, and the place of its connection."""
        for _ in range(int(START_SECONDS / 0.2)):
            with suppress(TimeoutError):
                connection, _address = listener.accept()
                connection.setblocking(True)
                self.ends.append(Connection(connection.detach()))
                return *self.ends[-1].recv(), len(self.ends) - 1
            if self.process.poll() is not None:
                break
        raise self.gone()

    def gone(self) -> CoreDied:
        self._log.seek(0)
        text = self._log.read().decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip(" -")]
        value = (lines or ["silently"])[0][:200]
        return CoreDied("the MPI ranks did not start, or ended", value=value)

    def close(self) -> None:
        super().close()
        self._log.close()
        self._directory.cleanup()


@dataclass(eq=False)
class Ranks:
    """What an arm runs on: ranks on the CPUs of all cores. missing: why there are none, or None."""

    missing: str | None

    def open(self, stack: ExitStack, request: Request) -> MpiProcess | None:
        """They end with the stack. Ranks that once did not come up are not tried again."""
        if self.missing is None:
            try:
                return stack.enter_context(MpiProcess(request.placement.cpus))
            except CoreDied as error:
                self.missing = str(error)
        return None


def _environment(directory: str, collectives: str = "") -> dict[str, str]:
    return {
        **os.environ,
        "TMPDIR": directory,
        **({f"OMPI_MCA_coll_{collectives}_priority": "100"} if collectives else {}),
        "OMPI_MCA_btl_sm_backing_directory": directory,
        # Ranks are pinned by themselves.
        "PRTE_MCA_hwloc_default_binding_policy": "none",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        # Open MPI runs as the superuser only with both; containers have no other user.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


# --- A rank ---


def rank(path: str, cpus: list[int]) -> None:
    _native.adopt(NAME)
    # Before MPI: when the caller is gone, a rank without a launcher would begin a world of its own.
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    orders = Connection(connection.detach())
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    number = world.Get_rank()
    os.sched_setaffinity(0, {cpus[number]})
    orders.send((number, os.getpid()))
    word, result = array("q", [1]), array("q", [0])
    operations = {
        "barrier": world.Barrier,
        "all-reduce": partial(world.Allreduce, [word, MPI.INT64_T], [result, MPI.INT64_T]),
    }
    while True:
        try:
            operation, batches, batch = orders.recv()
        except (EOFError, ConnectionResetError):
            return
        world.Barrier()  # all have come
        orders.send(_cycles(operations[operation], batches, batch))


def _cycles(operation: Callable[[], object], batches: int, batch: int) -> list[int]:
    tsc, cycles = _native.tsc, []
    for _ in range(batches):
        began = tsc()
        for _ in range(batch):
            operation()
        cycles.append(tsc() - began)
    return cycles


if __name__ == "__main__":
    rank(sys.argv[1], [int(cpu) for cpu in sys.argv[2].split(",")])
