"""`topology` from the command line: what is drawn and written, and what is refused."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from s1_machine import trees
from s5_experiments import report_documents as known

from multikernel.machine.topology import capture
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.synthetic import from_string
from multikernel.results import store

Run = Callable[..., tuple[int, str, str]]


def refused(outcome: tuple[int, str, str], *words: str) -> None:
    """One line on stderr, exit code 2."""
    code, out, err = outcome
    assert (code, out) == (2, "")
    assert err.count("\n") == 1, err
    for word in words:
        assert word in err


def latencies(directory: str, cycles: Callable[[int, int], float], cpus: int = 8) -> None:
    """A document as `latency` writes it."""
    found = [
        known.series(
            cycles(a, b), system="raw", variant="one-line", measure="round-trip",
            mode="back-to-back",
            parameters={"from_cpu": a, "to_cpu": b, "home": "to", "steady": True},
        )
        for a, b in permutations(range(cpus), 2)
    ]  # fmt: skip
    store.write(known.document("latency", found), directory)


def test_this_host(cli: Run) -> None:
    code, out, err = cli("topology")
    assert (code, err) == (0, "")
    assert out.startswith("live, ")
    assert f"{len(Topology.read().cores)} core" in out
    for machine in ("live", "/", "//"):
        assert cli("topology", "--machine", machine) == (code, out, err)


def test_a_machine_that_nobody_has_says_so_wherever_it_is_shown(cli: Run, tmp_path: Path) -> None:
    code, out, _ = cli("topology", "--machine", "8x4")
    assert code == 0
    assert out.startswith("invented: 8x4\n")
    assert max(map(len, out.splitlines())) <= 90
    for name in ("m.svg", "m.txt", "m.json"):
        assert cli("topology", "--machine", "8x4", "-o", name) == (0, "", f"{name}\n")
        assert "invented: 8x4" in (tmp_path / name).read_text()
    ElementTree.parse(tmp_path / "m.svg")
    assert Topology.from_json((tmp_path / "m.json").read_bytes()) == from_string("8x4")
    code, out, _ = cli("topology", "--machine", "m.json", "--json", "-")
    assert code == 0
    assert Topology.from_json(out) == from_string("8x4")


def test_capture_and_back(cli: Run, tmp_path: Path) -> None:
    assert cli("topology", "capture") == (0, "machine.tar.gz\n", "")
    code, out, _ = cli("topology", "--machine", "machine.tar.gz", "--json", "-")
    assert code == 0
    captured, live = json.loads(out), json.loads(Topology.read().to_json())
    assert captured.pop("source") == "capture machine.tar.gz"
    assert live.pop("source") == "live"
    assert captured == live
    refused(cli("topology", "capture"), "there is a file of that name already", "machine.tar.gz")
    refused(cli("topology", "capture", "-o", "x.zip"), "x.zip", ".tar.gz")
    assert cli("topology", "capture", "-o", "y.tgz")[0] == 0
    assert (tmp_path / "y.tgz").read_bytes() == (tmp_path / "machine.tar.gz").read_bytes()


def test_what_was_live_is_a_capture_when_it_is_read_again(cli: Run) -> None:
    assert cli("topology", "-o", "here.json")[0] == 0
    assert cli("topology", "--machine", "here.json")[1].startswith("capture here.json, ")


def test_a_directory_is_a_machine_and_marks_say_what_is_not_allowed(
    cli: Run, tmp_path: Path
) -> None:
    root = trees.offline(tmp_path / "box")
    trees.write(root, {"proc/self/status": "Cpus_allowed_list:\t0-2"})
    code, out, _ = cli("topology", "--machine", "box")
    assert code == 0
    assert out.startswith("capture box\n")
    assert "[2 (3)]" in out
    assert "offline: CPUs 1,4-7" in out


@pytest.mark.parametrize(
    "machine", ["nope", "", "8x", "./8x4", "nope.json", "8x4\0", "x" * 5000, "9" * 400]
)
def test_machines_that_are_not(cli: Run, machine: str) -> None:
    refused(cli("topology", "--machine", machine), "--machine")


def test_other_refusals(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.tar.gz").write_bytes(b"nothing")
    refused(cli("topology", "--machine", "broken.tar.gz"), "no capture", "broken.tar.gz")
    (tmp_path / "broken.json").write_text('{\n"schema":')
    refused(cli("topology", "--machine", "broken.json"), "not JSON", "broken.json, line 2")
    files = capture.files_of(trees.offline(tmp_path / "box"))
    files[f"{trees.CPU}/online"] = "banana"
    (tmp_path / "wrong.tar.gz").write_bytes(capture.packed(files, ""))
    refused(
        cli("topology", "--machine", "wrong.tar.gz"),
        "'banana'",
        f"wrong.tar.gz: {trees.CPU}/online, line 1",
    )
    (tmp_path / "empty").mkdir()
    refused(cli("topology", "--machine", "empty"), "no CPU found", "empty")
    refused(cli("topology", "-o", "machine.png"), "machine.png", ".svg")
    refused(cli("topology", "--json", "file"), "--json")
    refused(cli("topology", "--machine", "8x4", "capture"), "capture")
    refused(cli("topology", "-o", "nowhere/m.svg"), "nowhere")


def test_measured_beside_declared(cli: Run) -> None:
    latencies("agree", lambda a, b: 100 if a // 4 == b // 4 else 300)
    code, out, _ = cli("topology", "--machine", "2x4", "--measured", "agree")
    assert code == 0
    assert "class 1: 12 pairs, median 100 TSC cycles" in out
    assert "class 2: 16 pairs, median 300 TSC cycles" in out
    assert "what was measured and what the machine declares agree" in out
    assert "warning" not in out

    code, out, _ = cli("topology", "--machine", "1x8", "--measured", "agree")
    assert code == 0
    assert "warning: The machine declares one level" in out
    assert "CPUs 0-3 | 4-7" in out.replace("\n  ", " ")

    latencies("same", lambda a, b: 100)
    code, out, _ = cli("topology", "--machine", "2x4", "--measured", "same")
    assert code == 0
    assert "take the same" in out.replace("\n  ", " ")
    assert cli("topology", "--machine", "2x4", "--measured", "same", "-o", "m.svg")[0] == 0
    assert "take the same" in " ".join(Path("m.svg").read_text().split())


def test_latencies_that_do_not_fit(cli: Run, tmp_path: Path) -> None:
    latencies("eight", lambda a, b: 100)
    refused(
        cli("topology", "--machine", "1x4", "--measured", "eight"),
        "does not have: 4, 5, 6, 7",
        "--measured",
    )
    store.write(known.floor(), "floor")
    refused(cli("topology", "--measured", "floor"), "no measured latencies", "floor")
    refused(cli("topology", "--measured", "absent"), "absent")
    assert (
        "declared other packages" in cli("topology", "--machine", "2x4", "--measured", "eight")[1]
    )
