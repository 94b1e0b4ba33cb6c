"""Pair logs of OpenAI chat completions: the golden story, and what gateways make of it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from evalkit import prices
from evalkit.errors import ConfigError
from evalkit.ingest.sources.openai_log import SOURCE
from tests.ingest.story import STORY, copy_of, read, read_openai

USER = STORY["request"]["messages"][1]["content"]


def one(record: dict[str, Any], **values: Any) -> dict[str, Any]:
    (row,) = read_openai(record, **values)
    return row


def rejected(record: dict[str, Any], **values: Any) -> Any:
    rows, rejects = read(SOURCE, [json.dumps(record).encode()], **values)
    assert rows == []
    (reject,) = rejects
    return reject


def test_the_story() -> None:
    row = one(STORY)
    assert row.pop("prompt_fingerprint")
    assert row == {
        "source_id": "chatcmpl-AbC123",
        "started_at": datetime(2026, 11, 22, 2, 14, 5, 120_000, tzinfo=UTC),
        "session_id": "s-77",
        "user_id": "u-1842",
        "model": "gpt-4o-mini-2024-07-18",
        "requested_model": "gpt-4o-mini",
        "prompt_name": "support-answer",
        "prompt_version": "7",
        "system_prompt": "Answer only from the context.",
        "history": [],
        "query": "What is the refund window for annual plans?",
        "response": "Annual plans can be refunded within 30 days of purchase.",
        "contexts": [
            {
                "id": "kb-refunds#3",
                "text": "Annual subscriptions may be refunded in full within 30 days of purchase.",
                "score": 0.82,
                "rank": 1,
                "updated_at": None,
                "attributes": {},
            }
        ],
        "response_format": "text",
        "tokens_input": 412,
        "tokens_cached": 256,
        "tokens_output": 14,
        "tokens_reasoning": 0,
        "token_semantics": "inclusive",
        "latency_ms": 1380,
        "ttft_ms": 410,
        "status": "ok",
        "finish_reason": "stop",
        "attributes": {
            "request.temperature": "0.2",
            "response.created": "1795313645",
            "response.object": "chat.completion",
            "response.system_fingerprint": "fp_0705bf87c0",
            "status_code": "200",
        },
    }


def test_the_story_costs_what_every_format_says_it_costs() -> None:
    row = one(STORY)
    price = prices.load().find(row["model"])
    assert price is not None
    usage = prices.Usage(row["tokens_input"], row["tokens_output"], row["tokens_cached"])
    assert price.cost(usage) == pytest.approx(0.000051, abs=1e-12)


def _renamed(record: dict[str, Any], request: str, response: str) -> dict[str, Any]:
    fresh = copy_of(record)
    fresh[request], fresh[response] = fresh.pop("request"), fresh.pop("response")
    return fresh


def _same(record: dict[str, Any]) -> bool:
    first, second = one(STORY), one(record)
    first.pop("attributes"), second.pop("attributes")
    return first == second


@pytest.mark.parametrize("names", [("request_body", "response_body"), ("req", "res")])
def test_other_names_of_request_and_response(names: tuple[str, str]) -> None:
    assert _same(_renamed(STORY, *names))


def test_bodies_inside_an_envelope_and_as_json_in_a_string() -> None:
    fresh = copy_of(STORY)
    fresh["request"] = {"method": "POST", "body": STORY["request"]}
    fresh["response"] = {"status_code": 200, "request_id": "r-1", "body": STORY["response"]}
    del fresh["status_code"]
    assert _same(fresh)
    assert one(fresh)["attributes"]["request.method"] == "POST"
    assert one(fresh)["attributes"]["request_id"] == "r-1"
    text = copy_of(
        STORY, request=json.dumps(STORY["request"]), response=json.dumps(STORY["response"])
    )
    assert _same(text)


def test_created_at_and_duration_ms() -> None:
    fresh = copy_of(STORY)
    fresh["created_at"], fresh["duration_ms"] = 1795313645.12, fresh.pop("latency_ms")
    del fresh["timestamp"]
    assert _same(fresh)


def test_without_a_time_of_its_own_the_response_gives_the_second() -> None:
    fresh = copy_of(STORY)
    del fresh["timestamp"]
    assert one(fresh)["started_at"] == datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)
    del fresh["response"]["created"]
    assert rejected(fresh).reason == "no timestamp"
    assert rejected(fresh | {"timestamp": "yesterday"}).reason == "timestamp: is no time"


def test_content_in_parts_and_the_developer_role() -> None:
    fresh = copy_of(STORY)
    fresh["request"]["messages"] = [
        {"role": "developer",
         "content": [{"type": "text", "text": "Answer only from the context."}]},
        {"role": "user", "content": [
            {"type": "text", "text": USER},
            {"type": "image_url", "image_url": {"url": "data:..."}},
        ]},
    ]  # fmt: skip
    fresh["response"]["choices"][0]["message"]["content"] = [
        {"type": "text", "text": STORY["response"]["choices"][0]["message"]["content"]}
    ]
    assert _same(fresh)


def test_history_is_what_was_said_before_the_last_question() -> None:
    fresh = copy_of(STORY)
    fresh["request"]["messages"][1:1] = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t"}]},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "Hi"},
    ]
    assert one(fresh)["history"] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "Hi"},
    ]


@pytest.mark.parametrize(
    ("message", "query"),
    [
        ("Question: a?\nQuestion: b?", "b?"),
        ("Context:\nThe Question: of the day\n\nuser question :  why?\nreally", None),
        ("Context:\n[1] x\n\nUser question: why?\nreally", "why?\nreally"),
        ("just this", "just this"),
        ("Question: مرحبا 👋", "مرحبا 👋"),
    ],
)
def test_the_question_follows_the_last_match(message: str, query: str | None) -> None:
    fresh = copy_of(STORY)
    fresh["request"]["messages"][1]["content"] = message
    assert one(fresh)["query"] == (message if query is None else query)


def test_the_question_pattern_can_be_set_or_switched_off() -> None:
    assert one(STORY, question_pattern="")["query"] == USER
    assert one(STORY, question_pattern=r"window for ")["query"] == "annual plans?"
    with pytest.raises(ConfigError, match=r"\[sources.gateway\] question_pattern: no regular"):
        read_openai(STORY, question_pattern="(")


def test_a_message_of_newlines_takes_no_time() -> None:
    fresh = copy_of(STORY)
    fresh["request"]["messages"][1]["content"] = "\n \t" * 200_000 + "Query" + " \n" * 200_000
    began = time.process_time()
    read_openai(fresh)
    assert time.process_time() - began < 5


def test_a_refusal_is_an_answer() -> None:
    fresh = copy_of(STORY)
    fresh["response"]["choices"][0]["message"] |= {"content": None, "refusal": "I cannot help."}
    row = one(fresh)
    assert (row["response"], row["status"], row["finish_reason"]) == (
        "I cannot help.",
        "ok",
        "stop",
    )
    assert row["attributes"]["refusal"] == "true"


def test_every_choice_is_a_row_and_tokens_count_once() -> None:
    fresh = copy_of(STORY)
    other = {"index": 1, "message": {"content": "No."}, "finish_reason": "length"}
    fresh["response"]["choices"].append(other)
    first, second = read_openai(fresh)
    assert [first["source_id"], second["source_id"]] == ["chatcmpl-AbC123#0", "chatcmpl-AbC123#1"]
    assert [second["response"], second["finish_reason"]] == ["No.", "length"]
    assert first["tokens_input"] == 412
    assert "tokens_input" not in second


@pytest.mark.parametrize(
    ("changes", "error_type"),
    [
        ({"status_code": 429, "response": {"error": {"message": "slow down", "type": "requests",
          "code": "rate_limit_exceeded"}}}, "429 rate_limit_exceeded"),
        ({"status_code": 500, "response": None}, "500"),
        ({"status_code": 400,
          "response": {"error": {"type": "invalid_request_error", "code": None}}},
         "400 invalid_request_error"),
        ({"status_code": None, "response": {"error": "timeout"}}, "timeout"),
        ({"response": {"error": {}}}, "200"),
        ({"status_code": 429, "response": {"error": {"type": "rate_limit", "code": 429}}},
         "429 rate_limit"),
        ({"status_code": None, "error": {"code": "503"}}, "503"),
        ({"status_code": 502, "error": {"code": "bad_gateway"}}, "502 bad_gateway"),
    ],
)  # fmt: skip
def test_errors_have_a_type_and_no_response(changes: dict[str, Any], error_type: str) -> None:
    row = one(copy_of(STORY, **changes))
    assert (row["status"], row["error_type"]) == ("error", error_type)
    assert "response" not in row
    assert row["requested_model"] == "gpt-4o-mini"


def test_the_message_of_an_error_is_kept() -> None:
    error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    row = one(copy_of(STORY, status_code=429, response=error, request_id="req-9"))
    assert row["attributes"]["error.message"] == "slow down"
    assert row["source_id"] == "req-9"


def test_ids_fall_back_to_the_request_and_then_to_the_line() -> None:
    fresh = copy_of(STORY)
    del fresh["response"]["id"]
    assert one(fresh | {"request_id": "r-1"})["source_id"] == "r-1"
    first, again, other = read_openai(fresh, fresh, fresh | {"latency_ms": 1})
    assert first["source_id"] == again["source_id"] != other["source_id"]
    assert len(first["source_id"]) == 32


def test_documents_stages_and_feedback() -> None:
    fresh = copy_of(STORY)
    fresh["metadata"] |= {
        "documents": [
            {"id": 7, "content": "A", "score": 0.5, "updated_at": "2026-01-01", "lang": "en"},
            {"page_content": "B", "score": "high"},
            "C",
            None,
            {},
        ],
        "stages": [{"name": "retrieval", "start_ms": 0, "duration_ms": 81}, {"kind": "x"}, 5],
        "feedback": [{"name": "thumb", "value": True}, {"label": "bad", "comment": "wrong"}],
        "route": "/ask",
        "app": "shop",
        "environment": "prod",
        "provider": "openai",
        "tier": 3,
    }
    row = one(fresh)
    keys = ("id", "text", "score", "rank", "attributes")
    assert [tuple(chunk[key] for key in keys) for chunk in row["contexts"]] == [
        ("7", "A", 0.5, 1, {"lang": "en"}),
        (None, "B", None, 2, {"score": "high"}),
        (None, "C", None, 3, {}),
    ]
    assert row["contexts"][0]["updated_at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert [stage["name"] for stage in row["stages"]] == ["retrieval"]
    assert [said["value"] for said in row["feedback"]] == [1.0, None]
    assert [row[key] for key in ("route", "app", "environment", "provider")] == [
        "/ask", "shop", "prod", "openai",
    ]  # fmt: skip
    assert row["attributes"]["tier"] == "3"


def test_no_documents_logged_is_not_the_same_as_none_found() -> None:
    fresh = copy_of(STORY)
    del fresh["metadata"]["documents"]
    assert "contexts" not in one(fresh)
    assert one(copy_of(STORY, metadata__documents=[]))["contexts"] == []


def test_json_output_and_tokens_that_only_fit_apart() -> None:
    fresh = copy_of(STORY)
    fresh["request"]["response_format"] = {"type": "json_schema", "json_schema": {}}
    fresh["response"]["usage"] |= {"prompt_tokens": 100}
    row = one(fresh)
    assert (row["response_format"], row["token_semantics"]) == ("json", "exclusive")


def test_no_usage_is_unknown_and_not_zero() -> None:
    fresh = copy_of(STORY)
    del fresh["response"]["usage"]
    assert not {name for name in one(fresh) if name.startswith("token")}


def test_defaults_fill_what_the_log_does_not_carry() -> None:
    row = one(STORY, defaults={"app": "shop", "prompt_name": "other"})
    assert (row["app"], row["prompt_name"]) == ("shop", "support-answer")
    with pytest.raises(
        ConfigError, match=r"'ap' is no text column of interactions. Did you mean 'app'"
    ):
        read_openai(STORY, defaults={"ap": "shop"})


def test_a_record_about_something_else() -> None:
    reject = rejected({"timestamp": "2026-11-22T02:14:05Z", "event": "rotate"})
    assert reject.reason == "neither request nor response"
    assert reject.near == datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)


def test_unusable_values_are_kept_as_text() -> None:
    row = one(copy_of(STORY, latency_ms="fast", metadata__prompt=["x"]))
    assert "latency_ms" not in row
    assert "prompt_name" not in row
    assert row["attributes"]["latency_ms"] == "fast"
    assert row["attributes"]["prompt"] == '["x"]'
