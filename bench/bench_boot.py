"""From `boot()` to a system that answers, and its end."""

from __future__ import annotations

from typing import Any

import pytest

import multikernel


@pytest.mark.parametrize("kernel", ["multikernel", "shared"])
@pytest.mark.parametrize("cores", [1, 2, 16])
def test_boot(benchmark: Any, cores: int, kernel: Any) -> None:
    booted: list[multikernel.System] = []

    def close() -> None:
        while booted:
            booted.pop().close()

    benchmark.pedantic(
        lambda: booted.append(multikernel.boot(cores, kernel=kernel)),
        setup=close,
        rounds=5,
        warmup_rounds=1,
    )
    close()


def test_close(benchmark: Any) -> None:
    def boot() -> tuple[tuple[multikernel.System], dict[str, Any]]:
        return (multikernel.boot(2),), {}

    benchmark.pedantic(lambda system: system.close(), setup=boot, rounds=5)
