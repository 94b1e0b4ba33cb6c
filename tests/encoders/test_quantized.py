"""int8: close to float32, the same whatever a text is encoded beside, and the same when made again."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from evalkit.encoders import find_model
from evalkit.encoders.quantized import calibration_texts, quantize, recipe
from evalkit.encoders.runtimes.torch import load_module
from evalkit.encoders.tokenizer import Tokenizer

# Not among the calibration texts.
PAIRS = [
    ("How long does a refund take?", "Refunds are paid within five working days."),
    ("Where was the treaty signed?", "The treaty of 1648 was signed in Münster and Osnabrück."),
    ("What does the function return?", "It returns None when the file does not exist."),
    ("Quelle est la capitale du Pérou ?", "Lima is the capital of Peru."),
]


@pytest.fixture(scope="module")
def made() -> tuple[Any, Any]:
    plain = load_module(find_model())
    return plain, quantize(copy.deepcopy(plain), Tokenizer(find_model()))


def test_vectors_stay_near_those_of_float32(made: tuple[Any, Any]) -> None:
    texts = [text for pair in PAIRS for text in pair]
    assert not set(texts) & set(calibration_texts())
    a, b = (
        module.encode(texts, normalize_embeddings=True, show_progress_bar=False) for module in made
    )
    assert np.einsum("ij,ij->i", a, b).min() > 0.985
    np.testing.assert_allclose(a @ a.T, b @ b.T, atol=0.05)


def test_every_product_with_a_weight_is_rounded_to_whole_numbers(made: tuple[Any, Any]) -> None:
    layers = [layer for layer in made[1][0].modules() if hasattr(layer, "weight_scale")]
    assert len(layers) == 6 * 6  # six products in each of six layers
    for layer in layers:
        whole = layer.weight / layer.weight_scale[:, None]
        assert float((whole - whole.round()).abs().max()) < 1e-3
        assert 100 < float(whole.abs().max()) <= 127.01
        assert 0 <= layer.zero <= 255


@pytest.mark.slow
def test_made_again_it_is_the_same(made: tuple[Any, Any]) -> None:
    again = quantize(load_module(find_model()), Tokenizer(find_model()))
    for (name, a), (_, b) in zip(
        made[1].state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert a.equal(b), name


@pytest.mark.slow
def test_weights_of_seven_bits_never_overflow_sixteen() -> None:
    module = quantize(load_module(find_model()), Tokenizer(find_model()), top=63)
    for layer in module[0].modules():
        if hasattr(layer, "weight_scale"):
            assert float((layer.weight / layer.weight_scale[:, None]).abs().max()) < 63.01
    assert 2 * 255 * 63 < 2**15


def test_the_recipe_is_named_by_its_texts() -> None:
    assert len(calibration_texts()) > 100
    assert len(recipe()) == 12
