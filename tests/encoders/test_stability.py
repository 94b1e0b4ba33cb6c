"""A text's vector is the same bytes alone, beside any other texts, and in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.encoders import Encoder, Runtime, find_model
from evalkit.encoders.runtimes.torch import load_module
from evalkit.encoders.shapes import rows_of
from evalkit.registry import find
from tests.encoders.loading import load

WORDS = [
    "the",
    "refund",
    "of",
    "an",
    "order",
    "takes",
    "five",
    "working",
    "days",
    "after",
    "Zürich",
    "東京",
    "got",
    "parcel",
    "number",
    "4711",
    "!",
]
TEXTS = [
    "",
    "!",
    *(
        " ".join((WORDS * 20)[k : k + n])
        for k, n in enumerate([1, 3, 6, 7, 9, 20, 33, 60, 200, 330])
    ),
]
ALL = find("evalkit.encoders.runtimes", "evalkit.encoders", Runtime)
RUNTIMES = [(name, precision) for name, one in ALL.items() for precision in one.precisions]
#: Least cosine with torch fp32 of any text; in int8 the empty text and a lone "!" are farthest.
NEAR = {"fp32": 0.999999, "bf16": 0.999, "int8": 0.96}


def test_neighbours_and_order_do_not_show(encoder: Encoder) -> None:
    alone = {text: encoder.encode([text])[0].tobytes() for text in TEXTS}

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12))
    def holds(texts: list[str]) -> None:
        vectors = encoder.encode(texts)
        assert [v.tobytes() for v in vectors] == [alone[text] for text in texts]

    holds()


def test_a_full_pass_and_a_single_text_give_the_same_bytes(encoder: Encoder) -> None:
    texts = [
        f"{word} parcel {n}" for word in WORDS for n in range(8)
    ]  # more than one pass of a bucket
    assert len(texts) > rows_of(8)
    whole = encoder.encode(texts)
    assert np.array_equal(encoder.encode(texts[::-1])[::-1], whole)
    assert np.array_equal(np.vstack([encoder.encode([text]) for text in texts[:10]]), whole[:10])


def test_vectors_are_those_of_sentence_transformers(encoder: Encoder) -> None:
    expected = load_module(find_model()).encode(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=2e-6)


def test_token_vectors_stand_for_their_characters(encoder: Encoder) -> None:
    text = "Refunds take five days."
    found = encoder.tokens(["", text])
    assert found.offsets.tolist()[:2] == [0, 0]
    assert [text[a:b] for a, b in found.spans] == ["Ref", "unds", "take", "five", "days", "."]
    assert found.vectors.shape == (6, 384)
    mean = found.vectors.mean(axis=0)
    assert mean @ encoder.encode([text])[0] / np.linalg.norm(mean) > 0.9


def test_an_endless_text_costs_no_more_than_a_page(encoder: Encoder) -> None:
    page = "refund " * 300
    assert np.array_equal(encoder.encode([page * 1000]), encoder.encode([page]))


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "precision"), RUNTIMES)
def test_the_other_runtimes_are_as_stable_and_as_near(
    encoder: Encoder, tmp_path: Path, runtime: str, precision: str
) -> None:
    obstacle = ALL[runtime].obstacle(precision)
    if obstacle is not None:
        pytest.skip(obstacle)
    other = load(tmp_path, runtime, precision)
    whole = other.encode(TEXTS)
    rng = np.random.default_rng(7)
    for _ in range(3):
        order = rng.permutation(len(TEXTS))
        assert np.array_equal(other.encode([TEXTS[i] for i in order]), whole[order])
    assert np.array_equal(np.vstack([other.encode([text]) for text in TEXTS]), whole)
    cosine = np.einsum("ij,ij->i", whole, encoder.encode(TEXTS))
    assert cosine.min() > NEAR[precision]
