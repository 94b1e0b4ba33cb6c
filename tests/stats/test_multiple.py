"""Adjusted p-values agree with scipy and keep the false discovery rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.multiple import benjamini_hochberg, benjamini_yekutieli


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_agrees_with_scipy(p_values: list[float]) -> None:
    known = stats.false_discovery_control(p_values, method="bh")
    assert benjamini_hochberg(p_values) == pytest.approx(known)
    known = stats.false_discovery_control(p_values, method="by")
    assert benjamini_yekutieli(p_values) == pytest.approx(known)


def test_no_tests_no_findings() -> None:
    assert benjamini_hochberg([]).size == 0
    assert benjamini_yekutieli([]).size == 0


def test_missing_p_values_are_refused() -> None:
    with pytest.raises(ValueError, match="leave tests"):
        benjamini_hochberg([0.1, float("nan")])
    with pytest.raises(ValueError, match="one-dimensional"):
        benjamini_hochberg([[0.1]])


def test_a_night_without_change_rarely_gives_a_finding() -> None:
    rng = np.random.default_rng(11)
    nights = [benjamini_hochberg(rng.uniform(size=50)).min() <= 0.05 for _ in range(1000)]
    assert np.mean(nights) <= 0.07
