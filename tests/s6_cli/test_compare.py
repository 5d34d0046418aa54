"""`compare` and `bench run` in smoke size: table, verdict, pure JSON, documents on disk, nothing
left behind.
"""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import Mock

import pytest
from s5_experiments import report_documents as known
from s6_cli.command import assert_all_gone, await_cores, end, run, started

from multikernel import cli
from multikernel.errors import MeasurementRefused
from multikernel.experiments import registry
from multikernel.results import store
from multikernel.results.encoding import decode_all

CROWDED = () if len(os.sched_getaffinity(0)) >= 2 else ("--oversubscribe",)
SMOKE = ("--size", "smoke", "--cores", "2", *CROWDED)


@pytest.mark.full
def test_compare_prints_table_verdict_and_warnings_and_writes_documents(tmp_path: Path) -> None:
    done = run("compare", *SMOKE, "--verbose", "--output", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    heading = next(line for line in done.stdout.splitlines() if line.startswith("experiment"))
    for column in ("system", "TSC cycles", "ns", "× floor", "notified"):
        assert column in heading
    for variant in (
        "one-line",
        "call-line",
        "epoch-ring",
        "two-phase",
        "one-phase",
        "mcs",
        "mprotect",
        "own-pages",
        "local",
    ):
        assert variant in done.stdout
    title = "What this shows" if CROWDED else "Where the multikernel is slower"
    assert f"\n{title}\n" in done.stdout
    assert "here" in done.stderr
    documents = [one for some in store.read(tmp_path / "here").values() for one in some]
    assert {one.experiment for one in documents} == {"floor", "round-trip", "unmap"}
    assert all(one.environment.command[1:3] == ["compare", "--size"] for one in documents)
    assert "\x1b" not in done.stdout + done.stderr


def test_compare_answers_within_25_lines_and_says_what_to_do_next(tmp_path: Path) -> None:
    done = run("compare", *SMOKE, "--output", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) <= 25
    if not CROWDED:
        rows = [line for line in done.stdout.splitlines() if " × " in line]
        assert any("Unmap" in row for row in rows)
        assert any("own" in row for row in rows)
    assert "multikernel report here" in done.stdout


def test_json_is_all_there_is_on_stdout(
    here: Callable[..., CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents are fixed ones: test_bench_runs_what_is_named_once measures."""
    documents = {"floor": known.floor(), "round-trip": known.round_trip(), "unmap": known.unmap()}
    for name, document in documents.items():
        monkeypatch.setattr(registry.get(name), "run", Mock(return_value=document))
    done = here("compare", *SMOKE, "--json", "-")
    assert done.returncode == 0, done.stderr
    array = json.loads(done.stdout)
    assert [one["experiment"] for one in array] == ["floor", "round-trip", "unmap"]
    assert [one.experiment for one in decode_all(done.stdout)] == ["floor", "round-trip", "unmap"]
    printed = re.search(r"result documents: (.*)", done.stderr)
    assert printed is not None
    directory = tmp_path / printed[1]
    assert directory.parent == tmp_path / "results"
    assert len(list(directory.glob("*.json"))) == 3


def test_one_refused_experiment_does_not_cost_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse = Mock(side_effect=MeasurementRefused("the machine is too busy"))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(registry.get("floor"), "run", refuse)
    monkeypatch.setattr(registry.get("unmap"), "run", Mock(return_value=known.unmap()))
    monkeypatch.setattr(registry, "names", lambda: ["floor", "unmap"])
    assert cli.main(["bench", "run", "all", *SMOKE, "--output", str(tmp_path / "here")]) == 1
    shown = capsys.readouterr()
    assert "two-phase" in shown.out
    assert shown.err.count("the machine is too busy") == 2
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["unmap.json"]
    assert cli.main(["bench", "run", "floor", *SMOKE, "--output", str(tmp_path / "none")]) == 1


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("boots", [1, 3])
def test_boots_are_as_many_as_are_asked_for(tmp_path: Path, boots: int) -> None:
    done = run("bench", "run", "floor", *SMOKE, "--boots", str(boots), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (document,) = [one for some in store.read(next((tmp_path / "results").iterdir())).values()
                   for one in some]  # fmt: skip
    assert len(document.boots) == boots
    counting = sum(boot.counts for boot in document.boots)  # not those that the host moved
    assert {series.boots for series in document.series} == {counting}


@pytest.mark.parametrize("boots", ["0", "1001", "many"])
def test_boots_that_make_no_sense_are_refused(
    here: Callable[..., CompletedProcess[str]], tmp_path: Path, boots: str
) -> None:
    done = here("bench", "run", "floor", *SMOKE, "--boots", boots)
    assert done.returncode == 2
    assert boots in done.stderr
    assert not list(tmp_path.iterdir())


def test_bench_runs_what_is_named_once(tmp_path: Path) -> None:
    done = run(
        "bench", "run", "floor", "floor", *SMOKE, "--json", "-", "--output", ".", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert [one["experiment"] for one in json.loads(done.stdout)] == ["floor"]
    assert [path.name for path in tmp_path.iterdir()] == ["floor.json"]


def test_oversubscribed_runs_and_claims_nothing(tmp_path: Path) -> None:
    cores = str(len(os.sched_getaffinity(0)) + 1)
    arguments = ("--cores", cores, "--oversubscribe", "--size", "smoke", "--json", "-")
    done = run("bench", "run", "floor", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    documents = json.loads(done.stdout)
    assert [document["experiment"] for document in documents] == ["floor"]
    for document in documents:
        assert not document["series"]
        assert all(one["slices"] for one in document["unmeasured"])
        assert "oversubscribed" in {warning["code"] for warning in document["warnings"]}


def test_bench_list_names_every_experiment(here: Callable[..., CompletedProcess[str]]) -> None:
    done = here("bench", "list")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for name, figure in (("floor", "table 2"), ("round-trip", "table 2"), ("unmap", "figure 7")):
        assert [line for line in lines if line.startswith(name + " ") and figure in line]


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    arguments = ("compare", "--cores", "2", *CROWDED, "--output", ".")
    with started(*arguments, cwd=tmp_path) as process:
        family = await_cores(process, 2)
        _, errors = end(process, number)
        assert process.returncode == 128 + number
        assert "Traceback" not in errors
        assert_all_gone(family)
