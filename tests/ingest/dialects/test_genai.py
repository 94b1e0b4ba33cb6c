"""The GenAI conventions in their three dialects, and what neighbours write instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.dialects import genai
from evalkit.ingest.fields import Fields
from evalkit.ingest.spans import Event, Meaning, Span, Usage
from tests.ingest.spans import START, TRACE
from tests.ingest.test_source_contract import JSON


def read(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> Meaning:
    found = tuple(Event(name, START + i, fields) for i, (name, fields) in enumerate(events))
    span = Span(TRACE, "a", None, "chat", START, START + 10**9, attributes=attributes, events=found)
    return genai.read(span, Fields(attributes))


def turns(meaning: Meaning) -> list[tuple[str, str | None]]:
    return [(one["role"], one["content"]) for one in meaning.messages or []]


MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "Q"}]}]
OUTPUT = [{"role": "assistant", "parts": [{"type": "text", "content": "A"}]}]


@pytest.mark.parametrize("write", [json.dumps, lambda value: value])
def test_messages_as_json_and_structured(write: Any) -> None:
    meaning = read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system_instructions": write([{"type": "text", "content": "S"}]),
            "gen_ai.input.messages": write(MESSAGES),
            "gen_ai.output.messages": write(OUTPUT),
        }
    )
    assert turns(meaning) == [("system", "S"), ("user", "Q")]
    assert meaning.text == "A"
    assert meaning.truncated is None


def test_a_system_message_that_stands_in_both_places_counts_once() -> None:
    both = [{"role": "system", "content": "S"}, *MESSAGES]
    meaning = read({"gen_ai.input.messages": both, "gen_ai.system_instructions": "S"})
    assert turns(meaning) == [("system", "S"), ("user", "Q")]


def test_messages_in_an_event_of_details() -> None:
    details = {"gen_ai.input.messages": MESSAGES, "gen_ai.output.messages": OUTPUT}
    meaning = read({"gen_ai.operation.name": "chat"},
                   ("gen_ai.client.inference.operation.details", details))  # fmt: skip
    assert (turns(meaning), meaning.text) == ([("user", "Q")], "A")


def test_messages_as_events() -> None:
    meaning = read(
        {"gen_ai.system": "openai"},
        ("gen_ai.system.message", {"content": "S"}),
        ("gen_ai.user.message", {"body": {"content": "Q"}}),
        ("gen_ai.assistant.message", {"tool_calls": "[]"}),
        ("gen_ai.tool.message", {"event.body": '{"content": "42"}'}),
        ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"content": "A"}'}),
        ("gen_ai.choice", {"index": 1, "finish_reason": "length", "message.content": "B",
                           "message": {"content": "B"}}),
    )  # fmt: skip
    assert turns(meaning) == [("system", "S"), ("user", "Q"), ("assistant", None), ("tool", "42")]
    assert [(one.text, one.finish_reason) for one in meaning.answers or ()] == [
        ("A", "stop"), ("B", "length"),
    ]  # fmt: skip
    assert meaning.kind == "llm"


def test_messages_as_content_events_and_as_one_attribute() -> None:
    prompt, completion = json.dumps([{"role": "user", "content": "Q"}]), '[{"content": "A"}]'
    for meaning in (
        read({}, ("gen_ai.content.prompt", {"gen_ai.prompt": prompt}),
             ("gen_ai.content.completion", {"gen_ai.completion": completion})),
        read({"gen_ai.prompt": prompt, "gen_ai.completion": completion}),
        read({"gen_ai.prompt": "Q", "gen_ai.completion": "A"}),
    ):  # fmt: skip
        assert (turns(meaning), meaning.text) == ([("user", "Q")], "A")


def test_numbered_messages_in_the_order_of_their_numbers() -> None:
    meaning = read(
        {
            "llm.request.type": "chat",
            **{f"gen_ai.prompt.{i}.role": "user" for i in range(12)},
            **{f"gen_ai.prompt.{i}.content": str(i) for i in reversed(range(12))},
            "gen_ai.completion.0.content": '[{"type": "text", "text": "A"}]',
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.name": "f",
        }
    )
    assert [text for _, text in turns(meaning)] == [str(i) for i in range(12)]
    (answer,) = meaning.answers or ()
    assert (answer.text, answer.calls) == ("A", True)


def test_a_numbered_message_without_content_or_role() -> None:
    meaning = read(
        {
            "gen_ai.prompt.0.role": "assistant",
            "gen_ai.prompt.1.content": "Q",
            "gen_ai.prompt.2.content": '[{"type": "text", "text": "R"}]',
            "gen_ai.prompt.3.tool_calls.0.name": "f",
            "gen_ai.prompt.4.role": ["user"],
        }
    )
    assert turns(meaning) == [
        ("assistant", None), ("user", "Q"), ("user", "R"), ("user", None), ("user", None),
    ]  # fmt: skip


def test_an_answer_that_is_json_stays_a_text() -> None:
    assert read({"gen_ai.completion.0.content": '{"a": 1}'}).text == '{"a": 1}'
    assert read({"ai.response.text": "[1, 2]"}).text == "[1, 2]"


def test_the_names_of_vercels_sdk() -> None:
    meaning = read(
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text",
                                                                          "text": "Q"}]}]),
            "ai.response.text": "A",
            "ai.usage.promptTokens": 7,
            "ai.usage.completionTokens": 2,
            "gen_ai.usage.input_tokens": 7,
            "ai.response.msToFirstChunk": 12.5,
            "ai.response.finishReason": "stop",
            "ai.telemetry.metadata.userId": "u",
        }
    )  # fmt: skip
    assert (turns(meaning), meaning.text, meaning.kind) == ([("user", "Q")], "A", "llm")
    assert meaning.usage == Usage(input=7, output=2)
    assert (meaning.ttft_ms, meaning.finish_reason, meaning.user_id) == (12.5, "stop", "u")


@pytest.mark.parametrize(
    "names",
    [
        ("input_tokens", "output_tokens", "cache_read.input_tokens", "cache_write.input_tokens"),
        ("prompt_tokens", "completion_tokens", "cache_read_input_tokens",
         "cache_creation.input_tokens"),
        ("prompt_tokens", "completion_tokens", "cache_read_input_tokens",
         "cache_creation_input_tokens"),
    ],
)  # fmt: skip
def test_tokens_under_all_their_names(names: tuple[str, ...]) -> None:
    usage = read({f"gen_ai.usage.{name}": i for i, name in enumerate(names, 1)}).usage
    assert usage == Usage(input=1, output=2, cached=3, written=4)


def test_no_tokens_are_unknown_and_not_zero() -> None:
    assert read({"gen_ai.operation.name": "chat"}).usage is None


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "retrieval"}, "retrieval"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, "agent"),
        ({"gen_ai.operation.name": "something_new", "gen_ai.request.model": "m"}, "other"),
        ({"traceloop.span.kind": "workflow"}, "chain"),
        ({"gen_ai.request.model": "m"}, "llm"),
        ({"http.method": "GET"}, "other"),
        ({"gen_ai.operation.name": 5}, "other"),
    ],
)
def test_kinds(attributes: dict[str, Any], kind: str) -> None:
    assert read(attributes).kind == kind


def test_time_to_the_first_chunk_is_in_seconds() -> None:
    assert read({"gen_ai.response.time_to_first_chunk": 0.41}).ttft_ms == 410


def test_messages_that_a_back_end_cut_are_truncated() -> None:
    cut = json.dumps([*MESSAGES, *OUTPUT])[:-20]
    meaning = read({"gen_ai.input.messages": cut})
    assert (turns(meaning), meaning.truncated) == ([("user", "Q")], True)
    assert read({"gen_ai.completion.0.content": "a" * 65_536}).truncated


def test_evaluation_results_are_feedback() -> None:
    result = {
        "gen_ai.evaluation.name": "groundedness",
        "gen_ai.evaluation.score.value": 0.97,
        "gen_ai.evaluation.score.label": "supported",
        "gen_ai.evaluation.explanation": "1 of 1",
    }
    (said,) = read({}, ("gen_ai.evaluation.result", result)).feedback or []
    assert (said["name"], said["value"], said["label"], said["comment"]) == (
        "groundedness", 0.97, "supported", "1 of 1",
    )  # fmt: skip


NAMES = st.sampled_from(
    ["gen_ai.operation.name", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt",
     "gen_ai.prompt.0.content", "gen_ai.completion.99999.role", "gen_ai.completion",
     "gen_ai.system_instructions", "gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens",
     "gen_ai.retrieval.documents", "gen_ai.tool.call.result", "ai.prompt", "traceloop.entity.input",
     "gen_ai.response.time_to_first_chunk"]
)  # fmt: skip
EVENTS = st.sampled_from(
    ["gen_ai.user.message", "gen_ai.choice", "gen_ai.client.inference.operation.details",
     "gen_ai.evaluation.result", "gen_ai.content.prompt", "gen_ai.content.completion"]
)  # fmt: skip
FIELDS = st.sampled_from(["content", "body", "message", "role", "event.body", "gen_ai.prompt",
                          "gen_ai.completion", "gen_ai.input.messages", "parts"])  # fmt: skip


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, JSON | JSON.map(json.dumps), max_size=4),
    st.lists(st.tuples(EVENTS, st.dictionaries(FIELDS, JSON, max_size=3)), max_size=3),
)
def test_no_value_breaks_it(attributes: Any, events: Any) -> None:
    read(attributes, *events)
