"""Messages, answers and documents: structured, as JSON in a string, cut, or something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from evalkit.ingest.dialects.messages import (
    answers_of,
    chat_of,
    documents_of,
    is_cut,
    loaded,
    plain_text,
)
from evalkit.ingest.spans import Answer
from tests.ingest.test_source_contract import JSON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", ("plain", False)),
        (" [1] ", ([1], False)),
        ('{"a": NaN}', ({"a": None}, False)),
        ("{'a': 1}", ("{'a': 1}", False)),  # Python's own writing is text
        ("{curly} text", ("{curly} text", False)),
        ("[1] says the source", ("[1] says the source", False)),
        ('[{"a": 1}, {"b"', ([{"a": 1}], True)),
        ('[{"a', ([], True)),
        ('{"a": "b', (None, True)),
        ("[" * 100_000, ([], True)),
        ([1], ([1], False)),
        (None, (None, False)),
    ],
)
def test_json_in_a_string(value: object, expected: object) -> None:
    assert loaded(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Hi", [("user", "Hi")]),
        (["Hi", 5], [("user", "Hi")]),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "b"]}],
         [("user", "a\nb")]),
        ([{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"},
                                          {"type": "text", "content": "a"},
                                          {"type": "tool_call", "name": "f"}]}],
         [("assistant", "a")]),
        ([{"role": "tool", "parts": [{"type": "tool_call_response", "response": {"n": 1}}]}],
         [("tool", '{"n":1}')]),
        ([{"role": "user", "parts": [{"type": "tool_result", "content": [{"type": "text",
                                                                         "text": "r"}]}]}],
         [("tool", "r")]),
        ([{"role": "assistant", "content": None}], [("assistant", None)]),
        ([{"role": "Human", "content": "a"}, {"role": "AI", "content": "b"},
          {"role": "model", "content": "c"}, {"role": "System", "content": "d"}],
         [("user", "a"), ("assistant", "b"), ("assistant", "c"), ("system", "d")]),
        ({"messages": [{"role": "user", "content": "a"}], "system": "S"},
         [("system", "S"), ("user", "a")]),
        ({"prompt": "a"}, [("user", "a")]),
        ({"role": "user", "content": "a"}, [("user", "a")]),
        ([], None), (5, None), (" ", None), (None, None),
    ],
)  # fmt: skip
def test_messages(value: object, expected: list[tuple[str, Any]] | None) -> None:
    found = chat_of(value)
    assert (found and [(one["role"], one["content"]) for one in found]) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Hi", (Answer("Hi"),)),
        ([{"parts": [{"type": "text", "content": "a"}], "finish_reason": "stop"}],
         (Answer("a", "stop"),)),
        ([{"index": 0, "finish_reason": "length", "message": {"content": "a"}}],
         (Answer("a", "length"),)),
        ({"choices": [{"message": {"content": None, "tool_calls": [{}]}}]},
         (Answer(None, None, True),)),
        ([{"parts": [{"type": "tool_call"}]}], (Answer(None, None, True),)),
        ([{"content": None, "refusal": "No."}], (Answer("No."),)),
        ([], None), (5, None), (None, None),
    ],
)  # fmt: skip
def test_answers(value: object, expected: object) -> None:
    assert answers_of(value) == expected


def test_documents_with_their_metadata_beside_them() -> None:
    found = documents_of(
        [
            {"id": "1", "content": "A", "metadata": '{"source": "a.md", "id": "other"}'},
            {"page_content": "B", "metadata": {"chunk_id": "b"}},
            {"file_id": "c", "content": [{"type": "text", "text": "C"}]},
            "D",
            5,
        ]
    )
    assert found == [
        {"source": "a.md", "id": "1", "content": "A"},
        {"chunk_id": "b", "page_content": "B"},
        {"file_id": "c", "content": "C"},
        {"text": "D"},
    ]
    assert documents_of({"documents": []}) == []
    assert documents_of("text") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "a"), ('{"question": "a"}', "a"), ('"a"', "a"), ('{"a": 1}', None), ("[1]", None),
     ('{"a": "x", "b": "y"}', None), (" ", None), (5, None)],
)  # fmt: skip
def test_the_one_text_of_a_step(value: object, expected: str | None) -> None:
    assert plain_text(value) == expected


def test_a_text_as_long_as_a_limit_is_cut() -> None:
    assert is_cut("a" * 65_536)
    assert is_cut("é" * 32_768)
    assert not is_cut("a" * 65_534)
    assert not is_cut(None)


@settings(deadline=None)
@given(JSON)
def test_no_value_breaks_them(value: Any) -> None:
    for one in (value, [value], {"messages": [value]}, {"role": value, "parts": [value]}):
        chat_of(one)
        answers_of(one)
        documents_of(one)
        plain_text(one)
        for message in chat_of([one]) or []:
            assert isinstance(message["role"], str)
            assert message["content"] is None or isinstance(message["content"], str)
