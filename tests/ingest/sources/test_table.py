"""Tables with a column mapping: the golden story in Parquet, CSV and JSON lines, and cells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.ingest.contract import Line
from evalkit.ingest.doors.files import lines
from evalkit.ingest.sources.table import SOURCE
from evalkit.schema import INTERACTIONS
from tests.ingest.golden import (
    ALWAYS,
    DATA,
    assert_costs_the_same,
    assert_tells_the_story,
    read_lines,
)

COLUMNS = {
    "source_id": "id",
    "started_at": "time",
    "query": "question",
    "response": "answer",
    "system_prompt": "system",
    "contexts": "docs",
    "model": "served_model",
    "user_id": "meta.user",
    "session_id": "meta.session",
    "prompt_name": "meta.prompt.name",
    "prompt_version": "meta.prompt.version",
    "tokens_input": "in",
    "tokens_cached": "cached",
    "tokens_output": "out",
    "cost_logged_usd": "usd",
}


def parse(
    record: dict[str, Any], columns: dict[str, str] | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    record = {"started_at": "2026-11-22T02:14:05Z"} | record
    line = Line("x", 1, json.dumps(record).encode())
    rows, rejects = read_lines(SOURCE, [line], columns=columns or {})
    return rows, [reject.reason for reject in rejects]


@pytest.mark.parametrize("name", ["table.jsonl", "table.csv", "table.parquet"])
def test_the_story(name: str) -> None:
    found = lines(name, DATA, "evalkit.toml: [sources.gateway] path")
    (row,), rejects = read_lines(SOURCE, found, columns=COLUMNS)
    assert rejects == []
    assert_tells_the_story(row)
    assert_costs_the_same(row, logged=True)
    assert row["source_id"] == "chatcmpl-AbC123"
    assert row["attributes"]["tier"] == "gold"
    assert row["prompt_fingerprint"]


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("tokens_input", "412", 412),
        ("tokens_input", 412.0, 412),
        ("latency_ms", "1.5e3", 1500.0),
        ("truncated", "yes", True),
        ("truncated", 0, False),
        ("user_id", 7, "7"),
        ("user_id", 7.0, "7"),
        ("query", {"a": 1}, '{"a":1}'),
        ("response", " ", None),
        ("tokens_input", "", None),
        ("relevant_ids", "a", ["a"]),
        ("relevant_ids", '["a", 7]', ["a", "7"]),
        ("history", ["Hi"], [{"role": "user", "content": "Hi"}]),
        ("updated_at", "1795313645", datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)),
        ("feedback", '{"name": "thumb", "value": true}',
         [{"name": "thumb", "value": 1.0}]),
    ],
)  # fmt: skip
def test_a_cell_becomes_what_its_column_holds(column: str, cell: Any, value: Any) -> None:
    (row,), reasons = parse({column: cell})
    assert reasons == []
    assert row.get(column) == value


@pytest.mark.parametrize(
    "cell", ["one text", ["one text"], '["one text"]', {"text": "one text"}, '{"content": "one text"}']
)  # fmt: skip
def test_contexts_in_any_way(cell: Any) -> None:
    (row,), _ = parse({"contexts": cell})
    assert [chunk["text"] for chunk in row["contexts"]] == ["one text"]


@pytest.mark.parametrize(
    ("record", "columns", "reason"),
    [
        ({"in": "many"}, {"tokens_input": "in"}, "tokens_input (from in): is no whole number"),
        ({"tokens_input": "1.5"}, {}, "tokens_input: is no whole number"),
        ({"latency_ms": "inf"}, {}, "latency_ms: is no number"),
        ({"truncated": "maybe"}, {}, "truncated: is neither true nor false"),
        ({"when": "soon"}, {"started_at": "when"}, "started_at: is no time"),
        ({"relevant_ids": [{}]}, {}, "relevant_ids[0]: is no text"),
    ],
)
def test_a_cell_that_cannot_be_its_column_names_both(
    record: dict[str, Any], columns: dict[str, str], reason: str
) -> None:
    rows, reasons = parse(record, columns)
    assert (rows, reasons) == ([], [reason])


def test_a_mapped_column_stands_before_one_of_the_same_name() -> None:
    (row,), _ = parse({"query": "a", "question": "b"}, {"query": "question"})
    assert row["query"] == "b"


def test_a_name_with_dots_is_first_taken_as_a_name() -> None:
    record = {"user.id": "a", "user": {"id": "b", "tier": 1}}
    (row,), _ = parse(record, {"user_id": "user.id", "session_id": "user.tier"})
    assert (row["user_id"], row["session_id"]) == ("a", "1")
    assert row["attributes"]["user"] == '{"id":"b","tier":1}'


def test_an_unknown_column_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"columns: 'qery' is no column.* Did you mean 'query'"):
        parse({}, {"qery": "a"})


NAMES = [column.name for column in INTERACTIONS.columns]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=8)
    | st.sampled_from(["1", "1.5", "yes", "[", '["a"]', '{"text": "a"}', "2026-11-22", "nan"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "text", "name", "value", "role", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([*NAMES, "a", "b"]), JSON, max_size=6),
    st.dictionaries(
        st.sampled_from([name for name in NAMES if name not in ("day", "interaction_id", "source")]),
        st.sampled_from(["a", "b", "a.id", "b.text.a", ""]),
        max_size=4,
    ),
)  # fmt: skip
def test_a_record_is_a_row_or_a_reject(record: dict[str, Any], columns: dict[str, str]) -> None:
    line = Line("x", 1, json.dumps({"started_at": "2026-11-22T02:14:05Z"} | record).encode())
    rows, rejects = read_lines(SOURCE, [line], ALWAYS, columns=columns)
    assert len(rows) + len(rejects) == 1
    assert all("source_id" in row for row in rows)
    assert all("cannot be read" not in reject.reason for reject in rejects)
