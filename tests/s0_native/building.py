"""Compiling the C of these tests: clients that run as threads, shells that take operations line by
line.
"""

from __future__ import annotations

import functools
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest
from seeded import NATIVE, Bug, sources_with

HERE = Path(__file__).resolve().parent
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Werror")
Build = tuple[str, ...]

SANITIZED = (
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    *("-lm", "-lrt"),
)
"""Under the address and the undefined-behaviour sanitizer: what they see ends the program."""
SANITIZED_ENVIRONMENT = {
    # What a driver has it has for the life of its process. Where there is no memory, malloc says
    # so, as it does without a sanitizer; and there is none for what would take long to be marked.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=64",
    "UBSAN_OPTIONS": "print_stacktrace=1:abort_on_error=1",
}


class Compiler:
    """Builds each combination of sources, flags and seeded bug once a session, and so each object
    of them; objects side by side, on all CPUs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.command = (
            *shlex.split(os.environ.get("CC", "cc")),
            *("-std=gnu11", "-g", "-D_GNU_SOURCE", "-pthread", *WARNINGS, "-O2"),
        )
        self.changed: dict[Bug, Path] = {}
        self.pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        self.objects: dict[tuple[Path, Build, Bug | None], Future[Path]] = {}
        self.programs: dict[tuple[Build, Build, Bug | None], Path] = {}

    def build(
        self, *sources: Path | str, flags: Sequence[str] = (), bug: Bug | None = None
    ) -> Path:
        """The program made of those sources (relative to this folder, or absolute), of a native
        core with that bug."""
        if "-fsanitize=thread" in flags and any("-fsanitize=" in one for one in self.command):
            pytest.skip("what is built here is under another sanitizer")
        key = (tuple(map(str, sources)), tuple(flags), bug)
        if key not in self.programs:
            # All are known before the first begins: a bug is written out anew for each.
            known = [self._source(HERE / source, bug) for source in sources]
            begun = [self._object(tuple(flags), *one) for one in known]
            objects = [one.result() for one in begun]
            program = self.directory / f"{Path(sources[0]).stem}-{len(self.programs)}"
            self._run(*flags, *objects, "-o", program)
            self.programs[key] = program
        return self.programs[key]

    def _source(self, source: Path, bug: Bug | None) -> tuple[Path, Path, list[str], Bug | None]:
        """What it is called, where it is to be read, where headers are looked for before others,
        and the bug, if it makes a difference to it."""
        if not bug:
            return source, source, [], None
        if bug not in self.changed:
            self.changed[bug] = self.directory / f"changed-{len(self.changed)}"
            bug.apply(self.changed[bug])
        includes = [f"-I{self.changed[bug]}"]
        # What tests compile may include any file; the native core's own, headers alone.
        if source.is_relative_to(NATIVE):
            anew = sources_with(bug, self.changed[bug], [source])
            return (source, anew[source], includes, bug) if anew else (source, source, [], None)
        return source, source, includes, bug

    def _object(
        self, flags: Build, source: Path, path: Path, includes: list[str], bug: Bug | None
    ) -> Future[Path]:
        key = (source, flags, bug)
        if key not in self.objects:
            compiled = self.directory / f"{source.stem}-{len(self.objects)}.o"
            includes = [*includes, f"-I{NATIVE}", f"-I{HERE}"]
            arguments: list[Path | str] = [*flags, *includes, "-c", path, "-o", compiled]
            self.objects[key] = self.pool.submit(self._compiled, compiled, arguments)
        return self.objects[key]

    def _compiled(self, into: Path, arguments: Sequence[Path | str]) -> Path:
        self._run(*arguments)
        return into

    def _run(self, *arguments: Path | str) -> None:
        command = [*self.command, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{shlex.join(command)}\n{done.stderr}", pytrace=False)


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

    def ask_lines(self, *operations: tuple[str | int, ...]) -> list[list[int]]:
        """Operations in one switch to the shell and back, each answered by a line of numbers."""
        stdin, stdout = self._pipe(self.process.stdin), self._pipe(self.process.stdout)
        stdin.write("".join(" ".join(map(str, operation)) + "\n" for operation in operations))
        stdin.flush()
        return [[int(number) for number in stdout.readline().split()] for _ in operations]

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
