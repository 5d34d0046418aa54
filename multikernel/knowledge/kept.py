"""What was measured on a machine, kept, so that a boot measures only what is not known yet.

Guarantees: what is kept is used on the machine it was measured on and no other: same processor
model, same kernel, same topology, no older than `MAX_AGE`; whatever is not used is passed over with
a reason that can be shown, never an error, since it can be measured again, whatever lies there: a
damaged file, a pipe, another user's, or no home at all. A file appears whole or not at all.

Files lie in $XDG_CACHE_HOME/multikernel/costs (~/.cache/… without it) or below, one a machine and
`Store`, named by the machine's fingerprint; they hold no host or user name. Deleting them costs a
measurement and nothing else.
"""

import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from multikernel.errors import BadInput
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import LIVE, Topology
from multikernel.results import whole

MAX_AGE = 30 * 86400
"""Seconds. Firmware, hypervisors and neighbours change without a new kernel."""

_NO_HOME = "this user has no home directory"
_SET_ONE = "set HOME or XDG_CACHE_HOME"

T = TypeVar("T")


MOST_BYTES = 256 << 20
"""A file of costs between 1024 CPUs has about 60 MB."""


def directory() -> Path | None:
    """Where measurements are kept; None where the user has no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says to pass over a path that is not absolute.
    if not os.path.isabs(base):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    return Path(base) / "multikernel" / "costs"


def fingerprint(host: Host, topology: Topology) -> dict[str, str]:
    """What makes a machine the same one: its processor's model, its kernel, and a digest of its
    topology.

    What this process may use of it (affinity, control groups) does not count.
    """
    shape = repr((topology.cpus, topology.caches, topology.nodes, topology.links))
    return {
        "processor": host.cpu_model,
        "kernel": host.kernel,
        "topology": hashlib.sha256(shape.encode()).hexdigest()[:16],
    }


@dataclass(frozen=True, slots=True)
class Store:
    """One kind of measurement. what: as sentences call it ("the costs", "what blocking costs");
    are: and go on, as of one or of many ("costs are"); missing: what is said where none is kept;
    folder: below `directory()`.
    """

    schema: str
    what: str
    are: str
    missing: str
    folder: str = ""

    def directory(self) -> Path | None:
        """Where its files lie."""
        base = directory()
        return base and base / self.folder

    def save(
        self, content: dict[str, Any], topology: Topology, host: Host, where: Path | None = None
    ) -> Path:
        """Keep this, as JSON, in place of an older one of this machine; the file. BadInput: it
        cannot be written.
        """
        base = where or self.directory()
        if base is None:
            raise BadInput(f"cannot keep {self.what}: {_NO_HOME}", hint=_SET_ONE)
        machine = fingerprint(host, topology)
        path = base / _name(machine)
        document = {"schema": self.schema, "machine": machine, "time": int(time.time()), **content}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole.written(json.dumps(document).encode(), path.parent) as temporary:
                temporary.replace(path)
        except OSError as error:
            raise BadInput(f"cannot keep {self.what}: {error.strerror}", value=path) from None
        return path

    def load(
        self,
        read: Callable[[dict[str, Any]], T],
        topology: Topology,
        host: Host,
        where: Path | None = None,
        *,
        max_age: float = MAX_AGE,
    ) -> tuple[T, Path] | str:
        """What `read` makes of what is kept for this machine, and the file; or why there is none to
        use.

        read may raise what a damaged document makes it raise. max_age: seconds.
        """
        if topology.source != LIVE:
            return f"{self.are} kept for this host only"
        base = where or self.directory()
        if base is None:
            return f"nothing is kept: {_NO_HOME}; {_SET_ONE}"
        machine = fingerprint(host, topology)
        path = base / _name(machine)
        try:
            document = _content(path)
        except FileNotFoundError:
            return self._why_absent(base, machine)
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
        except Exception as error:
            return _damaged(path, error)
        try:
            if document["schema"] != self.schema:
                return (
                    f"{path} has the format {document['schema']}, this version reads {self.schema}"
                )
            if differing := _differing(document["machine"], machine):
                return f"{path} was measured on another machine: {differing}"
            age = time.time() - document["time"]
            if not 0 <= age <= max_age:
                return (
                    f"{path} is {age / 86400:.0f} days old; {self.are} used for"
                    f" {max_age / 86400:.0f} days"
                )
            return read(document), path
        except Exception as error:  # whatever is made of it, it is no more than a cache
            return _damaged(path, error)

    def _why_absent(self, base: Path, machine: dict[str, str]) -> str:
        """In how far what is kept is of another machine, by the nearest of them."""
        others: list[str] = []
        with suppress(OSError):
            for path in sorted(base.glob("*.json")):
                with suppress(Exception):
                    others.append(_differing(_content(path)["machine"], machine))
        if not others:
            return self.missing
        nearest = min(others, key=lambda terms: terms.count(" and "))
        return f"{self.are} kept, but of another machine: {nearest}"


def _content(path: Path) -> Any:
    """What lies there, if it is a file; a pipe is not waited for. Raises OSError, and what damaged
    JSON makes it raise.
    """
    with open(
        os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb"
    ) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    return json.loads(data.decode("utf-8"))


def _name(machine: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16] + ".json"


def _differing(theirs: dict[str, str], ours: dict[str, str]) -> str:
    """In what a machine is another one; empty if in nothing."""
    terms = [term for term in ours if theirs.get(term) != ours[term]]
    return "another " + " and ".join(terms) if terms else ""


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is damaged: {' '.join(str(error).split()) or type(error).__name__}"
