"""Agreement measures equal scikit-learn's, and are None where they mean nothing."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from evalkit.stats.classification import (
    at_threshold,
    auroc,
    auroc_by_weight,
    auroc_interval,
    average_precision,
    average_precision_by_weight,
    best_threshold,
    cut_by_weight,
)

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=2, max_size=60)


@settings(deadline=None)
@given(rows)
def test_measures_equal_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs]) / 8
    if labels.min() == labels.max():
        assert auroc(labels, scores) is None
        assert average_precision(labels, scores) is None
        assert at_threshold(labels, scores, 0.5).balanced_accuracy is None
        assert best_threshold(labels, scores) is None
        return
    assert auroc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert average_precision(labels, scores) == pytest.approx(
        metrics.average_precision_score(labels, scores)
    )
    cut, called = at_threshold(labels, scores, 0.5), scores >= 0.5
    assert cut.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, called))
    assert cut.kappa == pytest.approx(metrics.cohen_kappa_score(labels, called))
    assert cut.f1 == pytest.approx(metrics.f1_score(labels, called, zero_division=0))
    assert cut.recall == pytest.approx(metrics.recall_score(labels, called))
    if called.any():
        assert cut.precision == pytest.approx(metrics.precision_score(labels, called))
    else:
        assert cut.precision is None
    best = best_threshold(labels, scores)
    assert best is not None
    reached = at_threshold(labels, scores, best).balanced_accuracy
    every = [at_threshold(labels, scores, each).balanced_accuracy for each in scores]
    assert reached == pytest.approx(max(value for value in every if value is not None))
    best = best_threshold(labels, scores, by="f1")
    assert best is not None
    f1s = [metrics.f1_score(labels, scores >= each) for each in scores]
    assert at_threshold(labels, scores, best).f1 == pytest.approx(max(f1s))


@settings(deadline=None)
@given(rows)
def test_a_score_turned_around_ranks_the_other_way(pairs: list[tuple[int, int]]) -> None:
    labels, scores = np.array(pairs).T
    area, turned = auroc(labels, scores), auroc(labels, -scores)
    if area is None:
        assert turned is None
        return
    assert turned == pytest.approx(1 - area)
    assert auroc(1 - labels, scores) == pytest.approx(1 - area)


@settings(deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_a_weight_counts_a_row_that_often(pairs: list[tuple[int, int]], random: Random) -> None:
    labels, scores = np.array(pairs).T
    weight = np.array([random.randint(0, 3) for _ in pairs])
    copied = np.repeat(labels, weight), np.repeat(scores, weight)
    for by_weight, plain in (
        (auroc_by_weight, auroc),
        (average_precision_by_weight, average_precision),
    ):
        expected = plain(*copied) if weight.any() else None
        found = by_weight(labels, scores)(weight.astype(np.float64))
        assert found == (None if expected is None else pytest.approx(expected))
    assert cut_by_weight(labels, scores, 4)(weight.astype(np.float64)) == at_threshold(*copied, 4)


def test_interval_holds_the_area_and_repeats() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 300)
    scores = labels + rng.normal(0, 1.5, 300)
    lower, upper = auroc_interval(labels, scores, draws=300, seed=1)
    area = auroc(labels, scores)
    assert lower is not None
    assert upper is not None
    assert area is not None
    assert lower < area < upper
    assert (lower, upper) == auroc_interval(labels, scores, draws=300, seed=1)
    assert auroc_interval([1, 1], [0.1, 0.2]) == (None, None)


def test_rows_of_one_group_count_as_one() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 60)
    scores = labels + rng.normal(0, 1.5, 60)
    copied = np.tile(labels, 5), np.tile(scores, 5)
    groups = np.tile(np.arange(60), 5)
    plain = auroc_interval(*copied, draws=300)
    grouped = auroc_interval(*copied, groups=groups, draws=300)
    assert None not in plain
    assert None not in grouped
    assert grouped[1] - grouped[0] > 1.5 * (plain[1] - plain[0])  # type: ignore[operator]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        auroc([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="NaN"):
        auroc([0, 1], [0.1, float("nan")])
    with pytest.raises(ValueError, match="equally long"):
        auroc([0, 1], [0.1])
