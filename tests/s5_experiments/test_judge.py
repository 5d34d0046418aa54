"""The judge against what its words mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.results.document import Interval
from multikernel.results.judge import LEAST, MOST, SURE, WIDE, judge


def interval(low: float, high: float, coverage: float = 0.9375) -> Interval:
    return Interval(low=low, high=high, coverage=coverage, method="min-max")


@pytest.mark.parametrize(
    ("low", "high", "spread", "outcome", "reason"),
    [
        (1.01, 1.04, 0.0, "better", ""),  # it leaves the margin, and excludes 1
        (1.02, 1.03, 0.08, "better", ""),  # an interval without 1 is never no difference
        (1.001, 1.009, 0.0, "same", ""),
        (0.98, 1.02, 0.0, "same", ""),
        (0.98, 1.04, 0.0, "unknown", "across"),
        (0.94, 1.04, 0.08, "same", ""),
        (0.90, 0.93, 0.0, "worse", ""),
        (0.93, 1.05, 0.5, "same", ""),
        (0.88, 1.05, 0.5, "unknown", "across"),  # whatever the control does, MOST is the margin's
        (0.80, 0.85, 0.5, "unknown", "noise"),
        (0.40, 0.50, 0.5, "worse", ""),
        (2.0, 4.0, 0.0, "unknown", "wide"),
    ],
)
def test_cases(low: float, high: float, spread: float, outcome: str, reason: str) -> None:
    found = judge(interval(low, high), spread)
    assert (found.outcome, found.reason) == (outcome, reason)


def test_one_or_two_boots_decide_nothing() -> None:
    for coverage in (0.0, 0.5):
        assert judge(interval(3.0, 3.1, coverage), 0.0).reason == "few"


ENDS = st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)).map(sorted)


@given(ENDS, st.floats(0, 0.5), st.floats(0, 1))
def test_turned_over_it_says_the_opposite(
    ends: list[float], spread: float, coverage: float
) -> None:
    low, high = ends
    mine = judge(interval(low, high, coverage), spread)
    theirs = judge(interval(low, high, coverage), spread, more_is_better=False)
    opposite = {"better": "worse", "worse": "better"}
    assert theirs.outcome == opposite.get(mine.outcome, mine.outcome)


@given(ENDS, st.floats(0, 0.5), st.floats(0, 1))
def test_what_it_claims_holds_of_the_whole_interval(
    ends: list[float], spread: float, coverage: float
) -> None:
    low, high = ends
    found = judge(interval(low, high, coverage), spread)
    if found.outcome != "unknown":
        assert coverage >= SURE
        assert high <= WIDE * low
    if found.outcome == "same":
        assert 1 / (1 + found.margin) <= low
        assert high <= 1 + found.margin
    if found.outcome == "better":
        assert low > 1
    if found.outcome == "worse":
        assert high < 1
    assert LEAST <= found.margin <= MOST
