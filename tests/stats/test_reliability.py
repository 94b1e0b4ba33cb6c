"""Calibration figures equal hand-made examples and scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from evalkit.stats.intervals import wilson
from evalkit.stats.reliability import brier, brier_skill_by_weight, calibration_curve, ece

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=1, max_size=60)


def test_calibration_error_by_hand() -> None:
    # Two bins of two: |0.5 - 0.1| and |1 - 0.8|.
    assert ece([0, 1, 1, 1], [0.1, 0.1, 0.8, 0.8], bins=2) == pytest.approx(0.3)
    assert ece([], []) is None


def test_the_curve_by_hand() -> None:
    low, high = calibration_curve([0, 0, 1, 1, 1, 0], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8], bins=2)
    assert (low.n, low.lowest, low.highest) == (3, 0.1, 0.3)
    assert (low.probability, low.rate) == (pytest.approx(0.2), pytest.approx(1 / 3))
    assert (high.probability, high.rate) == (pytest.approx(0.7), pytest.approx(2 / 3))
    assert (high.lower, high.upper) == wilson(2, 3)
    assert calibration_curve([], []) == ()


def test_equal_probabilities_share_a_bin() -> None:
    (only,) = calibration_curve([0, 1] * 50, [0.5] * 100)
    assert (only.n, only.rate) == (100, 0.5)
    assert ece([0, 1] * 50, [0.5] * 100) == 0.0


def test_calibrated_scores_have_a_small_error() -> None:
    rng = np.random.default_rng(2)
    truth = rng.uniform(size=20_000)
    labels = rng.uniform(size=20_000) < truth
    found = ece(labels, truth)
    assert found is not None
    assert found < 0.02
    curve = calibration_curve(labels, truth)
    assert len(curve) == 10
    assert sum(b.lower <= b.probability <= b.upper for b in curve) >= 8


@settings(deadline=None)
@given(rows)
def test_the_curve_parts_all_rows_and_brier_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    labels, raw = np.array(pairs).T
    probabilities = raw / 8
    curve = calibration_curve(labels, probabilities)
    assert sum(b.n for b in curve) == len(pairs)
    assert sum(b.n * b.rate for b in curve) == pytest.approx(labels.sum())
    found = brier(labels, probabilities)
    assert found is not None
    assert found.score == pytest.approx(metrics.mean_squared_error(labels, probabilities))
    if labels.min() == labels.max():
        assert found.skill is None
    else:
        base = brier(labels, np.full(len(labels), labels.mean()))
        assert base is not None
        assert base.skill == pytest.approx(0, abs=1e-9)
        assert found.skill == pytest.approx(1 - found.score / base.score)


@settings(deadline=None)
@given(rows, st.integers(0, 5))
def test_a_weight_counts_a_row_that_often(pairs: list[tuple[int, int]], seed: int) -> None:
    labels, raw = np.array(pairs).T
    weight = np.random.default_rng(seed).integers(0, 3, len(pairs))
    found = brier_skill_by_weight(labels, raw / 8)(weight.astype(np.float64))
    copied = brier(np.repeat(labels, weight), np.repeat(raw, weight) / 8)
    expected = None if copied is None else copied.skill
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ece([0, 1], [0.1, 2.0])
    with pytest.raises(ValueError, match="at least 1"):
        calibration_curve([0, 1], [0.1, 0.2], bins=0)
