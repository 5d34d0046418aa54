"""The latency matrix on this machine: its document, the loops it runs, and the command."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from s5_experiments.smoke import placement

from multikernel import cli
from multikernel import system as system_
from multikernel.errors import BadInput
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.rig import Bench
from multikernel.experiments.latency import Latency, ledger
from multikernel.experiments.latency.ledger import ONE_LINE, SINGLE, TWO_LINES
from multikernel.machine.host.cpus import Placement
from multikernel.machine.topology.model import Topology
from multikernel.measuring import asked
from multikernel.results.document import Document
from multikernel.results.encoding import decode, encode


@pytest.fixture(scope="module")
def smoke() -> Document:
    """The matrix of two CPUs."""
    return Latency(Request(placement(), SIZES["smoke"])).run()


def test_document_of_two_cpus_has_both_directions_and_both_shapes(smoke: Document) -> None:
    assert decode(encode(smoke)) == smoke
    assert smoke.experiment == "latency"
    a, b = placement().cpus
    found = {
        (one.variant, one.parameters["from_cpu"], one.parameters["to_cpu"])
        for one in smoke.series
        if not one.control
    }
    assert found == {
        (variant, *pair) for variant in (ONE_LINE, TWO_LINES) for pair in ((a, b), (b, a))
    }
    assert {floor.pair for floor in smoke.floor} == {(a, b), (b, a)}
    for one in smoke.series:
        assert one.p50 > 0
        assert (one.system, one.measure, one.cores, one.parameters["addresses"]) == (
            "raw",
            "round-trip",
            2,
            16,
        )
    codes = {warning.code for warning in smoke.warnings}
    assert "nearest-pair" in codes
    assert any(one.control for one in smoke.series)
    assert f"control-over-one-line.to.{a}-{b}" in {ratio.name for ratio in smoke.ratios}


def test_lines_on_either_side_and_pairs_at_once_run_on_real_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = placement().cpus
    matrix = Latency(Request(placement(), SIZES["smoke"]))
    monkeypatch.setattr(matrix, "homes", lambda pair: ("to", "from"))
    ways = [(what, home) for what in (ONE_LINE, SINGLE) for home in ("to", "from")]
    nodes = {-1, *(one.id for one in Topology.read().nodes)}
    with system_.boot([a, b]) as booted:
        bench = Bench(booted)
        for pair in ((a, b), (b, a), (a, b)):
            outcome = matrix.slice([pair], False, bench)
            assert set(outcome.samples) == set(outcome.lines) == {
                ledger.key_of(what, home, pair) for what, home in [*ways, (TWO_LINES, "to")]
            }  # fmt: skip
            assert set(outcome.homes) == {(pair, "to"), (pair, "from")}
            assert all(max(node, -1) in nodes for node, _ in outcome.homes.values())
            again = matrix.slice([pair], True, bench)
            assert set(again.samples) == {ledger.reference_key(pair)}


def test_more_cores_than_cpus_are_refused() -> None:
    with pytest.raises(BadInput, match="a CPU for each core"):
        Latency(Request(Placement((0, 0)), SIZES["smoke"]))


# --- The command
# --------------------------------------------------------------------------------------------------


def test_machine_of_one_cpu_gets_a_clear_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only = min(os.sched_getaffinity(0))
    one = SimpleNamespace(read=lambda: replace(Topology.read(), allowed=(only,)))
    monkeypatch.setattr(asked, "Topology", one)
    for arguments in ([], ["--cores", "1"], ["--cores", "2"]):
        assert cli.main(["latency", *arguments]) == 2
        error = capsys.readouterr().err
        assert "latency between CPUs needs at least 2 CPUs" in error
        assert f"only CPU {only}" in error


@pytest.mark.parametrize("name", ["x.pdf", "x", "there.csv", "missing/x.csv"])
def test_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placement()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    assert cli.main(["latency", "--matrix", name]) == 2
    assert "(--matrix)" in capsys.readouterr().err
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not (tmp_path / "results").exists()


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("suffix", ["csv", "json", "svg"])
def test_command_prints_a_table_and_writes_a_file(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = placement().cpus
    file, results = tmp_path / f"matrix.{suffix}", tmp_path / "results"
    arguments = [
        "--cores",
        f"{a},{b}",
        "--size",
        "smoke",
        "--output",
        str(results),
        "--matrix",
        str(file),
    ]
    assert cli.main(["latency", *arguments]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("One cache line, there and back, TSC cycles\n")
    assert "The only measured pair: CPUs" in out
    assert f"result documents: {results}" in err
    text = file.read_text()
    (document,) = results.iterdir()
    assert decode(document.read_bytes()).experiment == "latency"
    if suffix == "csv":
        assert "parameter.from_cpu" in text.splitlines()[0]
        rows = [line.split(",")[3] for line in text.splitlines()[1:]]
        assert rows.count("series") == 5
    elif suffix == "json":
        assert json.loads(text)[0]["experiment"] == "latency"
    else:
        assert "<svg" in text


def test_json_is_all_there_is_on_stdout(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    placement()
    assert (
        cli.main(
            ["latency", "--cores", "2", "--size", "smoke", "--output", str(tmp_path), "--json", "-"]
        )
        == 0
    )
    (document,) = json.loads(capfdbinary.readouterr().out)
    assert document["experiment"] == "latency"
