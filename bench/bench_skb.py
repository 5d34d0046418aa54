"""The knowledge base: loading facts, tree queries, and trees without it, for the paper's 8×4 and
for 512 cores.

Aims: a tree query within 50 ms for 8×4 and 2 s for 512 cores, the facts of 512 cores within 1 s;
the process has started and clingo is loaded. No machine is needed: both are invented.
"""

from __future__ import annotations

from typing import Any

import pytest

from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.skb import Skb
from multikernel.knowledge.trees import KINDS, build, candidates
from multikernel.machine.topology.synthetic import from_string

MACHINES = ("8x4", "8x64")


@pytest.fixture(params=MACHINES)
def site(request: pytest.FixtureRequest) -> Site:
    return Site.of(from_string(request.param))


def test_facts(benchmark: Any, site: Site) -> None:
    # A fresh site each time: its arrays are made once and kept.
    benchmark(lambda: Skb(Site(site.topology, site.cpus)))


def test_multicast_tree_by_rules(benchmark: Any, site: Site) -> None:
    skb = Skb(site)
    benchmark(lambda: skb.tree(0))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "optimum"])
def test_tree(benchmark: Any, site: Site, kind: str) -> None:
    costs = Costs.from_topology(site)
    benchmark(lambda: build(kind, 0, site, costs))


def test_candidates(benchmark: Any, site: Site) -> None:
    costs = Costs.from_topology(site)
    benchmark(lambda: candidates(0, site, costs))


@pytest.mark.parametrize("shape", ["1x6", "2x4"])
def test_optimum_proven(benchmark: Any, shape: str) -> None:
    site = Site.of(from_string(shape))
    costs = Costs.from_topology(site)
    benchmark.pedantic(lambda: build("optimum", 0, site, costs), rounds=3)
