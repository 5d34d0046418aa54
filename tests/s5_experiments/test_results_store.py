"""Result directories: nothing is overwritten, nothing half-written is seen, and every refusal is a
sentence.
"""

import errno
import gzip
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from s5_experiments import documents

from multikernel.errors import BadInput, DocumentError, OutputError
from multikernel.results import store
from multikernel.results.encoding import decode_all, encode, encode_all

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
    other = tmp_path / "by-others.json.gz"
    other.write_bytes(gzip.compress(encode_all([documents.document()])))
    assert store.read(other) == {other: [documents.document()]}
    other.unlink()
    assert len(os.listdir(tmp_path)) == 2
    for damaged in (first[:-20], first[:40] + b"x" * 9 + first[49:], b"{}"):
        packed.write_bytes(damaged)
        with pytest.raises(DocumentError, match=r"damaged.*unmap\.json\.xz"):
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
    with pytest.raises(OutputError, match="cannot write results: No space left on device"):
        store.write(documents.document(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_document_that_contradicts_itself_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DocumentError):
        store.write(documents.document(experiment="../escape"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_default_directories_are_fresh_sorted_by_time_and_name_no_host() -> None:
    names = {store.default_directory() for _ in range(20)}
    assert len(names) == 20
    assert all(re.fullmatch(r"results/20\d{6}T\d{6}Z-[0-9a-f]{6}", str(name)) for name in names)
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


# --- Documents from strangers
# ------------------------------------------------------------------------------------------


def peak_of(code: str, folder: Path) -> int:
    """Memory, in MB, that a process takes which reads the documents of a folder, refused."""
    program = (
        "import re, sys\n"
        "from multikernel.errors import DocumentError\n"
        "from multikernel.results import store\n"
        f"try:\n    {code}\nexcept DocumentError as error:\n    print(error, file=sys.stderr)\n"
        "else:\n    sys.exit('accepted')\n"
        "print(int(re.search(r'VmHWM:\\s*(\\d+) kB', open('/proc/self/status').read())[1]) >> 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert str(folder) in done.stderr
    return int(done.stdout)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("head", [b'{"schema":"multikernel-results/1","x":"', b'{"x":"', b'["'])
def test_a_document_that_unpacks_without_measure(tmp_path: Path, head: bytes) -> None:
    with open(tmp_path / "bomb.json.gz", "wb") as file:
        file.write(gzip.compress(head))
        file.write(gzip.compress(b"a" * (1 << 20)) * 512)
    assert peak_of("store.read(sys.argv[1])", tmp_path) < 400


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b'{"schema":' + b"[" * 200_000,
        b'{"schema":"multikernel-results/1","environment":{"topology":' + b'{"a":' * 100_000,
        b'{"schema":"multikernel-results/1","x":[' + b"[],[]," * 9_000_000 + b"1]}",
        b"[" + b"[],{}," * 9_000_000 + b"1]",
        b'{"schema":' + b"9" * 5_000_000 + b"}",
    ],
    ids=["arrays", "schema", "objects", "many", "many-documents", "digits"],
)
def test_nesting_and_numbers_without_measure(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "deep.json").write_bytes(text)
    assert peak_of("store.read(sys.argv[1])", tmp_path) < 400


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "directory.json").mkdir()
    (tmp_path / "zeros.json").symlink_to("/dev/zero")
    (tmp_path / "gone.json").symlink_to("nowhere")
    with pytest.raises(BadInput, match="no result documents in this directory"):
        store.read(tmp_path)
    store.write(documents.document(), tmp_path)
    assert len(store.read(tmp_path)) == 1
    with pytest.raises(DocumentError, match=r"too long for a result document.*zeros\.json"):
        store.read(tmp_path / "zeros.json")


def test_text_of_a_document_acts_on_no_terminal(tmp_path: Path) -> None:
    """Whoever wrote it, and whatever was quoted when it was made."""
    hostile = "\x1b]0;mine\x07\u202e\x9b31m\r\n"
    good = documents.document()
    plain = encode(good).decode()
    for place, old in (("model", good.environment.cpu_model), ("warning", good.warnings[0].text)):
        quoted = json.dumps(old, ensure_ascii=False)
        assert quoted in plain, place
        bad = plain.replace(quoted, json.dumps(hostile))
        (tmp_path / "bad.json").write_text(bad)
        (read,) = store.read(tmp_path / "bad.json")[tmp_path / "bad.json"]
        text = read.environment.cpu_model if place == "model" else read.warnings[0].text
        assert text == "\\x1b]0;mine\\x07\\u202e\\x9b31m\\r\\n"
        assert encode(read) == encode(decode_all(encode(read))[0])
    made = msgspec.structs.replace(good.environment, command=["multikernel", hostile])
    assert made.command[1].isprintable()


@pytest.mark.parametrize(
    ("place", "value"),
    [(("environment", "tsc_hz"), 5e-324), (("environment", "tsc_hz"), 1e300),
     (("environment", "cpu_quota"), 1e300), (("series", 0, "parameters", "x"), -1e300)],
)  # fmt: skip
def test_numbers_whose_quotients_are_none(place: tuple[Any, ...], value: float) -> None:
    """A comparison by them ended in a traceback."""
    record = json.loads(encode(documents.document()))
    inner = record
    for one in place[:-1]:
        inner = inner[one]
    inner[place[-1]] = value
    with pytest.raises(DocumentError, match=place[0]):
        decode_all(json.dumps(record))
