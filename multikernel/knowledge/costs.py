"""What a message between two cores costs, in TSC cycles: to send, to receive, there and back.

Guarantees: three n × n arrays of finite, non-negative cycles with a zero diagonal, and `origin`,
which says whether they were measured or assumed. Assumed costs keep the order that the topology
declares (what is shared more closely is cheaper; farther memory nodes are dearer) and are never
called measured. Reads only; nothing is run here.

`send[a, b]` is how long a is busy to send one message to b; `receive[a, b]` how long b is busy with
a message from a, the transfer of its line included; `round_trip[a, b]` from a's send to the end of
a's receive of the answer. What a round trip takes beyond its sends and receives is `wire`, in which
neither core is busy.

Source: LogP (Culler et al., 1993) for the three terms, an overhead and a latency a pair; Smelt
(Kaestle et al., OSDI'16) for measuring send and receive a pair. The assumed figures are Smelt's for
a 2×10 Ivy Bridge (same and other socket); what lies between is interpolated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from multikernel.errors import BadInput
from multikernel.knowledge.site import RELATIONS, SYSTEM, Site
from multikernel.machine.topology.model import Relation

Cycles = NDArray[np.float64]
Sample = tuple[float, float, float]

MEASURED: Final = "measured"
ASSUMED: Final = "assumed from the topology"

ASSUMPTIONS: Mapping[Relation, Sample] = {
    "same": (200, 4000, 9000),  # two processes that take turns: a switch a message
    "smt": (40, 90, 280),
    "l2": (50, 150, 430),
    "cluster": (56, 190, 540),
    "l3": (62, 221, 643),
    "die": (90, 320, 920),
    "package": (120, 420, 1200),
    "system": (193, 693, 2181),
}
"""(send, receive, round trip) in cycles, by relation; "system" for nodes at `REMOTE` distance."""
REMOTE = 20
"""The firmware's distance to a plain second socket."""


@dataclass(frozen=True, eq=False)
class Costs:
    """Costs between n cores. origin: `MEASURED` or `ASSUMED`; detail: how many pairs, and whence
    the rest.

    Raises BadInput for arrays of different or other shapes, and for negative or infinite cycles.
    """

    send: Cycles
    receive: Cycles
    round_trip: Cycles
    origin: str
    detail: str = ""

    def __post_init__(self) -> None:
        n = len(self.send)
        for name in ("send", "receive", "round_trip"):
            given = np.array(getattr(self, name), dtype=np.float64)
            if given.shape != (n, n):
                raise BadInput("costs are no square over the cores", value=given.shape, where=name)
            np.fill_diagonal(given, 0.0)
            bad = np.argwhere(~(np.isfinite(given) & (given >= 0)))
            if len(bad):
                a, b = bad[0]
                raise BadInput(
                    "no cost in cycles", value=given[a, b], where=f"{name}, cores {a} → {b}"
                )
            given.flags.writeable = False
            object.__setattr__(self, name, given)

    @property
    def n(self) -> int:
        """Number of cores."""
        return len(self.send)

    @cached_property
    def wire(self) -> Cycles:
        """One way between send and receive: half of what a round trip takes beyond the sends and
        receives in it.
        """
        busy = self.send + self.receive
        rest: Cycles = np.maximum(0.0, (self.round_trip - busy - busy.T) / 2)
        return rest

    @cached_property
    def reach(self) -> Cycles:
        """From the begin of a send to the end of its receive."""
        total: Cycles = self.send + self.wire + self.receive
        return total

    @cached_property
    def whole(self) -> NDArray[np.int64]:
        """Round trips in whole cycles: what trees order their edges by, here and in the rules
        alike.
        """
        return np.rint(self.round_trip).astype(np.int64)

    @classmethod
    def from_topology(cls, site: Site) -> "Costs":
        """Costs assumed by what the CPUs share, and between packages by the distance of their
        nodes, where known.
        """
        table = np.array([ASSUMPTIONS[relation] for relation in RELATIONS], dtype=np.float64)
        found = table[site.relation]
        far = (site.relation == SYSTEM) & (site.distance > 0)
        scaled = table[SYSTEM] * (site.distance[..., None] / REMOTE)
        # Whatever the firmware says, another package is not nearer than one's own.
        found = np.where(
            far[..., None], np.maximum(scaled, table[RELATIONS.index("package")]), found
        )
        send, receive, round_trip = np.rint(np.moveaxis(found, 2, 0))
        return cls(send, receive, round_trip, ASSUMED, "no message was measured")

    @classmethod
    def from_samples(
        cls, site: Site, samples: Mapping[tuple[int, int], Iterable[Sample]]
    ) -> "Costs":
        """Costs from measurements: by (sender, receiver), any number of (send, receive, round trip)
        in cycles.

        Of several samples of a pair the median of each term counts. A pair that was not measured
        gets, term by term, the median of the measured pairs of the same relation, or if there is
        none its assumed cost, scaled by how far the measured ones are from theirs. Raises BadInput
        for no samples and for pairs that are not there.
        """
        if not samples:
            raise BadInput(
                "no message was measured", where="costs", hint="measure at least one pair of cores"
            )
        assumed = cls.from_topology(site)
        terms = np.stack([assumed.send, assumed.receive, assumed.round_trip])
        known = np.zeros((site.n, site.n), dtype=bool)
        measured = np.zeros_like(terms)
        for (a, b), taken in samples.items():
            columns = list(zip(*taken, strict=True))
            if not (0 <= a < site.n and 0 <= b < site.n and a != b) or len(columns) != 3:
                raise BadInput(
                    "no measurement of a pair of cores", value=f"{a} → {b}", where="costs"
                )
            measured[:, a, b] = [median(column) for column in columns]
            known[a, b] = True
        found = np.where(known, measured, _guessed(site, terms, measured, known))
        pairs, of = int(known.sum()), site.n * (site.n - 1)
        rest = "" if pairs == of else "; the others by what their CPUs share"
        return cls(
            found[0], found[1], found[2], MEASURED, f"{pairs} of {of} ordered pairs measured{rest}"
        )

    def part(self, cores: Iterable[int]) -> "Costs":
        """The costs among these cores, numbered anew in the order given; a core may be named again
        and again.
        """
        chosen = np.ix_(*[np.array(list(cores), dtype=np.int64)] * 2)
        return Costs(
            self.send[chosen],
            self.receive[chosen],
            self.round_trip[chosen],
            self.origin,
            self.detail,
        )


def _guessed(site: Site, assumed: Cycles, measured: Cycles, known: NDArray[np.bool_]) -> Cycles:
    """For every pair and term, what the measured pairs make us expect."""
    ratio = [
        median(measured[term][known] / np.maximum(assumed[term][known], 1.0))
        for term in range(len(assumed))
    ]
    found: Cycles = assumed * np.array(ratio)[:, None, None]
    for relation in range(len(RELATIONS)):
        alike = site.relation == relation
        if (seen := alike & known).any():
            found[:, alike] = np.median(measured[:, seen], axis=1)[:, None]
    return found
