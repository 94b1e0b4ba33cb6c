"""A rate from the scores of all rows and the verdicts of a few: what its interval promises, and where it comes from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit

from evalkit.labelling.selection import draw, inclusion_probabilities
from evalkit.stats.classification import auroc
from evalkit.stats.intervals import wilson
from evalkit.stats.prediction_powered import Prevalence, labels_alone, prevalence

SHARE = st.floats(0, 1, allow_nan=False)
LABEL = st.tuples(st.integers(0, 1), SHARE, st.floats(0.01, 1, allow_nan=False))
LABELS = st.lists(LABEL, min_size=1, max_size=60)


def traffic(rows: int, rate: float, area: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts and scores: two normal scores as far apart as the AUROC says, calibrated to another rate (36 %)."""
    rng = np.random.default_rng(seed)
    verdicts = (np.arange(rows) < round(rows * rate)).astype(float)
    apart = np.sqrt(2) * stats.norm.ppf(area)
    seen = rng.normal(size=rows) + apart * verdicts
    return verdicts, expit(apart * seen - apart**2 / 2 + logit(0.36)).round(4)


def estimate(labels: list[tuple[int, float, float]], population: list[float]) -> Prevalence:
    verdicts, scores, chance = (list(column) for column in zip(*labels, strict=True))
    found = prevalence(verdicts, scores, [*population, *scores], probabilities=chance)
    assert found is not None
    return found


def test_without_labels_there_is_no_rate():
    assert prevalence([], [], [0.1, 0.7]) is None
    assert labels_alone([]) is None


def test_the_rate_is_the_traffics_not_the_labels():
    """Half of the labelled answers are wrong, but the traffic is mostly of the kind that is right."""
    verdicts, scores = [0] * 45 + [1] * 5 + [0] * 5 + [1] * 45, [0.1] * 50 + [0.9] * 50
    found = prevalence(verdicts, scores, [0.1, 0.9], [950, 50])
    assert found.lower < 0.1 * 0.95 + 0.9 * 0.05 < found.upper < 0.3


def test_a_useless_score_changes_nothing():
    rng = np.random.default_rng(3)
    verdicts = (rng.random(100) < 0.3).astype(float)
    flat = prevalence(verdicts, [0.4] * 100, [0.4], [5000])
    assert flat == labels_alone(verdicts)
    assert flat.basis == "labels_alone"
    inverted = prevalence(verdicts, 0.8 - verdicts / 2, rng.random(5000))
    assert inverted.basis == "labels_alone"
    assert inverted.width == pytest.approx(flat.width)


def test_without_scores_it_is_wilsons_interval():
    found = labels_alone([1] * 60 + [0] * 140)
    assert (found.lower, found.upper) == pytest.approx(wilson(60, 200), abs=0.001)


@pytest.mark.parametrize("verdict", [0, 1])
def test_labels_that_all_agree_still_leave_doubt(verdict):
    found = prevalence([verdict] * 50, np.linspace(0.1, 0.9, 50), np.linspace(0, 1, 999))
    assert found.rate == verdict
    assert 0.05 < found.width < 0.1


def test_who_labels_everything_knows_the_rate():
    verdicts, scores = traffic(400, 0.3, 0.8, seed=1)
    found = prevalence(verdicts, scores, scores, probabilities=np.ones(400))
    assert found.lower == pytest.approx(found.upper) == pytest.approx(0.3, abs=1e-9)


def test_a_good_score_narrows_the_interval():
    verdicts, scores = traffic(4000, 0.3, 0.95, seed=1)
    some = np.random.default_rng(2).choice(4000, 200, replace=False)
    found = prevalence(verdicts[some], scores[some], scores)
    assert found.basis == "scores_and_labels"
    assert found.width < 0.7 * labels_alone(verdicts[some]).width


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"verdicts": [0, 2]}, "verdicts"),
        ({"verdicts": [0]}, "equally long"),
        ({"scores": [0.1, 1.2]}, "scores"),
        ({"scores": [0.1, float("nan")]}, "scores"),
        ({"counts": [1.0]}, "counts"),
        ({"counts": [0.0, 0.0]}, "counts"),
        ({"probabilities": [0.0, 0.5]}, "probabilities"),
    ],
)
def test_impossible_input_is_named(wrong, message):
    good = {"verdicts": [0, 1], "scores": [0.1, 0.9], "population": [0.1, 0.9]}
    with pytest.raises(ValueError, match=message):
        prevalence(**{**good, **wrong})


