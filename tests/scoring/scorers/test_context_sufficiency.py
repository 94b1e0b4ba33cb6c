"""Whether the question can be answered from what was retrieved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evalkit.encoders import Embedder
from evalkit.scoring import Batch, calibration
from evalkit.scoring.scorers.context_sufficiency import context_sufficiency
from evalkit.stats.classification import auroc
from tests.scoring.retrieval_story import questions
from tests.scoring.rows import GOOD, PRICES, table


def values(embedder: Embedder, *rows: dict[str, Any]) -> list[Any]:
    batch = Batch(table(*rows), embedder, PRICES, calibration.load_all())
    found = context_sufficiency.score(batch).columns["context_sufficiency"]
    return [
        value if status == "ok" else status
        for value, status in zip(found.values, found.status, strict=True)
    ]


def test_a_chunk_that_answers_is_enough_wherever_it_stands(embedder: Embedder) -> None:
    good, lake = GOOD["contexts"]
    enough, turned, without = values(
        embedder, {}, {"contexts": [{**lake, "rank": 1}, {**good, "rank": 2}]}, {"contexts": [lake]}
    )
    assert enough == turned > without


def test_questions_with_their_passage_and_with_the_nearest_other_one(embedder: Embedder) -> None:
    rows = questions()
    texts = list(dict.fromkeys(row["text"] for row in rows))
    vectors = embedder.embed(texts)
    pairs, label = [], []
    for row in rows:
        order = np.argsort(-np.round(vectors @ embedder.embed([row["query"]])[0], 5), kind="stable")
        other = next(texts[k] for k in order if texts[k] != row["text"])
        for text in (row["text"], other):
            pairs.append({"query": row["query"], "contexts": [{"id": "a", "text": text}]})
            label.append(text == row["text"])
    found = auroc(np.array(label), np.array(values(embedder, *pairs)))
    assert found is not None
    assert found > 0.9


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"query": None}, "not_applicable"),
        ({"contexts": None}, "not_applicable"),
        ({"contexts": []}, "not_applicable"),
        ({"truncated": True}, "truncated"),
        ({"contexts": [{"text": "word " * 200_000}]}, "over_budget"),
    ],
)
def test_a_row_without_a_value_says_why(
    embedder: Embedder, change: dict[str, Any], status: str
) -> None:
    assert values(embedder, change) == [status]
