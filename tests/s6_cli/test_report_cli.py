"""`report` and `bench compare` from the command line: forms, refusals, exit codes, and that nothing
is overwritten.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from s5_experiments import report_documents as known

from multikernel.results import store
from multikernel.results.document import Document
from multikernel.results.encoding import encode

Run = Callable[..., tuple[int, str, str]]


def results(directory: str, *documents: Document) -> None:
    """Writes documents into a directory below the current one."""
    for document in documents or (known.unmap(), known.floor()):
        store.write(document, directory)


def refused(outcome: tuple[int, str, str], *words: str, code: int = 2) -> None:
    """One line on stderr, with these words in it, and nothing else."""
    got, out, err = outcome
    assert got == code, err
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("multikernel: ")
    for word in words:
        assert word in err


# --- report
# --------------------------------------------------------------------------------------------------


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("x.html", b"<!DOCTYPE html>"),
        ("X.HTM", b"<!DOCTYPE html>"),
        ("x.svg", b"<?xml"),
        ("x.csv", b"experiment,time"),
        ("x.json", b'[{"schema":"multikernel-results/2"'),
    ],
)
def test_the_form_follows_the_suffix(cli: Run, name: str, start: bytes) -> None:
    results("run", known.floor())
    code, out, err = cli("report", "run", "-o", name)
    assert (code, out, err) == (0, name + "\n", "")
    assert Path(name).read_bytes().startswith(start)


def test_without_a_name_it_is_report_html_or_the_next_free(cli: Run) -> None:
    results("run", known.floor())
    assert [cli("report", "run")[1] for _ in range(3)] == [
        "report.html\n",
        "report-2.html\n",
        "report-3.html\n",
    ]


def test_without_a_source_it_is_the_latest_run(cli: Run) -> None:
    results("results/20260101T000000Z-aaaaaa", known.floor())
    results("results/20260201T000000Z-aaaaaa", known.message())
    assert cli("report", "-o", "x.json")[0] == 0
    assert [one["experiment"] for one in json.loads(Path("x.json").read_text())] == ["message"]


def test_a_directory_of_runs_stands_for_all_of_them(cli: Run) -> None:
    results("results/20260101T000000Z-aaaaaa", known.floor())
    results("results/20260201T000000Z-aaaaaa", known.message())
    assert cli("report", "results", "-o", "x.json")[0] == 0
    assert len(json.loads(Path("x.json").read_text())) == 2


def test_several_directories_and_files_make_one_report(cli: Run) -> None:
    results("a", known.floor())
    results("b", known.unmap())
    assert cli("report", "a", "b/unmap.json", "-o", "x.json")[0] == 0
    assert len(json.loads(Path("x.json").read_text())) == 2


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(cli: Run) -> None:
    results("run", known.floor())
    Path("x.html").write_text("precious")
    refused(cli("report", "run", "-o", "x.html"), "already", "x.html", "nothing was overwritten")
    assert Path("x.html").read_text() == "precious"
    assert cli("report", "run", "-o", "x.html", "--force")[0] == 0
    assert Path("x.html").read_text().startswith("<!DOCTYPE")
    assert sorted(os.listdir()) == ["run", "x.html"]


def test_a_dangling_link_is_not_written_through(cli: Run) -> None:
    results("run", known.floor())
    Path("x.html").symlink_to("elsewhere")
    refused(cli("report", "run", "-o", "x.html"), "already")
    assert not Path("elsewhere").exists()


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("name", ["nowhere/x.html", "run/unmap.json/x.html", "/proc/x.html"])
def test_where_nothing_can_be_written_it_says_so(cli: Run, name: str) -> None:
    results("run")
    refused(cli("report", "run", "-o", name), "cannot write the report", name, "--output")


def test_a_directory_in_place_of_a_file(cli: Run) -> None:
    results("run", known.floor())
    Path("d.html").mkdir()
    refused(
        cli("report", "run", "-o", "d.html", "--force"), "cannot write the report: Is a directory"
    )


@pytest.mark.parametrize("name", ["x", "x.pdf", "x.html.gz", ""])
def test_an_unknown_form_is_refused_before_anything_is_read(cli: Run, name: str) -> None:
    refused(cli("report", "nowhere", "-o", name), "form", ".html, .svg, .csv or .json")


def test_nothing_there(cli: Run) -> None:
    refused(cli("report"), "no results to report", "multikernel compare")
    refused(cli("report", "nowhere"), "cannot read results", "nowhere")
    Path("empty").mkdir()
    refused(cli("report", "empty"), "no result documents", "empty")
    assert sorted(os.listdir()) == ["empty"]


# --- report --figures
# --------------------------------------------------------------------------------------------------


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("form", "start"), [(None, b"<?xml"), ("svg", b"<?xml"), ("pdf", b"%PDF-"), ("png", b"\x89PNG")]
)
def test_every_figure_is_a_file_of_its_own(cli: Run, form: str | None, start: bytes) -> None:
    results("run", known.floor(), known.round_trip())
    arguments = () if form is None else ("--format", form)
    code, out, err = cli("report", "run", "--figures", "new/figures", *arguments)
    assert (code, out, err) == (0, "4 figures: new/figures\n", "")
    files = sorted(Path("new/figures").iterdir())
    names = ("floor-1", "floor-2", "floor-3", "round-trip-1")
    assert [one.name for one in files] == [f"{name}.{form or 'svg'}" for name in names]
    assert all(one.read_bytes().startswith(start) for one in files)
    assert sorted(os.listdir()) == ["new", "run"]


def test_figures_of_two_runs_do_not_take_each_others_names(cli: Run) -> None:
    results("a", known.floor())
    results("b", structs.replace(known.floor(), environment=known.environment(cpu_model="Other")))
    assert cli("report", "a", "b", "--figures", "figures")[0] == 0
    names = [f"floor-{i}.svg" for i in range(1, 7)]
    assert sorted(os.listdir("figures")) == names


def test_a_figure_that_is_there_stays_and_no_other_is_written(cli: Run) -> None:
    results("run", known.floor())
    Path("figures").mkdir()
    Path("figures/floor-3.svg").write_text("precious")
    refused(
        cli("report", "run", "--figures", "figures"), "already", "floor-3.svg", "--figures",
        "nothing was overwritten", "--force",
    )  # fmt: skip
    assert os.listdir("figures") == ["floor-3.svg"]
    assert Path("figures/floor-3.svg").read_text() == "precious"
    # Of another form none is there.
    assert cli("report", "run", "--figures", "figures", "--format", "pdf")[0] == 0
    assert cli("report", "run", "--figures", "figures", "--force")[0] == 0
    assert Path("figures/floor-3.svg").read_bytes().startswith(b"<?xml")
    assert len(os.listdir("figures")) == 6


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("name", ["run/floor.json/x", "/proc/x", "run/floor.json", "taken"])
def test_where_no_figure_can_be_written_it_says_so(cli: Run, name: str) -> None:
    results("run", known.floor())
    Path("taken/floor-1.svg").mkdir(parents=True)
    outcome = cli("report", "run", "--figures", name, "--force")
    refused(outcome, "cannot write", name, "--figures")


def test_figures_and_a_page_are_asked_for_one_at_a_time(cli: Run) -> None:
    results("run")
    refused(cli("report", "run", "--figures", "figures", "-o", "x.html"), "not both", "--output")
    refused(cli("report", "run", "--figures", "figures", "--format", "gif"), "--format", "gif")
    assert os.listdir() == ["run"]


def test_as_text_everything_is_printed_and_nothing_written(cli: Run) -> None:
    results("run", known.unmap())
    code, out, err = cli("report", "run", "--text")
    assert (code, err) == (0, "")
    assert sorted(os.listdir()) == ["run"]
    for row in known.unmap().series:
        assert row.variant in out
    for warning in known.unmap().warnings:
        assert warning.text.split()[0] in out
    for more in (("-o", "x.html"), ("--figures", "x")):
        refused(cli("report", "run", "--text", *more), "--text", "x")


def test_without_figures_no_directory_is_made(cli: Run) -> None:
    refused(cli("report", "nowhere", "--figures", "figures"), "cannot read results", "nowhere")
    results("run", structs.replace(known.floor(), series=[], floor=[], ratios=[]))
    refused(cli("report", "run", "--figures", "figures"), "no series to draw")
    assert os.listdir() == ["run"]


# --- What is no document
# --------------------------------------------------------------------------------------------------

OLDER = encode(known.unmap()).replace(b"multikernel-results/2", b"multikernel-results/0")
NEWER = OLDER.replace(b"results/0", b"results/3")


def asked(command: str, source: str) -> tuple[str, ...]:
    """A command line that reads the source, for once or for both runs."""
    return ("report", source) if command == "report" else ("bench", "compare", source, source)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encode(known.unmap())[:500], "not a result document, nor JSON"),
        (b"", "not a result document, nor JSON"),
        (b"\x00\xff\xfe", "not a result document, nor JSON"),
        (b'{"some": "json"}', "not a result document"),
        (b"[]", "empty list"),
        (OLDER, "of a version that is no longer read: multikernel-results/0"),
        (NEWER, "newer than this program: multikernel-results/3"),
    ],
    ids=["half-written", "empty", "binary", "alien", "empty-list", "older", "newer"],
)
@pytest.mark.parametrize("command", ["report", "compare"])
def test_what_is_no_document_is_named_and_nothing_is_written(
    cli: Run, content: bytes, words: str, command: str
) -> None:
    Path("run").mkdir()
    Path("run/bad.json").write_bytes(content)
    for source in ("run", "run/bad.json"):
        refused(cli(*asked(command, source)), words, "bad.json", code=1)
    # Among documents it is left out, and said so.
    results("run", known.floor())
    code, out, err = cli(*asked(command, "run"))
    assert code == 0
    assert out
    notes = err.splitlines()
    assert len(notes) == (1 if command == "report" else 2)
    assert all(one.startswith("note: skipped: ") and "bad.json" in one for one in notes)
    assert all(words in one for one in notes)
    # By itself it is what was asked for.
    refused(cli("report", "run/floor.json", "run/bad.json", "-o", "x.json"), words, code=1)
    assert sorted(os.listdir()) == (["report.html", "run"] if command == "report" else ["run"])


def test_of_files_that_are_all_no_documents_nothing_is_drawn(cli: Run) -> None:
    Path("run").mkdir()
    for name in ("a", "b"):
        Path(f"run/{name}.json").write_text("{}")
    code, out, err = cli("report", "run")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("multikernel: not a result document")
    assert "a.json" in err
    assert sorted(os.listdir()) == ["run"]


# --- bench compare
# --------------------------------------------------------------------------------------------------


def pair(new: float, **changes: object) -> None:
    """Two runs: 1000 cycles, and another number of them."""
    results("old", known.document("unmap", [known.series(1000)], ratios=[]))
    results("new", known.document("unmap", [known.series(new)], ratios=[], **changes))


def test_a_crossed_threshold_is_exit_code_3(cli: Run) -> None:
    pair(1500)
    code, out, err = cli("bench", "compare", "old", "new")
    assert (code, err) == (3, "")
    assert "worse (crossed)" in out
    assert "+49.7 %" in out  # of medians as the histogram has them
    assert "1 worse by more than 10 %." in out
    assert "Method: change:" in out


@pytest.mark.parametrize(
    ("new", "threshold"), [(1000, "10%"), (1020, "10%"), (1500, "60%"), (500, "10 %"), (1500, "60")]
)
def test_what_is_not_crossed_is_exit_code_0(cli: Run, new: float, threshold: str) -> None:
    pair(new)
    assert cli("bench", "compare", "old", "new", "--threshold", threshold)[0] == 0


def test_json_is_all_there_is_on_stdout(cli: Run) -> None:
    pair(1500)
    code, out, err = cli("bench", "compare", "old", "new", "--json", "-")
    found = json.loads(out)
    assert (code, err) == (3, "")
    assert (found["schema"], found["crossed"], found["threshold"]) == (
        "multikernel-comparison/2",
        1,
        0.1,
    )
    assert found["series"][0]["outcome"] == "worse"
    assert found["series"][0]["ratio"] == pytest.approx(1.5, rel=0.01)


def test_different_machines(cli: Run) -> None:
    pair(1000, environment=known.environment(cpu_model="Small Iron"))
    refused(
        cli("bench", "compare", "old", "new"),
        "cpu_model: Big Iron against Small Iron",
        "--different-machines",
    )
    code, out, _ = cli("bench", "compare", "old", "new", "--different-machines")
    assert code == 0
    assert "Different machines:\n  cpu_model" in out


@pytest.mark.parametrize("threshold", ["", "much", "-5%", "1e9", "nan", "10%%"])
def test_a_threshold_that_is_none(cli: Run, threshold: str) -> None:
    pair(1000)
    refused(
        cli("bench", "compare", "old", "new", f"--threshold={threshold}"),
        "percentage",
        "--threshold",
    )


def test_bad_sources(cli: Run) -> None:
    results("old")
    refused(cli("bench", "compare", "old", "nowhere"), "cannot read results", "nowhere")
    results("other", known.message())
    refused(cli("bench", "compare", "old", "other"), "nothing was measured in both runs")
    refused(cli("bench", "compare", "old", "old", "--json", "x.json"), "stdout only")
