"""Which tree a running system is given: turns that meet everybody, costs that were measured,
contests that were run.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import multikernel
from multikernel.errors import BadInput
from multikernel.knowledge import cost_store
from multikernel.knowledge.costs import MEASURED
from multikernel.knowledge.site import Site
from multikernel.machine.topology.model import Topology
from multikernel.routing import choosing, measuring


@pytest.fixture(autouse=True)
def nothing_kept_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A test starts without what the one before has kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    choosing._chosen.clear()
    return tmp_path


@pytest.mark.parametrize("cores", [*range(2, 18), 31, 64, 1024])
def test_turns_are_disjoint_and_meet_everybody(cores: int) -> None:
    rounds = measuring.schedule(cores)
    for pairs in rounds:
        busy = [core for pair in pairs for core in pair]
        assert len(busy) == len(set(busy))
    met = Counter(pair for pairs in rounds for pair in pairs)
    assert set(met.values()) == {1}
    if cores <= measuring.ALL:
        assert len(met) == cores * (cores - 1)
    else:
        assert {core for pair in met for core in pair} == set(range(cores))
        assert all((b, a) in met for a, b in met)
        assert len(rounds) <= 2 * cores.bit_length()


def two_cpus() -> tuple[int, ...]:
    cpus = Topology.read().allowed
    if len(cpus) < 2:
        pytest.skip("one CPU: nothing to measure between")
    return cpus[:2]


def test_costs_are_measured_and_kept() -> None:
    with multikernel.boot(list(two_cpus())) as system:
        site = Site(Topology.read(), system.plan.cpus)
        costs, why = choosing.costs_of(system, site)
        assert (costs.origin, why) == (MEASURED, "measured now")
        for a, b in ((0, 1), (1, 0)):
            assert costs.round_trip[a, b] > 0
            assert costs.send[a, b] < costs.round_trip[a, b]
            assert costs.receive[a, b] < costs.round_trip[a, b]
        again, why = choosing.costs_of(system, site)
        assert "kept in" in why
        assert (again.round_trip == costs.round_trip).all()
        _, why = choosing.costs_of(system, site, fresh=True)
        assert why == "measured now"


def test_costs_that_cannot_be_kept_are_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with multikernel.boot(list(two_cpus())) as system:
        _, why = choosing.costs_of(system, Site(Topology.read(), system.plan.cpus))
    assert "measured now, and not kept: cannot keep the costs" in why


def test_cores_that_share_a_cpu_are_not_measured() -> None:
    cpu = Topology.read().allowed[0]
    with multikernel.boot([cpu, cpu, cpu]) as system:
        site = Site(Topology.read(), system.plan.cpus)
        with pytest.raises(BadInput, match="say nothing of what messages cost: 3 cores on 1 CPUs"):
            measuring.measure(system, site)
        assert "share CPUs" in system.trees[0].reason
        assert cost_store.load(site, choosing.Host.read())[0] is None
    with multikernel.boot([cpu] * 4) as system:  # the turns themselves work there too
        samples, nodes = measuring.samples_of(system, 4, 3)
    assert len(samples) == 12
    assert set(nodes) == set(range(4))


def test_two_cores_have_one_tree() -> None:
    with multikernel.boot(2) as system:
        assert system.trees[1].tree.edges == ((1, 0),)
        assert "but one tree" in system.trees[1].reason


@pytest.mark.parametrize("kind", ["sequential", "binary", "cluster", "numa-aware", "adaptive"])
def test_trees_of_a_kind(kind: str) -> None:
    with multikernel.boot(5, trees=kind) as system:
        assert {choice.tree.kind for choice in system.trees.values()} <= {kind}
        digests = {system.ask(core.index, "TREES", 0)[0] for core in system.cores}
        assert len(digests) == 1
        flat = all(
            choice.tree.edges == choosing.to_all(root, 5) for root, choice in system.trees.items()
        )
        assert (digests == {0}) == flat, (
            "what differs from sending to all was installed, nothing else"
        )
        system.unmap(system.map(system.allocate(4096)))


@pytest.mark.parametrize("kind", ["chosen", "sequential", "binary", "cluster"])
def test_the_shared_kernel_is_given_the_same_trees(kind: str) -> None:
    with multikernel.boot(5, trees=kind) as system:
        ours = {root: choice.tree.edges for root, choice in system.trees.items()}
    with multikernel.boot(5, kernel="shared", trees=kind) as system:
        assert {root: choice.tree.edges for root, choice in system.trees.items()} == ours
        for root, edges in ours.items():
            current = system.ask(0, "TREES", root)[1] & 0xFFFF
            assert bool(current) == (root == 0 or edges != choosing.to_all(root, 5))
        page = system.map(system.allocate(4096))
        system.unmap(page)


def test_the_shared_kernel_tells_by_its_line_unless_trees_are_asked_for() -> None:
    with multikernel.boot(5, kernel="shared") as system:
        assert system.trees == {}
        with pytest.raises(BadInput, match="booted without trees"):
            system.choose_trees("binary")


def test_the_fastest_of_those_run_is_installed() -> None:
    with multikernel.boot(5) as system:
        page = system.map(system.allocate(4096))
        choices = choosing.choose(system, run_crowded=True)
        for root, choice in choices.items():
            run = [c for c in choice.considered if c.measured is not None]
            assert choice.tree is run[0].tree
            assert run == sorted(run, key=lambda c: c.measured or 0)
            assert {"sequential", "numa-aware"} <= {c.tree.kind for c in choice.considered}
            assert all(c.measured is None for c in choice.considered[len(run) :])
            choice.tree.check(range(5))
            assert choice.tree.root == root
        system.unmap(page)
        assert [system.group() for _ in range(8)], "the contests gave their groups back"


def test_a_large_system_is_decided_by_some_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "CONTESTS", 2)
    monkeypatch.setattr(choosing, "ROUNDS", 1)
    with multikernel.boot(6) as system:
        choices = choosing.choose(system, run_crowded=True)
    assert [root for root, choice in choices.items() if choice.considered] == [0, 3]
    for root in (1, 2, 4, 5):
        assert choices[root].reason in (
            "as core 0, the nearest whose trees were run",
            "as core 3, the nearest whose trees were run",
        )
        choices[root].tree.check(range(6))


def test_messages_lie_with_their_receivers(kernel: str) -> None:
    cpus = Topology.read().allowed
    with multikernel.boot([cpus[0], cpus[-1], cpus[0]], kernel=kernel) as system:  # type: ignore[arg-type]
        for lines, cpu in system.placement().values():
            assert lines in (None, cpu)


def test_what_cannot_be() -> None:
    with pytest.raises(BadInput, match="unknown kind of tree: oak"):
        multikernel.boot(2, trees="oak")
    with multikernel.boot(2) as system, pytest.raises(BadInput, match="unknown kind of tree: oak"):
        system.choose_trees("oak")
