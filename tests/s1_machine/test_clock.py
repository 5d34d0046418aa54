"""The counter's rate against fakes whose rate is known, and against the live counter if it is
built.
"""

from collections.abc import Callable

import pytest

from multikernel.errors import MeasurementRefused
from multikernel.machine.host import clock


class FakeMachine:
    """A counter of `hz` and a clock in ns that go on by `cost` ns whenever either is read.

    pauses: at these reads something else runs for so many ns.
    """

    def __init__(self, hz: float, cost: int = 40, pauses: dict[int, int] | None = None) -> None:
        self.hz, self.cost, self.pauses = hz, cost, pauses or {}
        self.now, self.reads = 1_000_000, 0

    def _step(self) -> None:
        self.now += self.cost + self.pauses.get(self.reads, 0)
        self.reads += 1

    def tsc(self) -> int:
        self._step()
        return int(self.now * self.hz / 1e9)

    def ns(self) -> int:
        self._step()
        return self.now


@pytest.mark.parametrize("hz", [24e6, 1e9, 2.6e9, 4.987e9])
def test_the_rate_lies_within_its_own_error_bound(hz: float) -> None:
    fake = FakeMachine(hz)
    rate = clock.measure(fake.tsc, fake.ns)
    assert rate.source == "measured"
    assert abs(rate.hz / hz - 1) <= rate.error <= clock.GOOD_ENOUGH
    assert rate.to_ns(hz) == pytest.approx(1e9, rel=rate.error)


def test_being_interrupted_between_two_reads_costs_no_precision() -> None:
    quiet = clock.measure(*reads(FakeMachine(2e9)))
    disturbed = clock.measure(
        *reads(FakeMachine(2e9, pauses=dict.fromkeys(range(1, 180, 7), 3_000_000)))
    )
    assert disturbed.error <= quiet.error  # it took longer, so it may even be surer
    assert disturbed.hz == pytest.approx(2e9, rel=disturbed.error)


def reads(fake: FakeMachine) -> tuple[Callable[[], int], Callable[[], int]]:
    return fake.tsc, fake.ns


def test_it_measures_longer_while_the_brackets_are_wide() -> None:
    fake = FakeMachine(1e9, cost=50_000)
    rate = clock.measure(fake.tsc, fake.ns)
    assert rate.error <= clock.GOOD_ENOUGH
    assert fake.now > 40_000_000  # 20 ms are not enough when one reading takes 50 µs


def test_it_stops_after_a_second_and_says_how_sure_it_is() -> None:
    fake = FakeMachine(1e9, cost=5_000_000)
    rate = clock.measure(fake.tsc, fake.ns)
    assert rate.error > clock.GOOD_ENOUGH
    assert abs(rate.hz / 1e9 - 1) <= rate.error


def test_a_counter_that_stands_still_or_runs_backwards_is_refused() -> None:
    fake = FakeMachine(1e9)
    with pytest.raises(MeasurementRefused, match="does not advance"):
        clock.measure(lambda: 7, fake.ns)
    backwards = iter(range(1 << 30, 0, -1))
    with pytest.raises(MeasurementRefused, match="runs backwards"):
        clock.measure(lambda: next(backwards), fake.ns)


def test_the_live_counter_agrees_with_itself() -> None:
    native = pytest.importorskip("multikernel.native._native")
    first, second = clock.measure(native.tsc), clock.measure(native.tsc)
    assert first.hz == pytest.approx(second.hz, rel=first.error + second.error + 1e-4)
    assert clock.tsc_rate() is clock.tsc_rate()
