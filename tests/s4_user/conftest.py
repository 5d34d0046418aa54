"""Running systems for these tests: one of three cores for each kernel and file, and a maker of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import multikernel
from multikernel import System

KERNELS = ("multikernel", "shared")


@pytest.fixture(params=KERNELS, scope="module")
def kernel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def system(kernel: Any) -> Iterator[System]:
    """Not closed between tests: they leave it as they found it, or don't care."""
    with multikernel.boot(cores=3, kernel=kernel) as booted:
        yield booted


@pytest.fixture
def boot(kernel: str) -> Iterator[Callable[..., System]]:
    """boot() of the kernel under test; what it booted is closed in the end."""
    booted: list[System] = []

    def make(cores: Any = 2, **options: Any) -> System:
        options.setdefault("kernel", kernel)
        booted.append(multikernel.boot(cores, **options))
        return booted[-1]

    yield make
    for one in booted:
        one.close()
