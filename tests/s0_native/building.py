"""Compiling the C of these tests: clients that run as threads, shells that are told what to do line
by line.
"""

from __future__ import annotations

import functools
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent.parent / "multikernel" / "native"
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Werror")
Build = tuple[str, ...]


class Compiler:
    """Builds each combination of sources and flags once a session."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.command = shlex.split(os.environ.get("CC", "cc"))
        self.built: dict[Build, Path] = {}

    def build(self, *sources: Path | str, flags: Sequence[str] = ()) -> Path:
        """The program made of those sources (relative to this folder, or absolute)."""
        paths = [str(HERE / source) for source in sources]
        key = (*paths, *flags)
        if key not in self.built:
            program = self.directory / f"{Path(paths[0]).stem}-{len(self.built)}"
            common = [
                "-std=gnu11",
                "-g",
                "-D_GNU_SOURCE",
                f"-I{NATIVE}",
                f"-I{HERE}",
                "-pthread",
                *WARNINGS,
            ]
            command = [*self.command, *common, "-O2", *flags, *paths, "-o", str(program)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.fail(f"{shlex.join(command)}\n{done.stderr}", pytrace=False)
            self.built[key] = program
        return self.built[key]


@functools.cache
def sanitizer_prefix(program: Path) -> tuple[str, ...]:
    """What a program under ThreadSanitizer must be started with. With more address randomness than
    its shadow memory can bear it dies at once; then it runs without any. Skips where it runs in
    neither way."""
    for prefix in ((), ("setarch", platform.machine(), "-R")):
        if prefix and not shutil.which(prefix[0]):
            continue
        done = subprocess.run([*prefix, str(program)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return prefix
    pytest.skip(f"ThreadSanitizer does not run here: {done.stderr.strip()[:200]}")


class Shell:
    """A running shell. Operations go in as lines, one number comes back for each."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe

    def ask(self, operation: str, *numbers: int) -> int:
        """One operation, its answer."""
        stdin = self._pipe(self.process.stdin)
        stdin.write(" ".join([operation, *map(str, numbers)]) + "\n")
        stdin.flush()
        return int(self._pipe(self.process.stdout).readline())

    def ask_many(self, operation: str, *numbers: int) -> list[int]:
        """One operation that is answered by a line of numbers."""
        stdin = self._pipe(self.process.stdin)
        stdin.write(" ".join([operation, *map(str, numbers)]) + "\n")
        stdin.flush()
        return [int(number) for number in self._pipe(self.process.stdout).readline().split()]

    def ask_all(self, operations: Sequence[tuple[str | int, ...]]) -> list[int]:
        """Many at once, in order: one switch to the shell and back for hundreds of them."""
        answers = []
        stdin, stdout = self._pipe(self.process.stdin), self._pipe(self.process.stdout)
        for first in range(0, len(operations), 500):  # few enough for the pipe to take every answer
            part = operations[first : first + 500]
            stdin.write("".join(" ".join(map(str, operation)) + "\n" for operation in part))
            stdin.flush()
            answers += [int(stdout.readline()) for _ in part]
        return answers

    def close(self) -> None:
        """Ends it."""
        self._pipe(self.process.stdin).close()
        self.process.wait()
        self._pipe(self.process.stdout).close()
