"""LangSmith runs: the golden story, and the shapes that SDKs put inputs and outputs in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Line
from evalkit.ingest.sources.langsmith import SOURCE
from tests.ingest.golden import (
    CANONICAL,
    DATA,
    assert_costs_the_same,
    assert_tells_the_story,
    lines_of,
    read_lines,
)
from tests.ingest.story import copy_of

ROOT, RETRIEVER, CALL = (
    json.loads(line) for line in (DATA / "langsmith.jsonl").read_text("utf-8").splitlines()
)
ANSWER = CANONICAL["response"]
SYSTEM, USER = (message["content"] for message in CALL["inputs"]["messages"])
USAGE = CALL["outputs"]["usage_metadata"]


def of(*found: dict[str, Any]) -> list[Line]:
    return [
        Line("x.jsonl", number, json.dumps(one).encode()) for number, one in enumerate(found, 1)
    ]


def one(*found: dict[str, Any]) -> dict[str, Any]:
    (row,), rejects = read_lines(SOURCE, of(*found))
    assert rejects == []
    return row


def message(kind: str, content: str, **more: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", kind],
            "kwargs": {"content": content, **more}}  # fmt: skip


def test_the_story() -> None:
    (row,), rejects = read_lines(SOURCE, lines_of("langsmith.jsonl"))
    assert rejects == []
    assert_tells_the_story(row)
    assert_costs_the_same(row, logged=True)
    assert row["source_id"] == CALL["id"]
    assert row["provider"] == "openai"
    assert [stage["kind"] for stage in row["stages"]] == ["retrieval", "llm"]
    assert row["feedback"][0]["name"] == "user_thumb"


def test_the_story_with_json_in_strings_and_in_any_order() -> None:
    def packed(record: dict[str, Any]) -> dict[str, Any]:
        names = ("inputs", "outputs", "extra", "feedback_stats", "events")
        return {k: json.dumps(v) if k in names else v for k, v in record.items()}

    row = one(*(packed(record) for record in (CALL, ROOT, RETRIEVER)))
    assert_tells_the_story(row)


LANGCHAIN_IN = [
    {"messages": [[message("SystemMessage", SYSTEM), message("HumanMessage", USER)]]},
    {"messages": [{"type": "system", "content": SYSTEM}, {"type": "human", "content": USER}]},
    {"messages": [{"type": "system", "data": {"content": SYSTEM}},
                  {"type": "human", "data": {"content": USER}}]},
    {"messages": [["system", SYSTEM], ["human", USER]]},
]  # fmt: skip
LANGCHAIN_OUT = [
    {"generations": [[{"text": ANSWER, "generation_info": {"finish_reason": "stop"},
     "message": message("AIMessage", ANSWER, usage_metadata=USAGE)}]]},
    {"generations": [[{"text": "", "message": message("AIMessageChunk", ANSWER,
     usage_metadata=USAGE, response_metadata={"finish_reason": "stop"})}]]},
    {"messages": [{"role": "assistant", "content": ANSWER, "finish_reason": "stop"}],
     "usage_metadata": USAGE},
    {"output": {"role": "assistant", "content": ANSWER,
     "response_metadata": {"finish_reason": "stop"}, "usage_metadata": USAGE}},
    {"choices": [{"message": {"content": ANSWER}, "finish_reason": "stop"}],
     "usage": {"prompt_tokens": 412, "completion_tokens": 14,
               "prompt_tokens_details": {"cached_tokens": 256}}},
]  # fmt: skip


@pytest.mark.parametrize("inputs", LANGCHAIN_IN)
def test_inputs_of_langchain(inputs: dict[str, Any]) -> None:
    assert_tells_the_story(one(ROOT, RETRIEVER, copy_of(CALL, inputs=inputs)))


@pytest.mark.parametrize("outputs", LANGCHAIN_OUT)
def test_outputs_of_sdks(outputs: dict[str, Any]) -> None:
    assert_tells_the_story(one(ROOT, RETRIEVER, copy_of(CALL, outputs=outputs)))


@pytest.mark.parametrize("inputs", [{"prompt": USER}, {"prompts": [USER]}])
def test_prompts_of_completions(inputs: dict[str, Any]) -> None:
    assert one(copy_of(CALL, inputs=inputs))["query"] == CANONICAL["query"]


@pytest.mark.parametrize(
    "outputs",
    [
        {"output": [{"page_content": "A", "metadata": {"id": "a"}}]},
        {"documents": [{"lc": 1, "kwargs": {"page_content": "A", "metadata": {"id": "a"}}}]},
    ],
)
def test_documents_of_retrievers(outputs: dict[str, Any]) -> None:
    (chunk,) = one(ROOT, copy_of(RETRIEVER, outputs=outputs), CALL)["contexts"]
    assert (chunk["id"], chunk["text"]) == ("a", "A")


def test_a_trace_without_a_model_call_is_a_row_of_its_chain() -> None:
    row = one(ROOT)
    assert (row["query"], row["response"]) == (CANONICAL["query"], ANSWER)


def test_the_tokens_of_parents_are_sums() -> None:
    row = one({**ROOT, "prompt_tokens": 4120, "total_cost": "1"}, RETRIEVER, CALL)
    assert (row["tokens_input"], row["cost_logged_usd"]) == (412, 0.000051)


def test_without_usage_in_the_outputs_the_runs_own_counts() -> None:
    run = copy_of(CALL, outputs={"output": ANSWER},
                  completion_token_details={"reasoning": 4})  # fmt: skip
    row = one(run)
    assert row["response"] == ANSWER
    assert [row[f"tokens_{name}"] for name in ("input", "cached", "output", "reasoning")] == [
        412, 256, 14, 4,
    ]  # fmt: skip
    none = one({**run, "prompt_tokens": 0, "completion_tokens": 0})
    assert "tokens_input" not in none


def test_a_cost_of_nothing_is_unknown() -> None:
    assert "cost_logged_usd" not in one({**CALL, "total_cost": "0"})
    assert "cost_logged_usd" not in one({**CALL, "total_cost": "many"})


def test_the_project_is_not_the_conversation() -> None:
    run = copy_of(CALL)
    del run["extra"]["metadata"]["thread_id"]
    assert "session_id" not in one(run)
    run["extra"]["metadata"]["session_id"] = "s-9"
    assert one(run)["session_id"] == "s-9"


def test_a_pending_run_is_incomplete_until_it_comes_again() -> None:
    pending = {**CALL, "end_time": None, "outputs": None, "status": "pending"}
    row = one(pending)
    assert row["attributes"]["incomplete"] == "true"
    assert not {"latency_ms", "response"} & row.keys()
    for order in ([pending, CALL], [CALL, pending]):
        rows, _ = read_lines(SOURCE, of(*order))
        assert [row["response"] for row in rows] == [ANSWER] * 2
        assert len({row["source_id"] for row in rows}) == 1


def test_an_error_is_named_by_its_class() -> None:
    text = "RateLimitError('Error code: 429')\n\nTraceback (most recent call last): ..."
    row = one({**CALL, "error": text, "status": "error", "outputs": None})
    assert (row["status"], row["error_type"]) == ("error", "RateLimitError")


def test_the_tree_from_the_dotted_order_alone() -> None:
    records = [
        {k: v for k, v in record.items() if k not in ("trace_id", "parent_run_id")}
        for record in (ROOT, RETRIEVER, CALL)
    ]
    assert_tells_the_story(one(*records))


def test_addresses_of_offloaded_payloads_are_not_kept() -> None:
    signed = {"ROOT": {"presigned_url": "https://bucket/x?X-Amz-Signature=secret"}}
    row = one({**CALL, "inputs": {}, "inputs_s3_urls": signed})
    assert row["attributes"]["offloaded"] == "inputs"
    assert "secret" not in json.dumps(row["attributes"])


def test_feedback_records_of_people() -> None:
    said = {"id": "f", "run_id": CALL["id"], "trace_id": CALL["trace_id"], "key": "helpful",
            "score": True, "value": None, "comment": "yes",
            "feedback_source": {"type": "api", "user_id": "u"}}  # fmt: skip
    judged = {**said, "id": "g", "key": "judge", "feedback_source": {"type": "model"}}
    row = one(ROOT, RETRIEVER, CALL, said, said, judged)
    assert [(f["name"], f["value"]) for f in row["feedback"]] == [
        ("helpful", 1.0), ("user_thumb", 1.0),
    ]  # fmt: skip


def test_reasons_of_rejects() -> None:
    rows, rejects = read_lines(
        SOURCE,
        of({"a": 1}, {"run_type": "llm"}, {"start_time": "x"},
           {"start_time": "2026-11-22T02:14:05"}),
    )  # fmt: skip
    assert rows == []
    assert [reject.reason for reject in rejects] == [
        "neither run nor feedback", "start_time: missing", "start_time: is no time", "id: missing",
    ]  # fmt: skip


GOOD = [ROOT, RETRIEVER, CALL]
WORDS = st.sampled_from([*CALL, "messages", "prompt", "generations", "choices", "message", "kwargs",
    "content", "output", "documents", "page_content", "usage_metadata", "response_metadata", "llm",
    "input_token_details", "key", "score", "run_id", "data", "lc", "metadata", "HumanMessage",
    "[{", '{"role": "user"}', "2026-11-22"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(GOOD), st.dictionaries(WORDS, JSON, max_size=5)), max_size=5)
)
def test_any_values_anywhere_cost_no_more_than_their_record(
    changes: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    lines = of(*(record | change for record, change in changes))
    rows, rejects = read_lines(SOURCE, lines)
    assert all("cannot be folded" not in reject.reason for reject in rejects)
    assert {reject.line for reject in rejects} <= {line.number for line in lines}
    assert len(rejects) <= len(lines)
    assert all("source_id" in row and "started_at" in row for row in rows)
