"""The environment record: complete, plain, accepted by the result schema; and a cheap import."""

import getpass
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from s1_machine import trees

from multikernel.machine import environment
from multikernel.machine.environment import Environment
from multikernel.machine.host import clock, provenance
from multikernel.machine.host.cpus import resolve
from multikernel.machine.topology.model import Topology
from multikernel.results.document import environment_of

RATE = clock.TscRate(2.6e9, 1e-5, "measured")


@pytest.fixture
def vm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(environment, "tsc_rate", lambda: RATE)
    monkeypatch.setattr(
        provenance, "build_info", lambda: {"compiler": "gcc 12", "flags": "-O3", "type": "Release"}
    )
    root = trees.virtual_machine(tmp_path)
    return trees.write(root, {"proc/stat": "cpu0 1 0 0 9 0 0 0 40 0 0\ncpu1 1 0 0 9 0 0 0 50 0 0"})


def test_the_record_of_a_captured_machine(vm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topology = Topology.read(vm)
    monkeypatch.setattr(sys, "argv", ["mk", "x"])
    running = Environment(resolve("2", topology), seed=7, root=vm)
    assert running.during is None
    trees.write(
        vm,
        {
            "proc/stat": "cpu0 1 0 0 9 0 0 0 40 0 0\ncpu1 1 0 0 9 0 0 0 53 0 0",
            "proc/loadavg": "1.5 1 1 1/1 1",
        },
    )
    record = running.finish()
    assert record["before"] == {"steal_ticks": {"0": 40, "1": 50}, "load": [0.1, 0.2, 0.3]}
    assert record["after"] == {"steal_ticks": {"0": 40, "1": 53}, "load": [1.5, 1.0, 1.0]}
    assert record["topology"] == topology.summary()
    assert (record["seed"], record["command"], record["cpus"]) == (7, ["mk", "x"], [0, 1])
    assert (record["tsc_hz"], record["tsc_source"]) == (2.6e9, "measured")
    assert (record["compiler"], record["compiler_flags"], record["build"]) == (
        "gcc 12",
        "-O3",
        {"type": "Release"},
    )
    assert [caveat.code for caveat in running.caveats()] == [
        "single-node", "few-cpus", "steal", "vcpu-placement", "cpu-quota", "virtual", "clocksource",
    ]  # fmt: skip


def test_the_schema_of_results_takes_the_record_as_it_is(vm: Path) -> None:
    topology = Topology.read(vm)
    record = Environment(resolve("1", topology), root=vm).finish()
    checked = environment_of(json.loads(json.dumps(record)))
    assert checked.cpu_model == "AMD EPYC"
    assert set(checked.__struct_fields__) == set(record)


def test_the_live_record_without_the_native_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> clock.TscRate:
        raise ImportError

    monkeypatch.setattr(environment, "tsc_rate", missing)
    monkeypatch.setattr(sys, "argv", ["x"])
    record = Environment(resolve(None, Topology.read())).finish()
    assert record["tsc_hz"] is None
    assert environment_of(record).kernel == os.uname().release
    # A record can be published: neither the machine's name nor its user's is in it.
    words = json.dumps({key: value for key, value in record.items() if key != "build"})
    for name in (socket.gethostname(), getpass.getuser()):
        assert f'"{name}"' not in words


def test_of_paths_in_the_command_only_the_last_part_is_recorded() -> None:
    given = [
        "/home/ann/mk/.venv/bin/multikernel", "bench", "--output", "../ann/r/", "--json=/x/y", "-",
        "/", "",
    ]  # fmt: skip
    assert provenance.command_line(given) == [
        "multikernel", "bench", "--output", "r", "--json=y", "-", "/", "",
    ]  # fmt: skip


def test_build_info_is_what_the_native_module_says(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(build_info=lambda: {"compiler": "gcc", "debug": False})
    monkeypatch.setattr("importlib.import_module", lambda name: fake)
    assert provenance.build_info() == {"compiler": "gcc", "debug": "False"}


def test_this_room_imports_nothing_heavy() -> None:
    rooms = (
        "limits",
        "topology.model",
        "host.cpus",
        "host.pinning",
        "host.clock",
        "host.activity",
        "host.processor",
        "host.provenance",
        "doctor.findings",
        "doctor.caveats",
        "environment",
    )
    program = "; ".join(["import sys", *(f"import multikernel.machine.{room}" for room in rooms)])
    heavy = (
        "numpy",
        "rich",
        "click",
        "psutil",
        "msgspec",
        "multikernel.native._native",
        "multikernel.results",
    )
    program += f"; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
