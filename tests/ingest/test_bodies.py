"""Bodies of model endpoints: a stream says what the whole says, and no body breaks the reading."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit.ingest.bodies import Asked, asked_of, body_of, said_of
from evalkit.ingest.gemini_shapes import chat_of_gemini, choices_of_gemini, joined_gemini
from evalkit.ingest.prompts import text_of_content
from evalkit.schema import INTERACTIONS
from tests.ingest.test_source_contract import JSON

NAMES = ("messages", "inputs", "contents", "instances", "prompt", "system", "model", "choices",
         "candidates", "content", "generated_text", "generation", "predictions", "outputs", "token",
         "type", "delta", "usage", "usageMetadata", "details", "error", "parts", "role", "text",
         "message", "stop_reason", "groundingMetadata", "groundingChunks", "object")  # fmt: skip
VALUES = JSON | st.sampled_from(["message_start", "content_block_delta", "chat.completion.chunk"])
BODIES = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(request=BODIES, response=BODIES)
@example(
    request={"messages": [{"role": []}]}, response={"candidates": [{"content": {"parts": {}}}]}
)
@example(request={"messages": ["message_start"], "prompt": []}, response=[])
def test_any_bodies_give_choices(request: Any, response: Any) -> None:
    said = said_of(body_of(response), asked_of(body_of(request)))
    assert said.choices
    assert {name for choice in said.choices for name in choice} <= {*INTERACTIONS.schema.names}
    assert {*said.usage} <= {*INTERACTIONS.schema.names}
    assert all(isinstance(choice["attributes"], dict) for choice in said.choices)


@given(st.lists(BODIES, max_size=4))
def test_any_chunks_of_gemini_are_joined(chunks: list[Any]) -> None:
    whole = joined_gemini(chunks)
    assert all(choice.text is None or isinstance(choice.text, str)
               for choice in choices_of_gemini(whole))  # fmt: skip


@given(st.text(min_size=1), st.lists(st.integers(0, 50), max_size=5))
def test_a_stream_of_gemini_says_what_the_whole_says(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    chunks: list[dict[str, Any]] = [
        {"candidates": [{"content": {"parts": [{"text": piece}]}}]} for piece in pieces
    ]
    chunks[-1]["candidates"][0]["finishReason"] = "STOP"
    (choice,) = choices_of_gemini(joined_gemini(chunks))
    assert (choice.text, choice.finish_reason) == (text, "stop")
    said = said_of(chunks, Asked())
    assert (said.streamed, said.cut) == (True, False)


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}, {"a": 2}], [1], "text", None, 7])
def test_a_body_and_its_text_are_the_same(value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, dict | list):
        assert body_of(text) == body_of(value) == value
    else:
        assert body_of(text) == text


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"system": "S", "messages": [{"role": "user", "content": "Q"}]}, ["S", "Q"]),
        ({"system": [{"type": "text", "text": "S"}], "messages": []}, ["S"]),
        ({"inputs": ["Q"]}, ["Q"]),
        ({"inputs": [{"role": "user", "content": "Q"}]}, ["Q"]),
        ({"instances": [{"inputs": "Q"}]}, ["Q"]),
        ({"input": "Q", "instructions": "S"}, ["S", "Q"]),
        ("Q", ["Q"]),
        ({}, []),
        (7, []),
    ],
)
def test_requests(body: Any, texts: list[str]) -> None:
    assert [text_of_content(one["content"]) for one in asked_of(body).messages] == texts


@pytest.mark.parametrize(
    "contents", ["Q", {"role": "user", "parts": [{"text": "Q"}]}, [{"parts": {"text": "Q"}}], ["Q"]]
)
def test_what_sdks_give_gemini(contents: Any) -> None:
    request = {"contents": contents, "config": {"system_instruction": "S"}}
    assert [one["content"] for one in chat_of_gemini(request)] == ["S", "Q"]


def test_tools_that_anthropic_asks_for() -> None:
    body = {"content": [{"type": "tool_use", "name": "search"}], "stop_reason": "tool_use"}
    (choice,) = said_of(body, Asked()).choices
    assert (choice["response"], choice["finish_reason"]) == (None, "tool_calls")
    assert "search" in choice["attributes"]["response.tool_calls"]


def test_what_anthropic_wrote_into_its_cache_is_counted_apart() -> None:
    usage = {"input_tokens": 4, "cache_creation_input_tokens": 3, "output_tokens": 1}
    said = said_of({"content": [{"type": "text", "text": "A"}], "usage": usage}, Asked())
    assert said.usage["token_semantics"] == "exclusive"
    assert said.choices[0]["attributes"]["tokens_cache_written"] == "3"
