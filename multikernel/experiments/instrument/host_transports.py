"""Which transports that share no memory an experiment can measure on this host, and what it says of
the others.

Guarantees: a host that cannot have them (too many cores, too few open files) loses these
configurations alone, with a sentence.
"""

from __future__ import annotations

from multikernel.experiments.instrument.request import Request
from multikernel.results.document import Caution
from multikernel.runtime.asked import refusal_of
from multikernel.runtime.plan import HOST_TRANSPORTS, Transport


def possible(request: Request) -> tuple[Transport, ...]:
    """Those that a system of so many cores can have here; none on a modelled machine."""
    if request.model is not None:
        return ()
    return tuple(one for one in HOST_TRANSPORTS if refusal_of(one, request.cores) is None)


def refused(request: Request) -> list[Caution]:
    """Why there are no others."""
    if request.model is not None:
        return []
    return [
        Caution(code="transport-refused", text=f"Nothing is measured over a {transport}: {error}.")
        for transport in HOST_TRANSPORTS
        if (error := refusal_of(transport, request.cores)) is not None
    ]
