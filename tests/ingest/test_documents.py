"""Files of one document: what is whole comes whole, what is not comes as it is, nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.ingest import documents as documents_module
from evalkit.ingest.contract import Line
from evalkit.ingest.documents import documents
from tests.ingest.story import WINDOW

RECORD: dict[str, Any] = {"a": {"b": [1, 2]}, "c": "x\ny"}


def of(text: str, file: str = "f") -> list[Line]:
    return [Line(file, number, one.encode()) for number, one in enumerate(text.split("\n"), 1)]


def read(*lines: Line) -> list[tuple[str, int, Any]]:
    return [(one.file, one.number, json.loads(one.data)) for one in documents(lines, WINDOW)]


@pytest.mark.parametrize("indent", [1, 2, "\t"])
def test_an_indented_document_is_one_line(indent: int | str) -> None:
    lines = of(json.dumps(RECORD, indent=indent)) + of(json.dumps(RECORD, indent=indent), "g")
    assert read(*lines) == [("f", 1, RECORD), ("g", 1, RECORD)]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_is_a_line_for_each_of_its_objects(indent: int | None) -> None:
    assert read(*of(json.dumps([RECORD, {}], indent=indent))) == [("f", 1, RECORD), ("f", 1, {})]


@pytest.mark.parametrize("text", ["[]", "[1]", '[{}, "a"]', "[{}", "{", '{"a": 1}', "7"])
def test_what_is_no_document_comes_as_it_is(text: str) -> None:
    assert [one.data.decode() for one in documents(of(text), WINDOW)] == [text]


def test_a_document_that_is_cut_is_one_line() -> None:
    text = json.dumps(RECORD, indent=2)[:-4]
    (found,) = documents(of(text), WINDOW)
    assert found.data.decode() == text


def test_a_line_after_a_lone_bracket_is_read_by_itself() -> None:
    lines = of("{\n" + json.dumps(RECORD))
    assert [one.data for one in documents(lines, WINDOW)] == [one.data for one in lines]


def test_a_document_that_is_too_large_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "MAX_DOCUMENT_BYTES", 10)
    (found,) = documents(of(json.dumps(RECORD, indent=2)), WINDOW)
    assert found.problem == "a document of more than 10 bytes; write one record a line"


def test_a_problem_of_a_line_is_the_documents() -> None:
    first, *more = of(json.dumps(RECORD, indent=2))
    (found,) = documents([first, more[0]._replace(problem="cut"), *more[1:]], WINDOW)
    assert found.problem == "cut"


@given(st.lists(st.sampled_from(["{", "[", "}", "]", " 1", '"a"', "[{}]", "{}", "\t", "[1]", "x"])))
def test_no_byte_is_lost(texts: list[str]) -> None:
    lines = [Line("f", number, text.encode()) for number, text in enumerate(texts, 1)]
    found = b"\n".join(one.data for one in documents(lines, WINDOW))
    # Only a list of objects is taken apart.
    assert found.replace(b"[{}]", b"{}") == "\n".join(texts).encode().replace(b"[{}]", b"{}")
