"""What blocking costs on this machine (C), kept, so that the cores of a boot poll as long as it
pays: P = C.

Guarantees: a core that polls for C before it sleeps never loses more than C beyond what it would
have lost by the better of the two, whenever the message comes (paper §4.6). C is kept under the
rules of `kept`; where there is none to use, cores poll for `DEFAULT_US`. Reading it takes well
under a millisecond; it is measured by `multikernel bench run poll-or-block`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multikernel.errors import BadInput
from multikernel.knowledge.kept import MAX_AGE, Store
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology

STORE = Store(
    schema="multikernel-block-cost/1",
    what="what blocking costs",
    are="what blocking costs is",
    missing="what blocking costs was not measured on this machine yet",
    folder="blocking",
)
DEFAULT_US = 100.0
"""Where C is not known: about three times what waking a halted virtual CPU costs on the machines it
was tried on.
"""
MOST_US = 1e6
"""Above it something other than blocking was measured, and a core would poll for ever."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long an idle core polls before it sleeps. measured: whether that is C. reason: where it
    comes from, or why C is not used.
    """

    us: float
    measured: bool
    reason: str

    def __str__(self) -> str:
        kind = "C, what blocking costs here" if self.measured else f"the default: {self.reason}"
        return f"{self.us:.3g} µs ({kind})"


def save(us: float, topology: Topology, host: Host, where: Path | None = None) -> Path:
    """Keep C in microseconds, in place of an older one of this machine; the file. Raises
    BadInput.
    """
    if not 0 < us <= MOST_US:
        raise BadInput("this is not what blocking costs", value=f"{us:g} µs")
    return STORE.save({"us": us}, topology, host, where)


def load(
    topology: Topology, host: Host, where: Path | None = None, *, max_age: float = MAX_AGE
) -> tuple[float | None, str]:
    """Kept C in microseconds and where it comes from, or None and why there is none to use.
    max_age: seconds.
    """
    found = STORE.load(_read, topology, host, where, max_age=max_age)
    return (None, found) if isinstance(found, str) else (found[0], f"kept in {found[1]}")


def budget(topology: Topology) -> Budget:
    """For a boot on this machine."""
    us, reason = load(topology, Host.read())
    return Budget(DEFAULT_US, False, reason) if us is None else Budget(us, True, reason)


def _read(document: dict[str, Any]) -> float:
    us = document["us"]
    if isinstance(us, bool) or not 0 < us <= MOST_US:
        raise ValueError(f"{us} µs")
    return float(us)
