"""How questions and chunks are compared: by words that count, by meaning, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.encoders import Embedder
from evalkit.scoring import Batch, calibration
from evalkit.scoring.ranking import (
    CHUNK_INPUTS,
    RELEVANCE_INPUTS,
    Question,
    Reader,
    chunk_inputs,
    judged,
)
from evalkit.text import sentences
from tests.scoring.retrieval_story import questions
from tests.scoring.rows import PRICES, table

MODELS = calibration.load_all()
WORDS = {name: k for k, name in enumerate(CHUNK_INPUTS)}


def inputs(query: str, text: str) -> dict[str, float]:
    """Inputs with vectors that know nothing."""
    flat = np.full(4, 0.5, dtype=np.float32)
    spans = sentences.split(text)
    found = chunk_inputs(
        Question.of(query), Reader().read(text, spans), flat, flat, np.tile(flat, (len(spans), 1))
    )
    return dict(zip(CHUNK_INPUTS, found.tolist(), strict=True))


def test_rare_words_count_more_than_common_ones() -> None:
    asked = "people of Szczecin"
    assert inputs(asked, "Szczecin lies here.")["coverage"] > 0.6
    assert inputs(asked, "Many people live here.")["coverage"] < 0.4


def test_words_of_one_root_are_worth_a_part() -> None:
    whole, root, none = (
        inputs("education", text)["coverage"] for text in ("education", "educators", "schools")
    )
    assert whole == 1
    assert whole > root > none == 0


def test_words_that_stand_together_say_more() -> None:
    asked = "capital city of France"
    far = ". ".join(["The capital is here", "Go", "Go", "Go", "Go", "A city in France"]) + "."
    near = "The capital city of France is Paris."
    assert inputs(asked, far)["coverage"] == inputs(asked, near)["coverage"] == 1
    for name in ("coverage_window", "pairs"):
        assert inputs(asked, near)[name] > inputs(asked, far)[name]


def test_long_chunks_need_more() -> None:
    filler = " ".join(f"shelf{n} holds tools." for n in range(200))
    short, long = inputs("refund", "A refund."), inputs("refund", f"A refund. {filler}")
    assert short["coverage"] == long["coverage"] == 1
    assert short["saturated"] > long["saturated"] > 0


@pytest.mark.parametrize("query", ["", "?", "What is it?", "the of and"])
def test_a_question_of_stop_words_is_left_to_meaning(query: str) -> None:
    assert set(list(inputs(query, "It is a chunk.").values())[2:]) == {0.5}


@settings(deadline=None)
@given(query=st.text(max_size=200), text=st.text(max_size=400))
def test_any_texts_give_inputs_in_range(query: str, text: str) -> None:
    found = inputs(query, text)
    assert all(-1 <= value <= 1 + 1e-9 for value in found.values())
    assert all(found[name] >= 0 for name in CHUNK_INPUTS[2:])


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(5)))
def test_a_chunk_is_judged_by_itself(embedder: Embedder, order: list[int]) -> None:
    rows = questions()
    chunks = [{"id": str(k), "text": rows[k]["text"]} for k in range(5)]
    turned = [chunks[k] for k in order]
    batch = Batch(
        table(*({"query": rows[0]["query"], "contexts": c} for c in (chunks, turned, chunks[:1]))),
        embedder,
        PRICES,
        MODELS,
    )
    plain, mixed, alone = (found for found in judged(batch) if found is not None)
    assert mixed.relevance.tolist() == plain.relevance[list(order)].tolist()
    assert mixed.answers.tolist() == plain.answers[list(order)].tolist()
    assert alone.relevance[0] == plain.relevance[0]


def test_the_models_read_these_inputs_and_higher_is_never_less() -> None:
    assert MODELS["chunk_relevance"].features == RELEVANCE_INPUTS == CHUNK_INPUTS[:3]
    assert MODELS["context_sufficiency"].features == CHUNK_INPUTS
    for name in ("chunk_relevance", "context_sufficiency"):
        assert (MODELS[name].coefficient >= 0).all()


def test_the_right_passage_is_ranked_first_and_better_than_by_cosine(embedder: Embedder) -> None:
    rows = questions()
    texts = list(dict.fromkeys(row["text"] for row in rows))
    chunks = [{"id": str(k), "text": text} for k, text in enumerate(texts)]
    batch = Batch(
        table(*({"query": row["query"], "contexts": chunks} for row in rows)),
        embedder,
        PRICES,
        MODELS,
    )
    asked = embedder.embed([row["query"] for row in rows])
    cosine = asked @ embedder.embed(texts).T
    first, plain = 0, 0
    for i, (row, found) in enumerate(zip(rows, judged(batch), strict=True)):
        assert found is not None
        first += texts[int(found.relevance.argmax())] == row["text"]
        plain += texts[int(cosine[i].argmax())] == row["text"]
    assert first >= plain
    assert first >= 0.9 * len(rows)
