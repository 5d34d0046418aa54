"""Topologies read from golden trees: what is shared by whom, and what is missing."""

import os
from pathlib import Path

import pytest
from s1_machine import trees

from multikernel.errors import BadInput
from multikernel.machine.topology import Cache, Topology


def test_two_packages_with_dies_threads_and_memory_without_processors(tmp_path: Path) -> None:
    topology = Topology.read(trees.two_packages(tmp_path))
    assert topology.summary() == {
        "packages": 2,
        "dies": 4,
        "cores": 8,
        "cpus": 16,
        "threads_per_core": 2,
        "source": f"capture {tmp_path.name}",
        "offline": "",
        "clusters": [],
        "online": "0-15",
        "possible": "0-31",
        "allowed": "0-15",
        "siblings": ["0,8", "1,9", "2,10", "3,11", "4,12", "5,13", "6,14", "7,15"],
        "l2": ["0,8", "1,9", "2,10", "3,11", "4,12", "5,13", "6,14", "7,15"],
        "l3": ["0-1,8-9", "2-3,10-11", "4-5,12-13", "6-7,14-15"],
        "nodes": [
            {"id": 0, "cpus": "0-3,8-11", "distances": [10, 21, 14]},
            {"id": 1, "cpus": "4-7,12-15", "distances": [21, 10, 24]},
            {"id": 2, "cpus": "", "distances": [14, 24, 10]},
        ],
        "kinds": {},
    }
    assert topology.dies == ((0, 1, 8, 9), (2, 3, 10, 11), (4, 5, 12, 13), (6, 7, 14, 15))
    assert [topology.relation(0, other) for other in (0, 8, 1, 2, 4)] == [
        "same",
        "smt",
        "l3",
        "package",
        "system",
    ]
    assert topology.cpu(12).node == 1
    assert topology.nodes[2].distance(1) == 24
    assert topology.nodes[2].distance(7) is None
    # Instruction caches carry no messages: the data cache alone is listed at the first level.
    assert topology.caches[0] == Cache(level=1, cpus=(0, 8), size=32 << 10, line=64)
    assert len(topology.caches) == 8 + 8 + 4
    assert {cache.size for cache in topology.caches if cache.level == 2} == {1 << 20}


def test_virtual_machine_without_nodes_is_one_node(tmp_path: Path) -> None:
    topology = Topology.read(trees.virtual_machine(tmp_path))
    assert [(node.id, node.cpus, node.distance(0)) for node in topology.nodes] == [(0, (0, 1), 10)]
    assert topology.cores == ((0,), (1,))
    assert topology.packages == topology.dies == topology.l3 == ((0, 1),)
    assert topology.relation(0, 1) == "l3"


def test_arm64_without_caches_or_package_ids(tmp_path: Path) -> None:
    topology = Topology.read(trees.arm64(tmp_path))
    assert topology.caches == ()
    assert topology.packages == ((0, 1, 2, 3),)
    assert topology.relation(0, 3) == "die"
    assert [cpu.capacity for cpu in topology.cpus] == [446, 446, 1024, 1024]


def test_offline_cpus_have_no_entry_and_columns_follow_online_nodes(tmp_path: Path) -> None:
    topology = Topology.read(trees.offline(tmp_path))
    assert topology.online == topology.allowed == (0, 2, 3)
    assert topology.possible == tuple(range(8))
    assert topology.cpu(0).siblings == (0,)
    assert topology.cores == topology.l2 == ((0,), (2, 3))
    assert [(node.id, node.cpus, node.distances) for node in topology.nodes] == [
        (0, (0,), ((0, 10), (2, 32))),
        (2, (2, 3), ((0, 32), (2, 10))),
    ]
    with pytest.raises(BadInput, match=r"no such online CPU: 1; online are 0,2-3"):
        topology.cpu(1)


def test_without_the_online_list_each_cpu_is_asked(tmp_path: Path) -> None:
    trees.offline(tmp_path)
    (tmp_path / trees.CPU / "online").unlink()
    assert Topology.read(tmp_path).online == (0, 2, 3)


def test_hybrid_kinds_and_shared_l2(tmp_path: Path) -> None:
    topology = Topology.read(trees.hybrid(tmp_path))
    assert topology.summary()["kinds"] == {"efficiency": "4-7", "performance": "0-3"}
    assert topology.l2 == ((0, 1), (2, 3), (4, 5, 6, 7))
    assert [topology.relation(0, 1), topology.relation(4, 7), topology.relation(3, 4)] == ["smt", "l2", "l3"]


def test_cpu_directories_alone_are_a_machine(tmp_path: Path) -> None:
    for number in (0, 1, 5):
        (tmp_path / trees.CPU / f"cpu{number}").mkdir(parents=True)
    (tmp_path / trees.CPU / "cpufreq").mkdir()
    topology = Topology.read(tmp_path)
    assert topology.online == topology.possible == (0, 1, 5)
    assert topology.cores == ((0,), (1,), (5,))
    assert topology.packages == ((0, 1, 5),)


@pytest.mark.parametrize("garbage", ["", "banana", "3-1", "0-99999999999", "\0\0", "-5"])
def test_garbled_files_make_facts_absent(tmp_path: Path, garbage: str) -> None:
    trees.two_packages(tmp_path)
    for name in ("topology/physical_package_id", "topology/core_cpus_list", "topology/thread_siblings_list"):
        (tmp_path / trees.CPU / "cpu3" / name).write_text(garbage)
    (tmp_path / trees.CPU / "cpu3/cache/index3/shared_cpu_list").write_text(garbage)
    (tmp_path / trees.NODE / "node0/distance").write_text(garbage)
    topology = Topology.read(tmp_path)
    assert topology.cpu(3).siblings == (3,)
    assert topology.cpu(3).package == 0
    assert topology.nodes[0].distances == ()
    assert topology.nodes[1].distances != ()


def test_no_cpu_at_all_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no CPU found") as caught:
        Topology.read(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_allowed_is_what_is_given_as_far_as_it_is_online(tmp_path: Path) -> None:
    assert Topology.read(trees.offline(tmp_path), allowed=[1, 3, 7]).allowed == (3,)


def test_the_live_machine_agrees_with_the_kernel() -> None:
    topology = Topology.read()
    assert topology.allowed == tuple(sorted(os.sched_getaffinity(0)))
    assert len(topology.online) == os.sysconf("SC_NPROCESSORS_ONLN")
    assert sorted(cpu for core in topology.cores for cpu in core) == list(topology.online)
    assert sorted(cpu for node in topology.nodes for cpu in node.cpus) == list(topology.online)
