"""Rows of LiteLLM's table `LiteLLM_SpendLogs`: the golden story, and what the proxy leaves out."""

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

STORY: dict[str, Any] = json.loads((DATA / "litellm_spend_logs.jsonl").read_text("utf-8"))
CUT = "The be... (litellm_truncated skipped 900 chars) ...ginning"


def one(**changes: Any) -> dict[str, Any]:
    rows, rejects = read(SOURCE, [json.dumps(copy_of(STORY, **changes)).encode()])
    assert rejects == []
    (row,) = rows
    return row


def test_the_story() -> None:
    (row,), rejects = read_lines(SOURCE, lines_of("litellm_spend_logs.jsonl"))
    assert rejects == []
    assert_tells_the_story(row)
    assert_costs_the_same(row, logged=True)
    assert row["source_id"] == "chatcmpl-AbC123"
    assert (row["requested_model"], row["provider"]) == ("gpt-4o-mini", "openai")
    assert row["attributes"]["request.temperature"] == "0.2"
    assert row["attributes"]["metadata.user_api_key_hash"] == "88dc28d0"


def test_table_and_payload_of_one_call_are_one_interaction() -> None:
    (logged,), _ = read_lines(SOURCE, lines_of("litellm.jsonl"))
    row = one()
    same = ("source_id", "query", "response", "contexts", "stages", "app", "prompt_fingerprint")
    assert {name: row[name] for name in same} == {name: logged[name] for name in same}


def test_a_database_export_with_json_in_texts_is_the_same() -> None:
    texts = {
        name: json.dumps(STORY[name])
        for name in ("metadata", "messages", "response", "proxy_server_request", "request_tags")
    }
    row, expected = one(**texts), one()
    assert row == expected


def test_without_stored_prompts_there_are_tokens_and_cost_and_no_text() -> None:
    row = one(messages={}, response={}, proxy_server_request={})
    assert not {"query", "response", "history", "prompt_fingerprint"} & row.keys()
    assert (row["tokens_input"], row["tokens_cached"], row["tokens_output"]) == (412, 256, 14)
    assert (row["cost_logged_usd"], row["model"]) == (0.000051, "gpt-4o-mini")


def test_realtime_calls_and_older_releases_keep_the_request_elsewhere() -> None:
    body = STORY["proxy_server_request"]
    story = one()["query"]
    assert one(messages=body["messages"], proxy_server_request={})["query"] == story
    assert one(proxy_server_request={"body": body})["query"] == story
    text = json.dumps(body)
    older = one(proxy_server_request=None, metadata__proxy_server_request=text)
    assert older["query"] == story
    assert older["attributes"]["request.stream"] == "true"
    assert one(proxy_server_request={"input": "Why?"})["query"] == "Why?"


def test_older_usage_stands_in_additional_values() -> None:
    row = one(
        response={},
        metadata__usage_object=None,
        metadata__additional_usage_values={"cache_read_input_tokens": 256},
    )
    assert (row["tokens_input"], row["tokens_cached"]) == (412, 256)
    assert row["token_semantics"] == "inclusive"


@pytest.mark.parametrize(
    ("changes", "cost"),
    [({"spend": 0}, None), ({"spend": 0, "cache_hit": "True"}, 0), ({"spend": 0.5}, 0.5)],
)
def test_a_spend_of_nothing_is_unknown_unless_a_cache_answered(
    changes: dict[str, Any], cost: float | None
) -> None:
    assert one(**changes).get("cost_logged_usd") == cost


def test_a_request_id_that_was_lost_upstream_gives_the_row_an_id_of_its_own() -> None:
    first, second = one(request_id=""), one(request_id="", spend=0.5)
    assert first["source_id"] == "chatcmpl-AbC123"  # the response still knows it
    first, second = one(request_id="", response={}), one(request_id="", response={}, spend=0.5)
    assert len({first["source_id"], second["source_id"], "chatcmpl-AbC123"}) == 3


def test_a_failure_says_what_failed() -> None:
    row = one(
        status=None,
        response={},
        spend=0,
        prompt_tokens=0,
        completion_tokens=0,
        metadata={
            "status": "failure",
            "error_information": {
                "error_code": "429", "error_class": "RateLimitError", "error_message": "slow down",
                "llm_provider": "openai", "traceback": "File ...",
            },
        },
    )  # fmt: skip
    assert (row["status"], row["error_type"]) == ("error", "429 RateLimitError")
    assert row["attributes"]["error.message"] == "slow down"
    assert "error.traceback" not in row["attributes"]
    assert not {"response", "tokens_input", "cost_logged_usd"} & row.keys()
    assert row["query"]


def test_a_text_that_the_proxy_cut_says_so_wherever_it_stands() -> None:
    choices = [{"index": 0, "message": {"role": "assistant", "content": CUT}}]
    found = [{"data": [{"file_id": "a", "content": [{"type": "text", "text": CUT}]}]}]
    searches = [{"vector_store_search_response": one_} for one_ in found]
    assert one(response__choices=choices)["truncated"] is True
    assert one(metadata__vector_store_request_metadata=searches)["truncated"] is True
    messages = [{"role": "system", "content": CUT}, {"role": "user", "content": "Why?"}]
    assert one(proxy_server_request__messages=messages)["truncated"] is True
    assert "truncated" not in one()


def test_the_customer_is_the_user_and_else_who_holds_the_key() -> None:
    assert one(end_user=None)["user_id"] == "svc-support"
    assert one(session_id=None, metadata__trace_id="t-1")["trace_id"] == "t-1"


WORDS = st.sampled_from([*STORY, *STORY["metadata"], *STORY["proxy_server_request"], "body", "data",
    "content", "text", "usage_object", "error_information", "additional_usage_values"])  # fmt: skip
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
def test_every_row_is_an_interaction_or_a_reject(changes: list[dict[str, Any]]) -> None:
    for number, change in enumerate(changes, 1):
        line = Line("spend", number, json.dumps(STORY | change).encode())
        rows, rejects = read_lines(SOURCE, [line], ALWAYS)
        assert len(rejects) == (0 if rows else 1)
        assert all(reject.line == number and reject.reason for reject in rejects)
        assert all("source_id" in row and "started_at" in row for row in rows)
