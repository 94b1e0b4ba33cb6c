"""Summaries of parts merge into the summary of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.moments import Moments, merge

numbers = st.lists(st.floats(-1e6, 1e6), max_size=30)


@given(numbers, numbers)
def test_merging_equals_the_whole(left: list[float], right: list[float]) -> None:
    both = Moments.of(left) + Moments.of(right)
    whole = Moments.of(left + right)
    assert both.n == whole.n
    if whole.n:
        assert both.mean == pytest.approx(whole.mean, abs=1e-6)
    if whole.n >= 2:
        assert both.variance == pytest.approx(np.var(left + right, ddof=1), rel=1e-6, abs=1e-6)


@given(st.lists(numbers, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_parts_changes_no_byte(parts: list[list[float]], random: object) -> None:
    summaries = [Moments.of(part) for part in parts]
    shuffled = list(summaries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(summaries) == merge(shuffled)


def test_a_large_offset_does_not_drown_the_variance() -> None:
    assert Moments.of(1e9 + np.array([4.0, 7.0, 13.0, 16.0])).variance == pytest.approx(30.0)


def test_unknown_stays_unknown() -> None:
    assert (Moments.of([]).mean, Moments.of([2.0]).variance) == (None, None)
    assert Moments.of([1.0, np.nan, 3.0]).n == 2


def test_a_stored_row_comes_back() -> None:
    summary = Moments.of([1.0, 2.0, 6.0])
    assert Moments.from_parts(summary.n, summary.mean, summary.variance) == summary
    assert Moments.from_parts(0, None, None) == Moments()
