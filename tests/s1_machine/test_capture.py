"""Captures: the machine that comes out is the one that went in, and no archive does any harm."""

import contextlib
import gzip
import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_machine import machines, trees

from multikernel.errors import BadInput
from multikernel.machine.topology import capture
from multikernel.machine.topology.model import Topology

ONLINE = f"{trees.CPU}/online"
PACKED = (machines.DIRECTORY / "kvm-epyc-2.tar.gz").read_bytes()


def archive(members: dict[str, bytes | tarfile.TarInfo], *, packed: bool = True) -> bytes:
    """An archive of such members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                file.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0) if packed else out.getvalue()


def load(data: bytes, directory: Path) -> Topology:
    """The machine of these bytes."""
    path = directory / "it.tar.gz"
    path.write_bytes(data)
    return capture.load(path)


@pytest.mark.parametrize(
    "make", [trees.two_packages, trees.virtual_machine, trees.arm64, trees.offline, trees.hybrid]
)
def test_a_capture_reads_like_the_tree_it_was_made_of(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    root = make(tmp_path / "root")
    files = capture.files_of(root)
    data = capture.packed(files, "aarch64")
    assert data == capture.packed(dict(reversed(files.items())), "aarch64")
    topology = load(data, tmp_path)
    assert topology == replace(
        Topology.read(root), source="capture it.tar.gz", architecture="aarch64"
    )
    # A directory, with or without the rest of a host, is as good as an archive.
    assert capture.load(root) == Topology.read(root)


def test_the_live_machine(tmp_path: Path) -> None:
    live = Topology.read()
    captured = load(capture.packed(capture.files_of("/"), live.architecture), tmp_path)
    assert replace(captured, source="live") == live


def test_nothing_personal_is_captured(tmp_path: Path) -> None:
    root = trees.virtual_machine(tmp_path / "root")
    trees.write(
        root,
        {
            "proc/self/cgroup": "0::/user.slice/user-1000.slice/secret.service",
            "sys/fs/cgroup/user.slice/user-1000.slice/cpuset.cpus.effective": "0",
            "proc/self/status": "Name:\tsecret\nUid:\t1000\nCpus_allowed_list:\t0-1",
            "etc/hostname": "secret",
        },
    )
    files = capture.files_of(root)
    assert "secret" not in "".join(files) + "".join(files.values())
    assert "1000" not in "".join(files)
    assert files["proc/self/status"] == "Cpus_allowed_list:\t0-1"
    assert set("".join(files)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_/.")
    assert load(capture.packed(files, ""), tmp_path).allowed == (0,)


def test_hwlocs_captures_lie_in_a_directory_and_have_masks(tmp_path: Path) -> None:
    cpu = f"box/{trees.CPU}"
    topology = load(
        archive(
            {
                f"{cpu}/online": b"0-3\n\0",
                f"{cpu}/cpu0/topology/thread_siblings": b"00000000,00000005\n",
                f"{cpu}/cpu2/topology/thread_siblings": b"00000000,00000005\n",
                f"{cpu}/cpu2/topology/physical_package_id": b"\n",
                f"{cpu}/cpu1/cache/index0/level": b"2\n",
                f"{cpu}/cpu1/cache/index0/shared_cpu_map": b"f\n",
                f"box/{trees.NODE}/node0/cpumap": b"3\n",
                f"box/{trees.NODE}/node1/cpumap": b"c\n",
            },
            packed=False,
        ),
        tmp_path,
    )
    assert topology.cores == ((0, 2), (1,), (3,))
    assert topology.l2 == ((0, 1, 2, 3),)
    assert [node.cpus for node in topology.nodes] == [(0, 1), (2, 3)]


# --- Hostile and broken
# ---------------------------------------------------------------------------------------------


def test_links_devices_and_names_that_lead_outside_are_passed_over(tmp_path: Path) -> None:
    link = tarfile.TarInfo(f"{trees.CPU}/possible")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo(f"{trees.CPU}/present")
    hard.type, hard.linkname = tarfile.LNKTYPE, ONLINE
    pipe = tarfile.TarInfo(f"{trees.NODE}/online")
    pipe.type = tarfile.FIFOTYPE
    inside = tmp_path / "inside"
    inside.mkdir()
    topology = load(
        archive(
            {
                ONLINE: b"0-1",
                "../../outside": b"harm",
                "/absolute": b"harm",
                "sys/fs/cgroup/../../../harm/cpuset.cpus": b"harm",
                "link": link,
                "hard": hard,
                "pipe": pipe,
            }
        ),
        inside,
    )
    assert topology.possible == topology.online == (0, 1)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "it.tar.gz"]


def test_a_directory_may_hold_pipes_and_links(tmp_path: Path) -> None:
    trees.virtual_machine(tmp_path)
    (tmp_path / trees.CPU / "possible").unlink()
    os.mkfifo(tmp_path / trees.CPU / "possible")
    assert capture.load(tmp_path).possible == (0, 1)


@pytest.mark.parametrize(
    ("name", "text", "line", "says"),
    [
        (ONLINE, "0-1\nbanana", 2, "more than one line"),
        (ONLINE, "banana", 1, "'banana' is neither a CPU number nor a range"),
        (f"{trees.CPU}/cpu1/topology/die_id", "one", 1, "'one' is no number"),
        (f"{trees.CPU}/cpu1/cache/index0/size", "32 K", 1, "is no size"),
        (f"{trees.CPU}/cpu1/cache/index0/type", "<b>", 1, "is no word"),
        (f"{trees.CPU}/cpu1/topology/core_siblings", "xyz", 1, "is no mask"),
        (f"{trees.NODE}/node0/distance", "10 -3", 1, "'10 -3' is no row of distances"),
        ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t3-1", 2, "runs backwards"),
        ("proc/self/cgroup", "0::/\nnonsense", 2, "is no line such as"),
        (capture.LABEL, '{\n "schema" }', 2, "more than one line"),
    ],
)
def test_what_a_file_cannot_say_is_refused_with_member_and_line(
    name: str, text: str, line: int, says: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        load(archive({ONLINE: b"0-1", name: text.encode()}), tmp_path)
    assert f"it.tar.gz: {name}, line {line})" in str(caught.value)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ({"schema": "multikernel-capture/2"}, "another version"),
        ({"schema": capture.SCHEMA, "architecture": "a\nb"}, r"capture\.json: .*architecture"),
        ([], r"capture\.json: Expected `object`, got `array`"),
    ],
)
def test_labels_that_cannot_be(label: object, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=says):
        load(archive({capture.LABEL: json.dumps(label).encode(), ONLINE: b"0"}), tmp_path)


def test_what_is_no_capture(tmp_path: Path) -> None:
    for data, says in (
        (b"", "no archive|cut short|no files"),
        (b"hello", "no archive"),
        (PACKED[:-20], "cut short"),
        (PACKED[:40] + b"\0" * 40 + PACKED[80:], "garbled|cut short|no archive"),
        (archive({"etc/passwd": b"x"}), "holds no files of sys/devices/system/cpu"),
        (archive({ONLINE: b" " * 100_000}), "too long"),
        (b"BZhnonsense", "garbled|cut short"),
    ):
        with pytest.raises(BadInput, match=says):
            load(data, tmp_path)
    with pytest.raises(BadInput, match="No such file"):
        capture.load(tmp_path / "absent.tar.gz")


def test_an_archive_without_its_end_is_cut_short(tmp_path: Path) -> None:
    plain = gzip.decompress(PACKED)
    with tarfile.open(fileobj=io.BytesIO(plain)) as file:
        starts = [member.offset for member in file][2:]
    for start in starts[::9]:
        with pytest.raises(BadInput, match="cut short"):
            load(plain[:start], tmp_path)
        with pytest.raises(BadInput, match="garbled"):
            load(plain[:start] + b"x" * 1024 + plain[start + 1024 :], tmp_path)


def test_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MOST_BYTES", 1 << 20)
    with pytest.raises(BadInput, match="unpacks to more than 1 MB"):
        load(gzip.compress(bytes(1 << 23)), tmp_path)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.booleans())
def test_damaged_archives_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: int, squeezed: bool
) -> None:
    random_ = random.Random(seed)
    data = bytearray(PACKED if squeezed else gzip.decompress(PACKED))
    for _ in range(random_.randrange(1, 6)):
        data[random_.randrange(len(data))] = random_.randrange(256)
    if random_.random() < 0.3:
        del data[random_.randrange(len(data)) :]
    path = tmp_path_factory.getbasetemp() / "it.tar.gz"
    path.write_bytes(bytes(data))
    # Nothing but BadInput may come out, and what comes out otherwise is a whole machine.
    with contextlib.suppress(BadInput):
        topology = capture.load(path)
        assert Topology.from_json(topology.to_json()) == topology


# --- Machines from strangers
# ------------------------------------------------------------------------------------------


def everywhere(cpus: int, *files: str) -> dict[str, str]:
    """Files of every CPU, each of which names all CPUs."""
    found = {f"{trees.CPU}/online": f"0-{cpus - 1}"}
    for cpu in range(cpus):
        found |= {f"{trees.CPU}/cpu{cpu}/{file}": f"0-{cpus - 1}" for file in files}
    return found


@pytest.mark.sampled(one_in=4)
@pytest.mark.parametrize(
    "file",
    ["topology/core_cpus_list", "topology/package_cpus_list", "topology/cluster_cpus_list",
     "cache/index3/shared_cpu_list"],
)  # fmt: skip
def test_thousands_of_files_that_name_every_cpu(tmp_path: Path, file: str) -> None:
    """Took hours, and the memory of their product."""
    cpus = 4096
    path = tmp_path / "wide.tar.gz"
    level = {f"{trees.CPU}/cpu{cpu}/cache/index3/level": "3" for cpu in range(cpus)}
    path.write_bytes(capture.packed(everywhere(cpus, file) | level, ""))
    topology = capture.load(path)
    assert len(topology.online) == cpus
    if file.endswith("core_cpus_list"):
        assert topology.cores == (topology.online,)
        assert Topology.from_json(topology.to_json()) == topology


def test_lists_that_name_more_than_any_machine_has(tmp_path: Path) -> None:
    path = tmp_path / "long.tar.gz"
    path.write_bytes(capture.packed({f"{trees.CPU}/online": ",".join(["0-65535"] * 8000)}, ""))
    with pytest.raises(BadInput, match=r"more than \d+ CPUs are named.*online, line 1"):
        capture.load(path)
    files = {
        f"{trees.CPU}/cpu{cpu}/topology/core_cpus_list": f"0-65535,{cpu}" for cpu in range(200)
    }
    path.write_bytes(capture.packed({f"{trees.CPU}/online": "0-65535", **files}, ""))
    with pytest.raises(BadInput, match="all lists together name more CPUs than a machine has"):
        capture.load(path)


def test_the_memory_of_a_gpu_is_captured_without_its_addresses(tmp_path: Path) -> None:
    where = "proc/driver/nvidia/gpus/0004:05:00.0/numa_status"
    files = {
        f"{trees.CPU}/online": "0",
        f"{trees.NODE}/online": "0,255",
        f"{trees.NODE}/node0/cpulist": "0",
        f"{trees.NODE}/node255/distance": "80 10",
        where: "Node:      255\nStatus:    online\nAddress:   40000000000",
    }
    kept = capture.files_of(trees.write(tmp_path / "root", files))
    assert kept[where] == "Node:      255"
    path = tmp_path / "gpu.tar.gz"
    path.write_bytes(capture.packed(kept, ""))
    topology = capture.load(path)
    assert [(node.id, node.device) for node in topology.nodes] == [(0, ""), (255, "GPU")]
    assert Topology.from_json(topology.to_json()) == topology
