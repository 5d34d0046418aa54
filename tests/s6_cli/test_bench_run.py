"""`bench run` in part, by time, resumed and stopped; and the schema of what it writes."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from s5_experiments.smoke import placement
from s6_cli.command import assert_one_line_and_code_2, await_cores, end, run, started

from multikernel.experiments.instrument import machines
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.results import store
from multikernel.results.document import Document

CROWDED = () if len(os.sched_getaffinity(0)) >= 2 else ("--oversubscribe",)
SMOKE = ("--size", "smoke", "--cores", "2", *CROWDED)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the document of a run of one experiment lies: to be copied, not changed."""
    directory = tmp_path_factory.mktemp("floor")
    done = run("bench", "run", "floor", *SMOKE, "--output", "here", cwd=directory)
    assert done.returncode == 0, done.stderr
    return directory / "here"


def documents(directory: Path) -> dict[str, Document]:
    """By experiment."""
    return {one.experiment: one for some in store.read(directory).values() for one in some}


def systems(document: Document) -> set[str]:
    """That it has series of, or that ran."""
    return {one.system for one in (*document.series, *document.unmeasured)}


def test_only_what_is_asked_for_is_measured(tmp_path: Path) -> None:
    arguments = ("--only", "shared, raw", "--output", "here")
    done = run("bench", "run", "floor", "round-trip", *SMOKE, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = documents(tmp_path / "here")
    assert systems(found["round-trip"]) == {"shared", "raw"}
    assert systems(found["floor"]) == {"raw"}


def test_an_experiment_that_has_nothing_of_it_is_left_out(tmp_path: Path) -> None:
    arguments = ("--only", "shared", "--output", "here")
    done = run("bench", "run", "floor", "round-trip", *SMOKE, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(documents(tmp_path / "here")) == {"round-trip"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "multikernl"), ("multikernl", "did you mean multikernel?")),
        (("--only", "shared,nobody-has-this"), ("nobody-has-this",)),
        (("--time", "soon"), ("soon", "10m")),
        (("--time", "0s"), ("0s",)),
        (("--resume", "nowhere"), ("nowhere",)),
        (("--resume", ".", "--output", "there"), ("there", "--resume")),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    here: Callable[..., CompletedProcess[str]],
    tmp_path: Path,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    done = here("bench", "run", "round-trip", *SMOKE, *arguments)
    assert_one_line_and_code_2(done, *words)
    assert not list(tmp_path.iterdir())


def test_a_run_takes_about_the_time_it_is_given(tmp_path: Path) -> None:
    began = time.monotonic()
    done = run("bench", "run", "floor", *SMOKE, "--time", "3s", "--output", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began > 1
    if not CROWDED:
        boots = documents(tmp_path / "here")["floor"].boots
        assert len(boots) > 1


def test_a_run_is_resumed_where_it_was_stopped(floor: Path, tmp_path: Path) -> None:
    shutil.copytree(floor, tmp_path / "here")
    before = (tmp_path / "here" / "floor.json").read_bytes()
    names = ("floor", "local-call")
    done = run("bench", "run", *names, *SMOKE, "--resume", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "floor.json").read_bytes() == before
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        "floor.json", "local-call.json",
    }  # fmt: skip
    assert "one-line" in done.stdout
    assert "system-call" in done.stdout


def test_stopped_it_shows_what_is_done_and_where_it_lies(floor: Path, tmp_path: Path) -> None:
    size = ("--cores", "2", *CROWDED, "--boots", "500")
    shutil.copytree(floor, tmp_path / "here")
    arguments = ("bench", "run", "floor", "round-trip", *size, "--resume", "here")
    with started(*arguments, cwd=tmp_path) as process:
        await_cores(process, 2)
        output, errors = end(process, signal.SIGINT)
        assert process.returncode == 128 + signal.SIGINT
    assert "one-line" in output
    assert "result documents: here" in errors


def test_the_schema_is_json_and_names_every_field_of_a_document(
    floor: Path, tmp_path: Path
) -> None:
    done = run("schema", cwd=tmp_path)
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    assert schema["$id"] == "multikernel-results/2"
    plain = json.loads((floor / "floor.json").read_text())
    assert set(plain) == set(schema["$defs"]["Document"]["properties"])


# --- Clean boots


@pytest.mark.parametrize(
    ("local", "boots", "slowest"),
    [
        ([[3400.0, 3500.0]], 1, 3500),
        ([[3400.0, 4400.0], [3400.0, 3450.0]], 1, 3450),
        ([[3400.0, 4400.0], [3400.0, 4400.0], [3400.0, 3450.0]], 2, 3450),
        ([[3400.0, 4400.0]] * 6, 3, 4400),
    ],
)
def test_a_boot_with_a_core_that_stays_slow_is_made_again(
    monkeypatch: pytest.MonkeyPatch, local: list[list[float]], boots: int, slowest: float
) -> None:
    found = iter(local)
    made: list[Bench] = []

    def looked(bench: Bench, count: int) -> list[float]:
        if bench not in made:
            made.append(bench)
        return next(found)

    monkeypatch.setattr(Bench, "local_on_each", looked)
    with ExitStack() as stack:
        bench = machines.MULTIKERNEL.open(stack, Request(placement(), SIZES["quick"]))
        assert len(made) == boots
        assert bench is made[-1]
        assert bench.local == slowest
        assert all(one.system.launched.closed for one in made[:-1])
        assert not bench.system.launched.closed
    assert bench.system.launched.closed
