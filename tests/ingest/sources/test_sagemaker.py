"""SageMaker data capture: the golden story in the schemas of three containers, whole and streamed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from evalkit.ingest.contract import Line
from evalkit.ingest.sources.sagemaker import SOURCE
from tests.ingest.golden import (
    CANONICAL,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.story import copy_of

CALL: dict[str, Any] = json.loads(lines_of("sagemaker.jsonl")[0].data)
TGI, JUMPSTART, TGI_STREAM = (json.loads(x.data) for x in lines_of("sagemaker_bodies.jsonl"))
#: The inference's time, to the second; nothing else is timed, and no chunk is logged.
LATER = datetime(2026, 11, 22, 2, 14, 6, tzinfo=UTC)
NOT_CARRIED = ("contexts", "latency_ms", "ttft_ms")
NO_TOKENS = ("tokens_input", "tokens_cached", "tokens_output", "token_semantics")


def one(record: dict[str, Any], **values: Any) -> dict[str, Any]:
    line = Line("x.jsonl", 1, json.dumps(record).encode())
    (row,), rejects = read_lines(SOURCE, [line], **values)
    assert rejects == []
    return row


def with_output(data: object, encoding: str = "JSON") -> dict[str, Any]:
    text = data if isinstance(data, str) else json.dumps(data)
    output = {"observedContentType": "x", "mode": "OUTPUT", "data": text, "encoding": encoding}
    return copy_of(CALL, captureData__endpointOutput=output)


def test_the_story() -> None:
    row = one(CALL)
    assert_tells_the_story(row, absent=NOT_CARRIED, started_at=LATER)
    assert_costs_the_same(row, logged=False)
    assert row["source_id"] == CALL["eventMetadata"]["eventId"]
    assert (row["trace_id"], row["provider"]) == ("s-77/turn-1", "sagemaker")


def test_the_story_as_an_event_stream() -> None:
    (row,), rejects = read_lines(SOURCE, lines_of("sagemaker_stream.jsonl"))
    assert rejects == []
    assert_tells_the_story(row, absent=NOT_CARRIED, started_at=LATER)
    assert_costs_the_same(row, logged=False)


def test_the_story_told_by_jumpstart() -> None:
    row = one(JUMPSTART)
    gone = (*NOT_CARRIED, *NO_TOKENS, "model", "finish_reason")
    assert_tells_the_story(row, absent=gone, started_at=LATER)


@pytest.mark.parametrize("record", [TGI, TGI_STREAM])
def test_the_story_told_by_tgi(record: dict[str, Any]) -> None:
    row = one(record)
    gone = {*NOT_CARRIED, *NO_TOKENS, "model", "system_prompt"} - {"tokens_output"}
    if record is TGI_STREAM:  # its last event tells how long the input was
        gone -= {"tokens_input", "token_semantics"}
    assert_tells_the_story(row, absent=gone, started_at=LATER)


def test_a_model_that_the_body_does_not_name_is_a_default() -> None:
    row = one(JUMPSTART, defaults={"model": "llama-3-8b"})
    assert row["model"] == "llama-3-8b"


def test_what_is_not_logged_is_missing() -> None:
    row = one(copy_of(JUMPSTART, captureData__endpointInput__customAttributes=None))
    for name in ("session_id", "user_id", "latency_ms", "ttft_ms", "tokens_input", "contexts"):
        assert name not in row


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([{"generated_text": "Yes."}], "Yes."),
        ({"generated_text": "Yes."}, "Yes."),
        ([{"generated_text": [{"role": "user", "content": "?"},
                              {"role": "assistant", "content": "Yes."}]}], "Yes."),
        ([{"generation": "Yes."}], "Yes."),
        ({"outputs": ["Yes."]}, "Yes."),
        ({"predictions": [{"generated_text": "Yes."}]}, "Yes."),
        ({"choices": [{"text": "Yes."}]}, "Yes."),
        ("Yes.", "Yes."),
        ("data: {\"choices\": [{\"delta\": {\"content\": \"Yes.\"}}]}\n\ndata: [DONE]", "Yes."),
        ('{"token": {"text": "Ye"}}\n{"token": {"text": "s."}}', "Yes."),
        ({"score": 1}, None),
    ],
)  # fmt: skip
def test_bodies_of_containers(body: object, text: str | None) -> None:
    assert one(with_output(body)).get("response") == text


def test_a_stream_that_ends_too_early_is_cut() -> None:
    assert one(with_output('{"token": {"text": "Ye"}}\n{"token": {"text": "s"}}'))["truncated"]


def test_a_prompt_that_comes_back_is_no_answer() -> None:
    prompt = json.loads(TGI["captureData"]["endpointInput"]["data"])["inputs"]
    output = {**TGI["captureData"]["endpointOutput"],
              "data": json.dumps([{"generated_text": prompt + "Yes."}])}  # fmt: skip
    assert one(copy_of(TGI, captureData__endpointOutput=output))["response"] == "Yes."


def test_an_error_of_the_container() -> None:
    body = {"error": "Input validation error", "error_type": "validation"}
    row = one(with_output(body))
    assert (row["status"], row["error_type"]) == ("error", "Input validation error")


def test_several_choices_are_rows_and_paid_once() -> None:
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}
    body = {"choices": [choice, choice], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}
    line = Line("x.jsonl", 1, json.dumps(with_output(body)).encode())
    rows, _ = read_lines(SOURCE, [line])
    id_ = CALL["eventMetadata"]["eventId"]
    assert [row["source_id"] for row in rows] == [f"{id_}#0", f"{id_}#1"]
    assert [row.get("tokens_input") for row in rows] == [4, None]


@pytest.mark.parametrize("side", ["endpointInput", "endpointOutput"])
def test_a_side_that_was_not_captured_is_missing(side: str) -> None:
    record = copy_of(CALL)
    del record["captureData"][side]
    row = one(record)
    assert row["attributes"][f"capture.{side}"] == "not captured"
    assert ("query" in row) == (side == "endpointOutput")
    assert ("response" in row) == (side == "endpointInput")


def test_a_side_that_cannot_be_decoded_is_told() -> None:
    row = one(with_output("?" * 9, "BASE64"))
    assert row["attributes"]["capture.endpointOutput"] == "cannot be decoded"
    assert row["query"] == CANONICAL["query"]


def test_binary_behind_base64_is_no_text() -> None:
    row = one(with_output(base64.b64encode(b"\xff\xfe\xfd").decode(), "BASE64"))
    assert "response" not in row


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"eventMetadata": {}}, "eventMetadata.inferenceTime: missing"),
        ({"eventMetadata__inferenceTime": "soon"}, "eventMetadata.inferenceTime: is no time"),
        ({"captureData": {}}, "neither input nor output can be read"),
        ({"captureData": 7}, "neither input nor output can be read"),
    ],
)
def test_what_cannot_be_read(changes: dict[str, Any], reason: str) -> None:
    line = Line("x.jsonl", 1, json.dumps(copy_of(CALL, **changes)).encode())
    rows, (reject,) = read_lines(SOURCE, [line])
    assert (rows, reject.reason) == ([], reason)
