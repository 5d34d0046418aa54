"""Helper processes are started apart from whatever lies around: no file of the working directory is
run, and what one writes before it can speak for itself is said.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import multikernel
from multikernel.errors import BootFailed
from multikernel.experiments.instrument.linux_process import LinuxProcess
from multikernel.runtime import child

SCRIPT = Path(sys.executable).parent / "multikernel"
NAMES = ("select", "cloudpickle", "secrets", "token", "queue", "random", "numpy", "posix_ipc")


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of files that are named like modules; the file that they write to."""
    cwd, ran = tmp_path / "cwd", tmp_path / "ran"
    cwd.mkdir()
    for name in NAMES:
        (cwd / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write('{name} ')\n")
    monkeypatch.chdir(cwd)
    return ran


def test_a_boot_runs_no_file_of_the_working_directory(hostile: Path) -> None:
    program = hostile.parent / "program.py"
    program.write_text("import multikernel; print('cores', len(multikernel.current().cores))\n")
    done = subprocess.run(
        [SCRIPT, "boot", "--cores", "2", "--", program], capture_output=True, text=True, check=False
    )
    assert not hostile.exists(), hostile.read_text()
    assert (done.returncode, "cores 2" in done.stdout) == (0, True), done.stderr
    with multikernel.boot(cores=2) as system:
        assert system.cores[1].run(abs, -1) == 1
    assert not hostile.exists(), hostile.read_text()


def test_the_linux_configuration_runs_none_either(hostile: Path) -> None:
    with LinuxProcess((0, 0), 1 << 20):
        pass
    assert not hostile.exists(), hostile.read_text()


def test_what_a_supervisor_said_before_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    says = [sys.executable, "-c", "import sys; sys.exit('no such library')"]
    monkeypatch.setattr(child, "command", lambda *_: says)
    with pytest.raises(BootFailed, match="the supervisor ended: no such library"):
        multikernel.boot(cores=2)
    says[-1] = "raise SystemExit(3)"
    with pytest.raises(BootFailed, match="the supervisor ended: status 3, without a word"):
        multikernel.boot(cores=2)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("closed", ["2>&-", "0<&- 2>&-", "0<&- 1>&- 2>&-"])
def test_a_launcher_without_standard_streams(closed: str, tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = (
        "import multikernel\n"
        "with multikernel.boot(cores=2) as system:\n"
        "    value = system.cores[1].run(abs, -41)\n"
        f"open({str(said)!r}, 'w').write(str(value))\n"
    )
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program]
    assert subprocess.run(command, check=False).returncode == 0
    assert said.read_text() == "41"
