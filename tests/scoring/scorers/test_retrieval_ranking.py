"""Rankings against known relevant ids: what the library gives is what one works out by hand."""

from __future__ import annotations

from math import log2
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.encoders import Embedder
from evalkit.scoring import Batch
from evalkit.scoring.scorers.retrieval_ranking import CUT, ranking_measures, retrieval_ranking
from tests.scoring.rows import PRICES, table

NAMES = ("retrieval_hit", "retrieval_recall", "retrieval_mrr", "retrieval_ndcg")
IDS = st.text(max_size=4)


@pytest.mark.parametrize(
    ("retrieved", "relevant", "by_hand"),
    [
        (["a"], {"a"}, (1, 1, 1, 1)),
        (["x", "a"], {"a"}, (1, 1, 1 / 2, 1 / log2(3))),
        (["x", "y"], {"a"}, (0, 0, 0, 0)),
        ([], {"a"}, (0, 0, 0, 0)),
        (["a", "x", "b"], {"a", "b", "c"}, (1, 2 / 3, 1, 1.5 / (1 + 1 / log2(3) + 1 / 2))),
        ([None, "a"], {"a"}, (1, 1, 1 / 2, 1 / log2(3))),  # a chunk without an id keeps its rank
        (["a", "a", "b"], {"a", "b"}, (1, 1, 1, 1.5 / (1 + 1 / log2(3)))),  # twice is found once
        (list("vwxyza"), {"a"}, (0, 0, 1 / 6, 0)),  # beyond the cut only the reciprocal rank sees
        (list("abcdef"), set("abcdef"), (1, 5 / 6, 1, 1)),
        (["a\0x", "a"], {"a"}, (1, 1, 1 / 2, 1 / log2(3))),  # any text is an id
    ],
)
def test_by_hand(retrieved: list[str | None], relevant: set[str], by_hand: Any) -> None:
    found = ranking_measures([retrieved], [relevant])[0]
    assert tuple(found) == NAMES
    assert tuple(found.values()) == pytest.approx(by_hand, abs=1e-9)


@settings(deadline=None)
@given(
    retrieved=st.lists(st.none() | IDS, max_size=8),
    relevant=st.sets(IDS, min_size=1, max_size=8),
)
def test_any_ids_give_values_in_range_that_agree(
    retrieved: list[str | None], relevant: set[str]
) -> None:
    found = ranking_measures([retrieved], [relevant])[0]
    assert all(0 <= value <= 1 for value in found.values())
    hit = any(id_ in relevant for id_ in retrieved[:CUT])
    assert found["retrieval_hit"] == hit
    assert (found["retrieval_ndcg"] > 0) == (found["retrieval_recall"] > 0) == hit
    assert ranking_measures([["other"], retrieved], [{"x"}, relevant])[1] == found


def test_statuses(embedder: Embedder) -> None:
    no_ids = [{"id": None, "text": "a"}]
    rows = table(
        {"relevant_ids": ["b"]},
        {"relevant_ids": None},
        {"relevant_ids": [None]},
        {"contexts": None},
        {"contexts": []},
        {"contexts": no_ids},
        {"truncated": True},
        {"query": None, "response": None},
    )
    found = retrieval_ranking.score(Batch(rows, embedder, PRICES, {})).columns
    for name in NAMES:
        assert found[name].status.tolist() == [
            "ok", "not_applicable", "not_applicable", "not_applicable",
            "ok", "not_applicable", "truncated", "ok",
        ]  # fmt: skip
    assert found["retrieval_mrr"].values[[0, 4, 7]].tolist() == [0.5, 0.0, 1.0]


def test_ranks_and_not_places_decide(embedder: Embedder) -> None:
    turned = [{"id": "a", "text": "x", "rank": 2}, {"id": "b", "text": "y", "rank": 1}]
    rows = table({"contexts": turned, "relevant_ids": ["b"]})
    found = retrieval_ranking.score(Batch(rows, embedder, PRICES, {})).columns
    assert found["retrieval_mrr"].values[0] == 1.0
