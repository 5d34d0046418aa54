"""Machines to plan for, and costs that nobody measured."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from multikernel.knowledge.costs import MEASURED, Costs
from multikernel.knowledge.site import Site
from multikernel.machine.topology.synthetic import from_string

SHAPES = (
    "1x1", "1x5", "2x1", "2x4x2", "8x4", "8x4-amd", "2x4-intel",
    "2 packages, 2 nodes, 2 dies, 3 cores",
    "1 package, 2 l3, 4 cores",
)  # fmt: skip


@st.composite
def sites(draw: st.DrawFn, largest: int = 24) -> Site:
    """Cores anywhere on a machine, several on a CPU as well."""
    topology = from_string(draw(st.sampled_from(SHAPES)))
    cpus = draw(st.lists(st.sampled_from(topology.online), min_size=1, max_size=largest))
    return Site(topology, tuple(cpus))


@st.composite
def costs_for(draw: st.DrawFn, n: int) -> Costs:
    """Any costs: nothing symmetric, nothing that fits a machine; often equal, sometimes zero."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    top = draw(st.sampled_from((2, 1000)))
    send, receive, round_trip = (
        generator.integers(0, scale, size=(n, n)).astype(float) for scale in (top, top, 5 * top)
    )
    return Costs(send, receive, round_trip, MEASURED)


@st.composite
def sites_and_costs(draw: st.DrawFn, largest: int = 24) -> tuple[Site, Costs]:
    """A site, and costs that are assumed for it or have nothing to do with it."""
    site = draw(sites(largest))
    return site, draw(st.one_of(st.just(Costs.from_topology(site)), costs_for(site.n)))
