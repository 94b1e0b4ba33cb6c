"""MLflow: the golden story in every shape that its traces come in, and what is left out."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from evalkit.ingest.contract import Line
from evalkit.ingest.sources.mlflow import SOURCE
from tests.ingest.golden import (
    CANONICAL,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.story import copy_of

TRACE: dict[str, Any] = json.loads(lines_of("mlflow.jsonl")[0].data)
INFO = TRACE["info"]
RETRIEVAL, CALL = TRACE["data"]["spans"]
ANSWER = CANONICAL["response"]


def of(*found: dict[str, Any]) -> list[Line]:
    return [Line("x.json", n, json.dumps(one).encode()) for n, one in enumerate(found, 1)]


def one(*found: dict[str, Any]) -> dict[str, Any]:
    (row,), rejects = read_lines(SOURCE, of(*found))
    assert rejects == []
    return row


def with_info(**changes: Any) -> dict[str, Any]:
    return {**TRACE, "info": copy_of(INFO, **changes)}


def with_call(**attributes: Any) -> dict[str, Any]:
    said = {name.replace("_", "."): json.dumps(value) for name, value in attributes.items()}
    span = {**CALL, "attributes": {**CALL["attributes"], **said}}
    return {**TRACE, "data": {"spans": [RETRIEVAL, span]}}


def test_the_story() -> None:
    row = one(TRACE)
    assert_tells_the_story(row, absent=["ttft_ms"])
    assert_costs_the_same(row, logged=True)
    assert row["source_id"] == CALL["span_id"]
    assert row["trace_id"] == INFO["trace_id"]
    assert (row["route"], row["provider"]) == ("support-chat", "openai")
    assert [stage["kind"] for stage in row["stages"]] == ["retrieval", "llm"]
    assert [(note["name"], note["value"], note["by"]) for note in row["feedback"]] == [
        ("user_thumb", 1.0, "u-1842")
    ]


def typed(value: Any) -> dict[str, Any]:
    """A value as the server's protocol buffers write it: never JSON in a string."""
    if isinstance(value, dict):
        pairs = [{"key": name, "value": typed(one)} for name, one in value.items()]
        return {"kvlist_value": {"values": pairs}}
    if isinstance(value, list):
        return {"array_value": {"values": [typed(one) for one in value]}}
    names = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
    return {names[type(value)]: value}


def as_otlp(span: dict[str, Any]) -> dict[str, Any]:
    def id_(text: str) -> str:
        return base64.b64encode(bytes.fromhex(text)).decode()

    return {
        "trace_id": id_(span["otel_trace_id"]),
        "span_id": id_(span["span_id"]),
        "parent_span_id": id_(span["parent_span_id"]),
        "name": span["name"],
        "start_time_unix_nano": str(span["start_time_unix_nano"]),
        "end_time_unix_nano": str(span["end_time_unix_nano"]),
        "status": {"code": "STATUS_CODE_OK"},
        "attributes": [
            {"key": name, "value": typed(json.loads(value))}
            for name, value in span["attributes"].items()
        ],
    }


def as_v2(span: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": span["name"],
        "context": {"trace_id": "0x" + span["otel_trace_id"], "span_id": "0x" + span["span_id"]},
        "parent_id": "0x" + span["parent_span_id"],
        "start_time": span["start_time_unix_nano"],
        "end_time": span["end_time_unix_nano"],
        "status_code": "OK",
        "attributes": span["attributes"],
        "events": [],
    }


