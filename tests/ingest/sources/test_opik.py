"""Opik: the golden story, what its SDKs put in spans, and what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.ingest.contract import Line
from evalkit.ingest.sources.opik import SOURCE
from tests.ingest.golden import (
    CANONICAL,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.story import copy_of

EXPORT: dict[str, Any] = json.loads(lines_of("opik.jsonl")[0].data)
TRACE = EXPORT["trace"]
RETRIEVAL, CALL = EXPORT["spans"]
ANSWER = CANONICAL["response"]


def of(*found: dict[str, Any] | str) -> list[Line]:
    texts = [one if isinstance(one, str) else json.dumps(one) for one in found]
    return [Line("x.json", number, text.encode()) for number, text in enumerate(texts, 1)]


def one(*found: dict[str, Any]) -> dict[str, Any]:
    (row,), rejects = read_lines(SOURCE, of(*found))
    assert rejects == []
    return row


def call(**changes: Any) -> dict[str, Any]:
    return {**EXPORT, "spans": [RETRIEVAL, copy_of(CALL, **changes)]}


def trace(**changes: Any) -> dict[str, Any]:
    return {**EXPORT, "trace": copy_of(TRACE, **changes)}


def test_the_story() -> None:
    row = one(EXPORT)
    assert_tells_the_story(row, absent=["ttft_ms"])
    assert_costs_the_same(row, logged=True)
    assert row["source_id"] == CALL["id"]
    assert (row["app"], row["route"], row["provider"]) == ("support-bot", "support-chat", "openai")
    assert [stage["kind"] for stage in row["stages"]] == ["retrieval", "llm"]
    assert [(note["name"], note["value"]) for note in row["feedback"]] == [("user_thumb", 1.0)]
    assert row["attributes"]["tags"] == '["rag"]'


def test_the_story_as_the_api_gives_it() -> None:
    assert_tells_the_story(one(CALL, TRACE, RETRIEVAL), absent=["ttft_ms"])


def test_the_story_as_one_indented_file() -> None:
    text = json.dumps(EXPORT, indent=2)
    lines = [Line("t.json", n, one.encode()) for n, one in enumerate(text.splitlines(), 1)]
    (row,), rejects = read_lines(SOURCE, lines)
    assert rejects == []
    assert_tells_the_story(row, absent=["ttft_ms"])


def test_the_time_to_the_first_token() -> None:
    assert one(call(ttft=410.0))["ttft_ms"] == 410


def test_a_trace_without_spans_is_a_row_of_its_own() -> None:
    row = one({**EXPORT, "spans": []})
    assert (row["query"], row["response"]) == (CANONICAL["query"], ANSWER)
    assert (row["source_id"], row["session_id"]) == (TRACE["id"], "s-77")
    assert "tokens_input" not in row


def test_the_tokens_and_the_cost_of_the_trace_are_sums() -> None:
    row = one(trace(usage={"prompt_tokens": 9999}, total_estimated_cost=1.0))
    assert (row["tokens_input"], row["cost_logged_usd"]) == (412, 0.000051)


@pytest.mark.parametrize(
    "mark", [{"source": "evaluator"}, {"visibility": "hidden"}, {"visibility_mode": "hidden"}]
)
def test_what_evaluators_did_is_left_out(mark: dict[str, str]) -> None:
    assert read_lines(SOURCE, of(trace(**mark))) == ([], [])
    judge = {**CALL, **mark, "id": "01935d2a-1bb8-7a11-b3c2-6d7e8f909999", "name": "judge"}
    row = one({**EXPORT, "spans": [RETRIEVAL, CALL, judge]})
    assert row["source_id"] == CALL["id"]
    assert row["tokens_input"] == 412


def test_scores_of_a_model_are_no_feedback() -> None:
    scores = [
        {"name": "hallucination", "value": 0.1, "source": "online_scoring"},
        {"name": "tone", "value": 0, "category_name": "rude", "reason": "Why?", "source": "ui",
         "created_by": "ann"},
    ]  # fmt: skip
    (note,) = one(trace(feedback_scores=scores))["feedback"]
    assert note == {"name": "tone", "value": 0.0, "label": "rude", "comment": "Why?", "by": "ann"}


def test_remarks_of_people_are_feedback() -> None:
    row = one(trace(comments=[{"text": "Wrong plan.", "created_by": "ann"}]))
    assert row["feedback"][-1] == {
        "name": "comment", "value": None, "label": None, "comment": "Wrong plan.", "by": "ann",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 412, "completion_tokens": 14}, (412, None, 14)),
        ({"original_usage.input_tokens": 412, "original_usage.output_tokens": 14,
          "original_usage.input_tokens_details.cached_tokens": 256}, (412, 256, 14)),
        # Anthropic counts what it read from its cache apart.
        ({"prompt_tokens": 156, "completion_tokens": 14, "original_usage.input_tokens": 156,
          "original_usage.cache_read_input_tokens": 256}, (412, 256, 14)),
        ({"prompt_tokens": 412, "completion_tokens": 14,
          "original_usage.cached_content_token_count": 256}, (412, 256, 14)),
    ],
)  # fmt: skip
def test_usage(usage: dict[str, int], told: tuple[int | None, ...]) -> None:
    row = one(call(usage=usage))
    assert tuple(row.get(f"tokens_{name}") for name in ("input", "cached", "output")) == told
    assert row["token_semantics"] == "inclusive"


def test_a_cost_of_0_is_unknown() -> None:
    assert "cost_logged_usd" not in one(call(total_estimated_cost=0))


def test_an_error() -> None:
    info = {"exception_type": "RateLimitError", "message": "slow down", "traceback": "..."}
    row = one(call(error_info=info, output=None))
    assert (row["status"], row["error_type"]) == ("error", "RateLimitError")


def test_langchain_and_gemini_in_spans() -> None:
    human = {"id": ["langchain", "HumanMessage"], "kwargs": {"content": CANONICAL["query"]}}
    row = one(call(input={"messages": [[human]]}, output={"generations": [[{"text": ANSWER}]]}))
    assert (row["query"], row["response"]) == (CANONICAL["query"], ANSWER)
    contents = [{"role": "user", "parts": [{"text": CANONICAL["query"]}]}]
    answer = {"content": {"parts": [{"text": ANSWER}]}, "finishReason": "MAX_TOKENS"}
    row = one(call(input={"contents": contents}, output={"candidates": [answer]}))
    assert (row["query"], row["response"]) == (CANONICAL["query"], ANSWER)
    assert row["finish_reason"] == "length"


def test_the_newest_reading_of_a_span_stands() -> None:
    old = {**CALL, "last_updated_at": "2026-11-22T02:15:00Z", "model": "old"}
    new = {**CALL, "last_updated_at": "2026-11-22T02:16:00Z"}
    rows, rejects = read_lines(SOURCE, of(TRACE, new, RETRIEVAL, old))
    assert rejects == []
    assert {row["model"] for row in rows} == {CALL["model"]}
    assert len(rows) == 2  # read twice: one is a duplicate


def test_the_file_about_the_project_is_no_record() -> None:
    assert read_lines(SOURCE, of({"id": "1", "name": "support-bot"})) == ([], [])


def test_times_as_python_writes_them() -> None:
    text = json.dumps(EXPORT).replace("T02:14", " 02:14").replace("0000Z", "0000+00:00")
    assert_tells_the_story(one(json.loads(text)), absent=["ttft_ms"])


def test_a_span_that_is_none_is_a_reject_of_its_own() -> None:
    rows, rejects = read_lines(SOURCE, of({**EXPORT, "spans": [7, RETRIEVAL, CALL, {"id": "x"}]}))
    assert len(rows) == 1
    assert [one.reason for one in rejects] == [
        "spans[0]: is no object", "start_time: missing",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"trace": 7, "spans": []}, "trace: is no object"),
        ({"trace": TRACE, "spans": {}}, "spans: is no list"),
        ({"trace": {"id": "a", "start_time": "soon"}}, "start_time: is no time"),
        ({"id": "a", "trace_id": None, "start_time": TRACE["start_time"]}, "trace_id: missing"),
        ({"start_time": TRACE["start_time"]}, "id: missing"),
        ({"project": "support-bot"}, "neither trace nor span"),
    ],
)
def test_what_cannot_be_read(record: dict[str, Any], reason: str) -> None:
    _, (reject,) = read_lines(SOURCE, of(record))
    assert reject.reason == reason


def test_a_trace_that_took_a_chat_is_a_row_of_its_last_question() -> None:
    messages = CALL["input"]["messages"]
    row = one({**trace(input={"messages": messages}, output=CALL["output"]), "spans": []})
    assert_tells_the_story(
        row,
        absent=["ttft_ms", "contexts", "model", "prompt_name", "prompt_version", "tokens_input",
                "tokens_cached", "tokens_output", "token_semantics"],
        started_at=row["started_at"], latency_ms=pytest.approx(2020),
    )  # fmt: skip
