"""The shipped models: their files are what they say, and numpy gives what scikit-learn gives."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from datasets.train import fitting
from evalkit.errors import ModelError
from evalkit.scoring import calibration, ranking, relevance
from evalkit.scoring.features import (
    RESPONSE_INPUTS,
    SENTENCE_INPUTS,
    VERIFIED_RESPONSE_INPUTS,
    VERIFIED_SENTENCE_INPUTS,
)
from evalkit.scoring.rejection import TURN_INPUTS

NAMES = (
    "answer_relevance",
    "chunk_relevance",
    "context_sufficiency",
    "hallucination",
    "hallucination_embeddings",
    "support",
    "support_embeddings",
    "user_correction",
)
FOLDER = files("evalkit.scoring") / "models"


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def test_every_model_is_loaded_and_hashed() -> None:
    assert tuple(calibration.load_all()) == NAMES
    assert calibration.hashes() == {n: json.loads(text_of(n))["sha256"] for n in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_states_inputs_prior_threshold_and_training(name: str) -> None:
    model, content = calibration.load(name), json.loads(text_of(name))
    inputs = {
        "answer_relevance": relevance.RELEVANCE_INPUTS,
        "chunk_relevance": ranking.RELEVANCE_INPUTS,
        "context_sufficiency": ranking.CHUNK_INPUTS,
        "hallucination": VERIFIED_RESPONSE_INPUTS,
        "hallucination_embeddings": RESPONSE_INPUTS,
        "support": VERIFIED_SENTENCE_INPUTS,
        "support_embeddings": SENTENCE_INPUTS,
        "user_correction": TURN_INPUTS,
    }
    assert model.features == inputs[name]
    assert (model.coefficient >= 0).all()
    assert 0 < model.threshold <= model.strict_threshold < 1
    for item in content["training"]:
        assert item["license"]
        assert 0 < item["positives"] < item["rows"]
        assert "ragtruth" not in item["dataset"]


@pytest.mark.parametrize("name", NAMES)
def test_the_card_tells_of_this_file(name: str) -> None:
    card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert calibration.load(name).sha256 in card


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_equal_those_of_scikit_learn(name: str) -> None:
    model = calibration.load(name)
    reference = LogisticRegression()
    reference.classes_ = np.array([0, 1])
    reference.coef_ = model.coefficient[None]
    reference.intercept_ = np.array([model.intercept])
    x = np.random.default_rng(0).uniform(-1, 6, (500, len(model.features)))
    z = (np.clip(x, model.low, model.high) - model.mean) / model.scale
    assert np.allclose(model.probability(x), reference.predict_proba(z)[:, 1], rtol=0, atol=1e-12)


def test_the_fit_itself_is_that_of_scikit_learn_where_no_weight_would_be_negative() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (400, 3))
    label = rng.uniform(size=400) < 1 / (1 + np.exp(3 - x @ np.array([1.0, 2.0, 3.0])))
    weight = rng.uniform(0.5, 1.5, 400)
    ridge = 0.1
    fit = fitting.fit_logistic(x, label, weight, ridge)
    z = (np.clip(x, fit.low, fit.high) - fit.mean) / fit.scale
    reference = LogisticRegression(C=1 / (ridge * weight.sum()), tol=1e-10)
    reference.fit(z, label, sample_weight=weight)
    assert np.allclose(fit.coefficient, reference.coef_[0], atol=1e-4)
    assert fit.intercept == pytest.approx(reference.intercept_[0], abs=1e-4)


def test_a_fitted_weight_is_never_negative() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 1, (300, 2))
    label = rng.uniform(size=300) < x[:, 0] * (1 - x[:, 1])
    fit = fitting.fit_logistic(x, label, np.ones(300), 0.01)
    assert fit.coefficient[0] > 0
    assert fit.coefficient[1] == 0


def test_a_set_weighs_its_share_and_its_classes_the_same() -> None:
    dataset = np.array(["a"] * 90 + ["b"] * 10)
    label = np.arange(100) % 5 == 0
    weight = fitting.set_weights(dataset, label, {"a": 1.0, "b": 0.5})
    assert weight.sum() == pytest.approx(100)
    assert weight[dataset == "a"].sum() == pytest.approx(2 * weight[dataset == "b"].sum())
    assert weight[label].sum() == pytest.approx(weight[~label].sum())


@given(seed=st.integers(0, 10_000), n=st.integers(1, 20))
def test_a_rows_probability_does_not_depend_on_its_neighbours(seed: int, n: int) -> None:
    model = calibration.load("hallucination")
    x = np.random.default_rng(seed).uniform(0, 3, (n, len(model.features)))
    together = model.probability(x)
    assert together.tolist() == [model.probability(row[None])[0] for row in x]


@pytest.mark.parametrize("k", range(len(VERIFIED_RESPONSE_INPUTS)))
def test_less_support_never_lowers_the_probability(k: int) -> None:
    model = calibration.load("hallucination")
    x = np.zeros((20, len(VERIFIED_RESPONSE_INPUTS)))
    x[:, k] = np.linspace(0, 5, 20)
    assert (np.diff(model.probability(x)) >= 0).all()


def test_a_changed_file_is_refused() -> None:
    content = json.loads(text_of("hallucination"))
    content["threshold"] = 0.01
    with pytest.raises(ModelError, match="changed after it was made"):
        calibration.parse(json.dumps(content), "hallucination.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x"}', "null"])
def test_what_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="is no model file"):
        calibration.parse(text, "x.json")


def test_a_model_with_a_missing_part_is_refused() -> None:
    content = json.loads(text_of("support"))
    del content["prior"]
    content["sha256"] = calibration.digest(content)
    with pytest.raises(ModelError, match="prior"):
        calibration.parse(json.dumps(content), "support.json")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="Known: answer_relevance, chunk_relevance"):
        calibration.load("toxicity")


def test_inputs_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="is not"):
        calibration.load("support").probability(np.zeros((2, 3)))


def test_metrics_have_their_shipped_cuts() -> None:
    cuts = calibration.thresholds(verified=False)
    assert cuts["hallucination"] == calibration.load("hallucination_embeddings").threshold
    assert cuts["groundedness"] == 1 - calibration.load("support_embeddings").threshold
    assert cuts["user_correction"] == calibration.load("user_correction").threshold
