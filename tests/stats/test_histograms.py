"""Histograms add up, and their quantiles are at most a bin wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.histograms import Scale, bins, count, dense, edges, quantile, sparse

scales = st.sampled_from(["unit", "log"])
values = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=50)


@given(scales, values, values)
def test_parts_add_up_to_the_whole(scale: Scale, left: list[float], right: list[float]) -> None:
    total = count(left, scale) + count(right, scale)
    assert np.array_equal(total, count(left + right, scale))
    assert total.sum() == np.sum(~np.isnan(left + right)) if left + right else total.sum() == 0


@given(scales, values)
def test_storage_gives_the_same_histogram_back(scale: Scale, sample: list[float]) -> None:
    counts = count(sample, scale)
    assert np.array_equal(dense(*sparse(counts), scale), counts)


def test_exact_ends_have_their_own_bins() -> None:
    counts = count([0.0, 1.0, 1.0, 0.05, 0.999], "unit")
    assert (counts[0], counts[-1], counts[2], counts[-2]) == (1, 2, 1, 1)


def test_edges_rise_and_are_fixed() -> None:
    assert np.all(np.diff(edges("log")) > 0)
    assert (bins("unit"), bins("log")) == (22, 130)
    assert edges("log")[56] == pytest.approx(1.0)


@pytest.mark.parametrize("q", [0.01, 0.25, 0.5, 0.9, 0.99])
def test_quantiles_are_at_most_a_bin_wrong(q: float) -> None:
    rng = np.random.default_rng(3)
    shares, latency = rng.beta(2, 3, 5000), rng.lognormal(6, 1.2, 5000)
    assert quantile(count(shares, "unit"), "unit", q) == pytest.approx(
        np.quantile(shares, q), abs=0.05
    )
    assert quantile(count(latency, "log"), "log", q) == pytest.approx(
        np.quantile(latency, q), rel=0.34
    )


def test_quantile_of_ends_and_of_nothing() -> None:
    assert quantile(count([], "unit"), "unit", 0.5) is None
    assert quantile(count([0.0, 0.0], "log"), "log", 0.5) == 0.0
    assert quantile(count([1.0], "unit"), "unit", 0.0) == 1.0
    with pytest.raises(ValueError, match="q must"):
        quantile(count([1.0], "unit"), "unit", 1.5)
    with pytest.raises(ValueError, match="bins"):
        quantile([1, 2], "unit", 0.5)
    with pytest.raises(ValueError, match="bin number"):
        dense([500], [1], "unit")
