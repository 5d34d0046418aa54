"""Pinning the calling thread, and asking the kernel where it is."""

import os
import threading
from collections.abc import Iterator

import pytest

from multikernel.errors import BadInput, BootFailed
from multikernel.machine.host import pinning


@pytest.fixture(autouse=True)
def mask() -> Iterator[set[int]]:
    """The affinity mask before the test, put back after it."""
    before = os.sched_getaffinity(0)
    yield before
    os.sched_setaffinity(0, before)


def test_a_pinned_thread_is_where_it_was_put(mask: set[int]) -> None:
    for cpu in sorted(mask):
        pinning.pin(cpu)
        assert os.sched_getaffinity(0) == {cpu}
        assert pinning.current_cpu() == cpu
        pinning.verify(cpu)


def test_another_thread_is_asked_for_itself(mask: set[int]) -> None:
    if len(mask) < 2:
        pytest.skip("needs two CPUs: on one, every thread is on the same")
    seen: list[int] = []

    def other() -> None:
        pinning.pin(max(mask))
        seen.append(pinning.current_cpu())

    pinning.pin(min(mask))
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [max(mask)]
    assert pinning.current_cpu() == min(mask)


@pytest.mark.parametrize("cpu", [-1, 100_000, 1 << 70])
def test_a_cpu_that_is_not_there_is_bad_input(mask: set[int], cpu: int) -> None:
    with pytest.raises(BadInput, match="cannot pin to this CPU"):
        pinning.pin(cpu)
    assert os.sched_getaffinity(0) == mask


def test_verify_sees_a_mask_that_is_too_wide(mask: set[int]) -> None:
    if len(mask) < 2:
        pytest.skip("needs two CPUs: with one, no mask is too wide")
    with pytest.raises(BootFailed, match="is not there"):
        pinning.verify(pinning.current_cpu())


def test_pin_asks_the_kernel_where_the_thread_is(
    mask: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinning, "current_cpu", lambda: 99_999)
    with pytest.raises(BootFailed, match="runs on 99999"):
        pinning.pin(max(mask))
