"""A command line that is run in this process, in an empty directory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from multikernel.cli import main


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as wanted:
            code = wanted.code if isinstance(wanted.code, int) else 1
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def here(
    cli: Callable[..., tuple[int, str, str]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """What command.run() gives, without a process of its own: a tenth of the time."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, *cli(*arguments))

    return run
