"""Canonical rows as JSON lines: strict types, and reasons that name the column."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from evalkit.ingest.sources.jsonl import SOURCE
from evalkit.schema import INTERACTIONS
from tests.ingest.story import ROW, read

FULL: dict[str, Any] = {
    "source_id": "a",
    "updated_at": 1795313700,
    "trace_id": "t",
    "session_id": "s",
    "user_id": "u",
    "started_at": "2026-11-22T02:14:05.120Z",
    "app": "shop",
    "route": "/ask",
    "environment": "prod",
    "provider": "openai",
    "model": "m",
    "requested_model": "m",
    "prompt_name": "p",
    "prompt_version": "7",
    "prompt_fingerprint": "ff",
    "system_prompt": "S",
    "history": [{"role": "user", "content": "Hi"}],
    "query": "Q",
    "response": "R",
    "contexts": [{"id": "1", "text": "T", "score": 1, "rank": 1, "updated_at": "2026-01-01",
                  "attributes": {"k": "v"}}],
    "reference": "R",
    "relevant_ids": ["1"],
    "response_format": "text",
    "tokens_input": 1,
    "tokens_cached": 0,
    "tokens_output": 2.0,
    "tokens_reasoning": 0,
    "token_semantics": "inclusive",
    "cost_logged_usd": 0.5,
    "latency_ms": 3,
    "ttft_ms": 1.5,
    "stages": [{"name": "retrieval", "kind": "retrieval", "start_ms": 0, "duration_ms": 1,
                "status": "ok", "error": None}],
    "status": "ok",
    "error_type": None,
    "finish_reason": "stop",
    "feedback": [{"name": "thumb", "value": 1, "label": "up", "comment": "c", "by": "u"}],
    "corrected_response": "R2",
    "truncated": False,
    "attributes": {"k": "v"},
}  # fmt: skip


def parse(record: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    rows, rejects = read(SOURCE, [json.dumps(record).encode()])
    return rows, [reject.reason for reject in rejects]


def test_every_column_can_be_given() -> None:
    assert set(FULL) == {c.name for c in INTERACTIONS.columns} - {"day", "interaction_id", "source"}
    (row,), _ = parse(FULL)
    assert set(FULL) - set(row) == {"error_type"}
    assert row["updated_at"] == datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
    assert row["tokens_output"] == 2


def test_what_is_evalkits_own_is_ignored_and_the_rest_becomes_attributes() -> None:
    (row,), _ = parse(ROW | {"day": "1999-01-01", "interaction_id": "x", "source": 5, "tier": 3})
    assert row == {
        "source_id": "a",
        "started_at": datetime(2026, 11, 22, 2, 14, 5, 120_000, tzinfo=UTC),
        "attributes": {"tier": "3"},
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"query": 5}, "query: is no text"),
        ({"tokens_input": "5"}, "tokens_input: is no whole number"),
        ({"tokens_input": 1.5}, "tokens_input: is no whole number"),
        ({"tokens_input": True}, "tokens_input: is no whole number"),
        ({"latency_ms": "fast"}, "latency_ms: is no number"),
        ({"truncated": 0}, "truncated: is neither true nor false"),
        ({"updated_at": "soon"}, "updated_at: is no time"),
        ({"started_at": "soon"}, "started_at: is no time"),
        ({"started_at": None}, "started_at: missing"),
        ({"contexts": {}}, "contexts: is no list"),
        ({"contexts": [{"text": "a"}, {"score": "x"}]}, "contexts[1].score: is no number"),
        ({"contexts": [5]}, "contexts[0]: is no object"),
        ({"contexts": [{"attributes": {"k": 1}}]}, "contexts[0].attributes.k: is no text"),
        ({"relevant_ids": [1]}, "relevant_ids[0]: is no text"),
        ({"attributes": []}, "attributes: is no object"),
        ({"source_id": 7}, "source_id: is no text"),
    ],
)
def test_a_wrong_type_names_its_column(change: dict[str, Any], reason: str) -> None:
    rows, reasons = parse(ROW | change)
    assert (rows, reasons) == ([], [reason])


def test_without_an_id_the_line_is_the_id() -> None:
    (row,), _ = parse({"started_at": ROW["started_at"], "source_id": " "})
    assert len(row["source_id"]) == 32


def test_a_prompt_without_fingerprint_gets_one() -> None:
    (row,), _ = parse(ROW | {"system_prompt": "Be brief."})
    (same,), _ = parse(ROW | {"system_prompt": "Be  brief.\n"})
    assert row["prompt_fingerprint"] == same["prompt_fingerprint"]
