"""The compiler, and the shells, once a session."""

from collections.abc import Callable, Iterator

import pytest
from s0_native.building import NATIVE, Compiler, Shell
from s0_native.capability_replicas import SOURCES


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="session")
def channels(compiler: Compiler) -> Iterator[Shell]:
    shell = Shell(compiler.build("channel_shell.c"))
    yield shell
    shell.close()


@pytest.fixture(scope="session")
def memory(compiler: Compiler) -> Iterator[Shell]:
    memory = NATIVE / "memory"
    shell = Shell(compiler.build("memory_shell.c", memory / "frames.c", memory / "mapping_table.c"))
    yield shell
    shell.close()


@pytest.fixture(scope="session")
def capabilities(compiler: Compiler) -> Iterator[Callable[[int], Shell]]:
    """Shells of capabilities, as many as there are replicas at once, by number."""
    program = compiler.build("capability_shell.c", *SOURCES)
    shells: list[Shell] = []

    def numbered(number: int) -> Shell:
        while number >= len(shells):
            shells.append(Shell(program))
        return shells[number]

    yield numbered
    for shell in shells:
        shell.close()
