"""Labels of one deployment move the shipped weights: towards better, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.scoring import calibration
from evalkit.scoring.adaptation import LEAST_LABELS, adapt
from evalkit.scoring.calibration import Logistic, as_content, digest, parse

INPUTS = 4


def shipped(weights: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)) -> Logistic:
    one = np.ones(INPUTS)
    model = Logistic(
        "made_up", tuple("abcd"), -5 * one, 5 * one, 0 * one, one, np.array(weights),
        0.0, 0.5, 0.5, 0.6, "",
    )  # fmt: skip
    return calibration.with_weights(
        model, np.r_[0.0, weights], prior=0.5, threshold=0.5, strict_threshold=0.6
    )


def traffic(
    n: int, truth: tuple[float, ...], seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, INPUTS))
    odds = x @ np.array(truth)
    return x, random.random(n) < 1 / (1 + np.exp(-odds)), [f"document {i // 2}" for i in range(n)]


def test_traffic_that_the_shipped_model_misjudges_is_learned() -> None:
    x, label, groups = traffic(200, (-1.0, 2.0, 0.0, 0.0))
    found = adapt(shipped(), x, label, groups)
    assert found.is_better
    assert found.auroc_before is not None
    assert found.auroc_after is not None
    assert found.auroc_after > found.auroc_before + 0.2
    fresh_x, fresh_label, _ = traffic(2000, (-1.0, 2.0, 0.0, 0.0), seed=1)
    p = found.model.probability(fresh_x)
    assert p[fresh_label].mean() > p[~fresh_label].mean() + 0.3


def test_a_model_that_is_right_already_is_kept_as_it_is() -> None:
    x, label, groups = traffic(200, (1.0, 0.0, 0.0, 0.0))
    found = adapt(shipped(), x, label, groups)
    assert not found.is_better
    assert found.model is not None
    assert found.model.sha256 == shipped().sha256


@pytest.mark.parametrize(("n", "positives"), [(LEAST_LABELS - 1, 10), (100, 4), (100, 97)])
def test_too_few_labels_change_nothing_and_say_so(n: int, positives: int) -> None:
    x, _, groups = traffic(n, (0.0, 0.0, 0.0, 0.0))
    found = adapt(shipped(), x, np.arange(n) < positives, groups)
    assert not found.is_better
    assert "a refit needs 30" in found.why


def test_labels_by_chance_are_seldom_taken_for_knowledge() -> None:
    kept = 0
    for seed in range(20):
        x, _, groups = traffic(60, (1.0, 0.0, 0.0, 0.0), seed)
        _, label, _ = traffic(60, (1.0, 0.0, 0.0, 0.0), seed + 100)  # of other rows
        found = adapt(shipped((0.0, 0.0, 0.0, 0.0)), x, label, groups, seed=seed)
        kept += found.is_better
    assert kept <= 3


def test_the_same_labels_give_the_same_model() -> None:
    x, label, groups = traffic(120, (-1.0, 1.0, 0.0, 0.5))
    assert (
        adapt(shipped(), x, label, groups).model.sha256
        == adapt(shipped(), x, label, groups).model.sha256
    )


def test_unequal_inclusion_is_weighed() -> None:
    x, label, groups = traffic(200, (-1.0, 2.0, 0.0, 0.0))
    equal = adapt(shipped(), x, label, groups)
    unequal = adapt(shipped(), x, label, groups, weight=np.where(label, 3.0, 1.0))
    assert unequal.model.prior > equal.model.prior


def test_a_refitted_model_reads_back_from_its_file() -> None:
    import json

    x, label, groups = traffic(200, (-1.0, 2.0, 0.0, 0.0))
    made = adapt(shipped(), x, label, groups).model
    text = json.dumps(as_content(made))
    again = parse(text, "made_up.json")
    assert again.sha256 == made.sha256 == digest(json.loads(text))
    np.testing.assert_array_equal(again.probability(x), made.probability(x))


@given(st.integers(30, 80), st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_any_labels_give_finite_weights_and_cuts(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, INPUTS)) * random.choice([0.0, 1.0, 100.0], size=INPUTS)
    found = adapt(shipped(), x, random.random(n) < 0.5, [str(i % 7) for i in range(n)])
    assert np.isfinite(found.model.coefficient).all()
    assert 0 <= found.model.threshold <= 1
    assert 0 <= found.model.strict_threshold <= 1
