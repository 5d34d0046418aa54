"""The compiler, and the shells, once a session."""

from collections.abc import Iterator

import pytest
from s0_native.building import NATIVE, Compiler, Shell


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
    shell = Shell(compiler.build("memory_shell.c", NATIVE / "memory" / "frames.c"))
    yield shell
    shell.close()
