"""Topologies read from golden trees: what is shared by whom, and what is missing."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_machine import trees

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import parse_cpu_mask
from multikernel.machine.topology.capture import files_of
from multikernel.machine.topology.model import Cache, Topology
from multikernel.machine.topology.reader import Reader
from multikernel.machine.tree import Captured


def _tree(write: Callable[[Path], Path]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as directory:
        return files_of(write(Path(directory)))


TREES = [_tree(write) for write in (trees.two_packages, trees.offline, trees.hybrid, trees.arm64)]


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
    relations = [topology.relation(0, other) for other in (0, 8, 1, 2, 4)]
    assert relations == ["same", "smt", "l3", "package", "system"]
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
    pairs = ((0, 1), (4, 7), (3, 4))
    assert [topology.relation(*pair) for pair in pairs] == ["smt", "l2", "l3"]


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
    for name in ("physical_package_id", "core_cpus_list", "thread_siblings_list"):
        (tmp_path / trees.CPU / "cpu3/topology" / name).write_text(garbage)
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


def test_clusters_and_what_is_nearer_by_how_many_share_it(tmp_path: Path) -> None:
    files = {f"{trees.CPU}/online": "0-15"}
    for number in range(16):
        files |= trees.cpu_files(number, package=0, siblings=str(number))
        first = number // 4 * 4
        files[f"{trees.CPU}/cpu{number}/topology/cluster_cpus_list"] = f"{first}-{first + 3}"
        # The second-level cache is narrower than a cluster for the first eight CPUs, wider for the
        # others.
        shared = f"{number & ~1}-{number | 1}" if number < 8 else "8-15"
        files |= trees.cache_files(number, 0, 2, "Unified", "1M", shared)
    topology = Topology.read(trees.write(tmp_path, files))
    assert topology.clusters == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15))
    assert [topology.relation(0, other) for other in (1, 2, 4)] == ["l2", "cluster", "die"]
    assert [topology.relation(8, other) for other in (9, 12, 0)] == ["cluster", "l2", "die"]
    assert topology.summary()["clusters"] == ["0-3", "4-7", "8-11", "12-15"]


def test_a_cluster_that_is_a_core_is_none(tmp_path: Path) -> None:
    trees.hybrid(tmp_path)
    for number in range(8):
        lists = f"{number & ~1}-{number | 1}" if number < 4 else str(number)
        (tmp_path / trees.CPU / f"cpu{number}/topology/cluster_cpus_list").write_text(lists)
    assert Topology.read(tmp_path).clusters == ()


def test_siblings_that_contradict_each_other_are_none(tmp_path: Path) -> None:
    trees.two_packages(tmp_path)
    (tmp_path / trees.CPU / "cpu3/topology/core_cpus_list").write_text("3-4,11")
    topology = Topology.read(tmp_path)
    siblings = [topology.cpu(number).siblings for number in (3, 4, 11, 12)]
    assert siblings == [(3,), (4, 12), (11,), (4, 12)]
    assert Topology.from_json(topology.to_json()) == topology


@pytest.mark.parametrize(
    ("groups", "files", "cpuset"),
    [
        ("0::/", {"cpuset.cpus.effective": "0-3"}, (0, 1, 2, 3)),
        ("0::/", {"unified/cpuset.cpus.effective": "0-1"}, (0, 1)),
        ("0::/a/b", {"a/cpuset.cpus.effective": "2", "cpuset.cpus.effective": "0-7"}, (2,)),
        ("0::/../../a", {"a/cpuset.cpus.effective": "2", "cpuset.cpus.effective": "0-7"}, (2,)),
        (
            "3:cpuset:/a\n0::/b",
            {"cpuset/a/cpuset.effective_cpus": "1,9", "cpuset.cpus.effective": "0"},
            (1, 9),
        ),
        ("3:cpu,cpuset:/a", {"cpuset/a/cpuset.cpus": "1"}, (1,)),
        ("3:cpuset:/docker/x", {"cpuset/cpuset.cpus": "4-5"}, (4, 5)),
        ("0::/a", {"a/cpuset.cpus.effective": "banana", "cpuset.cpus.effective": ""}, None),
        ("nonsense", {"cpuset.cpus.effective": "0"}, None),
        ("", {"cpuset.cpus.effective": "0"}, None),
    ],
)
def test_the_cpuset_of_the_own_control_group(
    groups: str, files: dict[str, str], cpuset: tuple[int, ...] | None, tmp_path: Path
) -> None:
    trees.two_packages(tmp_path)
    cgroup = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    topology = Topology.read(trees.write(tmp_path, {"proc/self/cgroup": groups, **cgroup}))
    assert topology.cpuset == cpuset
    assert topology.allowed == tuple(
        cpu for cpu in topology.online if cpuset is None or cpu in cpuset
    )
    assert set(topology.allowed) | set(topology.disallowed) == set(topology.online)


def test_the_affinity_mask_counts_too(tmp_path: Path) -> None:
    trees.two_packages(tmp_path)
    trees.write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/",
            "sys/fs/cgroup/cpuset.cpus.effective": "0-3",
            "proc/self/status": "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t2-5",
        },
    )
    assert Topology.read(tmp_path).allowed == (2, 3)


VALUES = st.one_of(
    st.sampled_from(
        ["0", "-1", "-5", "1", "0-15", "3,1", "0-3\n4", "9" * 18, "32K", "999999999G", "\0"]
    ),
    st.text("0123456789,-KMG x\n", max_size=12),
)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_the_files_say_the_topology_does_not_contradict_itself(
    data: st.DataObject,
) -> None:
    files = dict(data.draw(st.sampled_from(TREES)))
    paths = st.sampled_from(
        [*files, f"{trees.CPU}/cpu99999999/online", f"{trees.NODE}/node3/cpulist"]
    )
    files |= data.draw(st.dictionaries(paths, VALUES, min_size=1, max_size=8))
    for path in data.draw(st.lists(st.sampled_from(list(files)), max_size=5, unique=True)):
        del files[path]
    files |= {f"{trees.CPU}/cpu0/online": "1", f"{trees.CPU}/cpu1/online": "1"}
    topology = Reader(Captured(files), source="fuzz").read()
    # Reading it again checks that everything fits together.
    assert Topology.from_json(topology.to_json()) == topology
    for one in topology.online[:6]:
        for other in topology.online[:6]:
            assert topology.relation(one, other) == topology.relation(other, one)


def test_a_cpu_in_two_caches_of_one_level() -> None:
    files = dict(TREES[2]) | {f"{trees.CPU}/cpu0/cache/index3/shared_cpu_list": "0"}
    topology = Reader(Captured(files), source="fuzz").read()
    assert topology.relation(0, 1) == topology.relation(1, 0) == "smt"


@settings(deadline=None)
@given(st.sets(st.integers(0, 200)))
def test_masks_say_what_lists_say(cpus: set[int]) -> None:
    bits = sum(1 << cpu for cpu in cpus)
    words = [f"{bits >> 32 * at & 0xFFFFFFFF:08x}" for at in reversed(range(7))]
    assert parse_cpu_mask(",".join(words)) == tuple(sorted(cpus))


@pytest.mark.parametrize("text", ["", "g", "123456789", "1,,2", "-1", ",".join(["0"] * 5000)])
def test_what_is_no_mask(text: str) -> None:
    with pytest.raises(ValueError, match="is no mask"):
        parse_cpu_mask(text)
