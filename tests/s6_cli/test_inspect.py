"""`inspect`: a running system as a table and as JSON, and one sentence where there is none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from s6_cli.command import (
    assert_all_gone,
    assert_one_line_and_code_2,
    await_cores,
    end,
    family_of,
    names_of,
    run,
    started,
)

import multikernel
from multikernel import FRAME

PAGE = 4096


def test_a_system_as_a_table() -> None:
    with multikernel.boot(cores=3) as system:
        ram = system.ram(16 * PAGE)
        frames = ram.retype(FRAME, 2, PAGE)
        frames[1].copy(2)
        page = frames[0].map()
        done = run("inspect", str(system.launched.process.pid))
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0] == (
            f"multikernel system {system.plan.system} of process {os.getpid()}: 3 cores, 16 MiB, "
            "capabilities by the two-phase protocol"
        )
        assert lines[2].split()[:5] == ["core", "CPU", "pid", "state", "caps"]
        digests = [
            (one["capabilities_digest"][:8], one["mappings_digest"][:8])
            for one in system.inspect()["cores"]
        ]
        assert [(line.split()[6], line.split()[9]) for line in lines[4:7]] == digests
        assert max(len(line) for line in lines[2:7]) <= 80
        assert [line.split()[:3] for line in lines[4:7]] == [
            [str(core.index), str(core.cpu), str(core.pid)] for core in system.cores
        ]
        named = [re.split(r"  +", line.strip()) for line in lines]
        assert ["RAM", hex(ram.address), "65536", "0", f"0:{ram.slot} rwg", "descendants"] in named
        assert f"    Mapping at {page.address:#x}" in done.stdout
        assert any(line.startswith("  Frame") and "2:1 rwg" in line for line in lines)
        assert (
            lines[-1] == "Replicas of the mappings agree on what both cores hold, in all 3 pairs."
        )


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("scope", "said"), [("big", "one lock"), ("region", "a lock for each region")]
)
def test_how_a_shared_kernel_is_locked(scope: Any, said: str) -> None:
    with multikernel.boot(cores=1, kernel="shared", lock_scope=scope) as system:
        assert (system.inspect()["lock_scope"], system.inspect()["capabilities"]) == (scope, None)
        done = run("inspect", str(os.getpid()))
        assert done.stdout.splitlines()[0].endswith(f": 1 core, 16 MiB, capabilities under {said}")


IMPORTING = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from multikernel.cli import main
sys.exit(main(["inspect"]))
"""


def test_ctrl_c_before_the_command_has_begun() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")


DROPPED = """
import signal
import sys
class Falls:
    def __del__(self):
        signal.raise_signal(signal.{name})
        for _ in range(1000):
            pass
class Into:
    def find_spec(self, name, path=None, target=None):
        if name == "multikernel.cli.boot":
            Falls()
sys.meta_path.insert(0, Into())
from multikernel.cli import main
sys.exit(main(["boot", "--cores", "1"]))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_ctrl_c_that_falls_where_python_drops_it(name: str) -> None:
    """As in a callback of an import, which is then told on standard error and forgotten."""
    done = subprocess.run(
        [sys.executable, "-c", DROPPED.format(name=name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (128 + getattr(signal, name), "")


def test_a_system_as_json() -> None:
    with multikernel.boot(cores=2, kernel="shared") as system:
        system.ram(PAGE)
        done = run("inspect", str(system.launched.process.pid), "--json", "-")
        assert (done.returncode, done.stderr) == (0, "")
        seen = json.loads(done.stdout)
        assert (seen["schema"], seen["system"], seen["kernel"]) == (
            "multikernel-inspection/1",
            system.plan.system,
            "shared",
        )
        assert seen["objects"] == json.loads(json.dumps(system.inspect()["objects"]))


def test_it_finds_a_system_by_its_launcher_and_leaves_nothing(tmp_path: Path) -> None:
    with started("boot", "--cores", "2") as process:
        family = await_cores(process, 2)
        assert process.stdout is not None
        process.stdout.readline()  # it is up
        done = run("inspect", str(process.pid))
        assert done.returncode == 0, done.stderr
        assert f"of process {process.pid}: 2 cores" in done.stdout
        assert "mk-supervisor" in names_of(family_of(process))
        end(process, signal.SIGINT)
        assert process.returncode == 128 + signal.SIGINT
        assert_all_gone(family)
        assert_one_line_and_code_2(
            run("inspect", str(process.pid)), "no system of that pid runs here"
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("1",), ("no system of that pid runs here: 1",)),
        (("--json", "file"), ("stdout only", "--json -")),
        (("one",), ("'one' is not a valid integer",)),
    ],
)
def test_bad_input(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line_and_code_2(run("inspect", *arguments), *words)
