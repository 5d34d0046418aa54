"""What blocking costs on this machine (C), kept, so that the cores of a boot poll as long as it pays: P = C.

Guarantees: a core that polls for C before it sleeps never loses more than C beyond what it would have lost by the
better of the two, whenever the message comes (paper §4.6). A kept C is used on the machine it was measured on, under
the rules of `cost_store`: same processor, kernel and topology, no older than its `MAX_AGE`. Whatever is not used is
passed over with a reason, never an error, and cores then poll for `DEFAULT_US`. A file appears whole or not at all.

Files lie in the directory of the kept costs, below `blocking`, one a machine; they hold no host or user name. Reading
one takes well under a millisecond; deleting it costs a measurement (`multikernel bench run poll-or-block`).

Called by: system.boot (`budget`), experiments (`save`: poll-or-block), cli.
"""

import hashlib
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from multikernel.errors import BadInput
from multikernel.knowledge import cost_store
from multikernel.machine.host import Host
from multikernel.machine.topology import LIVE, Topology

SCHEMA = "multikernel-block-cost/1"
DEFAULT_US = 100.0
"""Where C is not known: about three times what waking a halted virtual CPU costs on the machines it was tried on."""
MOST_US = 1e6
"""Above it something other than blocking was measured, and a core would poll for ever."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long an idle core polls before it sleeps. measured: whether that is C. reason: where it comes from, or why C
    is not used.
    """

    us: float
    measured: bool
    reason: str

    def __str__(self) -> str:
        kind = "C, what blocking costs here" if self.measured else f"the default: {self.reason}"
        return f"{self.us:.3g} µs ({kind})"


def directory() -> Path:
    """Where it is kept."""
    return cost_store.directory() / "blocking"


def save(us: float, topology: Topology, host: Host, where: Path | None = None) -> Path:
    """Keep C in microseconds, in place of an older one of this machine; the file. Raises BadInput."""
    if not 0 < us <= MOST_US:
        raise BadInput("this is not what blocking costs", value=f"{us:g} µs")
    machine = cost_store.fingerprint(host, topology)
    path = (where or directory()) / _name(machine)
    document = {"schema": SCHEMA, "machine": machine, "time": int(time.time()), "us": us}
    temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(document), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"cannot keep what blocking costs: {error.strerror}", value=path) from None
    return path


def load(
    topology: Topology, host: Host, where: Path | None = None, *, max_age: float = cost_store.MAX_AGE
) -> tuple[float | None, str]:
    """Kept C in microseconds and where it comes from, or None and why there is none to use. max_age: seconds."""
    if topology.source != LIVE:
        return None, "what blocking costs is kept for this host only"
    base = where or directory()
    machine = cost_store.fingerprint(host, topology)
    path = base / _name(machine)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        others = "another machine's is kept, " if any(base.glob("*.json")) else ""
        return None, f"{others}what blocking costs was not measured on this machine yet"
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}"
    except ValueError as error:
        return None, f"{path} is damaged: {' '.join(str(error).split())}"
    try:
        if document["schema"] != SCHEMA:
            return None, f"{path} has the format {document['schema']}, this version reads {SCHEMA}"
        if document["machine"] != machine:
            return None, f"{path} was measured on another machine"
        age = time.time() - document["time"]
        if not 0 <= age <= max_age:
            days = f"{age / 86400:.0f} days old; such costs are used for {max_age / 86400:.0f} days"
            return None, f"{path} is {days}"
        us = document["us"]
        if isinstance(us, bool) or not 0 < us <= MOST_US:
            return None, f"{path} is damaged: {us} µs"
    except (KeyError, TypeError) as error:
        return None, f"{path} is damaged: {' '.join(str(error).split())}"
    return float(us), f"kept in {path}"


def budget(topology: Topology) -> Budget:
    """For a boot on this machine."""
    us, reason = load(topology, Host.read())
    return Budget(DEFAULT_US, False, reason) if us is None else Budget(us, True, reason)


def _name(machine: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16] + ".json"
