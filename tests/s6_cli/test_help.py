"""Help and version: for a newcomer, and without loading what they do not need."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from s6_cli.command import run

import multikernel
from multikernel.cli.commands import COMMANDS
from multikernel.experiments import registry

ROOT = Path(__file__).parents[2]


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"multikernel {multikernel.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("compare", "boot", "bench", "multikernel compare --quick")),
        (("--help",), ("compare", "boot", "bench", "Every core is a process")),
        (("compare", "--help"), ("--cores", "--quick", "--oversubscribe", "--output", "--json")),
        (("inspect", "--help"), ("PID", "--json", "replicas, owners, relations, digests")),
        (("boot", "--help"), ("--kernel", "multikernel.current()", "PROGRAM.py")),
        (("topology", "--help"), ("--machine", "8x4-amd", "--measured", "capture", ".svg")),
        (("topology", "capture", "--help"), ("FILE.tar.gz", "in a small archive")),
        (("bench", "run", "--help"), ("NAME", "--cores", "--quick")),
    ],
)
def test_help(
    here: Callable[..., CompletedProcess[str]], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = here(*arguments)
    assert done.returncode == 0
    assert done.stderr == ""
    for word in words:
        assert word in done.stdout
    assert "--size" not in done.stdout


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_loads_no_heavy_module(argument: str) -> None:
    script = (
        f"import sys\nfrom multikernel.cli import main\nmain([{argument!r}])\nheavy = {{'numpy',"
        " 'rich', 'msgspec', 'psutil', 'cloudpickle',"
        " 'multikernel.native._native'}\nprint(sorted(heavy & set(sys.modules)),"
        " file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


def test_the_guide_names_every_command_and_the_command_of_every_experiment() -> None:
    guide = "".join(
        path.read_text()
        for path in [ROOT / "README.md", *(ROOT / "multikernel").rglob("README.md")]
    )
    named = set(re.findall(r"`multikernel bench run ([a-z-]+)`", guide))
    elsewhere = {"floor": "multikernel compare", "latency": "multikernel latency"}
    for experiment in registry.listed():
        assert experiment.name in named or f"`{elsewhere[experiment.name]}`" in guide, (
            experiment.name
        )
    for command in COMMANDS:
        assert f"multikernel {command}" in guide, command
