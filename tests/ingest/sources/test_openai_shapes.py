"""The other shapes of OpenAI logs: batch results, stored completions and responses, streams."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Line, Source
from evalkit.ingest.sources.openai_log import SOURCE
from evalkit.registry import find
from tests.ingest.golden import (
    ALWAYS,
    DATA,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.story import copy_of, read

#: What the API logs for a time is the second in which the call began.
SECOND = datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)
UNTIMED = ("latency_ms", "ttft_ms")
UNASKED = (*UNTIMED, "contexts", "session_id", "user_id", "prompt_name", "prompt_version",
           "system_prompt", "query")  # fmt: skip


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


def one(*found: dict[str, Any]) -> dict[str, Any]:
    rows, rejects = read(SOURCE, [json.dumps(record).encode() for record in found])
    assert rejects == []
    (row,) = rows
    return row


def test_it_is_found_under_its_name() -> None:
    found = find("evalkit.ingest.sources", "evalkit.sources", Source, "openai_log")
    assert found == {"openai_log": SOURCE}


# ── the story


@pytest.mark.parametrize("name", ["openai_pairs.jsonl", "openai_stream_pairs.jsonl"])
def test_pairs_whole_and_streamed_tell_the_story(name: str) -> None:
    (row,), rejects = read_lines(SOURCE, lines_of(name))
    assert rejects == []
    assert_tells_the_story(row)
    assert_costs_the_same(row, logged=False)
    assert (row["source_id"], row["requested_model"]) == ("chatcmpl-AbC123", "gpt-4o-mini")


@pytest.mark.parametrize("swapped", [False, True])
def test_batch_results_are_joined_with_their_requests(swapped: bool) -> None:
    names = ["openai_batch_input.jsonl", "openai_batch_output.jsonl"]
    (row,), (reject,) = read_lines(SOURCE, lines_of(*(names[::-1] if swapped else names)))
    assert_tells_the_story(row, (*UNTIMED, "contexts"), started_at=SECOND)
    assert_costs_the_same(row, logged=False)
    assert row["source_id"] == "chatcmpl-AbC123"
    assert row["attributes"]["custom_id"] == "request-1"
    assert row["attributes"]["service_tier"] == "batch"
    assert reject.reason == "a batch request that failed (batch_expired): no time is logged with it"
    assert (reject.file, reject.line) == ("openai_batch_output.jsonl", 2)


def test_a_stored_completion_and_a_stored_response() -> None:
    rows, rejects = read_lines(SOURCE, lines_of("openai_stored.jsonl"))
    assert rejects == []
    assert_tells_the_story(rows[0], (*UNTIMED, "contexts"), started_at=SECOND)
    assert_tells_the_story(rows[1], UNTIMED, started_at=SECOND)
    for row in rows:
        assert_costs_the_same(row, logged=False)
    assert rows[1]["contexts"][0]["attributes"] == {"filename": "refunds.md", "lang": "en"}


@pytest.mark.parametrize("name", ["openai_stream_chunks.jsonl", "openai_stream_list.jsonl"])
def test_chunks_alone_tell_the_answer(name: str) -> None:
    (row,), rejects = read_lines(SOURCE, lines_of(name))
    assert rejects == []
    assert_tells_the_story(row, (*UNASKED, "history"), started_at=SECOND, history=[])
    assert_costs_the_same(row, logged=False)


# ── batches


def test_without_the_request_the_result_stands_alone() -> None:
    (row,), _ = read_lines(SOURCE, lines_of("openai_batch_output.jsonl"))
    assert "query" not in row
    assert row["tokens_input"] == 412


def test_a_request_without_result_is_a_reject() -> None:
    rows, rejects = read_lines(SOURCE, lines_of("openai_batch_input.jsonl"))
    assert rows == []
    assert [reject.reason for reject in rejects] == ["a batch request without its result"] * 2
    assert [reject.line for reject in rejects] == [1, 2]


def test_a_custom_id_that_means_two_requests_means_none() -> None:
    first, other = lines_of("openai_batch_input.jsonl")
    other = other._replace(data=other.data.replace(b"request-2", b"request-1"))
    result = lines_of("openai_batch_output.jsonl")[0]
    (row,), rejects = read_lines(SOURCE, [first, other, result])
    assert rejects == []
    assert "query" not in row
    assert "several requests" in row["attributes"]["batch_request"]
    (row,), _ = read_lines(SOURCE, [first, first, result])
    assert row["query"]


def test_a_folder_is_a_batch() -> None:
    asked, result = (
        lines_of("openai_batch_input.jsonl")[0],
        lines_of("openai_batch_output.jsonl")[0],
    )
    (row,), rejects = read_lines(
        SOURCE, [asked._replace(file="a/in.jsonl"), result._replace(file="b/out.jsonl")]
    )
    assert "query" not in row
    assert len(rejects) == 1


# ── responses


@pytest.fixture
def stored_response() -> dict[str, Any]:
    return records("openai_stored.jsonl")[1]


def test_a_response_in_a_pair(stored_response: dict[str, Any]) -> None:
    asked = {"model": "gpt-4o-mini", "instructions": "Be brief.", "input": "Why?"}
    row = one({"timestamp": 1795313645, "request": asked, "response": stored_response})
    assert (row["system_prompt"], row["query"]) == ("Be brief.", "Why?")
    assert row["prompt_name"] == "support-answer"
    assert row["source_id"] == "resp_AbC123"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
         ("ok", "length", None)),
        ({"status": "failed", "error": {"code": "server_error", "message": "x"}},
         ("error", None, "server_error")),
        ({"status": "cancelled"}, ("error", None, "cancelled")),
        ({"output": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
         ("ok", "tool_calls", None)),
    ],
)  # fmt: skip
def test_how_a_response_ended(
    stored_response: dict[str, Any], changes: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    row = one({**stored_response, **changes})
    assert (row["status"], row.get("finish_reason"), row.get("error_type")) == expected


def test_a_refused_response(stored_response: dict[str, Any]) -> None:
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    row = one({**stored_response, "output": [refusal]})
    assert (row["response"], row["attributes"]["refusal"]) == ("I cannot.", "true")


def test_reasoning_is_part_of_the_output(stored_response: dict[str, Any]) -> None:
    changed = copy_of(stored_response, usage__output_tokens_details={"reasoning_tokens": 9})
    row = one(changed)
    assert (row["tokens_output"], row["tokens_reasoning"]) == (14, 9)


# ── streams


def test_streams_of_several_calls_and_choices_may_be_mixed() -> None:
    chunks = records("openai_stream_chunks.jsonl")
    other = [copy_of(chunk, id="b") for chunk in chunks]
    for chunk in other[1:3]:
        chunk["choices"].append({"index": 1, "delta": {"content": "x"}, "finish_reason": "length"})
    mixed = [chunk for pair in zip(chunks, other, strict=True) for chunk in pair]
    rows, rejects = read(SOURCE, [json.dumps(chunk).encode() for chunk in mixed])
    assert rejects == []
    assert [(row["source_id"], row["response"][:6]) for row in rows] == [
        ("b#0", "Annual"), ("b#1", "xx"), ("chatcmpl-AbC123", "Annual"),
    ]  # fmt: skip


def test_without_usage_in_the_stream_tokens_are_unknown() -> None:
    row = one(*records("openai_stream_chunks.jsonl")[:-1])
    assert not {name for name in row if name.startswith("token")}
    assert row["attributes"]["usage"] == "not in the stream"
    assert "truncated" not in row


def test_a_stream_that_nobody_finished_is_cut() -> None:
    row = one(*records("openai_stream_chunks.jsonl")[:2])
    assert (row["response"], row["truncated"]) == ("Annual plans can be ", True)
    assert "finish_reason" not in row


def test_an_error_in_the_stream_is_an_error() -> None:
    pair = records("openai_stream_pairs.jsonl")[0]
    pair["response"][2] = {"error": {"type": "server_error", "code": None}}
    row = one(pair | {"status_code": 200})
    assert (row["status"], row["error_type"]) == ("error", "200 server_error")


def test_the_text_of_an_event_stream() -> None:
    chunks = records("openai_stream_chunks.jsonl")
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n"
    pair = records("openai_stream_pairs.jsonl")[0]
    assert_tells_the_story(one(pair | {"response": text}))
    assert_tells_the_story(one(pair | {"response": {"status_code": 200, "body": text}}))
    alone, rejects = read(SOURCE, [line.encode() for line in text.split("\n") if line])
    assert rejects == []
    assert alone[0]["response"] == one(pair)["response"]


@pytest.mark.parametrize("whole", [True, False])
def test_events_of_the_responses_api(stored_response: dict[str, Any], whole: bool) -> None:
    begun = {**stored_response, "status": "in_progress", "output": []}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_text.delta", "delta": "Annual plans "},
        {"type": "response.output_text.delta", "delta": "can"},
        {"type": "response.completed", "response": stored_response},
    ]
    row = one({"timestamp": 1795313645, "response": events if whole else events[:3]})
    if whole:
        assert_tells_the_story(row, (*UNTIMED, "query"), started_at=SECOND)
    else:
        assert (row["response"], row["truncated"]) == ("Annual plans can", True)


# ── documents in tools' messages


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("It is sunny.", [(None, "It is sunny.", None)]),
        ('[{"id": "a", "content": "A", "score": 0.5}, {"text": "B"}]',
         [("a", "A", 0.5), (None, "B", None)]),
        ('{"results": [{"file_id": "a", "text": "A"}]}', [("a", "A", None)]),
        ('{"temperature": 20}', [(None, '{"temperature": 20}', None)]),
    ],
)  # fmt: skip
def test_what_tools_found_after_the_question_is_context(
    content: str, expected: list[tuple[Any, ...]]
) -> None:
    pair = records("openai_pairs.jsonl")[0]
    del pair["metadata"]["documents"]
    pair["request"]["messages"].append({"role": "tool", "tool_call_id": "t", "content": content})
    chunks = one(pair)["contexts"]
    assert [(chunk["id"], chunk["text"], chunk["score"]) for chunk in chunks] == expected


# ── anything anywhere

NAMES = sorted(path.name for path in DATA.glob("openai_*.jsonl"))
WORDS = st.sampled_from(["request", "response", "body", "custom_id", "object", "chat.completion",
    "chat.completion.chunk", "id", "choices", "delta", "messages", "input", "output", "type",
    "response.completed", "data: {}", "content", "message", "usage", "error", "status", "chunks",
    "created", "created_at", "prompt", "metadata", "conversation"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(values=st.lists(JSON, max_size=4))
def test_objects_of_the_known_words_never_raise(values: list[Any]) -> None:
    lines = [Line("x.jsonl", i, json.dumps(value).encode()) for i, value in enumerate(values, 1)]
    rows, rejects = read_lines(SOURCE, lines)
    assert {reject.line for reject in rejects} <= {line.number for line in lines}
    assert all("source_id" in row and "started_at" in row for row in rows)


@settings(deadline=None)
@given(data=st.data())
def test_every_record_is_a_row_or_a_reject_whatever_stands_in_it(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    lines = lines_of(name)
    at = data.draw(st.integers(0, len(lines) - 1))
    record = json.loads(lines[at].data)
    target: Any = record
    while isinstance(target, dict | list) and target:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], dict | list) or data.draw(st.booleans()):
            target[key] = data.draw(JSON)
            break
        target = target[key]
    lines[at] = lines[at]._replace(data=json.dumps(record).encode())
    rows, rejects = read_lines(SOURCE, lines, ALWAYS)
    if name in ("openai_batch_output.jsonl", "openai_batch_input.jsonl", "openai_stored.jsonl"):
        ids = {row["source_id"].split("#")[0] for row in rows}
        assert len(ids) + len(rejects) <= len(lines) <= len(rows) + len(rejects)
    else:
        assert rows or rejects
