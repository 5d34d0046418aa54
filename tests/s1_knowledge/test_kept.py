"""A cache is only a cache: whatever lies where measurements are kept, or if nothing can, costs no
more than the measurement.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from multikernel.errors import BadInput
from multikernel.knowledge import block_cost, kept
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology

HERE, HOST = Topology.read(), Host.read()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "multikernel/costs/blocking"


def bound(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(kept.MOST_BYTES + 1)


def content(**changed: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        machine = kept.fingerprint(HOST, HERE)
        document = {"schema": block_cost.STORE.schema, "machine": machine, "time": 0, "us": 1.0}
        path.write_text(json.dumps({**document, **changed}))

    return write


POISON: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a directory": Path.mkdir,
    "a socket": bound,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "nested": lambda path: path.write_text("[" * 200_000),
    "nested objects": lambda path: path.write_text('{"machine":' * 200_000),
    "huge": sparse,
    "a long number": lambda path: path.write_text('{"time": ' + "9" * 5000 + "}"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "infinite": content(time=float("inf")),
    "nobody's time": content(time=float("nan")),
    "a list of machines": content(machine=[]),
    "no machine": content(machine=None),
}


@pytest.mark.parametrize("what", POISON)
def test_whatever_lies_there_is_passed_over(directory: Path, what: str) -> None:
    path = block_cost.save(30, HERE, HOST)
    path.unlink()
    POISON[what](path)
    found = block_cost.budget(HERE)
    assert (found.us, found.measured) == (block_cost.DEFAULT_US, False)
    assert "\n" not in found.reason
    POISON[what](directory / "other.json")  # and when the nearest other machine is looked for
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()
    assert not block_cost.budget(HERE).measured


@pytest.mark.parametrize("part", ["multikernel", "multikernel/costs", "multikernel/costs/blocking"])
@pytest.mark.parametrize("what", ["a pipe", "a link to itself", "no text"])
def test_whatever_lies_on_the_way_there(tmp_path: Path, what: str, part: str) -> None:
    path = tmp_path / part
    path.parent.mkdir(parents=True, exist_ok=True)
    POISON[what](path)
    assert not block_cost.budget(HERE).measured
    with pytest.raises(BadInput, match="cannot keep"):
        block_cost.save(30, HERE, HOST)


def test_a_directory_that_this_user_may_not_read(directory: Path) -> None:
    block_cost.save(30, HERE, HOST)
    directory.chmod(0)
    try:
        assert as_nobody("print(block_cost.budget(Topology.read()).measured)") == "False\n"
    finally:
        directory.chmod(0o700)


def test_nobody_without_a_home() -> None:
    done = as_nobody(
        "print(kept.directory(), block_cost.budget(Topology.read()).reason)\n"
        "try:\n"
        "    block_cost.save(30, Topology.read(), Host.read())\n"
        "except BadInput as error:\n"
        "    print(error)",
        XDG_CACHE_HOME="",
    )
    assert done.startswith("None nothing is kept: this user has no home directory; set HOME or")
    assert "cannot keep what blocking costs: this user has no home directory; set" in done


def as_nobody(program: str, **environment: str) -> str:
    """What it prints as a user without an entry in passwd, without HOME."""
    begin = (
        "import os\n"
        "from multikernel.errors import BadInput\n"
        "from multikernel.knowledge import block_cost, kept\n"
        "from multikernel.machine.host.processor import Host\n"
        "from multikernel.machine.topology.model import Topology\n"
        "if os.getuid() == 0:\n"
        "    os.setresgid(12345, 12345, 12345)\n"
        "    os.setresuid(12345, 12345, 12345)\n"
    )
    if os.getuid() != 0:
        pytest.skip("another user's number is root's to take")
    inherited = {name: text for name, text in os.environ.items() if name != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", begin + program],
        env=inherited | environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