@given(LABELS, st.lists(SHARE, max_size=20))
@settings(max_examples=60, deadline=None)
def test_the_interval_lies_between_0_and_1_and_holds_the_rate(labels, population):
    found = estimate(labels, population)
    assert 0 <= found.lower <= found.rate <= found.upper <= 1


@given(LABELS, st.lists(SHARE, max_size=20), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_labels_does_not_matter(labels, population, chance):
    turned = labels.copy()
    chance.shuffle(turned)
    one, other = estimate(labels, population), estimate(turned, population)
    assert (one.basis, one.n_labels) == (other.basis, other.n_labels)
    assert (one.rate, one.lower, one.upper) == pytest.approx(
        (other.rate, other.lower, other.upper), abs=1e-6
    )


@given(LABELS, st.lists(SHARE, max_size=20), st.sampled_from([0.5, 0.1]))
@settings(max_examples=40, deadline=None)
def test_rarer_draws_weigh_the_same_and_promise_less(labels, population, rarer):
    one = estimate(labels, population)
    other = estimate([(v, s, p * rarer) for v, s, p in labels], population)
    if one.basis == other.basis:
        assert other.rate == pytest.approx(one.rate, abs=1e-6)
        assert other.width >= one.width - 1e-9


@given(LABELS)
@settings(max_examples=40, deadline=None)
def test_never_wider_than_the_labels_alone(labels):
    verdicts, scores, chance = (list(column) for column in zip(*labels, strict=True))
    found = prevalence(verdicts, scores, scores, probabilities=chance)
    assert found.width <= labels_alone(verdicts, chance).width + 1e-12


def coverage(rate: float, area: float, n: int, draws: int, sheet: str) -> tuple[float, float]:
    """How often the interval holds the truth, and its mean width over that of Wilson's from as many labels."""
    verdicts, scores = traffic(5000, rate, area, seed=11)
    spread = np.sqrt(scores * (1 - scores))
    chance = inclusion_probabilities(spread if sheet == "uncertain" else np.ones(5000), n)
    values, counts = np.unique(scores, return_counts=True)
    held, width, plain = 0, 0.0, 0.0
    for seed in range(draws):
        some = draw(chance, np.zeros(5000), seed)
        found = prevalence(verdicts[some], scores[some], values, counts, chance[some])
        held += found.lower <= verdicts.mean() <= found.upper
        width += found.width
        lower, upper = wilson(rate * n, n)
        plain += upper - lower
    return held / draws, width / plain


def test_the_interval_holds_what_it_promises_in_a_few_draws():
    held, narrower = coverage(0.3, 0.8, 100, 150, "uncertain")
    assert 0.9 <= held <= 0.99
    assert narrower < 0.92


@pytest.mark.slow
@pytest.mark.parametrize("sheet", ["uniform", "uncertain"])
@pytest.mark.parametrize("n", [50, 100, 200])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_95_percent_intervals_cover_93_to_97_percent(rate, n, sheet):
    held, narrower = coverage(rate, 0.8, n, 2000, sheet)
    assert 0.93 <= held <= 0.97
    assert narrower < 1.0


@pytest.mark.slow
def test_a_score_with_auroc_09_saves_a_quarter_of_the_width():
    verdicts, scores = traffic(5000, 0.3, 0.9, seed=11)
    assert auroc(verdicts, scores) == pytest.approx(0.9, abs=0.01)
    held, narrower = coverage(0.3, 0.9, 200, 2000, "uniform")
    assert 0.93 <= held <= 0.97
    assert narrower <= 0.75
