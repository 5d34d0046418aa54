"""Histograms: the bucket layout, exactly; percentiles against numpy on known distributions;
merging; sparse form.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel.results.histogram import (
    PERCENTILES,
    VALUE_BITS,
    Histogram,
    bucket_bounds,
    bucket_count,
    bucket_index,
)

VALUES = (
    st.integers(0, 2**VALUE_BITS - 1)
    | st.integers(0, 5000)
    | st.integers(0, 47).map(lambda bit: 1 << bit)
)
SAMPLES = st.lists(VALUES, min_size=1, max_size=60)


@settings(deadline=None)
@given(VALUES, st.integers(1, 12))
def test_a_value_lies_within_its_bucket_and_the_bucket_is_narrow(value: int, sub_bits: int) -> None:
    low, high = bucket_bounds(bucket_index(value, sub_bits), sub_bits)
    assert low <= value <= high
    assert (high - low) * 2**sub_bits < max(low, 1)


@settings(deadline=None)
@given(st.integers(1, 12), st.data())
def test_buckets_follow_each_other_without_gap(sub_bits: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, bucket_count(sub_bits) - 2))
    low, high = bucket_bounds(index, sub_bits)
    assert bucket_index(low, sub_bits) == bucket_index(high, sub_bits) == index
    assert bucket_bounds(index + 1, sub_bits)[0] == high + 1


def test_the_layout_that_native_code_shares() -> None:
    golden = {
        0: 0,
        127: 127,
        128: 128,
        255: 255,
        256: 256,
        257: 256,
        258: 257,
        511: 383,
        512: 384,
        1000: 506,
    }
    assert {value: bucket_index(value) for value in golden} == golden
    assert bucket_count() == 5376
    assert bucket_index(2**48 - 1) == bucket_index(2**48) == bucket_index(2**63) == 5375
    with pytest.raises(ValueError, match="negative"):
        bucket_index(-1)


# Sizes at which no percentile falls on the edge between two ranks, where floating point would
# decide.
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "uniform": lambda random: random.integers(0, 10_000, 20_001),
    "normal": lambda random: random.normal(2_000, 150, 20_001).clip(0),
    "heavy tail": lambda random: 300 * (1 + random.pareto(1.2, 20_001)),
    "two regimes": lambda random: np.where(random.random(20_001) < 0.7, 310, 47_000),
    "constant": lambda random: np.full(999, 123_456),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_percentiles_are_numpys_to_half_a_bucket(name: str) -> None:
    samples = DISTRIBUTIONS[name](np.random.default_rng(7)).astype(np.int64).clip(0, 2**47)
    histogram = Histogram.from_values(samples)
    for percent in (0, 1, *PERCENTILES.values(), 99.99, 100):
        exact = np.percentile(samples, percent, method="inverted_cdf")
        assert histogram.percentile(percent) == pytest.approx(exact, rel=2**-8, abs=0.51)
    summary = histogram.summary()
    assert (summary["samples"], summary["min"], summary["max"]) == (
        len(samples),
        samples.min(),
        samples.max(),
    )
    assert summary["mean"] == pytest.approx(samples.mean())


@settings(deadline=None)
@given(SAMPLES, st.sampled_from([0.1, 5, 29, 50, 57, 95, 99.9, 100]))
def test_a_percentile_lies_in_the_bucket_of_the_nearest_rank(
    samples: list[int], percent: float
) -> None:
    rank = max(-(-len(samples) * round(percent * 10) // 1000), 1)
    exact = sorted(samples)[rank - 1]
    low, high = bucket_bounds(bucket_index(exact))
    found = Histogram.from_values(samples).percentile(percent)
    assert max(low, min(samples)) <= found <= min(high, max(samples))


def test_small_values_and_ends_are_exact() -> None:
    histogram = Histogram.from_values([3, 5, 5, 100, 1_000_003])
    assert [histogram.percentile(percent) for percent in (0, 20, 21, 60, 61, 100)] == [
        3,
        3,
        5,
        5,
        100,
        1_000_003,
    ]
    # 99.9 % of 1000 samples is the 999th, not the 1000th.
    assert Histogram.from_values([1] * 999 + [2]).percentile(99.9) == 1


def test_values_beyond_the_last_bucket_keep_an_exact_maximum() -> None:
    histogram = Histogram.from_values([10, 2**50])
    assert histogram.summary()["max"] == 2**50
    assert histogram.mean == (10 + 2**50) / 2


@settings(deadline=None)
@given(st.lists(SAMPLES, min_size=1, max_size=5))
def test_merging_is_counting_all_together(parts: list[list[int]]) -> None:
    merged = Histogram.merge([Histogram.from_values(part) for part in parts])
    together = Histogram.from_values([value for part in parts for value in part])
    assert merged.counts.tolist() == together.counts.tolist()
    assert merged.summary() == together.summary()
    assert merged.total == together.total


def test_merging_refuses_other_layouts_and_nothing() -> None:
    for histograms in ([], [Histogram.from_values([1], 7), Histogram.from_values([1], 6)]):
        with pytest.raises(ValueError, match="same sub_bits"):
            Histogram.merge(histograms)


@settings(deadline=None)
@given(SAMPLES)
def test_the_sparse_form_comes_back_as_it_was(samples: list[int]) -> None:
    histogram = Histogram.from_values(samples)
    sparse = histogram.to_sparse()
    assert sum(count for _, count in sparse["counts"]) == len(samples)
    back = Histogram.from_sparse(sparse, histogram.minimum, histogram.maximum, histogram.mean)
    assert back.counts.tolist() == histogram.counts.tolist()
    assert (back.minimum, back.maximum) == (histogram.minimum, histogram.maximum)
    assert back.summary() == {**histogram.summary(), "mean": back.mean}
    assert back.mean == pytest.approx(histogram.mean, abs=0.51)


def test_ends_given_with_fractions_are_drawn_into_their_buckets() -> None:
    sparse = Histogram.from_values([99, 200]).to_sparse()
    back = Histogram.from_sparse(sparse, 99.7, 200.2, 150.0)
    assert (back.minimum, back.maximum) == (99, 200)


def test_native_counters_are_taken_as_they_are_and_copied() -> None:
    dense = np.zeros(bucket_count(), dtype=np.uint64)
    dense[bucket_index(310)] = 3
    histogram = Histogram.from_dense(dense.data, 310, 311, 931)
    dense[:] = 0
    assert (histogram.samples, histogram.mean) == (3, 931 / 3)


@pytest.mark.parametrize(
    ("counts", "ends", "total", "what"),
    [
        ([], (0, 0), 0, "shape"),
        ([0] * 5376, (0, 0), 0, "at least one sample"),
        ([1] + [0] * 5375, (0, 7), 0, "not those of the counts"),
        ([0, 1, 1] + [0] * 5373, (1, 2), 9, "sum 9"),
    ],
)
def test_counters_that_contradict_each_other_are_refused(
    counts: list[int], ends: tuple[int, int], total: int, what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        Histogram.from_dense(counts, *ends, total)
    with pytest.raises(ValueError, match="at least one sample"):
        Histogram.from_values([])


# --- Within the steps of a clock


@pytest.mark.parametrize("step", [10.0, 26.0])
@pytest.mark.parametrize("true", [(290, 350), (300, 310), (1000, 1400)])
def test_percentiles_lie_within_a_step_of_the_clock(true: tuple[int, int], step: float) -> None:
    """What took evenly many cycles between two, read off a clock that moves in steps."""
    exact = np.linspace(*true, 4001)
    read = Histogram.from_values([round(step * round(one / step)) for one in exact])
    for percent in (10, 50, 90):
        wanted = float(np.percentile(exact, percent))
        coarse = abs(read.percentile(percent) - wanted)
        fine = abs(read.within(percent, step) - wanted)
        assert fine <= max(coarse, 0.35 * step)
    if true[1] - true[0] > 2 * step:
        assert read.within(50, step) == pytest.approx(sum(true) / 2, abs=0.15 * step)


def test_where_buckets_are_as_wide_as_a_step_nothing_changes() -> None:
    read = Histogram.from_values([100_000, 100_300, 120_000])
    assert read.within(50, 26.0) == read.percentile(50)
    assert read.summary(26.0)["p50"] == read.summary()["p50"]


def test_equal_readings_stay_what_they_are_and_percentiles_in_order() -> None:
    same = Histogram.from_values([260] * 50)
    assert same.within(50, 26.0) == 260
    mixed = Histogram.from_values([260] * 50 + [286] * 30 + [312] * 20).summary(26.0)
    order = [mixed[name] for name in ("min", "p5", "p50", "p95", "p99", "max")]
    assert order == sorted(order)
