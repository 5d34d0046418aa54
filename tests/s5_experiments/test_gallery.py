"""The gallery: every entry can be read and drawn again today, and what an entry is made of."""

import importlib
import re
import shutil
import socket
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import structs
from s5_experiments import report_documents as known

from multikernel.cli import main
from multikernel.errors import BadInput
from multikernel.experiments import registry
from multikernel.report.page import gallery
from multikernel.results import store
from multikernel.results.document import Document

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "bench/gallery"
LARGE = 10
"""More pictures take long to draw again."""
ENTRIES = sorted(path.parent for path in GALLERY.glob("*/README.md"))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT)
    module = importlib.import_module("bench.gallery.__main__")
    monkeypatch.setattr(module, "HERE", tmp_path)
    return module


def documents_of(directory: Path) -> list[Document]:
    return [one for several in store.read(directory).values() for one in several]


def shown_by(directory: Path) -> set[str]:
    return set(re.findall(r"\]\(([\w.-]+\.svg)\)", (directory / "README.md").read_text()))


def test_there_is_an_entry_and_its_experiments_are_known() -> None:
    held = {entry: {one.experiment for one in documents_of(entry)} for entry in ENTRIES}
    assert any(len(names) > 8 for names in held.values())
    for names in held.values():
        assert names
        assert names <= {one.name for one in registry.listed()}


def _large(entry: Path) -> bool:
    return len(list(entry.glob("*.svg"))) > LARGE


@pytest.mark.parametrize(
    "entry",
    [pytest.param(one, marks=pytest.mark.full) if _large(one) else one for one in ENTRIES],
    ids=lambda entry: str(entry.name),
)
def test_an_entry_is_read_by_the_current_schema_and_drawn_again(
    entry: Path, tmp_path: Path
) -> None:
    documents = documents_of(entry)
    gallery.check_nothing_personal(documents)
    assert shown_by(entry) == {path.name for path in entry.glob("*.svg")}
    again = tmp_path / entry.name
    gallery.make(documents, again)
    assert {path.name for path in again.iterdir()} == {path.name for path in entry.iterdir()}
    assert documents_of(again) == documents
    for path in [*entry.glob("*.svg"), *again.glob("*.svg")]:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert sum(path.stat().st_size for path in entry.iterdir()) < 2 << 20


def test_results_become_an_entry_which_is_not_written_over(
    bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make = bench.main
    for document in (known.floor(), known.unmap()):
        store.write(document, tmp_path / "run")
    assert make(["big-iron", str(tmp_path / "run")]) == 0
    entry = tmp_path / "big-iron"
    assert documents_of(entry) == [known.floor(), known.unmap()]
    assert "floor-1.svg" in shown_by(entry)
    assert "Big Iron" in (entry / "README.md").read_text()
    before = {path: path.read_bytes() for path in entry.iterdir()}

    assert make(["big-iron", str(tmp_path / "run")]) == 2
    assert "already" in capsys.readouterr().err
    (entry / "floor-1.svg").unlink()
    assert make(["big-iron"]) == 0
    assert {path: path.read_bytes() for path in entry.iterdir()} == before

    shutil.rmtree(tmp_path / "run")
    store.write(known.floor(), tmp_path / "run")
    assert make(["big-iron", str(tmp_path / "run"), "--force"]) == 0
    assert not list(entry.glob("unmap*"))
    assert make(["Big Iron", str(tmp_path / "run")]) == 2
    assert make(["nobody"]) == 2
    assert not (tmp_path / "nobody").exists()


def test_documents_of_two_machines_are_no_entry(tmp_path: Path) -> None:
    other = structs.replace(known.floor(), environment=known.environment(cpu_model="Other"))
    with pytest.raises(BadInput, match="one machine"):
        gallery.make([known.floor(), other], tmp_path / "two")
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    "command",
    [["/home/ann/bin/mk"], ["mk", "--output=/tmp/ann"], ["mk", socket.gethostname() + "-host"]],
)
def test_what_names_a_user_or_a_host_is_refused(
    command: list[str],
    bench: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = socket.gethostname() + "-host"
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    document = structs.replace(known.floor(), environment=known.environment(command=command))
    store.write(document, tmp_path / "run")
    assert bench.main(["telling", str(tmp_path / "run")]) == 2
    assert not (tmp_path / "telling").exists()


def test_without_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a command, anywhere. A directory of something else is left alone, whatever is said."""
    monkeypatch.chdir(tmp_path)
    store.write(known.floor(), "results/20260101T000000Z-000000")
    assert main(["report", "--gallery", "machines/big-iron"]) == 0
    entry = tmp_path / "machines/big-iron"
    assert documents_of(entry) == [known.floor()]
    assert "machines/big-iron" in capsys.readouterr().out
    before = {path: path.read_bytes() for path in entry.iterdir()}
    assert main(["report", "results", "--gallery", "machines/big-iron"]) == 2
    assert main(["report", "--gallery", "machines/big-iron", "--text"]) == 2
    assert {path: path.read_bytes() for path in entry.iterdir()} == before

    (tmp_path / "drawings").mkdir()
    (tmp_path / "drawings/mine.svg").write_text("mine")
    assert main(["report", "results", "--gallery", "drawings", "--force"]) == 2
    assert [path.name for path in (tmp_path / "drawings").iterdir()] == ["mine.svg"]
