"""LiteLLM's StandardLoggingPayload: the golden story, and what the proxy writes on other days."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Line
from evalkit.ingest.sources.litellm import SOURCE
from tests.ingest.golden import (
    ALWAYS,
    DATA,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.story import copy_of, read

STORY: dict[str, Any] = json.loads((DATA / "litellm.jsonl").read_text("utf-8"))


def some(**changes: Any) -> list[dict[str, Any]]:
    rows, rejects = read(SOURCE, [json.dumps(copy_of(STORY, **changes)).encode()])
    assert rejects == []
    return rows


def one(**changes: Any) -> dict[str, Any]:
    (row,) = some(**changes)
    return row


def test_the_story() -> None:
    (row,), rejects = read_lines(SOURCE, lines_of("litellm.jsonl"))
    assert rejects == []
    assert_tells_the_story(row, ["session_id"])
    assert_costs_the_same(row, logged=True)
    assert row["source_id"] == "chatcmpl-AbC123"
    assert row["requested_model"] == "gpt-4o-mini"
    assert row["app"] == "support-bot"
    stages = [(one["name"], one["kind"], one["start_ms"]) for one in row["stages"]]
    assert stages == [("kb-prod", "retrieval", 0), ("call", "llm", pytest.approx(420, abs=1e-3))]
    assert row["attributes"]["model_group"] == "chat-small"


def test_the_customer_is_the_user_and_else_who_holds_the_key() -> None:
    assert one(end_user="")["user_id"] == "svc-support"
    assert (
        one(metadata__requester_metadata={"user_id": "u-9", "session_id": "s-9"})["session_id"]
        == "s-9"
    )


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"response_cost": 0.0}, None),
        ({"response_cost": 0, "response_cost_failure_debug_info": {"model": "x"}}, None),
        ({"response_cost": 0.0, "cache_hit": True}, 0),
        ({"response_cost": 0.0, "cache_hit": "True"}, 0),
        ({"response_cost": None}, None),
    ],
)
def test_a_cost_of_nothing_is_unknown_unless_a_cache_answered(
    changes: dict[str, Any], cost: float | None
) -> None:
    row = one(**changes)
    assert row.get("cost_logged_usd") == cost
    assert ("cost_logged_usd" in row) == (cost is not None)


def test_latency_is_not_the_response_time() -> None:
    assert one(response_time=0.41)["latency_ms"] == pytest.approx(1380, abs=1e-3)
    assert "ttft_ms" not in one(completionStartTime=STORY["endTime"])
    assert "latency_ms" not in one(endTime=STORY["startTime"] - 1)


def test_a_failure_has_no_tokens_and_no_answer() -> None:
    row = one(
        status="failure",
        response={},
        prompt_tokens=0,
        completion_tokens=0,
        total_tokens=0,
        response_cost=0,
        error_str="litellm.RateLimitError: slow down",
        error_information={
            "error_code": "429", "error_class": "RateLimitError", "llm_provider": "openai",
        },
    )  # fmt: skip
    assert (row["status"], row["error_type"]) == ("error", "429 RateLimitError")
    assert row["attributes"]["error.message"] == "litellm.RateLimitError: slow down"
    assert not {"response", "tokens_input", "tokens_output", "cost_logged_usd"} & row.keys()
    assert row["query"]


def test_every_choice_is_a_row_and_is_paid_once() -> None:
    choice = STORY["response"]["choices"][0]
    first, second = some(response__choices=[choice, {**choice, "index": 1}])
    assert (first["tokens_input"], first["cost_logged_usd"]) == (412, 0.000051)
    assert not {"tokens_input", "cost_logged_usd"} & second.keys()
    assert second["source_id"] == "chatcmpl-AbC123#1"


def test_without_usage_in_the_response_the_payloads_own_counts() -> None:
    row = one(response={"choices": STORY["response"]["choices"]})
    assert (row["tokens_input"], row["tokens_output"]) == (412, 14)
    assert "tokens_cached" not in row
    assert row["model"] == "gpt-4o-mini"
    more = {"prompt_tokens": 412, "completion_tokens": 14, "cache_read_input_tokens": 256}
    row = one(response={}, metadata__usage_object=more)
    assert (row["tokens_cached"], row["token_semantics"]) == (256, "inclusive")


def test_reasoning_and_tokens_that_only_fit_apart() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 14, "cache_read_input_tokens": 200,
             "completion_tokens_details": {"reasoning_tokens": 4}}  # fmt: skip
    row = one(response__usage=usage)
    assert (row["tokens_reasoning"], row["token_semantics"]) == (4, "exclusive")


def test_a_text_that_was_not_to_be_logged_is_missing() -> None:
    redacted = {"choices": [{"message": {"content": "redacted-by-litellm"}}]}
    row = one(messages=[{"role": "user", "content": "redacted-by-litellm"}], response=redacted)
    assert not {"query", "response", "history"} & row.keys()


def test_a_text_that_the_proxy_cut_says_so() -> None:
    text = "The be... (litellm_truncated skipped 900 chars) ...ginning"
    assert one(response=text)["truncated"] is True
    assert one(messages=[{"role": "user", "content": text}])["truncated"] is True
    assert "truncated" not in one()


def test_a_text_alone_may_stand_for_messages_and_response() -> None:
    row = one(messages="Why?", response="Because.")
    assert (row["query"], row["response"]) == ("Why?", "Because.")


def test_a_record_about_something_else() -> None:
    rows, rejects = read(SOURCE, [b'{"startTime": 1795313645.12, "event": "x"}', b'{"id": "a"}'])
    assert rows == []
    assert [reject.reason[:12] for reject in rejects] == ["no call: nei", "no startTime"]


WORDS = st.sampled_from([*STORY, *STORY["metadata"], *STORY["response"], "data", "content", "text",
    "usage_object", "error_code", "error_class", "redacted-by-litellm", "failure"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(changes=st.lists(st.dictionaries(WORDS, JSON, max_size=5), max_size=4))
def test_every_record_is_rows_or_a_reject(changes: list[dict[str, Any]]) -> None:
    lines = [
        Line("x.jsonl", number, json.dumps(STORY | change).encode())
        for number, change in enumerate(changes, 1)
    ]
    for line in lines:
        rows, rejects = read_lines(SOURCE, [line], ALWAYS)
        assert len(rejects) == (0 if rows else 1)
        assert all(reject.line == line.number and reject.reason for reject in rejects)
        assert all("source_id" in row and "started_at" in row for row in rows)
