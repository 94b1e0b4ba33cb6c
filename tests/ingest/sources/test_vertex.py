"""Vertex AI request-response logs: the golden story as Gemini and partners' models tell it, whole and
streamed, as JSON lines and as Parquet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.ingest.contract import Line
from evalkit.ingest.doors.files import lines
from evalkit.ingest.sources.vertex import SOURCE
from tests.ingest.golden import (
    CANONICAL,
    CHUNK,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.story import copy_of

CALL: dict[str, Any] = json.loads(lines_of("vertex.jsonl")[0].data)
STREAM: dict[str, Any] = json.loads(lines_of("vertex_stream.jsonl")[0].data)
WHOLE, PIECES = (json.loads(line.data) for line in lines_of("vertex_partner.jsonl"))
#: Gemini's own model; chunks of a grounding have no score.
DIFFERENT = {"model": "gemini-2.5-flash", "contexts": [{**CHUNK, "score": None}]}
REQUEST, RESPONSE = CALL["full_request"], CALL["full_response"]


def one(record: dict[str, Any]) -> dict[str, Any]:
    (row,), rejects = read_lines(SOURCE, [Line("x.jsonl", 1, json.dumps(record).encode())])
    assert rejects == []
    return row


def candidate(**changes: Any) -> dict[str, Any]:
    return copy_of(CALL, full_response__candidates=[{**RESPONSE["candidates"][0], **changes}])


@pytest.mark.parametrize("record", [CALL, STREAM])
def test_the_story(record: dict[str, Any]) -> None:
    row = one(record)
    assert_tells_the_story(row, absent=["ttft_ms"], **DIFFERENT)
    assert_costs_the_same({**row, "model": CANONICAL["model"]}, logged=False)
    assert row["source_id"] == record["request_id"]
    assert row["provider"] == "google"


def test_the_story_in_strings() -> None:
    names = ("full_request", "full_response", "metadata")
    for record in (CALL, STREAM):
        packed = {k: json.dumps(v) if k in names else v for k, v in record.items()}
        assert_tells_the_story(one(packed), absent=["ttft_ms"], **DIFFERENT)


@pytest.mark.parametrize("record", [WHOLE, PIECES])
def test_the_story_told_by_a_partners_model(record: dict[str, Any]) -> None:
    row = one(record)
    gone = ["ttft_ms", "session_id", "user_id", "prompt_name", "prompt_version", "contexts"]
    assert_tells_the_story(
        row,
        absent=gone,
        model="claude-3-5-haiku-20241022",
        tokens_input=156,
        token_semantics="exclusive",
    )
    assert_costs_the_same({**row, "model": CANONICAL["model"]}, logged=False)
    assert row["provider"] == "anthropic"


def test_the_story_as_bigquery_exports_it_to_parquet(tmp_path: Path) -> None:
    table = pa.table(
        {
            "logging_time": pa.array(
                [datetime(2026, 11, 22, 2, 14, 6, 500_000, tzinfo=UTC)],
                pa.timestamp("us", "UTC"),
            ),
            "request_id": pa.array([Decimal(CALL["request_id"])], pa.decimal128(38, 9)),
            "request_payload": pa.array([[]], pa.list_(pa.string())),
            "response_payload": pa.array([[]], pa.list_(pa.string())),
            "model": [CALL["model"]],
            "api_method": ["generateContent"],
            **{name: [json.dumps(CALL[name])] for name in
               ("full_request", "full_response", "metadata")},
        }
    )  # fmt: skip
    pq.write_table(table, tmp_path / "log.parquet")
    (row,), rejects = read_lines(SOURCE, lines("*.parquet", tmp_path, "here"))
    assert rejects == []
    assert_tells_the_story(row, absent=["ttft_ms"], **DIFFERENT)
    assert row["source_id"] == CALL["request_id"]


def test_without_a_latency_the_end_stands_for_the_start() -> None:
    row = one(copy_of(CALL, metadata=None))
    assert row["started_at"] == row["updated_at"]
    assert "latency_ms" not in row
    assert "no latency" in row["attributes"]["started_at"]


def test_an_id_that_lost_its_digits_is_none() -> None:
    assert one(copy_of(CALL, request_id=7.311842075612234e18))["source_id"] == "AbC123"


def test_thoughts_are_paid_as_output_and_are_no_answer() -> None:
    usage = {"promptTokenCount": 412, "candidatesTokenCount": 14, "thoughtsTokenCount": 100,
             "toolUsePromptTokenCount": 8}  # fmt: skip
    record = copy_of(candidate(content={"role": "model", "parts": [
        {"text": "Let me see.", "thought": True}, {"text": "Yes."}]}),
        full_response__usageMetadata=usage)  # fmt: skip
    row = one(record)
    assert row["response"] == "Yes."
    assert (row["tokens_input"], row["tokens_output"], row["tokens_reasoning"]) == (420, 114, 100)


@pytest.mark.parametrize(
    ("reason", "told"),
    [("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("MALFORMED_FUNCTION_CALL",
     "malformed_function_call")],
)  # fmt: skip
def test_finish_reasons(reason: str, told: str) -> None:
    assert one(candidate(finishReason=reason))["finish_reason"] == told


def test_a_blocked_prompt() -> None:
    row = one(copy_of(CALL, full_response={"promptFeedback": {"blockReason": "SAFETY"}}))
    assert row["finish_reason"] == "content_filter"
    assert row["attributes"]["response.block_reason"] == "SAFETY"
    assert "response" not in row


def test_an_error() -> None:
    error = {"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}
    row = one(copy_of(CALL, full_response=error))
    assert (row["status"], row["error_type"]) == ("error", "429")


def test_several_candidates_are_rows() -> None:
    candidates = RESPONSE["candidates"] * 2
    record = copy_of(CALL, full_response__candidates=candidates)
    rows, _ = read_lines(SOURCE, [Line("x", 1, json.dumps(record).encode())])
    assert [row.get("tokens_output") for row in rows] == [14, None]


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        ({"web": {"uri": "https://a.example", "title": "A"}}, ("https://a.example", None)),
        ({"retrievedContext": {"documentName": "d/1", "ragChunk": {"text": "B"}}}, ("d/1", "B")),
        ({"retrievedContext": {"title": "C", "text": "C!"}}, ("C", "C!")),
    ],
)
def test_chunks_of_a_grounding(chunk: dict[str, Any], expected: tuple[str, str | None]) -> None:
    (found,) = one(candidate(groundingMetadata={"groundingChunks": [chunk]}))["contexts"]
    assert (found["id"], found["text"]) == expected


def test_what_a_function_gave_stands_before_the_answer() -> None:
    documents = [{"id": "a", "text": "A"}]
    contents = [
        *REQUEST["contents"],
        {"role": "model", "parts": [{"functionCall": {"name": "search", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "search", "response": {"documents": documents}}}]},
    ]  # fmt: skip
    record = copy_of(candidate(groundingMetadata=None), full_request__contents=contents)
    (found,) = one(record)["contexts"]
    assert (found["id"], found["text"]) == ("a", "A")


def test_the_older_log_of_custom_endpoints() -> None:
    record = {
        "endpoint": "123",
        "deployed_model_id": "456",
        "logging_time": CALL["logging_time"],
        "request_id": 7,
        "request_payload": ['{"prompt": "Is it?", "max_tokens": 4}'],
        "response_payload": ['{"predictions": ["Yes."]}'],
    }
    row = one(record)
    assert (row["query"], row["response"], row["source_id"]) == ("Is it?", "Yes.", "7")
    assert row["attributes"]["deployed_model_id"] == "456"
    instances = {**record, "request_payload": ['{"instances": [{"prompt": "Is it?"}]}']}
    assert one(instances)["query"] == "Is it?"


def test_a_trace_of_the_otel_log() -> None:
    assert one(copy_of(CALL, otel_log={"traceId": "5b8e"}))["trace_id"] == "5b8e"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"logging_time": None}, "logging_time: missing"),
        ({"logging_time": "soon"}, "logging_time: is no time"),
        ({"full_request": None, "full_response": None}, "neither request nor response"),
    ],
)
def test_what_cannot_be_read(changes: dict[str, Any], reason: str) -> None:
    record = copy_of(CALL, **changes)
    rows, (reject,) = read_lines(SOURCE, [Line("x", 1, json.dumps(record).encode())])
    assert (rows, reject.reason) == ([], reason)
