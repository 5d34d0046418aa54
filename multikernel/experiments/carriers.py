"""Which carriers that share no memory an experiment can measure on this host, and what it says of
the others.

Guarantees: a host that cannot have them (too many cores, too few open files) loses these arms
alone, with a sentence. Called by: `unmap`, `shared_memory`.
"""

from __future__ import annotations

from multikernel import system
from multikernel.experiments.request import Request
from multikernel.results.document import Caution
from multikernel.runtime.plan import HOST_CARRIERS, Carrier


def possible(request: Request) -> tuple[Carrier, ...]:
    """Those that a system of so many cores can have here."""
    return tuple(
        carrier for carrier in HOST_CARRIERS if system.refusal_of(carrier, request.cores) is None
    )


def refused(request: Request) -> list[Caution]:
    """Why there are no others."""
    found = {carrier: system.refusal_of(carrier, request.cores) for carrier in HOST_CARRIERS}
    return [
        Caution(code="carrier-refused", text=f"Nothing is measured over a {carrier}: {error}.")
        for carrier, error in found.items()
        if error is not None
    ]
