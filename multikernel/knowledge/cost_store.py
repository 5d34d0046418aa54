"""Measured costs of messages, kept per machine under the rules of `kept`.

Guarantees: kept by CPU, not by core: a system on some of the CPUs reuses what a system on all of
them has measured. Costs that were only assumed are never kept.
"""

from pathlib import Path
from typing import Any

import numpy as np

from multikernel.errors import BadInput
from multikernel.knowledge.costs import MEASURED, Costs
from multikernel.knowledge.kept import MAX_AGE, Store
from multikernel.knowledge.site import Site
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.host.processor import Host

STORE = Store(
    schema="multikernel-costs/1",
    what="the costs",
    are="costs are",
    missing="no message was measured on this machine yet",
)
_TERMS = ("send", "receive", "round_trip")


def save(costs: Costs, site: Site, host: Host, where: Path | None = None) -> Path:
    """Keep measured costs of a system, in place of older ones of this machine; the file.

    Raises BadInput for what is not to be kept: assumed costs, costs of cores that share a CPU (they
    say how processes take turns, not what the machine does), and for a directory that cannot be
    written.
    """
    if costs.origin != MEASURED:
        raise BadInput("only measured costs are kept", value=costs.origin)
    if len(set(site.cpus)) < site.n or costs.n != site.n:
        raise BadInput(
            "only costs between cores on CPUs of their own are kept",
            value=format_cpu_list(site.cpus),
        )
    content = {
        "detail": costs.detail,
        "cpus": list(site.cpus),
        **{term: getattr(costs, term).tolist() for term in _TERMS},
    }
    return STORE.save(content, site.topology, host, where)


def load(
    site: Site, host: Host, where: Path | None = None, *, max_age: float = MAX_AGE
) -> tuple[Costs | None, str]:
    """Kept costs for these cores and where they come from, or None and why there are none to use.

    Pairs of cores that share a CPU get assumed costs: nothing else is known of them. max_age:
    seconds.
    """
    found = STORE.load(_read, site.topology, host, where, max_age=max_age)
    if isinstance(found, str):
        return None, found
    (kept, place), path = found
    if unknown := set(site.cpus) - place.keys():
        return None, f"nothing was measured on CPUs {format_cpu_list(unknown)} yet ({path})"
    return _on(
        site, kept.part(place[cpu] for cpu in site.cpus)
    ), f"measured earlier, kept in {path}"


def known(site: Site, where: Path | None = None) -> tuple[Costs, str]:
    """Kept costs for these cores if there are any to use, else assumed ones; and where from, or why
    not.
    """
    costs, why = load(site, Host.read(), where)
    return (Costs.from_topology(site) if costs is None else costs), why


def _read(document: dict[str, Any]) -> tuple[Costs, dict[int, int]]:
    """The costs, and the place in them of each CPU."""
    send, receive, round_trip = (np.array(document[term], dtype=float) for term in _TERMS)
    kept = Costs(send, receive, round_trip, MEASURED, str(document["detail"]))
    place = {int(cpu): number for number, cpu in enumerate(document["cpus"])}
    if len(place) != kept.n:
        raise ValueError(f"{len(place)} CPUs, costs of {kept.n}")
    return kept, place


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
    return Costs(
        send, receive, round_trip, MEASURED, f"{costs.detail}; assumed where cores share a CPU"
    )
