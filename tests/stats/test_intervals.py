"""Intervals hold what they promise and agree with published cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.intervals import mean_interval, mean_interval_many, wilson, wilson_many


def test_wilson_agrees_with_scipy() -> None:
    for hits, n in [(0, 10), (1, 10), (5, 10), (10, 10), (37, 1200)]:
        known = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
        assert wilson(hits, n) == pytest.approx((known.low, known.high))


def test_no_rows_have_no_interval() -> None:
    assert wilson(0, 0) == (None, None)
    assert mean_interval(1, 3.0, None) == (None, None)
    assert mean_interval(0, 0.0, 0.0) == (None, None)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, level=1.0)
    with pytest.raises(ValueError, match="variance"):
        mean_interval(3, 0.0, -1.0)


def test_mean_interval_agrees_with_scipy() -> None:
    sample = np.array([1.0, 4.0, 2.5, 3.0])
    known = stats.ttest_1samp(sample, 0.0).confidence_interval(0.9)
    found = mean_interval(4, float(sample.mean()), float(sample.var(ddof=1)), 0.9)
    assert found == pytest.approx((known.low, known.high))


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_holds_the_rate_and_stays_a_rate(n: int, share: float, level: float) -> None:
    hits = round(n * share)
    lower, upper = wilson(hits, n, level)
    assert lower is not None
    assert upper is not None
    assert 0 <= lower <= hits / n <= upper <= 1


def test_many_at_once_equal_one_by_one() -> None:
    lower, upper = wilson_many([0, 3, 0], [5, 9, 0])
    assert (lower[1], upper[1]) == wilson(3, 9)
    assert np.isnan(lower[2])
    low, high = mean_interval_many([1, 8], [2.0, 2.0], [np.nan, 4.0])
    assert np.isnan(low[0])
    assert (low[1], high[1]) == mean_interval(8, 2.0, 4.0)


def test_wilson_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = rng.binomial(40, 0.1, 20_000)
    lower, upper = wilson_many(hits, np.full(20_000, 40))
    assert np.mean((lower <= 0.1) & (upper >= 0.1)) == pytest.approx(0.95, abs=0.02)
