"""Output that cannot be written, whatever the reason: one rule for all commands, in the exit status
and in what is said.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from s6_cli.command import COMMAND, assert_all_gone, await_cores, started

COMMANDS = (
    "--help",
    "--version",
    "boot --help",
    "topology --machine 8x4",
    "topology --machine 8x4 --json -",
    "skb list",
    "skb facts --machine 8x4",
    "skb query placement k=2 --machine 8x4 --json -",
    "skb ask core(0) --machine 2x2",
    "bench list",
    "doctor",
    "doctor --json -",
    "boot --cores 1 -- prints.py",
    "boot --cores 1 -- prints_much.py",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, with a program that prints."""
    (tmp_path / "prints.py").write_text("print('one', 'two')\n")
    (tmp_path / "prints_much.py").write_text("for one in range(100_000): print(one)\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(command: str, *, unbuffered: bool = False, **streams: object) -> tuple[int, str]:
    """Status, and what was said on standard error."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    done = subprocess.run(
        [*COMMAND, *command.split()],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **streams,  # type: ignore[call-overload]
    )
    return done.returncode, done.stderr


@pytest.mark.sampled(one_in=4)
@pytest.mark.parametrize(("number", "command"), list(enumerate(COMMANDS)))
def test_a_full_disk_is_one_sentence_and_status_1(here: Path, number: int, command: str) -> None:
    with open("/dev/full", "w") as full:
        status, said = ended(command, unbuffered=bool(number % 2), stdout=full)
    assert said.endswith("multikernel: cannot write to standard output: No space left on device\n")
    assert status == 1
    assert "Traceback" not in said


@pytest.mark.full
def test_a_reader_that_is_gone_is_told_as_sigpipe_and_quietly(here: Path) -> None:
    for number, command in enumerate(COMMANDS):
        reads, writes = os.pipe()
        os.close(reads)
        status, said = ended(command, unbuffered=bool(number % 2), stdout=writes)
        os.close(writes)
        assert (status, said) == (128 + signal.SIGPIPE, ""), command


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
def test_no_standard_output_is_refused_before_anything_is_done(here: Path, closed: str) -> None:
    for command in (*COMMANDS, "compare --quick"):
        line = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *command.split()]
        done = subprocess.run(line, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("multikernel: standard output is closed; ")
        assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in here.iterdir()) == ["prints.py", "prints_much.py"]


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_what_standard_error_does_not_take_changes_nothing(here: Path, streams: str) -> None:
    command = "bench run floor --cores 2 --oversubscribe --size smoke --json - --output run"
    line = ["sh", "-c", f'exec "$@" {streams}', "sh", *COMMAND, *command.split()]
    done = subprocess.run(line, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert [one["experiment"] for one in json.loads(done.stdout)] == ["floor"]
    assert os.listdir("run") == ["floor.json"]


def test_a_program_may_see_to_its_output_itself(here: Path) -> None:
    (here / "sees.py").write_text(
        "import os, sys\ntry:\n    for one in range(100_000): print(one)\n"
        "except BrokenPipeError:\n"
        "    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())\n    sys.exit(5)\n"
    )
    reads, writes = os.pipe()
    os.close(reads)
    assert ended("boot --cores 1 -- sees.py", stdout=writes) == (5, "")
    os.close(writes)
    # What it raises because of that is its own, traceback and all.
    (here / "fails.py").write_text(
        "try:\n    print('x' * 100_000)\nexcept OSError:\n    raise ValueError('mine')\n"
    )
    with open("/dev/full", "w") as full:
        status, said = ended("boot --cores 1 -- fails.py", stdout=full)
    assert status == 1
    assert "ValueError: mine" in said


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_pipe_that_does_not_block_gets_everything(here: Path, unbuffered: bool) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETFL, os.O_NONBLOCK)
    command = [*COMMAND, "topology", "--machine", "16x64", "--json", "-"]
    with subprocess.Popen(command, stdout=writes, env=environment) as process:
        os.close(writes)
        while psutil.Process(process.pid).status() != psutil.STATUS_SLEEPING:
            time.sleep(0.01)
        with open(reads, "rb") as pipe:
            machine = json.loads(pipe.read())
    assert process.returncode == 0
    assert len(machine["cpus"]) == 1024


@pytest.mark.full
def test_letters_that_the_terminal_does_not_have(here: Path) -> None:
    name = os.fsdecode(b"results-\xff")
    for command in (*COMMANDS, f"topology capture -o {name}.tar.gz"):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(
            [*COMMAND, *command.split()], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    # A file's name keeps its bytes, so that it can be used again.
    assert done.stdout == b"results-\xff.tar.gz\n"


def test_a_terminal_that_hangs_up(here: Path) -> None:
    for command in ("topology --machine 32x64", "doctor", "skb facts --machine 8x8"):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", HUNG_UP, *command.split()], stdout=theirs, stderr=subprocess.PIPE
        )
        os.close(theirs)
        os.close(ours)
        _, said = process.communicate()
        assert process.returncode == 1, said
        assert b"Traceback" not in said
        assert said.endswith(b"cannot write to standard output: Input/output error\n")


HUNG_UP = """
import os, sys, time
while True:  # until the other side is closed
    try:
        os.write(1, b"")
        os.ttyname(1)
    except OSError:
        break
    if not os.isatty(1):
        break
    time.sleep(0.01)
from multikernel.cli import main
sys.exit(main(sys.argv[1:]))
"""

ROOM = 64 << 10
"""Bytes of the disk that fills up."""


@pytest.mark.full
def test_a_disk_that_fills_up_while_it_is_measured(here: Path) -> None:
    """In a mount name space of its own, on a disk that holds one document and not two."""
    (here / "disk").mkdir()
    command = (
        f"mount -t tmpfs -o size={ROOM} none disk && head -c {ROOM - (8 << 10)} /dev/zero"
        ' >disk/other && exec "$@"'
    )
    arguments = "bench run transport unmap --cores 2 --oversubscribe --size smoke --output disk/run"
    line = ["unshare", "-rm", "sh", "-c", command, "sh", *COMMAND, *arguments.split()]
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount name spaces here")
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("multikernel: cannot write results: No space left on device: disk/run")
    assert "transport" in done.stdout
    # What could not be kept is the last that was measured.
    assert "unmap" not in done.stdout


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "arguments",
    [
        "boot --cores 2",
        pytest.param("boot --cores 2 -- sleeps.py", marks=pytest.mark.full),
        pytest.param("latency --size smoke --cores 2", marks=pytest.mark.full),
    ],
)
def test_ctrl_c_is_told_in_the_same_way_everywhere(
    here: Path, arguments: str, number: signal.Signals
) -> None:
    if len(os.sched_getaffinity(0)) < 2 and arguments.startswith("latency"):
        pytest.skip("needs 2 CPUs")
    (here / "sleeps.py").write_text("import time\nwhile True: time.sleep(1)\n")
    with started(*arguments.split(), cwd=here) as process:
        family = await_cores(process, 2)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert_all_gone(family)
