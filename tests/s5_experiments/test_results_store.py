"""Result directories: nothing is overwritten, nothing half-written is seen, and every refusal is a
sentence.
"""

import errno
import os
import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from s5_experiments import documents

from multikernel.errors import BadInput, DocumentError
from multikernel.results import store
from multikernel.results.document import encode, encode_all

NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = tmp_path / "deep/run"
    first = store.write(documents.document(), run)
    second = store.write(documents.document(experiment="floor"), run)
    assert (first, second) == (run / "unmap.json", run / "floor.json")
    assert store.read(run) == {
        second: [documents.document(experiment="floor")],
        first: [documents.document()],
    }
    assert store.read(first) == {first: [documents.document()]}
    assert sorted(os.listdir(run)) == ["floor.json", "unmap.json"]


def test_the_second_document_of_an_experiment_gets_the_next_name(tmp_path: Path) -> None:
    (tmp_path / "unmap.json").write_text("precious")
    (tmp_path / "unmap-3.json").write_text("precious too")
    names = [store.write(documents.document(), tmp_path).name for _ in range(3)]
    assert names == ["unmap-2.json", "unmap-4.json", "unmap-5.json"]
    assert (tmp_path / "unmap.json").read_text() == "precious"
    assert (tmp_path / "unmap-3.json").read_text() == "precious too"


def test_a_packed_document_is_read_as_any_other_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    packed = store.pack(documents.document(), tmp_path)
    first = packed.read_bytes()
    assert store.pack(documents.document(), tmp_path).read_bytes() == first
    plain = store.write(documents.document(experiment="floor"), tmp_path)
    assert store.read(tmp_path) == {
        plain: [documents.document(experiment="floor")],
        packed: [documents.document()],
    }
    assert store.read(packed) == {packed: [documents.document()]}
    assert len(os.listdir(tmp_path)) == 2
    for damaged in (first[:-20], first[:40] + b"x" * 9 + first[49:], b"{}"):
        packed.write_bytes(damaged)
        with pytest.raises(DocumentError, match=r"damaged.*unmap\.json\.gz"):
            store.read(tmp_path)


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "unmap.json").symlink_to(tmp_path / "elsewhere")
    assert store.write(documents.document(), tmp_path).name == "unmap-2.json"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("links", [True, False])
def test_writers_at_the_same_time_never_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    written: list[Path] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        written.extend(store.write(documents.document(), tmp_path) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(written)) == len(written) == 40
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert all(path.read_bytes() == encode(documents.document()) for path in written)


def no_links(source: object, target: object) -> None:
    raise OSError(errno.EPERM, "no hard links here")


def test_without_hard_links_nothing_is_overwritten_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "unmap.json").write_text("precious")
    assert store.write(documents.document(), tmp_path).name == "unmap-2.json"
    assert store.read(tmp_path / "unmap-2.json") != {}
    assert (tmp_path / "unmap.json").read_text() == "precious"


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_failure_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(BadInput, match="cannot write results: No space left on device"):
        store.write(documents.document(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_document_that_contradicts_itself_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DocumentError):
        store.write(documents.document(experiment="../escape"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_default_directories_are_fresh_sorted_by_time_and_name_no_host() -> None:
    now = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    names = {store.default_directory("results", now) for _ in range(20)}
    assert len(names) == 20
    assert all(re.fullmatch(r"results/20260131T235959Z-[0-9a-f]{6}", str(name)) for name in names)
    assert os.uname().nodename not in str(min(names))


def test_prepare_makes_the_directory_and_leaves_it_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = store.prepare()
    assert made.is_dir()
    assert made.parent == Path("results")
    assert list(made.iterdir()) == []


def test_a_file_in_the_way_of_the_directory_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file/run"):
        with pytest.raises(BadInput, match="cannot write results") as caught:
            store.prepare(output)
        assert str(output) in str(caught.value)
        assert "(--output); name a directory" in str(caught.value)


@NOT_ROOT
def test_a_directory_without_permission_is_bad_input(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="Permission denied"):
        store.prepare(tmp_path)


@pytest.mark.skipif(not Path("/proc/1").exists(), reason="needs /proc")
def test_a_file_system_that_takes_no_files_is_bad_input() -> None:
    with pytest.raises(BadInput, match=r"cannot write results: .*: /proc/1/results \(--output\)"):
        store.prepare("/proc/1/results")


def test_reading_what_is_not_there_or_empty_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read results: No such file"):
        store.read(tmp_path / "nowhere")
    (tmp_path / ".writing-123").write_text("half")
    (tmp_path / ".hidden.json").write_text("half")
    with pytest.raises(BadInput, match="no result documents in this directory"):
        store.read(tmp_path)


def test_a_file_that_is_no_document_is_named(tmp_path: Path) -> None:
    store.write(documents.document(), tmp_path)
    (tmp_path / "alien.json").write_text("{}")
    with pytest.raises(DocumentError, match=r"not a result document \(.*alien\.json\)"):
        store.read(tmp_path)
    (tmp_path / "alien.json").write_text("[]")
    with pytest.raises(DocumentError, match="empty list"):
        store.read(tmp_path / "alien.json")


def test_a_file_may_hold_the_array_that_was_printed(tmp_path: Path) -> None:
    both = [documents.document(), documents.document(experiment="floor")]
    (tmp_path / "all.json").write_bytes(encode_all(both))
    assert store.read(tmp_path) == {tmp_path / "all.json": both}
