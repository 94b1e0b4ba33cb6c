"""OpenInference attributes, dotted as instruments write them and nested as Phoenix exports them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.dialects.openinference import indexed, read
from evalkit.ingest.fields import Fields
from evalkit.ingest.spans import Meaning, Usage
from tests.ingest.test_source_contract import JSON

DOTTED: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "m-1",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "S",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "Q",
    "llm.input_messages.1.message.contents.1.message_content.type": "image",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "A",
    "llm.token_count.prompt": 7,
    "llm.token_count.completion": 2,
    "llm.token_count.prompt_details.cache_read": 3,
    "llm.cost.total": 0.5,
}
NESTED: dict[str, Any] = {
    "openinference": {"span": {"kind": "LLM"}},
    "llm": {
        "model_name": "m-1",
        "input_messages": [
            {"message": {"role": "system", "content": "S"}},
            {"message": {"role": "user", "contents": [
                {"message_content": {"type": "text", "text": "Q"}},
                {"message_content": {"type": "image"}}]}},
        ],
        "output_messages": [{"message": {"role": "assistant", "content": "A"}}],
        "token_count": {"prompt": 7, "completion": 2, "prompt_details": {"cache_read": 3}},
        "cost": {"total": 0.5},
    },
}  # fmt: skip


def meaning(attributes: dict[str, Any]) -> Meaning:
    return read(Fields(attributes))


@pytest.mark.parametrize("attributes", [DOTTED, NESTED], ids=["dotted", "nested"])
def test_a_call(attributes: dict[str, Any]) -> None:
    found = meaning(attributes)
    assert [(one["role"], one["content"]) for one in found.messages or []] == [
        ("system", "S"), ("user", "Q"),
    ]  # fmt: skip
    assert (found.kind, found.text, found.model, found.cost_usd) == ("llm", "A", "m-1", 0.5)
    assert found.usage == Usage(input=7, output=2, cached=3)


def test_messages_in_the_order_of_their_numbers() -> None:
    many = {f"a.{i}.x": i for i in reversed(range(11))}
    assert [item["x"] for item in indexed(dict(many), "a") or []] == list(range(11))
    assert indexed({"a.99999.x": 1, "a.x": 1, "a.²": 1}, "a") is None
    assert indexed({"a.5.x": 1, "a.2": {"x": {"y": 0}}}, "a") == [{"x.y": 0}, {"x": 1}]


def test_a_call_that_only_tells_its_input_and_output() -> None:
    found = meaning(
        {
            "openinference.span.kind": "LLM",
            "input.value": '{"messages": [{"role": "user", "content": "Q"}]}',
            "input.mime_type": "application/json",
            "output.value": '{"choices": [{"message": {"content": "A"}}]}',
            "output.mime_type": "application/json",
        }
    )
    assert (found.messages, found.text) == ([{"role": "user", "content": "Q"}], "A")
    plain = meaning({"openinference.span.kind": "LLM", "input.value": "Q", "output.value": "[1]"})
    assert (plain.messages, plain.text) == ([{"role": "user", "content": "Q"}], "[1]")


def test_the_older_completions() -> None:
    found = meaning({"openinference.span.kind": "LLM", "llm.prompts.0.prompt.text": "Q",
                     "llm.choices.0.completion.text": "A"})  # fmt: skip
    assert (found.messages, found.text) == ([{"role": "user", "content": "Q"}], "A")


def test_what_an_instrument_hides_is_missing() -> None:
    hidden = {name: "__REDACTED__" if name.endswith((".content", ".text")) else value
              for name, value in DOTTED.items()} | {"input.value": "__REDACTED__"}  # fmt: skip
    found = meaning(hidden)
    assert [one["content"] for one in found.messages or []] == [None, None]
    assert (found.text, found.input_text) == (None, None)
    assert found.usage == Usage(input=7, output=2, cached=3)


def test_a_search_and_its_query() -> None:
    found = meaning(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "Q",
            "retrieval.documents.0.document.id": "1",
            "retrieval.documents.0.document.content": "A",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.0.document.metadata": '{"source": "a.md", "id": "x"}',
            "retrieval.documents.1.document.content": "B",
        }
    )
    assert (found.kind, found.query) == ("retrieval", "Q")
    assert found.documents == [
        {"id": "1", "content": "A", "score": 0.5, "source": "a.md"}, {"content": "B"},
    ]  # fmt: skip


def test_a_reranking_gives_what_it_kept() -> None:
    attributes = {
        "openinference.span.kind": "RERANKER",
        "reranker.query": "Q",
        "reranker.input_documents.0.document.id": "1",
        "reranker.input_documents.1.document.id": "2",
        "reranker.output_documents.0.document.id": "2",
    }
    found = meaning(attributes)
    assert (found.kind, found.query, found.documents) == ("rerank", "Q", [{"id": "2"}])


def test_annotations_and_evaluations_are_the_same_thing() -> None:
    found = meaning(
        {
            "openinference.span.kind": "CHAIN",
            "annotations.0.annotation.name": "thumb",
            "annotations.0.annotation.score": 1,
            "annotations.0.annotation.annotator_kind": "HUMAN",
            "evaluations.0.evaluation.name": "tone",
            "evaluations.0.evaluation.label": "kind",
            "session.annotations.0.annotation.name": "whole conversation",
        }
    )
    notes = [(note["name"], note["value"], note["label"], note["by"])
             for note in found.feedback or []]  # fmt: skip
    assert notes == [("thumb", 1, None, "HUMAN"), ("tone", None, "kind", None)]


def test_a_span_of_something_else_still_tells_who_it_was_for() -> None:
    assert meaning({"session.id": "s", "user.id": 7, "http.method": "GET"}) == Meaning(
        session_id="s", user_id="7"
    )


NAMES = st.sampled_from(
    ["openinference.span.kind", "llm.input_messages", "llm.input_messages.0",
     "llm.input_messages.0.message.contents", "llm.input_messages.0.message.role", "llm", "input",
     "llm.output_messages.3.message.tool_calls.0", "input.value", "output.value", "reranker",
     "retrieval.documents.0.document.metadata", "retrieval.documents", "annotations",
     "annotations.0.annotation.score", "llm.token_count.prompt", "llm.prompts"]
)  # fmt: skip
KINDS = st.sampled_from(["LLM", "RETRIEVER", "RERANKER", "TOOL", "chain"])


@settings(deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=5), KINDS)
def test_no_value_breaks_it(attributes: dict[str, Any], kind: str) -> None:
    meaning(attributes)
    meaning({"openinference.span.kind": kind, **attributes})