V2 = {
    "request_id": INFO["trace_id"],
    "experiment_id": "3",
    "timestamp_ms": 1795313644500,
    "execution_time_ms": 2020,
    "status": "OK",
    "request_metadata": [{"key": k, "value": v} for k, v in INFO["trace_metadata"].items()],
    "tags": [{"key": k, "value": v} for k, v in INFO["tags"].items()],
}
SHAPES: dict[str, dict[str, Any]] = {
    "data in a string": {**TRACE, "data": json.dumps(TRACE["data"])},
    "REST": {"trace_info": {**INFO, "execution_duration": "2.020s"},
             "spans": [as_otlp(RETRIEVAL), as_otlp(CALL)]},
    "REST, one trace": {"trace": {"trace_info": INFO, "spans": [as_otlp(RETRIEVAL), as_otlp(CALL)]}},
    "a frame's row": {**INFO, "spans": [RETRIEVAL, CALL], "request": "{}", "trace": None},
    "a frame's row with the trace": {"trace_id": INFO["trace_id"], "trace": json.dumps(TRACE)},
    "version 2": {"info": V2, "data": {"spans": [as_v2(RETRIEVAL), as_v2(CALL)]}},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_story_in_every_shape(shape: str) -> None:
    assert_tells_the_story(one(SHAPES[shape]), absent=["ttft_ms"])


def test_the_spans_of_an_artifact_without_their_info() -> None:
    row = one({"spans": [RETRIEVAL, CALL]})
    gone = ["ttft_ms", "session_id", "user_id", "prompt_name", "prompt_version"]
    assert_tells_the_story(row, absent=gone)
    assert row["trace_id"] == INFO["trace_id"]


def test_info_and_spans_on_different_lines_meet() -> None:
    assert_tells_the_story(one({"spans": [CALL]}, {"info": INFO}, RETRIEVAL), absent=["ttft_ms"])


def test_a_trace_without_spans_is_a_row_of_its_previews() -> None:
    row = one({"info": INFO})
    assert (row["query"], row["response"]) == (CANONICAL["query"], ANSWER)
    assert (row["source_id"], row["session_id"]) == (INFO["trace_id"], "s-77")
    assert (row["tokens_input"], row["tokens_output"], row["latency_ms"]) == (412, 14, 2020)
    assert row["attributes"]["spans"] == "none"
    assert "truncated" not in row


@pytest.mark.parametrize("length", [1000, 10_000])
def test_a_cut_preview_is_marked(length: int) -> None:
    cut = "x" * (length - 3) + "..."
    assert one({"info": {**INFO, "response_preview": cut}})["truncated"] is True
    # Where there are spans, these tell the whole.
    assert_tells_the_story(one(with_info(request_preview=cut)), absent=["ttft_ms"])


def test_traces_of_scorers_are_left_out() -> None:
    tags = {**INFO["tags"], "mlflow.trace.sourceScorer": "correctness"}
    assert read_lines(SOURCE, of(with_info(tags=tags))) == ([], [])


@pytest.mark.parametrize(
    "more", [{"source": {"source_type": "LLM_JUDGE"}}, {"valid": False}, {"feedback": None}]
)
def test_verdicts_of_judges_are_no_feedback(more: dict[str, Any]) -> None:
    assessment = {**INFO["assessments"][0], **more}
    assert "feedback" not in one(with_info(assessments=[assessment]))


def test_feedback_on_a_span_and_in_words() -> None:
    said = {"assessment_name": "tone", "source": {"source_type": "HUMAN", "source_id": "ann"},
            "feedback": {"value": "rude"}, "rationale": "Why?", "span_id": CALL["span_id"]}  # fmt: skip
    (note,) = one(with_info(assessments=[said]))["feedback"]
    assert note == {
        "name": "tone", "value": None, "label": "rude", "comment": "Why?", "by": "ann",
    }  # fmt: skip


def test_what_anthropic_counts_apart_is_added() -> None:
    usage = {"input_tokens": 156, "output_tokens": 14, "cache_read_input_tokens": 256}
    row = one(with_call(mlflow_chat_tokenUsage=usage, mlflow_llm_provider="anthropic"))
    assert (row["tokens_input"], row["tokens_cached"]) == (412, 256)


def test_the_first_piece_of_a_stream() -> None:
    events = [{"name": f"mlflow.chunk.item.{n}", "time_unix_nano": CALL["start_time_unix_nano"] + ns}
              for n, ns in ((1, 500_000_000), (0, 410_000_000))]  # fmt: skip
    row = one({**TRACE, "data": {"spans": [RETRIEVAL, {**CALL, "events": events}]}})
    assert_tells_the_story(row)


def test_an_error_is_named_by_its_exception() -> None:
    event = {"name": "exception", "attributes": {"exception.type": "RateLimitError"}}
    span = {**CALL, "status": {"code": "ERROR", "message": "slow"}, "events": [event]}
    row = one({**TRACE, "data": {"spans": [span]}})
    assert (row["status"], row["error_type"]) == ("error", "RateLimitError")


def test_the_responses_api_in_a_span() -> None:
    output = [{"type": "reasoning", "summary": []},
              {"type": "message", "content": [{"type": "output_text", "text": ANSWER}]}]  # fmt: skip
    given = {"instructions": CANONICAL["system_prompt"], "input": CANONICAL["query"]}
    row = one(with_call(mlflow_spanInputs=given, mlflow_spanOutputs={"output": output}))
    assert (row["system_prompt"], row["query"]) == (CANONICAL["system_prompt"], CANONICAL["query"])
    assert row["response"] == ANSWER


def test_a_chunk_whose_id_its_metadata_tell() -> None:
    outputs = json.dumps([{"page_content": "A", "metadata": {"doc_uri": "kb/a.md"}}])
    span = {**RETRIEVAL, "attributes": {**RETRIEVAL["attributes"], "mlflow.spanOutputs": outputs}}
    (chunk,) = one({**TRACE, "data": {"spans": [span, CALL]}})["contexts"]
    assert (chunk["id"], chunk["text"]) == ("kb/a.md", "A")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"info": {"request_time": INFO["request_time"]}}, "trace_id: missing"),
        ({"info": {"trace_id": "tr-1"}}, "request_time: missing"),
        ({"info": {"trace_id": "tr-1", "request_time": "soon"}}, "request_time: is no time"),
        ({"spans": {}}, "spans: is no list"),
        ({"spans": [7]}, "spans[0]: is no object"),
        ({"spans": [{"span_id": "a"}]}, "start_time_unix_nano: missing"),
        ({"spans": [{"start_time": INFO["request_time"]}]}, "span_id: missing"),
        ({"experiment": "3"}, "neither trace nor span"),
    ],
)
def test_what_cannot_be_read(record: dict[str, Any], reason: str) -> None:
    rows, (reject,) = read_lines(SOURCE, of(record))
    assert (rows, reject.reason) == ([], reason)
