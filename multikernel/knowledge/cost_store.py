"""Measured costs of messages, kept per machine, so that a boot measures only what is not known yet.

Guarantees: kept costs are used on the machine they were measured on and no other: same processor model, same kernel,
same topology, none of them older than `MAX_AGE`; whatever is not used is passed over with a reason that can be shown,
never an error, since it can be measured again. A file appears whole or not at all. Kept by CPU, not by core: a system
on some of the CPUs reuses what a system on all of them has measured. Costs that were only assumed are never kept.

Files lie in $XDG_CACHE_HOME/multikernel/costs (~/.cache/… without it), one a machine, named by its fingerprint; they
hold no host or user name. Deleting them costs a measurement and nothing else.

Called by: runtime or experiments after they have measured (`save`) and before (`load`), cli.
"""

import hashlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

import numpy as np

from multikernel.errors import BadInput
from multikernel.knowledge.costs import MEASURED, Costs
from multikernel.knowledge.site import Site
from multikernel.machine.host import Host
from multikernel.machine.topology import LIVE, Topology, format_cpu_list

SCHEMA = "multikernel-costs/1"
MAX_AGE = 30 * 86400
"""Seconds. Firmware, hypervisors and neighbours change without a new kernel."""
_TERMS = ("send", "receive", "round_trip")


def directory() -> Path:
    """Where costs are kept."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says to pass over a path that is not absolute.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "multikernel" / "costs"


def fingerprint(host: Host, topology: Topology) -> dict[str, str]:
    """What makes a machine the same one: its processor's model, its kernel, and a digest of its topology.

    What this process may use of it (affinity, control groups) does not count.
    """
    shape = repr((topology.cpus, topology.caches, topology.nodes, topology.links))
    return {
        "processor": host.cpu_model,
        "kernel": host.kernel,
        "topology": hashlib.sha256(shape.encode()).hexdigest()[:16],
    }


def save(costs: Costs, site: Site, host: Host, where: Path | None = None) -> Path:
    """Keep measured costs of a system, in place of older ones of this machine; the file.

    Raises BadInput for what is not to be kept: assumed costs, costs of cores that share a CPU (they say how
    processes take turns, not what the machine does), and for a directory that cannot be written.
    """
    if costs.origin != MEASURED:
        raise BadInput("only measured costs are kept", value=costs.origin)
    if len(set(site.cpus)) < site.n or costs.n != site.n:
        raise BadInput(
            "only costs between cores on CPUs of their own are kept", value=format_cpu_list(site.cpus)
        )
    machine = fingerprint(host, site.topology)
    path = (where or directory()) / _name(machine)
    document = {
        "schema": SCHEMA,
        "machine": machine,
        "time": int(time.time()),
        "detail": costs.detail,
        "cpus": list(site.cpus),
        **{term: getattr(costs, term).tolist() for term in _TERMS},
    }
    temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(document), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"cannot keep the costs: {error.strerror}", value=path) from None
    return path


def load(
    site: Site, host: Host, where: Path | None = None, *, max_age: float = MAX_AGE
) -> tuple[Costs | None, str]:
    """Kept costs for these cores and where they come from, or None and why there are none to use.

    Pairs of cores that share a CPU get assumed costs: nothing else is known of them. max_age: seconds.
    """
    if site.topology.source != LIVE:
        return None, "costs are kept for this host only"
    base = where or directory()
    machine = fingerprint(host, site.topology)
    path = base / _name(machine)
    if not path.exists():
        return None, _why_absent(base, machine)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            return None, f"{path} has the format {document['schema']}, this version reads {SCHEMA}"
        if document["machine"] != machine:
            return None, f"{path} was measured on another machine: {_differing(document['machine'], machine)}"
        age = time.time() - document["time"]
        if not 0 <= age <= max_age:
            days = f"{age / 86400:.0f} days old; costs are used for {max_age / 86400:.0f} days"
            return None, f"{path} is {days}"
        send, receive, round_trip = (np.array(document[term], dtype=float) for term in _TERMS)
        kept = Costs(send, receive, round_trip, MEASURED, str(document["detail"]))
        place = {int(cpu): number for number, cpu in enumerate(document["cpus"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadInput) as error:
        return None, f"{path} is damaged: {' '.join(str(error).split()) or type(error).__name__}"
    if unknown := set(site.cpus) - place.keys():
        return None, f"nothing was measured on CPUs {format_cpu_list(unknown)} yet ({path})"
    if len(place) != kept.n:
        return None, f"{path} is damaged: {len(place)} CPUs, costs of {kept.n}"
    return _on(site, kept.part(place[cpu] for cpu in site.cpus)), f"measured earlier, kept in {path}"


def known(site: Site, where: Path | None = None) -> tuple[Costs, str]:
    """Kept costs for these cores if there are any to use, else assumed ones; and where from, or why not."""
    costs, why = load(site, Host.read(), where)
    return (Costs.from_topology(site) if costs is None else costs), why


def _on(site: Site, costs: Costs) -> Costs:
    """With assumed costs where two cores are on one CPU."""
    if len(set(site.cpus)) == site.n:
        return costs
    assumed = Costs.from_topology(site)
    cpus = np.array(site.cpus)
    same = cpus[:, None] == cpus[None, :]
    send, receive, round_trip = (
        np.where(same, getattr(assumed, term), getattr(costs, term)) for term in _TERMS
    )
    return Costs(send, receive, round_trip, MEASURED, f"{costs.detail}; assumed where cores share a CPU")


def _name(machine: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16] + ".json"


def _why_absent(base: Path, machine: dict[str, str]) -> str:
    """In how far what is kept is of another machine, by the nearest of them."""
    others: list[list[str]] = []
    for path in sorted(base.glob("*.json")):
        try:
            other: Any = json.loads(path.read_text(encoding="utf-8"))["machine"]
            others.append([term for term in machine if other.get(term) != machine[term]])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    if not others:
        return "no message was measured on this machine yet"
    nearest = sorted(others, key=lambda terms: len(terms))[0]
    return f"costs are kept, but of another machine: another {' and '.join(nearest)}"


def _differing(theirs: dict[str, str], ours: dict[str, str]) -> str:
    return "another " + " and ".join(term for term in ours if theirs.get(term) != ours[term])
