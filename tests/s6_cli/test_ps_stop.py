"""`ps` and `stop`: one's own systems are listed and ended, and nobody else's. Other systems of this
user may run beside these tests: none of them is touched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import psutil
import pytest
from s6_cli.command import (
    assert_all_gone,
    assert_one_line_and_code_2,
    await_cores,
    family_of,
    run,
    started,
)

import multikernel
from multikernel.cli.ps import age
from multikernel.errors import BadInput, SystemClosed
from multikernel.runtime import systems

Here = Callable[..., CompletedProcess[str]]


def test_a_system_is_listed_with_its_launcher(here: Here) -> None:
    with multikernel.boot(cores=3, kernel="shared") as system:
        supervisor = system.launched.process.pid
        done = here("ps")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0].split() == [
            "PID", "age", "kernel", "cores", "launcher", "command",
        ]  # fmt: skip
        (line,) = [one for one in done.stdout.splitlines() if one.split()[0] == str(supervisor)]
        assert line.split()[3:6] == ["shared", "3", str(os.getpid())]
        (one,) = [
            one for one in json.loads(here("ps", "--json", "-").stdout) if one["pid"] == supervisor
        ]
        assert one["launcher"] == os.getpid()
        assert (one["kernel"], one["cores"], one["system"]) == ("shared", 3, system.plan.system)
        assert one["command"] == psutil.Process().cmdline()
        assert 0 <= time.time() - one["started"] < 120
    assert str(supervisor) not in here("ps").stdout


def test_only_systems_are_listed(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its cores, nor what their programs make, nor others' systems, nor what has a name
    like one.
    """
    called = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'mk-supervisor', 0, 0, 0)"
    alike = subprocess.Popen([sys.executable, "-c", f"{called}; time.sleep(1000)"])
    with multikernel.boot(cores=2) as system:
        pids = {core.pid for core in system.cores}
        pids.add(system.cores[1].run(forks_a_session))
        listed = {one.pid for one in systems.found()}
        assert system.launched.process.pid in listed
        assert not listed & (pids | {alike.pid})
        for pid in (*pids, alike.pid, os.getppid()):
            with pytest.raises(BadInput):
                systems.choose(pid)
        monkeypatch.setattr(systems.os, "getuid", lambda: 4711)
        assert systems.found() == []
        assert here("ps").stdout == "no system of yours runs here\n"
        assert_one_line_and_code_2(
            here("stop", str(system.launched.process.pid)), "another user's", f"user {os.geteuid()}"
        )
        monkeypatch.undo()
        system.cores[1].run(ends_it)
    alike.kill()
    alike.wait()


def forks_a_session() -> int:
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.alarm(60)
        time.sleep(1000)
    os.environ["CHILD"] = str(child)
    while os.getsid(child) != child:
        time.sleep(0.001)
    return child


def ends_it() -> None:
    child = int(os.environ.pop("CHILD"))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("of", ["supervisor", "launcher"])
def test_a_command_of_ours_ends_with_its_system(of: str) -> None:
    with started("boot", "--cores", "2") as process:
        family = await_cores(process, 2)
        assert process.stdout is not None
        process.stdout.readline()  # it is up
        (supervisor,) = [one.pid for one in family if one.name() == "mk-supervisor"]
        done = run("stop", str(process.pid if of == "launcher" else supervisor))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"stopped {supervisor}, multikernel, of process {process.pid}\n"
        assert_all_gone(family)
        process.communicate()


STOPPED = """
import subprocess, sys, time, multikernel
from multikernel import errors
def leaves():
    return [subprocess.Popen(["sleep", "1000"]).pid]
system = multikernel.boot(cores=2)
print(*system.cores[1].run(leaves), flush=True)
try:
    system.cores[1].run(time.sleep, 1000)
except errors.SystemClosed as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize(
    "held", [False, pytest.param(True, marks=pytest.mark.full)], ids=["", "held"]
)
def test_another_launcher_learns_of_it(held: bool) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    child = psutil.Process(int(launcher.stdout.readline()))
    family = [*family_of(launcher), child]
    if held:  # it does not hear what it is asked
        (supervisor,) = [one for one in family if one.name() == "mk-supervisor"]
        supervisor.suspend()
    done = run("stop", str(launcher.pid))
    assert (done.returncode, done.stderr) == (0, "")
    assert_all_gone(family)
    output, errors = launcher.communicate()
    if held:
        assert "supervisor was killed" in errors
    else:
        assert (launcher.returncode, errors) == (0, "")
        assert "stopped from outside" in output
    assert_one_line_and_code_2(run("stop", str(launcher.pid)), "no process of that pid")


def test_all_of_them(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [multikernel.boot(cores=1) for _ in range(2)]
    every = systems.found
    pids = {system.launched.process.pid for system in ours}
    # Only those of this test: what else this user runs is not to be ended.
    monkeypatch.setattr(systems, "found", lambda: [one for one in every() if one.pid in pids])
    assert_one_line_and_code_2(here("stop"), "2 systems of yours run here", *map(str, pids))
    assert_one_line_and_code_2(here("stop", str(os.getpid())), "this process runs 2 systems")
    assert_one_line_and_code_2(here("stop", "--all", "1"), "all systems, or one: 1")
    done = here("stop", "--all")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    for system in ours:
        with pytest.raises(SystemClosed, match="stopped from outside"):
            system.cores[0].run(abs, 1)
    assert here("stop", "--all").stdout == "no system of yours runs here\n"
    assert_one_line_and_code_2(here("stop"), "no system of yours runs here")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stop", "1"), ("1",)),
        (("stop", "one"), ("'one' is not a valid integer",)),
        (("stop", "99999999"), ("no process of that pid runs here: 99999999",)),
        (("stop", "-5"), ("-5",)),
        (("ps", "--json", "file"), ("stdout only", "--json -")),
    ],
)
def test_bad_input(here: Here, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line_and_code_2(here(*arguments), *words)


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ("/x/bin/python /x/bin/multikernel boot", True),
        ("python -P -m multikernel boot", True),
        ("python program.py multikernel", False),
        ("python -m pytest multikernel", False),
        ("multikernel", False),
        ("", False),
    ],
)
def test_which_launchers_are_commands_of_ours(command: str, ours: bool) -> None:
    assert systems._is_ours(tuple(command.split())) == ours


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1.0, "0 s"), (59.9, "59 s"), (60, "1 m 0 s"), (3725, "1 h 2 m"), (90_000, "1 d 1 h")],
)
def test_ages(seconds: Any, said: str) -> None:
    assert age(seconds) == said
