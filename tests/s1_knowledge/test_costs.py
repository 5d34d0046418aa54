"""Costs: assumed ones keep the topology's order, measured ones survive keeping, foreign and stale
ones are not used.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_knowledge.machines import sites

from multikernel.errors import BadInput
from multikernel.knowledge import cost_store
from multikernel.knowledge.costs import ASSUMED, MEASURED, Costs
from multikernel.knowledge.site import RELATIONS, Site
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.synthetic import from_string

HOST = Host.read()
LIVE = replace(from_string("2x4"), source="live")
SITE = Site.of(LIVE)


def measured(site: Site) -> Costs:
    """Every pair another cost, so that a permutation shows."""
    n = site.n
    plain = np.arange(n * n, dtype=float).reshape(n, n) + 1
    return Costs(plain, 2 * plain, 7 * plain + 0.25, MEASURED, "all of them")


@settings(deadline=None)
@given(sites())
def test_relations_are_the_topologys(site: Site) -> None:
    for (a, x), (b, y) in itertools.product(enumerate(site.cpus), repeat=2):
        assert RELATIONS[site.relation[a, b]] == site.topology.relation(x, y)


def test_relations_on_this_host() -> None:
    topology = Topology.read()
    site = Site(topology, topology.online[:8])
    for (a, x), (b, y) in itertools.product(enumerate(site.cpus), repeat=2):
        assert RELATIONS[site.relation[a, b]] == topology.relation(x, y)


@settings(deadline=None)
@given(sites())
def test_assumed_costs_grow_with_distance(site: Site) -> None:
    costs = Costs.from_topology(site)
    assert costs.origin == ASSUMED
    assert (costs.wire >= 0).all()
    for term in (costs.send, costs.receive, costs.round_trip):
        assert (np.diag(term) == 0).all()
        # Off the diagonal and between CPUs: what is shared more closely is cheaper.
        apart = site.relation > 0
        for a in site.cores:
            by_relation = [(site.relation[a, b], term[a, b]) for b in site.cores if apart[a, b]]
            for near, far in itertools.product(by_relation, repeat=2):
                if near[0] < far[0]:
                    assert near[1] < far[1] or (
                        far[0] == RELATIONS.index("system") and near[1] <= far[1]
                    )


def test_assumed_costs_follow_the_links() -> None:
    site = Site.of(from_string("8x4-amd"))
    costs = Costs.from_topology(site)
    far = site.package[:, None] != site.package[None, :]
    order = np.argsort(site.distance[far], kind="stable")
    assert (np.diff(costs.round_trip[far][order]) >= 0).all()
    assert len(np.unique(costs.round_trip[far])) == len(np.unique(site.distance[far])) > 1


def test_a_round_trip_is_two_reaches_or_more() -> None:
    site = Site.of(from_string("2x4x2"))
    costs = Costs.from_topology(site)
    both = costs.reach + costs.reach.T
    apart = ~np.eye(site.n, dtype=bool)
    assert (both[apart] >= costs.round_trip[apart] - 1e-9).all()


def test_the_wire_is_what_is_left_of_a_round_trip() -> None:
    send, receive = np.array([[0.0, 10], [20, 0]]), np.array([[0.0, 100], [200, 0]])
    costs = Costs(send, receive, np.array([[0.0, 400], [300, 0]]), MEASURED)
    assert costs.wire.tolist() == [[0, (400 - 10 - 100 - 20 - 200) / 2], [0, 0]]
    assert costs.reach[0, 1] == 10 + 35 + 100


# --- Samples
# --------------------------------------------------------------------------------------------------


def test_all_pairs_measured_are_taken_as_they_are() -> None:
    site = Site.of(from_string("1x3"))
    samples = {
        (a, b): [(10 * a + b, 20, 90), (10 * a + b + 2, 30, 100), (999, 40, 999)]
        for a in site.cores
        for b in site.cores
        if a != b
    }
    costs = Costs.from_samples(site, samples)
    assert (costs.origin, costs.detail) == (MEASURED, "6 of 6 ordered pairs measured")
    assert costs.send[2, 1] == 23
    assert costs.send[1, 2] == 14
    assert (costs.receive[0, 1], costs.round_trip[0, 1]) == (30, 100)


def test_pairs_not_measured_follow_those_of_their_kind() -> None:
    site = Site.of(from_string("2x4"))
    costs = Costs.from_samples(site, {(0, 1): [(100, 300, 900)], (1, 2): [(120, 320, 1000)]})
    assert "2 of 56" in costs.detail
    # In a package: the median of the two. Across: never measured, assumed, but as much dearer as
    # these were.
    assert costs.send[4, 7] == 110
    assert costs.send[0, 4] > costs.send[0, 3]
    assumed = Costs.from_topology(site)
    assert costs.send[0, 4] / assumed.send[0, 4] == pytest.approx(110 / assumed.send[0, 1])


@pytest.mark.parametrize(
    "samples",
    [{}, {(0, 0): [(1, 2, 3)]}, {(0, 9): [(1, 2, 3)]}, {(0, 1): []},
     {(0, 1): [(-1, 2, 3)]}, {(0, 1): [(1, float("nan"), 3)]}],
)  # fmt: skip
def test_samples_that_are_none(samples: dict) -> None:
    with pytest.raises(BadInput):
        Costs.from_samples(Site.of(from_string("1x2")), samples)


def test_arrays_that_are_no_costs() -> None:
    with pytest.raises(BadInput, match="no square"):
        Costs(np.zeros((2, 2)), np.zeros((2, 3)), np.zeros((2, 2)), MEASURED)
    with pytest.raises(BadInput, match=r"no cost in cycles: -1.*receive, cores 0 → 1"):
        Costs(np.zeros((2, 2)), np.array([[0, -1], [0, 0]]), np.zeros((2, 2)), MEASURED)


# --- Keeping
# --------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(order=st.permutations(LIVE.online), count=st.integers(1, 8))
def test_kept_costs_come_back_for_any_part_of_the_cpus(
    order: list[int], count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    where = tmp_path_factory.getbasetemp() / "kept"
    whole = measured(SITE)
    cost_store.save(whole, SITE, HOST, where)
    part = Site(LIVE, tuple(order[:count]))
    found, source = cost_store.load(part, HOST, where)
    assert found is not None, source
    assert found.origin == MEASURED
    for a, x in enumerate(part.cpus):
        for b, y in enumerate(part.cpus):
            for term in ("send", "receive", "round_trip"):
                assert getattr(found, term)[a, b] == getattr(whole, term)[x, y]


def test_cores_that_share_a_cpu_get_assumed_costs_between_them(tmp_path: Path) -> None:
    cost_store.save(measured(SITE), SITE, HOST, tmp_path)
    site = Site(LIVE, (3, 5, 3))
    found, _ = cost_store.load(site, HOST, tmp_path)
    assert found is not None
    assert found.send[0, 2] == Costs.from_topology(site).send[0, 2] > 0
    assert found.send[0, 1] == found.send[2, 1] == measured(SITE).send[3, 5]


def test_nothing_kept(tmp_path: Path) -> None:
    assert cost_store.load(SITE, HOST, tmp_path) == (
        None,
        "no message was measured on this machine yet",
    )
    assert (
        cost_store.load(Site.of(from_string("2x4")), HOST, tmp_path)[1]
        == "costs are kept for this host only"
    )


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"kernel": "1.0"}, "another kernel"),
        ({"cpu_model": "Z80"}, "another processor"),
        ({"cpu_model": "Z80", "kernel": "1.0"}, "another processor and kernel"),
    ],
)
def test_costs_of_another_machine_are_not_used(tmp_path: Path, other: dict, words: str) -> None:
    path = cost_store.save(measured(SITE), SITE, replace(HOST, **other), tmp_path)
    found, why = cost_store.load(SITE, HOST, tmp_path)
    assert found is None
    assert why.endswith(words)
    # Carried over by hand under this machine's name: still not used.
    own = cost_store.save(measured(SITE), SITE, HOST, tmp_path)
    os.replace(path, own)
    found, why = cost_store.load(SITE, HOST, tmp_path)
    assert found is None
    assert why.endswith(words)


def test_costs_of_another_topology_are_not_used(tmp_path: Path) -> None:
    other = Site.of(replace(from_string("1x8"), source="live"))
    cost_store.save(measured(other), other, HOST, tmp_path)
    found, why = cost_store.load(SITE, HOST, tmp_path)
    assert (found, why) == (None, "costs are kept, but of another machine: another topology")


def test_what_a_process_may_use_does_not_make_another_machine(tmp_path: Path) -> None:
    cost_store.save(measured(SITE), SITE, HOST, tmp_path)
    narrowed = Site(replace(LIVE, allowed=(0, 1)), (0, 1))
    assert cost_store.load(narrowed, HOST, tmp_path)[0] is not None


def test_old_costs_and_costs_from_the_future_are_not_used(tmp_path: Path) -> None:
    path = cost_store.save(measured(SITE), SITE, HOST, tmp_path)
    document = json.loads(path.read_text())
    for days, usable in ((29, True), (31, False), (-2, False)):
        path.write_text(json.dumps({**document, "time": time.time() - days * 86400}))
        found, why = cost_store.load(SITE, HOST, tmp_path)
        assert (found is not None) == usable, why
        assert usable or "days old" in why


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "\xff\xfe",
        lambda text: json.dumps({**json.loads(text), "send": [[1]]}),
        lambda text: json.dumps({**json.loads(text), "send": "fast"}),
        lambda text: json.dumps({**json.loads(text), "time": "now"}),
        lambda text: json.dumps({**json.loads(text), "cpus": [0, 1, 2, 3, 4, 5, 6, 7, 8]}),
    ],
)
def test_a_damaged_file_is_passed_over(tmp_path: Path, damage) -> None:
    path = cost_store.save(measured(SITE), SITE, HOST, tmp_path)
    path.write_text(damage(path.read_text()), encoding="latin-1")
    found, why = cost_store.load(SITE, HOST, tmp_path)
    assert found is None
    assert "damaged" in why
    assert "\n" not in why


def test_another_format_is_passed_over(tmp_path: Path) -> None:
    path = cost_store.save(measured(SITE), SITE, HOST, tmp_path)
    path.write_text(path.read_text().replace(cost_store.STORE.schema, "multikernel-costs/99"))
    assert "multikernel-costs/99" in cost_store.load(SITE, HOST, tmp_path)[1]


def test_cpus_that_were_not_measured(tmp_path: Path) -> None:
    part = Site(LIVE, (0, 1))
    cost_store.save(measured(part), part, HOST, tmp_path)
    found, why = cost_store.load(SITE, HOST, tmp_path)
    assert found is None
    assert "CPUs 2-7" in why


def test_what_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="only measured costs"):
        cost_store.save(Costs.from_topology(SITE), SITE, HOST, tmp_path)
    shared = Site(LIVE, (0, 0))
    with pytest.raises(BadInput, match="CPUs of their own"):
        cost_store.save(measured(shared), shared, HOST, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot keep the costs"):
        cost_store.save(measured(SITE), SITE, HOST, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_costs_are_kept_where_the_desktop_specification_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cost_store.STORE.directory() == tmp_path / "multikernel" / "costs"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cost_store.STORE.directory() == tmp_path / "home" / ".cache" / "multikernel" / "costs"
