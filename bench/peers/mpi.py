"""mpi4py: two ranks started by the MPI library's own launcher; the module is also what a rank runs.

    mpiexec -n 2 python -m bench.peers.mpi SOCKET CPU CPU        (as `Mpi.measure` does)

A rank sends its number over the socket and is a worker from then on. The launcher dies with what
started it, the ranks with the launcher.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .peer import MESSAGE, End, Failed, Peer, Place, Plan, ProcessPeer, Slice

_numbers = count()


def launcher() -> str | None:
    """Path of mpiexec: beside this Python, where a wheel puts it, or on PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.is_file() else shutil.which("mpiexec")


class Mpi(ProcessPeer):
    """Send and Recv of a buffer."""

    key, name, group = "mpi4py", "mpi4py, Send and Recv", "libraries"
    requires, module = "mpi4py", "mpi4py"

    def missing(self) -> str | None:
        """Also without a launcher."""
        return super().missing() or (
            None if launcher() else "no mpiexec: no MPI library is installed"
        )

    def sides(self, place: Place) -> tuple[Any, Any]:
        """The ranks find each other."""
        return None, None

    def open(self, side: Any, role: int) -> End:
        """In a rank."""
        from mpi4py import MPI

        world, buffer = MPI.COMM_WORLD, bytearray(len(MESSAGE))
        other = 1 - role
        receive = partial(world.Recv, buffer, other)
        return End(partial(world.Send, dest=other), receive, content=lambda _: bytes(buffer))

    def measure(self, place: Place, plan: Plan) -> Slice:
        """See Peer."""
        from . import worker
        from .workers import Pair, measured

        command = launcher()
        if command is None:
            raise Failed("no mpiexec")
        number = next(_numbers)
        path, errors = place.directory / f"mpi-{number}", place.directory / f"mpi-{number}.log"
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen(2)
            listener.settimeout(plan.timeout)
            complaints = stack.enter_context(errors.open("ab"))
            process = subprocess.Popen(
                [command, "-n", "2", sys.executable, "-m", __spec__.name, str(path),
                *map(str, place.cpus)],
                env=_environment(place), stdin=subprocess.DEVNULL, stdout=complaints,
                stderr=complaints,
                preexec_fn=partial(worker.tether, os.getpid()),
            )  # fmt: skip
            stack.callback(_ended, process)
            controls: dict[int, Connection] = {}
            while len(controls) < 2:
                control = _accepted(listener, process, errors, plan.timeout)
                stack.callback(control.close)
                controls[_role(control, plan.timeout)] = control
            pair = Pair((controls[0], controls[1]), (errors, errors), plan.timeout)
            pair.answers()
            found = measured(pair, plan, self.round_trips, self.streams)
            pair.order("stop")
            return found


def _environment(place: Place) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        # What a library leaves behind, it leaves in the scratch directory.
        "TMPDIR": str(place.directory),
        "OMPI_MCA_btl_sm_backing_directory": str(place.directory),
        # Open MPI runs as the superuser only with both; containers have no other user.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


def _accepted(
    listener: socket.socket, process: subprocess.Popen[bytes], errors: Path, seconds: float
) -> Connection:
    """The next rank. Raises Failed."""
    listener.settimeout(0.2)
    for _ in range(int(seconds / 0.2) + 1):
        try:
            connection, _address = listener.accept()
        except TimeoutError:
            if process.poll() is not None:
                break
            continue
        connection.setblocking(True)
        return Connection(connection.detach())
    lines = [line for line in errors.read_text(errors="replace").splitlines() if line.strip(" -")]
    why = (
        f"mpiexec ended with {process.returncode}"
        if process.poll() is not None
        else "no rank came in time"
    )
    raise Failed(why + (f": {lines[0].strip()[:200]}" if lines else ""))


def _role(control: Connection, seconds: float) -> int:
    """Which rank this is. Raises Failed."""
    try:
        if control.poll(seconds):
            return int(control.recv())
    except (EOFError, OSError):
        raise Failed("a rank ended before it began") from None
    raise Failed(f"a rank did not begin within {seconds:g} s")


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(3.0)
    except subprocess.TimeoutExpired:
        # The launcher ends its ranks on a polite signal.
        process.terminate()
        try:
            process.wait(3.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peers() -> list[Peer]:
    """All of this group."""
    return [Mpi()]


def rank(path: str, *cpus: str) -> None:
    """What a rank does."""
    from . import worker

    worker.tether()
    # Before MPI: when the run is gone, a rank without a launcher would begin a world of its own.
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    control = Connection(connection.detach())
    from mpi4py import MPI

    role = MPI.COMM_WORLD.Get_rank()
    control.send(role)
    worker.serve(Mpi(), role, int(cpus[role]), None, control)


if __name__ == "__main__":
    rank(*sys.argv[1:])
