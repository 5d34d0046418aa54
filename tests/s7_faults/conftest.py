"""A check around every test that no process and no segment stays; and the kernel: launcher and
supervisor know none, so all but a few tests meet the shared one with --full alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from s7_faults.systems import all_gone, descendants_of, names_of


@pytest.fixture(
    params=["multikernel", pytest.param("shared", marks=pytest.mark.full)], scope="module"
)
def kernel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = {child.pid for child in descendants_of(os.getpid())}
    yield
    all_gone({child.pid for child in descendants_of(os.getpid())} - before)
    assert names_of({os.getpid()}) == []
