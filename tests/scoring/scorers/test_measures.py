"""Each scorer on rows whose scores can be worked out by hand, or ordered by anyone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.scoring import score_table
from evalkit.scoring.scorers.context_relevance import (
    average_precision,
    graded_precision,
    position_mean,
)
from evalkit.scoring.scorers.reliability import is_same_model
from tests.scoring.rows import GOOD, PRICES, table

GRADES = st.lists(st.floats(0, 1), min_size=1, max_size=10)


def scores(embedder: Embedder, *changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = score_table(
        table(*changes), Settings(base=Path("/nowhere")), embedder, PRICES
    ).to_pylist()
    return [dict(row) for row in found]


def said(row: Mapping[str, Any], metric: str) -> float | str:
    """The value, or why there is none."""
    return row[metric] if row[f"{metric}__status"] == "ok" else row[f"{metric}__status"]


def test_an_answer_is_nearer_than_another_subject_however_long_it_is(embedder: Embedder) -> None:
    long = (
        GOOD["response"]
        + " "
        + " ".join(f"Thank you for shopping with us since 19{n}." for n in range(60, 95))
    )
    good, verbose, off = scores(
        embedder, {}, {"response": long}, {"response": "Penguins live in the south. They swim."}
    )
    assert good["answer_relevance"] > verbose["answer_relevance"] > off["answer_relevance"] + 0.2


@pytest.mark.parametrize("missing", [{"query": None}, {"response": None}, {"query": " "}])
def test_without_question_or_answer_there_is_no_relevance(
    embedder: Embedder, missing: dict[str, Any]
) -> None:
    assert said(scores(embedder, missing)[0], "answer_relevance") == "not_applicable"


def test_the_best_chunk_should_stand_first(embedder: Embedder) -> None:
    turned = [{**c, "rank": 3 - c["rank"]} for c in GOOD["contexts"]]
    first, last = scores(embedder, {}, {"contexts": turned})
    for metric in ("context_relevance", "context_precision"):
        assert first[metric] > last[metric]


def test_one_sentence_that_answers_makes_a_long_chunk_relevant(embedder: Embedder) -> None:
    filler = " ".join(f"Shelf {n} holds garden tools." for n in range(40))
    with_it = {"contexts": [{"text": f"{filler} A refund takes five days. {filler}"}]}
    without, found = scores(embedder, {"contexts": [{"text": filler}]}, with_it)
    assert found["context_relevance"] > without["context_relevance"] + 0.3


def test_known_relevant_ids_need_no_texts(embedder: Embedder) -> None:
    ids = [{"id": name, "rank": k + 1} for k, name in enumerate("xay")]
    row = scores(embedder, {"contexts": ids, "relevant_ids": ["a"]})[0]
    assert row["context_precision"] == 0.5
    assert said(row, "context_relevance") == "not_applicable"


def test_average_precision_by_hand() -> None:
    assert average_precision(["a", "b"], ["a", "b"]) == 1
    assert average_precision(["x", "y"], ["a"]) == 0
    assert average_precision(["x", "a", None, "b"], ["a", "b", "c"]) == pytest.approx(
        (1 / 2 + 2 / 4) / 3
    )
    assert average_precision(["a", "a"], ["a"]) == 1  # a chunk that comes twice is found once
    assert average_precision([], ["a"]) == 0


@given(GRADES)
def test_ranked_means_stay_in_range_and_sorting_never_hurts(grades: list[float]) -> None:
    given_, sorted_ = np.array(grades), np.array(sorted(grades, reverse=True))
    for measure in (position_mean, graded_precision):
        assert -1e-9 <= measure(given_) <= measure(sorted_) + 1e-9 <= 1 + 2e-9


def test_cost_is_that_of_the_served_model_and_unknown_is_not_free(embedder: Embedder) -> None:
    found = scores(
        embedder,
        {},
        {"token_semantics": "exclusive", "tokens_input": 156},
        {"model": None},
        {"model": "unknown"},
        {"tokens_output": None},
        {"tokens_cached": -1},
    )
    by_hand = 156 * 1.5e-07 + 256 * 7.5e-08 + 14 * 6e-07
    assert [said(row, "cost_usd") for row in found] == [
        *[pytest.approx(by_hand)] * 3,
        "not_applicable",
        "not_applicable",
        "error",
    ]


def test_a_batch_costs_less_and_a_tier_without_a_price_has_no_cost(embedder: Embedder) -> None:
    regular, batch, named, priority = scores(
        embedder,
        {"attributes": [("stream", "true")]},
        {"attributes": [("service_tier", "batch")]},
        {"attributes": [("response.service_tier", "flex")]},
        {"attributes": [("service_tier", "priority")]},
    )
    assert batch["cost_usd"] == pytest.approx(regular["cost_usd"] / 2)
    assert named["cost_usd"] == batch["cost_usd"]
    assert said(priority, "cost_usd") == "not_applicable"


def test_tokens_and_times_are_as_logged(embedder: Embedder) -> None:
    good, exclusive, unknown, negative, failed = scores(
        embedder,
        {},
        {"token_semantics": "exclusive"},
        {"tokens_input": None, "tokens_output": None, "latency_ms": None, "ttft_ms": None},
        {"tokens_input": -1, "tokens_output": -1, "latency_ms": -1.0, "ttft_ms": -1.0},
        {"status": "error"},
    )
    names = ("tokens_input", "tokens_output", "latency_ms", "ttft_ms")
    assert [said(good, name) for name in names] == [412, 14, 900.5, 120.25]
    assert exclusive["tokens_input"] == 412 + 256
    assert [said(unknown, name) for name in names] == ["not_applicable"] * 4
    assert [said(negative, name) for name in names] == ["error"] * 4
    assert [said(failed, name) for name in names] == [412, 14, "not_applicable", "not_applicable"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 1.0),
        ({"response": None, "tokens_output": 0}, 0.0),
        ({"response": " \n"}, "not_applicable"),
        ({"response": " \n", "tokens_output": None}, 0.0),
        ({"finish_reason": "length"}, 0.0),
        ({"finish_reason": "MAX_TOKENS"}, 0.0),
        ({"response": None, "finish_reason": "tool_calls"}, "not_applicable"),
        ({"status": "error"}, "not_applicable"),
        ({"response_format": "json_object"}, 0.0),
        ({"response_format": "json_object", "truncated": True}, "truncated"),
        ({"response_format": "json_schema", "response": ' {"a": [1]}\n'}, 1.0),
        ({"response_format": "json", "response": '{"a": NaN}'}, 0.0),
        ({"response_format": "json", "response": "[" * 100_000}, 0.0),
        ({"response_format": "text", "response": "{"}, 1.0),
    ],
)
def test_an_output_is_valid_or_not(
    embedder: Embedder, change: dict[str, Any], expected: float | str
) -> None:
    assert said(scores(embedder, change)[0], "output_valid") == expected


def test_failures_and_fallbacks(embedder: Embedder) -> None:
    ok, failed, unknown, other = scores(
        embedder, {}, {"status": "error"}, {"status": None, "model": None}, {"model": "gpt-4o"}
    )
    assert [said(row, "failed") for row in (ok, failed, unknown, other)] == [
        0,
        1,
        "not_applicable",
        0,
    ]
    assert [said(row, "model_fallback") for row in (ok, failed, unknown, other)] == [
        0,
        "not_applicable",
        "not_applicable",
        1,
    ]


@pytest.mark.parametrize(
    ("requested", "served", "same"),
    [
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", True),
        ("openai/GPT-4o", "gpt-4o", True),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", True),
        ("claude-3-haiku", "us.anthropic.claude-3-haiku-20240307-v1:0", True),
        ("gemini-1.5-pro", "models/gemini-1.5-pro-002", True),
        ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet", True),
        ("gpt-4", "gpt-4-0613", True),
        ("gpt-4-0613", "gpt-4-0314", False),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13", False),
        ("claude-3-opus", "claude-3-haiku", False),
    ],
)
def test_a_snapshot_is_the_same_model(requested: str, served: str, same: bool) -> None:
    assert is_same_model(requested, served) is same
