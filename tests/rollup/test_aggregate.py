"""Figures of groups against numpy and the plain formulas, and independence of how rows are
divided."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evalkit.metrics import Metric
from evalkit.rollup.aggregate import QUANTILES, figures, grouping, prepare

SCORE = Metric("groundedness", "score", "lower", "")
SHARE = Metric("failed", "share", "higher", "")
TIME = Metric("latency_ms", "ms", "higher", "")


def whole(n: int):
    return grouping("all", np.zeros(n, dtype=np.uint8), ["all"], 1)


@given(
    arrays(np.float64, st.integers(2, 60), elements=st.floats(0, 1)),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_every_group_has_the_figures_of_its_own_rows(values, k, seed):
    codes = np.random.default_rng(seed).integers(0, k, len(values))
    group = grouping("route", codes, [f"/{i}" for i in range(k)], k)
    found = figures(prepare(SCORE, values, np.ones(len(values), dtype=bool)), group)
    for place, name in enumerate(group.values):
        mine = values[codes == int(name[1:])]
        assert found.n_scored[place] == len(mine)
        assert found.histogram[place].sum() == len(mine)
        if not len(mine):
            assert np.isnan(found.floats["mean"][place])
            continue
        assert found.floats["mean"][place] == pytest.approx(mine.mean())
        for quantile, q in QUANTILES.items():
            assert found.floats[quantile][place] == pytest.approx(np.quantile(mine, q))
        if len(mine) > 1:
            assert found.floats["variance"][place] == pytest.approx(mine.var(ddof=1), abs=1e-12)


def test_the_largest_values_are_kept_and_ties_go_by_name():
    codes = np.array([0, 0, 1, 2, 2, 3])
    group = grouping("route", codes, ["b", "z", "a", "c"], 3)
    assert group.values == ["a", "b", "c"]
    assert group.n.tolist() == [2, 2, 1]
    assert group.codes.tolist() == [1, 1, 3, 0, 0, 2]  # "z" is one of the rest


def test_a_share_has_a_wilson_interval_and_a_mean_never_leaves_its_bounds():
    rows = np.ones(10, dtype=bool)
    share = figures(prepare(SHARE, np.array([1.0] * 8 + [0.0] * 2), rows), whole(10))
    assert share.floats["lower"][0] == pytest.approx(0.490, abs=1e-3)
    assert share.floats["upper"][0] == pytest.approx(0.943, abs=1e-3)
    score = figures(prepare(SCORE, np.array([1.0] * 9 + [0.0]), rows), whole(10))
    assert score.floats["upper"][0] == 1.0


def test_money_and_time_are_tested_on_logarithms_and_what_has_none_is_left_out_there_only():
    values = np.array([100.0, 200.0, 400.0, 0.0])
    found = figures(prepare(TIME, values, np.ones(4, dtype=bool)), whole(4))
    assert found.n_scored[0] == 4
    assert found.floats["mean"][0] == 175.0
    assert found.floats["level_mean"][0] == pytest.approx(np.log([100, 200, 400]).mean())
    assert found.floats["level_variance"][0] == pytest.approx(np.log([100, 200, 400]).var(ddof=1))


def test_what_has_no_value_has_no_figures_not_zeros():
    found = figures(prepare(SCORE, np.full(3, np.nan), np.array([True, True, False])), whole(3))
    assert (found.n_eligible[0], found.n_scored[0]) == (2, 0)
    assert all(np.isnan(values[0]) for values in found.floats.values())
