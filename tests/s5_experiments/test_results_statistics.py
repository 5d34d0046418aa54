"""Intervals hold what they claim on simulated boots; ratios cancel what disturbs both sides; noise
is noise.
"""

import math

import numpy as np
import pytest

from multikernel.results.statistics import median_interval, ratio

DRAWS = 4000
"""Simulated experiments; a share of 0.95 among them is known to ±0.01 (three standard errors)."""


def test_the_ends_and_coverages_are_those_of_the_tables() -> None:
    values = [float(value) for value in range(1, 21)]
    expected = {
        1: (1, 1, 0.0, "min-max"),
        2: (1, 2, 0.5, "min-max"),
        5: (1, 5, 0.9375, "min-max"),
        6: (1, 6, 0.96875, "order-statistic"),
        8: (1, 8, 0.9921875, "order-statistic"),
        9: (2, 8, 0.9609375, "order-statistic"),
        10: (2, 9, 0.978515625, "order-statistic"),
        20: (6, 15, 0.95861053, "order-statistic"),
    }
    for n, (low, high, coverage, method) in expected.items():
        found = median_interval(values[:n][::-1])
        assert (found.low, found.high, found.method) == (low, high, method)
        assert found.coverage == pytest.approx(coverage, abs=1e-8)


@pytest.mark.parametrize("n", [5, 6, 9, 20, 45])
@pytest.mark.parametrize("shape", ["normal", "exponential", "cauchy"])
def test_intervals_hold_the_true_median_as_often_as_they_say(n: int, shape: str) -> None:
    random = np.random.default_rng(n)
    draw = {
        "normal": random.standard_normal,
        "exponential": random.standard_exponential,
        "cauchy": random.standard_cauchy,
    }
    truth = {"normal": 0.0, "exponential": math.log(2), "cauchy": 0.0}[shape]
    intervals = [median_interval(list(boots)) for boots in draw[shape]((DRAWS, n))]
    held = sum(one.low <= truth <= one.high for one in intervals) / DRAWS
    error = 4 * math.sqrt(0.25 / DRAWS * 4 * held * (1 - held))
    assert abs(held - intervals[0].coverage) < error
    assert intervals[0].coverage >= (0.95 if n > 5 else 0.93)


def test_more_boots_narrow_the_interval() -> None:
    random = np.random.default_rng(1)
    widths = [
        np.mean(
            [
                one.high - one.low
                for one in map(median_interval, random.normal(size=(300, n)).tolist())
            ]
        )
        for n in (6, 20, 80)
    ]
    assert widths[0] > 1.5 * widths[1] > 1.5 * 1.5 * widths[2]


def test_no_values_or_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        median_interval([])
    with pytest.raises(ValueError, match="not finite"):
        median_interval([1.0, math.nan])


def test_a_ratio_is_taken_within_each_boot() -> None:
    # Boots differ by a factor of three; the sides of one boot by 2 to within 1 %.
    drift = np.linspace(100, 300, 12)
    wobble = np.array([0.99, 1.01, 1.0] * 4)
    value, interval = ratio(list(2 * drift * wobble), list(drift))
    assert value == pytest.approx(2.0)
    assert 1.97 < interval.low <= interval.high < 2.03
    assert interval.method == "order-statistic"


def test_arms_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="cannot be paired"):
        ratio([], [])
    with pytest.raises(ValueError, match="positive"):
        ratio([1.0], [0.0])
